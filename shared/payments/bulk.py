"""bulk: many parked payments decided at once, each by the one line of the books that is it. All of them, or none.

Each payment is looked at again first. One proposal, one approval, one transaction, one audit record.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared import audit
from shared.database.engine import Connection
from shared.domain.answers import Verdict
from shared.domain.payment import State
from shared.payments import agreed, views
from shared.payments.look import Look, Unresolvable, look
from shared.payments.pairs import Pair, pairs
from shared.payments.resolve import NotDecided, decide, locked, must_be_right
from shared.people import proposals
from shared.people.proposals import Approval, Kind, Proposal
from shared.people.prove import set_up
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Item:
    """A payment as it was looked at, and the line that is it."""

    look: Look
    line: str


@dataclass(frozen=True, slots=True)
class Plan:
    """items: in the order of the payments. left_out: the name of each other parked payment, and why."""

    provider: str
    items: Sequence[Item]
    left_out: Sequence[tuple[str, str]]

    @property
    def sums(self) -> Mapping[str, int]:
        """Minor units by currency."""
        found: dict[str, int] = defaultdict(int)
        for item in self.items:
            payment = item.look.claim.payment
            found[payment.currency] += payment.amount_minor
        return dict(found)

    @property
    def shown(self) -> str:
        """A digest of what would be decided, by which it is said that this was seen."""
        rows = sorted((item.look.name, item.look.claim.payment.amount_minor, item.line) for item in self.items)
        return agreed.shown(self.provider, rows)


def plan(runtime: Runtime, provider: str, limit: int | None = None) -> Plan:
    """Which parked payments of a provider have a line that nothing speaks against, looked at again now. limit: so many
    at most. Reads only."""
    with runtime.database.connection() as connection:
        found = _by_payment(pairs(connection, provider))
        names = views.parked(connection, provider)
    most = runtime.settings.people.bulk_most  # each is looked at, and all are locked until the commit
    most = most if limit is None else min(limit, most)
    items: list[Item] = []
    left_out: list[tuple[str, str]] = []
    for name in names:
        why = _against(found.get(name, ())) or ("too many at once; take them next" if len(items) >= most else None)
        looked = None if why else _looked(runtime, name)
        if isinstance(looked, Look) and _shows(looked, found[name][0].line):
            items.append(Item(looked, found[name][0].line))
            continue
        left_out.append((name, why or (looked if isinstance(looked, str) else "the books show something else now")))
    return Plan(provider, items, left_out)


def carry_out(runtime: Runtime, made: Plan, *, reason: str, by: str) -> Proposal | None:
    """Take each line as evidence: every payment of the plan is succeeded, or none. A proposal, and nothing else, once
    people are set up. Raises NotDecided, Unresolvable, ValueError for a bad reason or name."""
    words = must_be_right("succeeded", reason=reason, by=by)
    with runtime.database.transaction() as connection:
        if set_up(connection):
            return _propose(connection, made, words.reason, words.by)
        _all(connection, runtime, made, reason=words.reason, by=words.by, approval=None)
    return None


def again(runtime: Runtime, found: Proposal) -> Plan:
    """The plan of a proposal, each payment looked at anew. Raises Unresolvable."""
    asked = found.asked["items"]
    looks = [look(runtime, one["source"], one["intent_id"]) for one in asked]
    items = [Item(looked, one["line"]) for looked, one in zip(looks, asked, strict=True)]
    return Plan(found.asked["provider"], items, ())


def approved(runtime: Runtime, made: Plan, approval: Approval) -> None:
    """Do what was proposed, with the note that it was approved. Raises what `agreed` does, Void, NotDecided."""
    with runtime.database.transaction() as connection:
        found = proposals.agreed(connection, approval)
        for item in made.items:
            agreed.must_be_so(item.look, found.seen[item.look.name])
        _all(connection, runtime, made, reason=found.reason, by=found.proposed_by, approval=approval)
        proposals.done(connection, found, approval)


def _all(
    connection: Connection, runtime: Runtime, made: Plan, *, reason: str, by: str, approval: Approval | None
) -> None:
    items = sorted(made.items, key=lambda item: item.look.claim.payment.id)
    for item in items:  # all of them, in one order, before a line is taken: nobody waits in a circle
        locked(connection, item.look, runtime.seen)
    for item in sorted(items, key=lambda item: item.line):  # lines in one order, too
        decision = must_be_right(State.SUCCEEDED.value, reason=reason, by=by, line=item.line)
        objection = decide(connection, runtime, item.look, decision, approval)
        if objection is not None:
            raise NotDecided(f"{objection}; nothing was changed")
    content: dict[str, Any] = {"payments": [{"payment": item.look.name, "line": item.line} for item in made.items]}
    if approval is not None:
        content |= {"proposal": approval.number, "approved_by": approval.by}
    audit.write(connection, "payments.succeeded", made.provider, by=by, reason=reason, content=content)


def _propose(connection: Connection, made: Plan, reason: str, by: str) -> Proposal:
    payments = [(item.look.claim.payment, item) for item in made.items]
    items = [{"source": p.source, "intent_id": p.intent_id, "line": item.line} for p, item in payments]
    asked = {"provider": made.provider, "answer": "succeeded", "items": items, "sums": dict(made.sums)}
    seen = {item.look.name: agreed.seen(item.look) for item in made.items}
    given: dict[str, Any] = {"asked": asked, "seen": seen, "reason": reason, "by": by}
    return proposals.propose(connection, Kind.BULK, made.provider, **given)


def _by_payment(found: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
    by_payment: dict[str, list[Pair]] = defaultdict(list)
    for pair in found:
        by_payment[pair.payment].append(pair)
    return by_payment


def _against(found: Sequence[Pair]) -> str | None:
    """Why these are not one line that is surely it, or None."""
    if not found:
        return "no line of its sum is known to be free"
    return found[0].against[0] if found[0].against else None


def _looked(runtime: Runtime, name: str) -> Look | str:
    source, _, intent_id = name.partition("/")
    try:
        return look(runtime, source, intent_id)
    except Unresolvable as error:
        return str(error)


def _shows(looked: Look, line: str) -> bool:
    """Is this line, in the fresh look, still the one that nothing speaks against?"""
    result = looked.result
    shown = [(one["line"], one["marker"]) for one in result.candidates]
    listed = result.evidence.get("whole", True) and not result.evidence.get("missing_successes")
    unsure = result.verdict is Verdict.INCONCLUSIVE and not result.unread and not result.own
    return bool(unsure and listed and shown == [(line, None)])
