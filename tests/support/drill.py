"""The drill: what was done in a time that the database then loses, and what must hold once it has come back older.

Payments at three providers while it rains, all of them ended; then the database is restored in the test's own way, the
store is held, a person recovers it, and upstream puts everything on the queue again.
"""

import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support import intents, size
from tests.support.sandbox import SandboxClient
from tests.support.stack import Stack, wait_until

SOURCE = "drill"
TARGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "ubill": ("GEL", {"account_id": 170114}),
    "mtn": ("GHS", {"id_type": "Account Number", "id": "00700001", "customer_type": 2}),
}
PROVIDERS = ("billcenter", "ubill", "mtn")
LOST, REFUNDED = (30, 4) if size.LARGE else (15, 2)
WINDOWS = {f"{name}__SETTLE_WINDOW_S": "1.5" for name in ("UBILL", "MTN")}


def settle(provider: str, number: int) -> dict[str, Any]:
    if provider == "billcenter":
        return intents.settle(SOURCE, number)
    currency, target = TARGETS[provider]
    return {
        "intent_id": f"s{number}",
        "source": SOURCE,
        "provider": provider,
        "operation": "settle",
        "amount": f"{10 + number}.00",
        "currency": currency,
        "paid_at": "2026-11-21T03:24:12Z",
        "target": target,
    }


def ended(up: Stack, wanted: list[dict[str, Any]], timeout_s: float = 60) -> dict[str, dict[str, Any]]:
    """Every intent became a payment that is final or parked; the payments by intent id."""
    found: dict[str, dict[str, Any]] = {}

    def all_ended() -> bool:
        found.clear()
        rows = up.query("SELECT *, encode(body_sha256, 'hex') AS sha FROM payments WHERE source = %s", SOURCE)
        found.update({row["intent_id"]: row for row in rows})
        return all(
            intent["intent_id"] in found
            and found[intent["intent_id"]]["state"] in ("succeeded", "refused", "cancelled", "parked")
            for intent in wanted
        )

    try:
        wait_until(all_ended, "every payment ends", timeout_s, pause_s=0.5)
    except AssertionError:
        open_ = {i: (row["state"], row["detail"]) for i, row in found.items() if row["finished_at"] is None}
        missing = [intent["intent_id"] for intent in wanted if intent["intent_id"] not in found]
        raise AssertionError(f"never accepted: {missing}; open: {open_}") from None
    return found


def applied(sandbox: SandboxClient) -> Counter[tuple[str, str]]:
    """How often the provider applied each operation under each reference of ours."""
    return Counter((row["operation"], row["reference"]) for row in sandbox.ledger())


def kill(up: Stack) -> None:
    """Everything at once, as a machine that loses its power."""
    pids = list(up.pids.values())
    up.process.kill()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not up.left(), "nothing of it is left")
    up.process.communicate()


def drill(
    up: Stack,
    sandbox: SandboxClient,
    lost: Sequence[dict[str, Any]] = (),
    *,
    refunded: int = REFUNDED,
    midway: Callable[[], Sequence[dict[str, Any]]] = tuple,
    share: float = 0.5,
) -> "Drill":
    """Payments at three providers while it rains, all of them ended: what a restored database will have forgotten.

    lost: the intents, LOST of them where none are given. midway: what is done once that share of them is final; the
    intents that it puts on the queue.
    """
    sandbox.set_faults(
        *(
            {"provider": name, "operation": "settle", "fault": "error_500_after", "rate": 0.2, "seed": 7}
            for name in PROVIDERS
        )
    )
    asked = list(lost) or [settle(PROVIDERS[number % 3], 100 + number) for number in range(LOST)]
    refunds = [intents.refund(SOURCE, number) for number in range(refunded)]  # of settles from before
    up.submit(asked + refunds)
    names = [intent["intent_id"] for intent in asked]
    final = "SELECT count(*) AS n FROM payments WHERE finished_at IS NOT NULL AND source = %s AND intent_id = ANY(%s)"
    wait_until(lambda: up.query(final, SOURCE, names)[0]["n"] >= share * len(asked), "some are final", 60)
    asked += midway()
    rows = ended(up, asked + refunds, 120)
    sandbox.clear_faults()
    paid = applied(sandbox)
    assert all(count == 1 for count in paid.values())
    return Drill(asked, refunds, rows, paid, {event["id"]: event for event in up.events()})


@dataclass
class Drill:
    """What was done in the time that is lost: intents, their payments, the provider's books, what upstream was told."""

    lost: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    rows: dict[str, dict[str, Any]]
    paid: Counter[tuple[str, str]]
    told: dict[str, Any]

    def held(self, up: Stack, sandbox: SandboxClient) -> None:
        """The store is held, it says so, and nothing is accepted or sent."""
        wait_until(lambda: up.query("SELECT held_at FROM store")[0]["held_at"], "the store is held", 60)
        before = up.query("SELECT count(*) AS n FROM payments")[0]["n"]
        up.submit(self.lost[:3])
        assert "settlepipe recover" in " ".join(up.command("doctor").stdout.split())
        assert "the store is held" in up.command("lanes").stderr
        assert applied(sandbox) == self.paid
        assert up.query("SELECT count(*) AS n FROM payments")[0]["n"] == before

    def recovered(self, up: Stack, sandbox: SandboxClient, known: list[dict[str, Any]]) -> dict[str, Any]:
        """Recover, have everything resent, a tenth of it dated anew: each is applied once, and nothing contradicts
        what upstream was told. What `recover` said."""
        done = up.command("recover", "--by", "somebody", "--json")
        assert done.returncode == 0, done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout)
        self.resent(up, sandbox, known)
        return outcome

    def resent(self, up: Stack, sandbox: SandboxClient, known: list[dict[str, Any]]) -> None:
        again = [dict(intent) for intent in [*known, *self.lost, *self.refunds]]
        for intent in again[::10]:
            intent["paid_at"] = "2026-11-28T00:00:00Z"
        up.submit(again)
        after = ended(up, [*self.lost, *self.refunds], 120)
        assert applied(sandbox) == self.paid, "each is applied once, by the provider's own books"
        for name, row in after.items():
            if name not in self.rows:
                continue
            assert row["sent_reference"] == self.rows[name]["sent_reference"]
            if self.rows[name]["state"] != "parked":
                assert row["state"] in (self.rows[name]["state"], "parked"), (name, row["detail"])
        _check_events(self.told, {event["id"]: event for event in up.events()})


def begun(up: Stack, refunded: int = REFUNDED) -> list[dict[str, Any]]:
    """Payments from before: all that a backup knows."""
    known = [settle(PROVIDERS[number % 3], number) for number in range(12)]
    known += [settle("billcenter", number) for number in range(refunded)]
    known = list({intent["intent_id"]: intent for intent in known}.values())
    up.submit(known)
    ended(up, known)
    return known


def _check_events(before: dict[str, Any], after: dict[str, Any]) -> None:
    """What upstream has seen stays as it was told, and nothing new contradicts it."""
    for name, event in before.items():
        assert after[name] == event, name
    last = {event["subject"]: event["data"]["state"] for event in before.values() if "state" in event["data"]}
    for name, event in after.items():
        if name in before or event["subject"] not in last or not event["type"].startswith("settlepipe.payment."):
            continue
        if last[event["subject"]] in ("succeeded", "refused", "cancelled"):
            assert event["data"]["state"] == last[event["subject"]], (name, event)
