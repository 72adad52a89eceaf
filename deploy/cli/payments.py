"""payments, payment, export."""

import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import moments, output, stack
from deploy.cli.books import show
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.filters import Code, OfSum, OlderThan, Source, known_code, sum_typed
from deploy.cli.known import must_be_provider
from deploy.cli.output import JsonFlag
from deploy.cli.person import said_right
from shared.domain.cells import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from shared.payments.look import Look

_SHOWN = 100  # rows of a table, unless more are asked for

Name = Annotated[str, typer.Argument(metavar="SOURCE/INTENT_ID", help="which payment")]


def parts(name: str) -> tuple[str, str]:
    """(source, intent_id). Raises WrongUse."""
    source, slash, intent_id = name.partition("/")
    if not (source and slash and intent_id) or "\x00" in name:
        raise WrongUse(f"{output.safe(name)} names no payment; write SOURCE/INTENT_ID, like mbank-app/ord-1001")
    return source, intent_id


def payments(  # noqa: PLR0917 - typer gives options by name
    state: Annotated[str | None, typer.Option(help="only those in this state")] = None,
    provider: Annotated[str | None, typer.Option(help="only those of this provider")] = None,
    source: Source = None,
    hold: Annotated[str | None, typer.Option(metavar="REASON|any", help="only those held, for this reason")] = None,
    code: Code = None,
    older: OlderThan = None,
    least: OfSum = None,
    order: Annotated[str, typer.Option("--order", metavar="newest|age|money", help="what comes first")] = "newest",
    limit: Annotated[int | None, typer.Option(min=1, max=10**9, help=f"at most so many; a table: {_SHOWN}")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List payments, the newest first, and the sums of those that are shown."""
    _must_exist(state, provider)
    from shared.metrics.risk import below_a_list
    from shared.payments import views

    given: dict[str, Any] = {"state": state, "provider": provider, "source": source, "order": _order(order)}
    given |= {"hold": _hold(hold), "code": known_code(code), "least": sum_typed(least)}
    given |= {"older_s": None if older is None else moments.length_s(older)}
    with stack.reading() as connection:
        if as_json:
            output.json_lines(views.payments(connection, **given, limit=limit))
            return
        most = limit or _SHOWN
        rows = [json.loads(row) for row in views.payments(connection, **given, limit=most + 1)]
        risk = below_a_list(connection, provider)
    output.table(("payment", "provider", ">amount", "state", "created (UTC)"), (_cells(row) for row in rows[:most]))
    if risk is not None:
        print(risk)
    print(_summed(rows[:most]))
    if len(rows) > most:
        output.note(f"only the first {most} are shown; ask for more with --limit")


def payment(
    name: Name,
    look: Annotated[bool, typer.Option("--look", help="and what the books show now; of a parked one")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show one payment and everything that was done about it."""
    source, intent_id = parts(name)
    from shared.payments import told, views
    from shared.providers.registry import REGISTRATIONS

    with stack.connection() as connection:
        number = views.payment_id(connection, source, intent_id)
        if number is None:
            raise Failed(f"there is no payment {output.safe(name)}; look for it with `settlepipe payments`")
        found = views.payment(connection, number)
    known = REGISTRATIONS.get(found["provider"])
    history = found.pop("history")
    found |= {"lookup": known and known.look_up(found["target"]), "history": history}
    books = _looked(source, intent_id, found) if look else None
    if as_json:
        if books is not None:
            from shared.payments.look import told as shown

            found["look"] = shown(books.result)
        output.json_lines([json.dumps(found, ensure_ascii=False)])
        return
    del found["history"]
    output.table(("field", "value"), ((key, _text(value)) for key, value in found.items() if value is not None))
    output.table(("at (UTC)", "what", "says"), ((entry["at"], told.what(entry), told.says(entry)) for entry in history))
    if books is not None:
        show(books)


def _looked(source: str, intent_id: str, found: Mapping[str, Any]) -> "Look":
    """What the provider's books show of it now. Nothing is changed, nor kept."""
    from shared.payments.look import look

    if found["state"] != "parked":
        by_hand = f"; `{found['lookup']}` reads them" if found["lookup"] else ""
        raise Failed(f"{source}/{intent_id} is {found['state']}: the books are searched for parked ones{by_hand}")
    with stack.runtime() as runtime:
        return said_right(lambda: look(runtime, source, intent_id))


def export(
    form: Annotated[str, typer.Option("--format", metavar="jsonl|csv", help="of the output")] = "jsonl",
    as_json: JsonFlag = False,
) -> None:
    """Write every payment to stdout, the oldest first, as of one moment."""
    if form not in ("jsonl", "csv"):
        raise WrongUse(f"there is no format {output.safe(form)}; take --format jsonl or --format csv")
    if as_json and form == "csv":
        raise WrongUse("--json and --format csv exclude each other; take one of them")
    from shared.payments import views

    with stack.reading() as connection:
        if form == "csv":
            sys.stdout.write(BYTE_ORDER_MARK)
        output.as_it_is(views.exported(connection, "csv" if form == "csv" else "jsonl"))


def _must_exist(state: str | None, provider: str | None) -> None:
    from shared.domain.payment import State

    if state is not None and state not in list(State):
        raise WrongUse(f"there is no state {output.safe(state)}; the states are {', '.join(State)}")
    if provider is not None:
        must_be_provider(provider)


def _order(order: str) -> str:
    if order not in ("newest", "age", "money"):
        raise WrongUse(f"there is no order {output.safe(order)}; take --order newest, age or money")
    return order


def _hold(reason: str | None) -> str | None:
    from shared.domain.payment import HoldReason

    if reason is not None and reason != "any" and reason not in list(HoldReason):
        known = ", ".join(("any", *HoldReason))
        raise WrongUse(f"nothing is held for {output.safe(reason)}; the reasons are {known}")
    return reason


def _summed(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many, and the sum of each currency; a refund takes away."""
    from shared.domain.words import counted

    sums: dict[str, Decimal] = {}
    for row in rows:
        amount = Decimal(row["amount"]) * (-1 if row["operation"] == "refund" else 1)
        sums[row["currency"]] = sums.get(row["currency"], Decimal()) + amount
    money = ", ".join(f"{amount} {currency}" for currency, amount in sorted(sums.items()))
    return counted(len(rows), "payment") + (f": {money}" if money else "")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    state = row["state"] + (f" ({row['hold_reason']})" if row["hold_reason"] else "")
    amount = f"{'-' if row['operation'] == 'refund' else ''}{row['amount']} {row['currency']}"
    return f"{row['source']}/{row['intent_id']}", row["provider"], amount, state, row["created_at"][:19] + "Z"
