"""proposals, approve, reject: what takes two people."""

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import output, person, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.output import JsonFlag
from deploy.cli.person import By
from shared.domain.roles import Deed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.decide.approve import Done
    from shared.payments.many import Outcome
    from shared.people.proposals import Proposal

Number = Annotated[int, typer.Argument(metavar="N", help="its number in `settlepipe proposals`")]


def proposals(
    everything: Annotated[bool, typer.Option("--all", help="those that ended, too")] = False,
    as_json: JsonFlag = False,
) -> None:
    """What one person asked for and another one has to agree to."""
    from shared.people import proposals as kept

    with stack.connection() as connection:
        found = kept.listed(connection, everything=everything)
    if as_json:
        output.json_lines(json.dumps(dataclasses.asdict(one), ensure_ascii=False) for one in found)
        return
    for one in found:
        _show(one)
    if not found:
        print("nothing is proposed")


def approve(number: Number, by: By = None, as_json: JsonFlag = False) -> None:
    """Agree to what another person proposed: it is looked at again, and done."""
    from shared.decide.approve import approve as agree

    with stack.runtime() as runtime, stack.broker() as client:
        who = person.named(runtime.database, by, Deed.APPROVE)
        done = agree(runtime, _in_range(number), who, client=client)
    if as_json:
        told = {"proposal": number, "kind": done.proposal.kind, "subject": done.proposal.subject, "done": done.sentence}
        told |= {"outcomes": [dataclasses.asdict(one) for one in done.each]} if done.each else {}
        output.json_lines([json.dumps(told | ({"token": done.token} if done.token else {}), ensure_ascii=False)])
        _must_be_all(done)
        return
    tell_each(done.each)
    print(output.safe(done.sentence))
    _must_be_all(done)
    if done.token:
        print("the token, shown this once:")
        print(done.token)


def reject(number: Number, reason: Annotated[str, typer.Option(help="why not; kept for ever")], by: By = None) -> None:
    """Say no to it; whoever proposed it may take it back, whatever their role."""
    from shared.decide.approve import reject as refuse
    from shared.people import proposals as kept

    with stack.database() as database:
        with database.connection() as connection:
            who = person.named_on(connection, by, Deed.PROVE)
            if kept.one(connection, _in_range(number)).proposed_by != who:
                person.named_on(connection, by, Deed.APPROVE)
        person.said_right(lambda: refuse(database, number, by=who, reason=reason))
    print(f"proposal {number} is rejected")


def tell_proposal(made: "Proposal", as_json: bool) -> None:
    """That it was proposed, and what comes next."""
    if as_json:
        output.json_lines([json.dumps({"proposal": dataclasses.asdict(made)}, ensure_ascii=False)])
        return
    print(f"proposal {made.id}: it takes two people; another one agrees with `settlepipe approve {made.id}`")
    print(f"nothing was changed; it is void after {made.ends_at[:19]}Z")


def tell_each(outcomes: "Sequence[Outcome]") -> None:
    """What came of each of many."""
    for one in outcomes:
        print(output.safe(f"{one.name}  {'is not decided: ' if one.state is None else ''}{one.said}"))


def _must_be_all(done: "Done") -> None:
    undone = [one for one in done.each if one.state is None]
    if undone:
        again = "; approve it again for those that nobody could look for" if any(one.later for one in undone) else ""
        raise Failed(f"{len(undone)} of {len(done.each)} were not decided and stay as they are{again}")


def _show(one: "Proposal") -> None:
    ended = f"{one.state}{f' by {one.ended_by}' if one.ended_by else ''}" if one.state != "open" else None
    asked = ", ".join(f"{name} {_short(name, value)}" for name, value in one.asked.items() if value is not None)
    next_step = f"settlepipe approve {one.id}" if one.state == "open" else None
    lines = (("by", one.proposed_by), ("asked", asked), ("why", one.reason), ("ended", one.ended_why))
    head = (str(one.id), one.proposed_at[:16] + "Z", one.kind.value, one.subject, ended)
    output.entry(head, (*lines, ("decide", next_step)))


def _short(name: str, value: object) -> str:
    from shared.domain.money import format_amount

    if name == "sums" and isinstance(value, dict):
        return " and ".join(f"{format_amount(minor, currency)} {currency}" for currency, minor in value.items())
    return f"{len(value)} of them" if isinstance(value, list) else str(value)


def _in_range(number: int) -> int:
    if not 0 < number < 2**63:
        raise WrongUse("proposals are numbered from 1; see `settlepipe proposals`")
    return number
