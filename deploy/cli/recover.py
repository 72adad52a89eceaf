"""recover: what people do when the database came back older than the world."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import moments, output, person, stack
from deploy.cli.failures import WrongUse
from deploy.cli.moments import utc
from deploy.cli.output import JsonFlag
from deploy.cli.person import By
from deploy.cli.proposals import tell_proposal
from shared.domain.roles import Deed

if TYPE_CHECKING:
    from shared.recovery.recover import Plan
    from shared.runtime import Runtime

_SHOWN = 20  # of each list; --json has all


def recover(
    by: By = None,
    since: Annotated[
        str | None, typer.Option(help="the last moment of which the database knows everything (RFC 3339)")
    ] = None,
    close: Annotated[bool, typer.Option("--close", help="close the window that is open")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Let a store go on that is held because its database lost time (a restore, a fail-over that lost commits).

    Stop every process that ran before, and the old database, first. What was open then, and every intent that is
    accepted while the window is open, counts as possibly sent and is looked up before anything is sent.
    """
    from shared.messaging import broker
    from shared.recovery import recover as verbs
    from shared.witness import Witnesses

    if close and since is not None:
        raise WrongUse("--close and --since don't go together")
    moment = moments.given(since) if since is not None else None
    with stack.runtime(told=False) as runtime, stack.broker() as client:
        name = person.named(runtime.database, by, Deed.RECOVER)
        two = _takes_two(runtime)
        if close and two:
            with runtime.database.transaction() as connection:
                made = verbs.propose_close(connection, name)
            tell_proposal(made, as_json)
            return
        if close:
            _closed(verbs.close(runtime, name), as_json)
            return
        plan = verbs.plan(runtime, client, moment)
        if not as_json:
            _tell(plan)
        if two:
            with runtime.database.transaction() as connection:
                made = verbs.propose(connection, plan, moment, name)
            tell_proposal(made, as_json)
            return
        done = verbs.recover(runtime, Witnesses(runtime.settings.home, client), plan, name)
        broker.ring(client)
    if as_json:
        print(
            json.dumps(
                {
                    "epoch": done.epoch,
                    "since": utc(done.since),
                    "until": utc(done.until),
                    "final_on_stream": list(plan.finals),
                    "missing": list(plan.missing),
                    "possibly_sent": done.opened,
                    "unbroken": plan.shown.unbroken,
                }
            )
        )
        return
    print(f"recovered, epoch {done.epoch}: {done.opened} open payments count as possibly sent since {utc(done.since)}")
    print(f"now have every upstream resend its intents since {utc(done.since)}; it is told so by an event")


def _takes_two(runtime: "Runtime") -> bool:
    from shared.people.prove import set_up

    with runtime.database.connection() as connection:
        return set_up(connection)


def _tell(plan: "Plan") -> None:
    """What it will do, before it is done."""
    print(
        f"the database knows everything until {utc(plan.since)}" + (f"; it is held: {plan.held}" if plan.held else "")
    )
    print(
        "the events stream "
        + (
            "shows all that upstream was told since"
            if plan.shown.unbroken
            else "does not reach back to then: what upstream was told in between is not known"
        )
    )
    _list("final for upstream, and taken over as it was told", plan.finals)
    _list("accepted for upstream and not here: their intents must come again", plan.missing)


def _list(title: str, subjects: tuple[str, ...]) -> None:
    print(f"{title}: {len(subjects)}")
    for subject in subjects[:_SHOWN]:
        print(f"  {output.safe(subject)}")
    if len(subjects) > _SHOWN:
        print(f"  … and {len(subjects) - _SHOWN} more; --json has all of them")


def _closed(windows: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"closed": windows}))
    elif windows:
        print("the window is closed: what is accepted from now on is sent as before the database lost time")
    else:
        print("no window is open")
