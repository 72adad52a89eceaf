"""Many parked payments at once: chosen by what they have in common, each looked at and shown, then decided as shown."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.domain.codes import Code
from shared.domain.money import format_sums, typed_sum
from shared.domain.payment import State
from shared.payments import bulk, many
from shared.payments.look import Look
from shared.payments.resolve import must_be_right
from shared.people.proposals import Proposal
from worker.web.rooms.answers import Answer, Asked, Html, Refused

ROWS = 50  # each is looked at while a person waits
_PAIRED = "paired"  # succeeded, by the line that is surely it
_BY_LINE = "is succeeded"
_ANSWERS = ("resend", "refused", _PAIRED)
_HOURS = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an answer comes to. shown: a digest of it. items: name, signed amount, currency, what the books show."""

    made: many.Plan | bulk.Plan
    items: Sequence[tuple[str, str, str, str]]
    applied: Sequence[tuple[str, str, str, str]] = ()
    more: bool = False
    sums: Mapping[str, str] = field(default_factory=dict)


def page(asked: Asked) -> Answer:
    """Which ones, and what they are to be."""
    return _shown(asked)


def place(asked: Asked) -> str:
    """The provider whose books are looked into."""
    return _provider(asked)


def look(asked: Asked) -> Answer:
    """What it would come to, by what the books show now. Nothing is kept."""
    return _shown(asked, plan=_plan(asked))


def decide(asked: Asked) -> Answer:
    """Do what was shown, or propose it once people are set up. It is refused where it would come to anything else."""
    answer, reason = asked.text("answer", 20), asked.text("reason")
    must_be_right("succeeded" if answer == _PAIRED else answer, reason=reason, by=asked.who.name)
    plan = _plan(asked)
    if plan.made.shown != asked.text("shown", 64):
        said = asked.say("It would not come to what was shown any more. Look again; nothing was done.")
        raise Refused(said)
    runtime = replace(asked.room.runtime, database=asked.once())
    outcomes: Sequence[many.Outcome] = ()
    proposal: Proposal | None
    if isinstance(plan.made, bulk.Plan):
        proposal = bulk.carry_out(runtime, plan.made, reason=reason, by=asked.who.name)
        if proposal is None:
            outcomes = [many.Outcome(one.look.name, State.SUCCEEDED, _BY_LINE) for one in plan.made.items]
    else:
        outcomes, proposal = many.carry_out(runtime, plan.made, reason=reason, by=asked.who.name)
    return _shown(asked, outcomes=outcomes, proposal=proposal, done=True)


def _shown(asked: Asked, **given: Any) -> Answer:
    providers = sorted(asked.room.runtime.every_lane)
    given = {"plan": None, "outcomes": (), "proposal": None, "done": False, **given}
    given |= {"providers": providers, "codes": sorted(Code), "chosen": {} if given["done"] else asked.form}
    return Html("many.html", {**given, "most": ROWS, "here": "inbox"})


def _plan(asked: Asked) -> _Plan:
    answer, provider = asked.text("answer", 20), _provider(asked)
    if answer not in _ANSWERS:
        raise Refused(asked.say("A parameter is not of its form."), 422)
    runtime = asked.room.runtime
    if answer == _PAIRED:
        paired = bulk.plan(runtime, provider, ROWS)
        items = [(*_row(one.look)[:3], one.line) for one in paired.items]
        return _Plan(paired, items, sums=format_sums(paired.sums))
    made = many.plan(runtime, answer, _which(asked, provider))
    items, applied = [_row(one) for one in made.items], [_row(one) for one in made.applied]
    return _Plan(made, items, applied, made.more, format_sums(made.sums))


def _which(asked: Asked, provider: str) -> many.Which:
    hours, least, code = asked.text("hours", 10), asked.text("least", 30), asked.text("code", 60)
    try:
        smallest = typed_sum(least) if least else None
    except ValueError:
        raise Refused(asked.say("A parameter is not of its form."), 422) from None
    if (hours and not _HOURS.fullmatch(hours)) or (code and code not in list(Code)):
        raise Refused(asked.say("A parameter is not of its form."), 422)
    older_s = float(hours) * 3600 if hours else None
    source = asked.text("source", 64) or None
    return many.Which(provider, source, code or None, older_s, smallest, ROWS)


def _provider(asked: Asked) -> str:
    name = asked.text("provider", 50)
    if name not in asked.room.runtime.every_lane:
        raise Refused(asked.say("There is no such provider."), 404)
    return name


def _row(found: Look) -> tuple[str, str, str, str]:
    return found.name, many.signed_amount(found), found.claim.payment.currency, found.result.detail
