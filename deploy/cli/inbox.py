"""inbox: what waits for a person."""

import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import output, stack
from deploy.cli.failures import WrongUse
from deploy.cli.known import must_be_provider
from deploy.cli.output import JsonFlag

if TYPE_CHECKING:
    from shared.inbox import Waiting

_SHOWN = 50
_WATCH_S = 5.0


def inbox(  # noqa: PLR0917 - typer gives options by name
    kind: Annotated[str | None, typer.Option(help="only payment, lane, … (the word that stands there)")] = None,
    provider: Annotated[str | None, typer.Option(help="only what concerns this provider")] = None,
    by: Annotated[str, typer.Option("--order", metavar="age|money", help="what comes first")] = "age",
    limit: Annotated[int | None, typer.Option(min=1, max=10**9, help=f"at most so many; for people: {_SHOWN}")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="look again every five seconds, until Ctrl-C")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Everything that waits for a person, with the command that ends it."""
    from shared.inbox import Kind, Order, waiting
    from shared.metrics.risk import below_a_list

    if kind is not None and kind not in list(Kind):
        raise WrongUse(f"there is no kind {output.safe(kind)}; take one of {', '.join(Kind)}")
    if provider is not None:
        must_be_provider(provider)
    if by not in list(Order):
        raise WrongUse(f"there is no order {output.safe(by)}; take --order age or --order money")
    if watch and as_json:
        raise WrongUse("--watch is for people and --json for programs; take one of them")
    most = limit or (1_000_000 if as_json else _SHOWN)
    while True:
        with stack.connection() as connection:
            found = waiting(
                connection,
                kind=Kind(kind) if kind else None,
                provider=provider,
                order=Order(by),
                limit=most if as_json else most + 1,
            )
            risk = None if as_json else below_a_list(connection, provider)
        if as_json:
            told = ({k: v for k, v in dataclasses.asdict(entry).items() if k != "number"} for entry in found)
            output.json_lines(json.dumps(row, ensure_ascii=False) for row in told)
            return
        if watch and sys.stdout.isatty():
            output.console().clear()
        _show(found[:most], risk)
        if len(found) > most:
            output.note(f"only {most} are shown; ask for more with --limit, or for fewer with --kind and --provider")
        if not watch:
            return
        time.sleep(_WATCH_S)


def _show(found: "Sequence[Waiting]", risk: str | None) -> None:
    for entry in found:
        money = f"{entry.amount} {entry.currency}" if entry.amount is not None else None
        whose = None if entry.provider == entry.subject else entry.provider
        head = (entry.since[:16] + "Z", entry.kind, entry.subject, whose, money)
        target = " ".join(f"{name}={value}" for name, value in (entry.target or {}).items())
        lines = [("line", _line(pair)) for pair in entry.pairs]
        output.entry(head, (("why", entry.reason), ("target", target), *lines, ("decide", entry.decide)))
    if risk is not None:
        print(risk)
    print(_summed(found))


def _line(pair: "Mapping[str, Any]") -> str:
    """A line of the provider's books that may be it."""
    parts = (pair["line"], pair["line_amount"], (pair["line_at"] or "")[:10], f"({pair['confidence']})")
    return "  ".join(part for part in parts if part)


def _summed(found: "Sequence[Waiting]") -> str:
    from shared.domain.words import counted

    if not found:
        return "nothing waits for a person"
    payments = [entry for entry in found if entry.kind in ("payment", "hold")]
    sums: dict[str, Decimal] = {}
    for entry in payments:
        assert entry.currency is not None and entry.amount is not None  # noqa: S101, PT018 - payments have both
        sums[entry.currency] = sums.get(entry.currency, Decimal()) + Decimal(entry.amount)
    money = ", ".join(f"{amount} {currency}" for currency, amount in sorted(sums.items()))
    return f"{counted(len(found), 'thing')} to decide" + (f"; payments among them: {money}" if money else "")
