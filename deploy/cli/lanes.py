"""lanes: what each provider's lane does, and its brake."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from deploy.cli import output, person, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.known import must_be_provider
from deploy.cli.moments import utc_or_none
from deploy.cli.output import JsonFlag
from deploy.cli.person import By, MaybeBy, Why, said_right
from shared.domain.roles import Deed

app = typer.Typer(help="The providers' lanes: list them, pause one, resume one.")
Provider = Annotated[str, typer.Argument(metavar="PROVIDER")]


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, as_json: JsonFlag = False) -> None:
    if context.invoked_subcommand is None:
        listed(as_json)
    elif as_json:
        raise WrongUse(f"--json belongs behind the command: lanes {context.invoked_subcommand} --json")


@app.command("list")
def listed(as_json: JsonFlag = False) -> None:
    """Each lane: does it run, why not, how many payments are in each state that is not final, and the money at risk:
    that of payments that may have been applied while nobody knows."""
    from shared import lanes
    from shared.metrics.read import at_risk
    from shared.metrics.risk import by_currency, in_words

    with stack.connection() as connection:
        rows = [shown(row) for row in lanes.overview(connection) if not _looks_up_only(row["provider"])]
        found = at_risk(connection)
    risk = {row["provider"]: [one for one in found if one.provider == row["provider"]] for row in rows}
    if as_json:
        whole = (row | {"at_risk": by_currency(risk[row["provider"]])} for row in rows)
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in whole)
        return
    counted = ((r, ", ".join(f"{n} {state}" for state, n in sorted(r["payments"].items())) or "-") for r in rows)
    columns = ("provider", "lane", "reason", "not final", "money at risk")
    cells = (
        (r["provider"], r["state"], r["reason"] or "-", counts, in_words(risk[r["provider"]])) for r, counts in counted
    )
    output.table(columns, cells)


@app.command()
def pause(provider: Provider, by: By = None, reason: Why = None) -> None:
    """Stop sending to a provider until the lane is resumed. What is on the wire ends as it ends."""
    from shared import brake

    _must_have_a_lane(provider)
    with stack.database() as database:
        name = person.named(database, by, Deed.BRAKE)
        if not said_right(lambda: brake.pause(database, provider, by=name, reason=reason)):
            raise _unknown(provider)
    print(f"{provider} is paused; let it go on with `settlepipe lanes resume {provider}`")


@app.command()
def resume(provider: Provider, by: MaybeBy = None, reason: Why = None) -> None:
    """Let a paused lane go on; one that is halted or open tries one payment at once."""
    from shared import brake, lanes

    _must_have_a_lane(provider)
    with stack.database() as database:
        name = person.named(database, by, Deed.BRAKE, otherwise="somebody")
        if not said_right(lambda: brake.resume(database, provider, by=name, reason=reason)):
            raise _unknown(provider)
        with database.connection() as connection:
            row = next(shown(row) for row in lanes.overview(connection) if row["provider"] == provider)
    tries = "" if row["state"] == "running" else f"; it is {row['state']} and tries one payment now"
    print(f"{provider} is resumed{tries}")


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A lane as programs see it. state: paused, halted, open (the circuit breaker) or running."""
    from shared import lanes

    state, since, reason = lanes.told(row)
    return {
        "provider": row["provider"],
        "state": state,
        "reason": reason,
        "since": utc_or_none(since),
        "open_until": utc_or_none(row["open_until"]),
        "failures": row["failures"],
        "payments": row["states"],
    }


def _looks_up_only(provider: str) -> bool:
    from shared.providers.registry import REGISTRATIONS

    return provider in REGISTRATIONS and not REGISTRATIONS[provider].operations


def _must_have_a_lane(provider: str) -> None:
    if _looks_up_only(provider):
        raise WrongUse(f"{provider} has look-ups only and no lane; see `settlepipe lookup {provider}`")


def _unknown(provider: str) -> Failed:
    must_be_provider(provider)
    return Failed(f"{provider} has no lane yet; it gets one when a process starts, see `settlepipe up`")
