"""webhooks: where a source's events are posted to."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import moments, output, person, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.output import JsonFlag
from deploy.cli.person import By, Why
from shared.domain.roles import Deed
from shared.domain.words import counted

if TYPE_CHECKING:
    from shared.settings import Settings
    from shared.webhooks.sign import Vault

app = typer.Typer(help="Where a source's events are posted to: add, list, test, replay, rotate the secret, remove.")

Number = Annotated[int, typer.Argument(metavar="ID", help="of `webhooks list`")]
_SHOWN = 20  # waiting events


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, as_json: JsonFlag = False) -> None:
    if context.invoked_subcommand is None:
        listed(as_json)
    elif as_json:
        raise WrongUse(f"--json belongs behind the command: webhooks {context.invoked_subcommand} --json")


@app.command("list")
def listed(as_json: JsonFlag = False) -> None:
    """Every webhook, by its source, and how it stands. Secrets are shown nowhere."""
    from shared.webhooks import views

    with stack.connection() as connection:
        rows = views.listed(connection)
    if as_json:
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in rows)
        return
    for row in rows:
        output.entry(_head(row), _lines(row))
    if not rows:
        print("there is no webhook; settlepipe webhooks add SOURCE URL makes one")


@app.command()
def show(number: Number, as_json: JsonFlag = False) -> None:
    """One webhook, and the events that wait because they, or one before them, could not be delivered."""
    from shared.webhooks import views

    with stack.connection() as connection:
        rows = views.listed(connection, number)
        if not rows:
            raise Failed(f"there is no webhook {number}; see `settlepipe webhooks`")
        waiting = views.waiting(connection, number, 10_000 if as_json else _SHOWN)
    if as_json:
        output.json_lines([json.dumps({**rows[0], "waits": waiting}, ensure_ascii=False)])
        return
    output.entry(_head(rows[0]), _lines(rows[0]))
    for row in waiting:
        lines = [("tries", str(row["tries"]) if row["tries"] else ""), ("since", row["failed_since"])]
        output.entry((row["event_id"], row["type"], row["subject"]), [*lines, ("failure", row["failure"])])


@app.command()
def add(
    source: Annotated[str, typer.Argument(metavar="SOURCE")],
    url: Annotated[str, typer.Argument(metavar="URL", help="https://…; keep secrets out of it")],
    since: Annotated[
        str | None, typer.Option(metavar="T", help="deliver everything since then; left out: what comes next")
    ] = None,
    by: By = None,
    as_json: JsonFlag = False,
) -> None:
    """Have the events of this source posted there from now on. Its signing secret is printed this once."""
    from shared.webhooks import keep

    moment = None if since is None else moments.given(since)
    found = _settings()
    with stack.database() as database:
        with database.connection() as connection:
            who = person.named_on(connection, by, Deed.WEBHOOKS)
            position = keep.settled(connection)
        with database.transaction() as connection:
            number, secret = person.said_right(
                lambda: keep.add(
                    connection,
                    _vault(found),
                    found.webhooks,
                    source,
                    url,
                    position=position,
                    since=moment,
                    by=who,
                )
            )
            # Before it counts: where nobody can read it, nothing is changed.
            _tell(number, source, secret, as_json)


@app.command()
def rotate(number: Number, by: By = None, as_json: JsonFlag = False) -> None:
    """Make a new secret, printed this once. The old one signs beside it for a while (WEBHOOKS__OVERLAP_S)."""
    from shared.webhooks import keep

    found = _settings()
    with stack.database() as database, database.transaction() as connection:
        who = person.named_on(connection, by, Deed.WEBHOOKS)
        overlap_s = found.webhooks.overlap_s
        source, secret = keep.rotate(connection, _vault(found), number, overlap_s=overlap_s, by=who)
        _tell(number, source, secret, as_json)


@app.command("test")
def posted(number: Number, as_json: JsonFlag = False) -> None:
    """Post a test event from here, signed as all others, and say what was answered."""
    from shared.domain.webhooks import Verdict
    from shared.webhooks import send, views

    found = _settings()
    with stack.connection() as connection:
        rows = views.listed(connection, number)
        if not rows:
            raise Failed(f"there is no webhook {number}; see `settlepipe webhooks`")
        kept = views.secrets(connection, number)
    vault = _vault(found)
    receiver = person.said_right(lambda: send.receiver(rows[0]["url"], found.webhooks))
    secrets = person.said_right(lambda: [vault.opened(secret) for secret in kept])
    event_id, body = send.test_event(rows[0]["source"], number)
    attempt = receiver.post(event_id, body, secrets)
    delivered = attempt.verdict is Verdict.DELIVERED
    if as_json:
        print(json.dumps({"id": event_id, "delivered": delivered, "said": attempt.said}))
    else:
        print(f"{event_id}: {output.safe(attempt.said)}")
    if not delivered:
        raise Failed(f"webhook {number} did not take the test event: {attempt.said}")


@app.command()
def replay(
    number: Number,
    since: Annotated[str, typer.Option(metavar="T", help="a time with an offset: 2026-11-21T03:24:12Z")],
    until: Annotated[str | None, typer.Option(metavar="T", help="left out: up to now")] = None,
    by: By = None,
    reason: Why = None,
) -> None:
    """Have the events of a time delivered again, with the same ids, before what comes next."""
    from shared.webhooks import keep

    first, last = moments.given(since), None if until is None else moments.given(until)
    with stack.database() as database, database.transaction() as connection:
        who, why = person.named_on(connection, by, Deed.REPLAY), person.reason(reason)
        count = keep.replay(connection, number, first, last, by=who, reason=why)
    print(counted(count, "event is delivered again", "events are delivered again"))


@app.command()
def enable(
    number: Number,
    skip: Annotated[bool, typer.Option("--skip", help="leave out, for ever, the events that failed")] = False,
    by: By = None,
    reason: Why = None,
) -> None:
    """Have a webhook go on at once: all that came meanwhile is delivered, and what failed is tried anew."""
    from shared.webhooks import keep

    with stack.database() as database, database.transaction() as connection:
        who, why = person.named_on(connection, by, Deed.REPLAY), person.reason(reason)
        source, skipped = keep.enable(connection, number, skip=skip, by=who, reason=why)
    left_out = f"; left out: {counted(skipped, 'event')}" if skip else ""
    print(f"webhook {number} of {source} goes on{left_out}")


@app.command()
def disable(
    number: Number,
    reason: Annotated[str, typer.Option(help="why; kept for ever")],
    by: By = None,
) -> None:
    """Have nothing posted until somebody enables it. What comes meanwhile is posted then."""
    from shared.webhooks import keep

    with stack.database() as database, database.transaction() as connection:
        who, why = person.named_on(connection, by, Deed.REPLAY), person.reason(reason)
        source = keep.disable(connection, number, by=who, reason=why or reason)
    print(f"webhook {number} of {source} stands still")


@app.command()
def remove(number: Number, by: By = None, reason: Why = None) -> None:
    """Delete a webhook, its secret and what waits for it. Its events stay on the stream, and by HTTP."""
    from shared.webhooks import keep

    with stack.database() as database, database.transaction() as connection:
        who, why = person.named_on(connection, by, Deed.WEBHOOKS), person.reason(reason)
        source = keep.remove(connection, number, by=who, reason=why)
    print(f"webhook {number} of {source} is removed")


def _settings() -> "Settings":
    """With the keys of the stack on HOME, where none are set."""
    from deploy.local.running import connected

    return connected(stack.settings())


def _vault(found: "Settings") -> "Vault":
    from shared.settings import SettingsError
    from shared.webhooks.sign import Vault

    try:
        return Vault(found.secret_keys)
    except ValueError:
        raise SettingsError(
            "SETTLEPIPE_SECRET_KEYS has no key, or one that is none; set the same list of Fernet keys as in the relay"
        ) from None


def _tell(number: int, source: str, secret: str, as_json: bool) -> None:
    if as_json:
        output.json_lines([json.dumps({"id": number, "source": source, "secret": secret})])
    else:
        print(f"webhook {number} of {source}; its signing secret is shown this once:")
        print(secret)
    sys.stdout.flush()


def _head(row: Mapping[str, Any]) -> Sequence[str | None]:
    state = "disabled" if row["disabled_at"] else "failing" if row["failing_since"] else "on"
    return str(row["id"]), row["source"], state, row["url"]


def _lines(row: Mapping[str, Any]) -> Sequence[tuple[str, str | None]]:
    disabled = (
        f"{row['disabled_at'][:16]}Z by {row['disabled_by'] or 'itself'}: {row['disabled_because']}"
        if row["disabled_at"]
        else None
    )
    since = f"; failing since {row['failing_since'][:16]}Z" if row["failing_since"] else ""
    told = f"{row['delivered']}, last {row['delivered_at'][:16]}Z" if row["delivered_at"] else "0"
    return (
        ("events", f"{told}; waiting: {row['waiting']}{since}{'; a replay is under way' if row['replaying'] else ''}"),
        ("off", disabled),
        ("failure", row["failure"]),
        (
            "secret",
            f"the old one signs, too, until {row['old_secret_until'][:16]}Z" if row["old_secret_until"] else None,
        ),
    )
