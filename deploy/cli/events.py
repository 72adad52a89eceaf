"""events: the outcome events as upstreams get them."""

import sys
from typing import Annotated

import typer

from deploy.cli import moments, output, person, stack
from deploy.cli.person import MaybeBy, Why
from shared.domain.roles import Deed
from shared.domain.words import counted

app = typer.Typer(help="The events that upstreams get: print them, replay them.", no_args_is_help=False)

_BLOCK_MS = 1000
_READ = 500


@app.command()
def replay(
    since: Annotated[str, typer.Option(metavar="T", help="a time with an offset: 2026-11-21T03:24:12Z")],
    by: MaybeBy = None,
    reason: Why = None,
) -> None:
    """Put every event since T on the stream again, with the same ids."""
    moment = moments.given(since)
    from shared import audit
    from shared.events import outbox

    with stack.connection() as connection:
        name, why = person.named_on(connection, by, Deed.REPLAY, otherwise="somebody"), person.reason(reason)
        with connection.transaction():
            count = outbox.replay(connection, moment)
            content = {"since": since, "events": count}
            audit.write(connection, "events.replayed", "events", by=name, reason=why, content=content)
        archived = outbox.archived_since(connection, moment)
    print(counted(count, "event is replayed", "events are replayed"))
    if archived:
        output.note("those of payments in the archive are not; resend an intent to get its payment's last event again")


@app.command()
def tail(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until Ctrl-C")] = False,
    count: Annotated[int, typer.Option("--count", "-n", min=0, max=100_000, help="how many of the last ones")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="as always: CloudEvents JSON, an event a line")] = False,
) -> None:
    """Print the last events of the stream, a CloudEvents line each."""
    from shared.messaging import events_stream

    with stack.broker() as client:
        last = events_stream.last_events(client, count) if count else []
        output.json_lines(event for _, event in last)
        sys.stdout.flush()
        position = last[-1][0] if last else events_stream.newest(client)
        while follow:
            for position, event in events_stream.events_after(client, position, _READ, _BLOCK_MS):  # noqa: B007, B020
                output.json_lines([event])
            sys.stdout.flush()
