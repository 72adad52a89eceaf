"""listen: events to a developer's own machine, as signed webhooks, without one being set up."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import output, person, stack
from deploy.cli.failures import WrongUse
from deploy.cli.output import JsonFlag

if TYPE_CHECKING:
    from shared.webhooks.send import Receiver

_BLOCK_MS = 1000
_READ = 100


def listen(
    forward_to: Annotated[str, typer.Option("--forward-to", metavar="URL", help="as http://127.0.0.1:3000/hook")],
    source: Annotated[str | None, typer.Option(help="this source's events alone; left out: everybody's")] = None,
    secret: Annotated[
        str | None, typer.Option(metavar="whsec_…", help="sign with this one; left out: a new one is made and shown")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="end after so many")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Post each event that comes from now on there, signed, once, and say what was answered. For developers: nothing is
    kept, and what was not taken is not sent again. Ends with Ctrl-C."""
    from shared.messaging import events_stream
    from shared.webhooks.sign import new_secret

    signs, receiver = _right(secret) if secret else new_secret(), _receiver(forward_to)
    with stack.broker() as client:
        position, posted = events_stream.newest(client), 0
        if as_json:
            output.json_lines([json.dumps({"secret": signs})])
        else:
            print(f"signing secret: {signs}")
        sys.stdout.flush()
        while count is None or posted < count:
            for position, event in events_stream.events_after(client, position, _READ, _BLOCK_MS):  # noqa: B007, B020
                told = json.loads(event)
                if not _of(told, source):
                    continue
                attempt = receiver.post(told["id"], event.encode(), [signs])
                _say(told, attempt.said, as_json)
                posted += 1
                if posted == count:
                    break


def _receiver(url: str) -> "Receiver":
    from shared.settings.webhooks import WebhookSettings
    from shared.webhooks import send

    # Whoever types it names the address: their own machine, or one beside it.
    settings = WebhookSettings(allow_http=True, allow_networks=("0.0.0.0/0", "::/0"))
    return person.said_right(lambda: send.receiver(url, settings))


def _right(secret: str) -> str:
    from standardwebhooks import Webhook

    try:
        Webhook(secret)
    except Exception:
        raise WrongUse("--secret must be whsec_ and base64, as `settlepipe listen` printed it before") from None
    return secret


def _of(event: dict[str, str], source: str | None) -> bool:
    """As a webhook of this source has it."""
    if source is None:
        return True
    from shared.events.types import EventType

    return event["type"] == EventType.STORE_RECOVERED or str(event.get("subject", "")).startswith(f"{source}/")


def _say(event: dict[str, str], said: str, as_json: bool) -> None:
    if as_json:
        output.json_lines([json.dumps({name: event[name] for name in ("id", "type", "subject")} | {"said": said})])
    else:
        print(output.safe(f"{datetime.now(UTC):%H:%M:%S}Z  {event['type']}  {event['subject']}  {event['id']}  {said}"))
    sys.stdout.flush()
