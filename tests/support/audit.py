"""The audit after a test: our payments, the provider's ledger and the events must tell one story."""

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.intents import Intent, settle
from tests.support.stack import Row, Stack, wait_until

FINAL = ("succeeded", "refused", "cancelled")

# reference: under which the provider knows it (a refund goes out under its settle's).
_PAYMENTS = """
SELECT p.id, p.intent_id, p.operation, p.state, p.hold_reason, p.detail, p.attempts, p.checks, p.event_seq, p.in_doubt,
    round(p.amount_minor / 100.0, 2)::text AS amount, encode(p.body_sha256, 'hex') AS sha256,
    CASE p.operation WHEN 'refund' THEN s.sent_reference ELSE p.sent_reference END AS reference
FROM payments p LEFT JOIN payments s ON s.id = p.settle_id WHERE p.source = %s ORDER BY p.id
"""


def payments(stack: Stack, source: str) -> dict[str, Row]:
    """The source's payments by intent id."""
    return {row["intent_id"]: row for row in stack.query(_PAYMENTS, source)}


def wait_ended(
    stack: Stack, source: str, intents: Iterable[Mapping[str, Any]], timeout_s: float = 40, *, resend: bool = False
) -> dict[str, Row]:
    """Every intent of the source became a payment that is final or parked; the payments.

    resend: put those that did not become payments on the queue again and again, as upstreams do that lost their broker.
    """
    wanted = {intent["intent_id"]: intent for intent in intents}
    found: dict[str, Row] = {}

    def ended() -> bool:
        found.clear()
        found.update(payments(stack, source))
        missing = [intent for intent_id, intent in wanted.items() if intent_id not in found]
        if missing and resend:
            stack.submit(missing)
        return not missing and all(found[i]["state"] in (*FINAL, "parked") for i in wanted)

    try:
        wait_until(ended, "every payment ends", timeout_s, pause_s=0.5)
    except AssertionError:
        open_ = [row for row in found.values() if row["state"] not in FINAL]
        lost = wanted.keys() - found.keys()
        raise AssertionError(
            f"{len(lost)} never accepted: {sorted(lost)[:5]}; {len(open_)} open: {open_[:5]}"
        ) from None
    return found


def check_books(stack: Stack, source: str) -> None:
    """The provider applied each succeeded payment once, with our amount and our bytes, and nothing else of ours."""
    applied = [row for row in stack.sandbox.ledger() if row["invoice_code"].startswith(f"{source}-")]
    theirs: dict[tuple[str, str], list[Row]] = {}
    for row in applied:
        theirs.setdefault((row["operation"], row["reference"]), []).append(row)
    twice = {key: len(rows) for key, rows in theirs.items() if len(rows) > 1}
    assert not twice, f"applied more than once: {twice}"
    ours = {}
    for row in payments(stack, source).values():
        if row["state"] == "succeeded":
            ours[row["operation"], row["reference"]] = (row["amount"], row["sha256"])
    told = {key: (rows[0]["amount"], rows[0]["sha256"]) for key, rows in theirs.items()}
    assert told == ours


def check_bytes(stack: Stack, source: str) -> None:
    """Whatever was sent for a payment, however often, was its one stored request."""
    asked = stack.sandbox.by_reference()
    for row in payments(stack, source).values():
        seen = asked.get(row["reference"], {}).get(row["operation"])
        if seen is not None:
            assert seen["sha256"] == [row["sha256"]], row


def check_events(stack: Stack, source: str, timeout_s: float = 20) -> None:
    """Each payment's events are all on the stream, in order from accepted to its last state; repeats are allowed."""
    ours = payments(stack, source)
    wanted = {f"{source}/{i}": [f"{row['id']}-{n + 1}" for n in range(row["event_seq"])] for i, row in ours.items()}
    seen: dict[str, dict[str, Row]] = {}

    def all_there() -> bool:
        seen.clear()
        for event in stack.events():
            if not event["type"].startswith("settlepipe.payment."):
                continue
            seen.setdefault(event["subject"], {}).setdefault(event["id"], event)  # in order of first appearance
        return all(len(seen.get(subject, {})) >= len(ids) for subject, ids in wanted.items())

    wait_until(all_there, "every event is on the stream", timeout_s, pause_s=0.3)
    for subject, ids in wanted.items():
        assert list(seen[subject]) == ids, subject
        row = ours[subject.partition("/")[2]]
        told = [event["data"]["state"] for event in seen[subject].values()]
        assert told[0] == "accepted"
        assert told[-1] == row["state"], (told, row)


def check_all(stack: Stack, source: str, intents: Iterable[Intent]) -> dict[str, Row]:
    """Books, bytes and events of a source whose payments ended, and that nothing of it is missing; the payments."""
    check_books(stack, source)
    check_bytes(stack, source)
    check_events(stack, source)
    found = payments(stack, source)
    assert found.keys() == {intent["intent_id"] for intent in intents}
    return found


_PROVED = """
SELECT count(DISTINCT a.worker_key) AS workers FROM attempts a JOIN payments p ON p.id = a.payment_id
    JOIN tokens t ON t.provider = p.provider
WHERE p.provider = 'billcenter' AND a.meaning = 'succeeded' AND a.started_at > t.saved_at AND worker_alive(a.worker_key)
"""


def prove_token(stack: Stack, source: str, workers: int = 2) -> None:
    """Settle small payments of `source` until every worker has had a success with the token that the fleet has now.

    Two dead tokens in a row say that the credentials are wrong, and the lane halts: so only a token that worked
    may be revoked by a test.
    """
    numbers = itertools.count(1)

    def proved() -> bool:
        if stack.query(_PROVED)[0]["workers"] >= workers:
            return True
        stack.submit([settle(source, next(numbers)) for _ in range(8)])
        return False

    wait_until(proved, "every worker has used the new token", 20, pause_s=0.3)


def revoke_token(stack: Stack) -> None:
    """Revoke the token under way and return when the fleet has a new one. Somebody must be sending meanwhile."""

    def version() -> int:
        found: int = stack.query("SELECT version FROM tokens WHERE provider = 'billcenter'")[0]["version"]
        return found

    before = version()
    stack.sandbox.call("POST", "billcenter/revoke", {})
    wait_until(lambda: version() > before, "the fleet logged in again", 20)


def states(found: Mapping[str, Row]) -> dict[str, int]:
    """How many payments are in each state."""
    counted: dict[str, int] = {}
    for row in found.values():
        counted[row["state"]] = counted.get(row["state"], 0) + 1
    return counted


def described(rows: Iterable[Row]) -> str:
    """Payments in a failed assertion's message."""
    return "\n".join(json.dumps(row, default=str) for row in rows)
