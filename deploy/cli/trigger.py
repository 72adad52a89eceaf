"""trigger: an outcome on purpose, at the sandbox, for who writes what reads events."""

import json
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import output, stack
from deploy.cli.failures import Failed
from deploy.cli.output import JsonFlag
from shared.domain.broker_keys import INTAKE

if TYPE_CHECKING:
    import redis

_CONTROL_S = 10.0
_BLOCK_MS, _READ = 500, 500
_LANE = "mtn"  # nothing has to be fetched or confirmed before it pays, and what is unclear is looked up
_HELD_S = 5.0  # an answer that is kept back, while the books are changed


class Outcome(StrEnum):
    """What can be brought about; docs/webhooks.md describes each."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    LATE = "late"
    SLOW = "slow"
    PARKED = "parked"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Scene:
    """faults: of the next settle at the sandbox. ends: the last word of the type that it ends with. changes: what is
    changed in the intent. other_sum: the provider's books show another sum than was paid."""

    ends: str
    fault: Mapping[str, object] | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    other_sum: bool = False


SCENES: Mapping[Outcome, Scene] = {
    Outcome.SUCCEEDED: Scene("succeeded"),
    Outcome.REFUSED: Scene("refused", {"fault": "refuse_400"}),
    Outcome.UNKNOWN: Scene("succeeded", {"fault": "error_500_after"}),
    Outcome.LATE: Scene("succeeded", {"fault": "applied_late", "delay_s": 3}),
    Outcome.SLOW: Scene("succeeded", {"fault": "slow", "delay_s": 5}),
    Outcome.PARKED: Scene("parked", {"fault": "hang_after", "delay_s": _HELD_S}, other_sum=True),
    Outcome.QUARANTINED: Scene("quarantined", changes={"amount": "0"}),
}


def trigger(
    outcome: Annotated[Outcome, typer.Argument(help="what is to come of it")],
    source: Annotated[str, typer.Option(help="whose payment it is to be")] = "trigger",
    timeout: Annotated[float, typer.Option(min=1, help="give up waiting after so many seconds")] = 300,
    as_json: JsonFlag = False,
) -> None:
    """Have a made-up payment end like this at the sandbox of `up --sandbox`, and print its events."""
    from shared.messaging import events_stream, intake_stream

    sandbox, scene = _sandbox(), SCENES[outcome]
    intent = {**_intent(source), **scene.changes}
    subject = f"{source}/{intent['intent_id']}"
    with stack.broker() as client, _set(sandbox, scene.fault):
        position = events_stream.newest(client)
        intake_stream.submit(client, INTAKE, [json.dumps(intent).encode()])
        for event in _events(client, position, subject, timeout):
            _say(event, as_json)
            if event["type"].endswith(f".{scene.ends}"):
                return
            if event["type"].endswith(".accepted") and scene.other_sum:
                _change_books(sandbox, event["data"]["sent_reference"], intent["target"]["id"], timeout)
    raise Failed(f"{subject} has no such end after {timeout:g} s; `settlepipe payment {subject}` shows where it stands")


def _intent(source: str) -> dict[str, Any]:
    number = secrets.randbelow(9_000_000) + 1_000_000
    return {
        "intent_id": f"trigger-{secrets.token_hex(6)}",
        "source": source,
        "provider": _LANE,
        "operation": "settle",
        "amount": "10.00",
        "currency": "GHS",
        "paid_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "target": {"id_type": "Account Number", "id": f"0{number}", "customer_type": 2},
    }


def _events(client: "redis.Redis", position: str, subject: str, timeout_s: float) -> Iterator[dict[str, Any]]:
    from shared.messaging import events_stream

    ends_s = time.monotonic() + timeout_s
    while time.monotonic() < ends_s:
        for entry, text in events_stream.events_after(client, position, _READ, _BLOCK_MS):
            position = entry
            event: dict[str, Any] = json.loads(text)
            if event["subject"] == subject:
                yield event


def _say(event: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        output.json_lines([json.dumps(event, ensure_ascii=False)])
    else:
        data = event["data"]
        why = data.get("detail") or data.get("reason") or ""
        print(
            output.safe(f"{event['time'][11:19]}Z  {event['type']}  {event['subject']}  {event['id']}  {why}".rstrip())
        )
    sys.stdout.flush()


def _sandbox() -> str:
    """Where the sandbox of the stack on HOME is. Raises Failed."""
    from deploy.local.running import is_running, stack_file

    home = stack.settings().home.expanduser().absolute()
    try:
        url = json.loads(stack_file(home).read_text())["sandbox_url"] if is_running(home) else None
    except (OSError, ValueError, KeyError):
        url = None
    if not isinstance(url, str):
        raise Failed(
            f"no stack with a sandbox runs on {home}; start one with `settlepipe up --sandbox`: money moves elsewhere"
        )
    return url


@contextmanager
def _set(sandbox: str, fault: Mapping[str, object] | None) -> Iterator[None]:
    """Let the next settle meet this fault; it is taken away again, whether it struck or not, and also where Ctrl-C came
    before we knew that it was set: it is known by its seed."""
    if fault is None:
        yield
        return
    seed = f"trigger {secrets.token_hex(8)}"
    try:
        _control(
            sandbox, "POST", "faults", {"provider": _LANE, "operation": "settle", "count": 1, "seed": seed, **fault}
        )
        yield
    finally:
        for one in _control(sandbox, "GET", "faults")["faults"]:
            if one["seed"] == seed:
                _control(sandbox, "DELETE", f"faults/{one['id']}")


def _change_books(sandbox: str, reference: str, account: str, timeout_s: float) -> None:
    """Once it was applied, and before its answer comes: the provider's books show another sum."""
    ends_s = time.monotonic() + min(timeout_s, 60)
    while time.monotonic() < ends_s:
        if any(row["reference"] == reference for row in _control(sandbox, "GET", "ledger")["applied"]):
            _control(sandbox, "POST", f"{_LANE}/books", {"id": account, "reference": reference, "amount": "9.00"})
            return
        time.sleep(0.05)


def _control(sandbox: str, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
    import urllib.error
    import urllib.request

    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{sandbox}/control/{path}", data, method=method)  # noqa: S310 - of our own stack
    try:
        with urllib.request.urlopen(request, timeout=_CONTROL_S) as answer:  # noqa: S310 - the same
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Failed(f"the sandbox answered {error.code} to {method} {path}") from None
    except OSError:
        raise Failed("the sandbox does not answer; see that `settlepipe up --sandbox` runs") from None
