"""quarantine: what could not be accepted."""

import base64
import json
from typing import Annotated, Any

import typer

from deploy.cli import output, person, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.output import JsonFlag
from deploy.cli.person import By, MaybeBy, Why, said_right
from shared.domain.roles import Deed
from shared.domain.words import counted

app = typer.Typer(help="What could not be accepted: list it, show one, put it on the queue again, or dismiss it.")


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, as_json: JsonFlag = False) -> None:
    if context.invoked_subcommand is None:
        listed(as_json=as_json)
    elif as_json:
        raise WrongUse(f"--json belongs behind the command: quarantine {context.invoked_subcommand} --json")


@app.command("list")
def listed(
    everything: Annotated[bool, typer.Option("--all", help="what was dismissed, too")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List what is in quarantine, the oldest first."""
    from shared.payments import views

    with stack.connection() as connection:
        rows = views.quarantine(connection, everything=everything)
        if as_json:
            output.json_lines(rows)
            return
        shown = [json.loads(row) for row in rows]
    cells = ((r["id"], r["subject"] or "-", r["reason"], r["last_seen"][:19] + "Z", _became(r)) for r in shown)
    output.table((">id", "intent", "reason", "last seen (UTC)", "replayed"), cells)


@app.command()
def show(number: Annotated[int, typer.Argument(metavar="ID")], as_json: JsonFlag = False) -> None:
    """Show one: its bytes, the reason, and the payment it conflicts with."""
    from shared.payments import views

    with stack.connection() as connection:
        found = views.quarantined(connection, _in_range(number))
    if found is None:
        raise Failed(f"nothing has the number {number} in quarantine; see `settlepipe quarantine`")
    row: dict[str, Any] = json.loads(found["row"])
    raw = bytes(found["raw"])
    if as_json:
        text = raw.decode("utf-8", "backslashreplace")
        whole = row | {"raw": text, "raw_base64": base64.b64encode(raw).decode(), "conflict": found["conflict"]}
        output.json_lines([json.dumps(whole, ensure_ascii=False)])
        return
    output.table(("field", "value"), ((key, value) for key, value in row.items() if value is not None))
    if found["conflict"]:
        output.table(("it conflicts with", ""), ((k, v) for k, v in found["conflict"].items() if v is not None))
    print(output.safe(raw.decode("utf-8", "backslashreplace")))


@app.command()
def replay(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="ID…", help="which ones")] = None,
    everything: Annotated[bool, typer.Option("--all", help="all that did not leave quarantine since")] = False,
    by: MaybeBy = None,
    reason: Why = None,
    *,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="also one that somebody dismissed")] = False,
) -> None:
    """Put the kept bytes on the intake queue again, once what was wrong is mended.

    Bytes that held card data were kept redacted, and of what was too long only the beginning was kept: they are no
    intent any more, and stay.
    """
    if bool(numbers) == everything:
        raise WrongUse("name what to replay: numbers from `settlepipe quarantine`, or --all")
    if dismissed and everything:
        raise WrongUse("--all leaves out what was dismissed: name each number that is to go with --dismissed")
    from shared.payments.replay import replay as put_back

    with stack.database() as database, stack.broker() as client, database.connection() as connection:
        name, why = person.named_on(connection, by, Deed.REPLAY, otherwise="somebody"), person.reason(reason)
        ids = None if everything else [_in_range(n) for n in numbers or ()]
        found = put_back(connection, client, ids, by=name, reason=why, dismissed=dismissed)
    count, left = found.count, found.left
    done = counted(count, "was replayed", "were replayed")
    if numbers and left:
        raise Failed(f"{done}{left}")
    if numbers and count < len(set(numbers)):
        raise Failed(f"{done}; the other numbers are not in quarantine, see `settlepipe quarantine`")
    print(f"{count} replayed{left}")


@app.command()
def dismiss(
    number: Annotated[int, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option(help="why nothing is to come of it; kept for ever")],
    by: By = None,
) -> None:
    """Say that nothing is to come of one: it waits for nobody any more. What was said is kept for ever, and the entry
    stays in `quarantine list --all`; when the same content comes again it waits again."""
    from shared.payments import quarantine

    with stack.connection() as connection:
        name = person.named_on(connection, by, Deed.DISMISS)
        if not said_right(lambda: quarantine.dismiss(connection, _in_range(number), reason=reason, by=name)):
            raise Failed(f"nothing has the number {number} in quarantine; see `settlepipe quarantine`")
    print(f"{number} is dismissed; `settlepipe quarantine list --all` still shows it")


def _became(row: dict[str, Any]) -> str:
    if row["dismissed_at"] is not None:
        return f"dismissed by {row['dismissed_by']}: {row['dismissed_reason']}"
    if row["replayed_at"] is None:
        return ""
    return "came back" if row["last_seen"] > row["replayed_at"] else row["replayed_at"][:19] + "Z"


def _in_range(number: int) -> int:
    if not 0 < number < 2**63:
        raise WrongUse("numbers in quarantine begin at 1; see `settlepipe quarantine`")
    return number
