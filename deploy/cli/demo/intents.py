"""The demo's intents: made up in code, the same for the same seed."""

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

SOURCE = "demo"
_SERVICES = (140, *range(201, 249))
_INVOICES = 300
_SETTLES, _REFUNDS, _RECEIPTS, _REPEATS, _REFUSED = 410, 35, 15, 40, 6
_BAD = (
    b"this is not JSON",
    b'{"intent_id": "demo-cut", "source": "demo", "amo',
    b'{"intent_id": "demo-free", "source": "demo", "provider": "billcenter", "operation": "settle", "amount": "0"}',
    b'["a list is no intent"]',
    b'{"intent_id": "demo-mars", "source": "demo", "provider": "mars", "operation": "settle", "amount": "1.00"}',
    b"\xff\xfe\x00",
    b'{"source": "demo"}',
    b'{"intent_id": "demo-twice", "intent_id": "demo-twice", "source": "demo"}',
)
COUNT = _SETTLES + _REFUNDS + _REPEATS + _REFUSED + len(_BAD) + 1


def intents(seed: int) -> list[bytes]:
    """COUNT lines: settles over many invoices, refunds, receipts, repeats, bad ones, refused ones, a conflict."""
    chance = random.Random(seed)  # noqa: S311 - a demo, not a secret
    now = datetime.now(UTC).isoformat()
    settles = [_settle(chance, number, now) for number in range(_SETTLES)]
    for settle in chance.sample([s for s in settles if s["target"]["biller_service_id"] == 140], _RECEIPTS):
        settle["receipt"] = {"register": "", "email": "customer@example.com"}
    refused = [_settle(chance, _SETTLES + n, now, f"missing-{n}") for n in range(_REFUSED)]
    refunds = [_refund(settle, now) for settle in chance.sample(settles, _REFUNDS)]
    lines = [_line(intent) for intent in (*settles, *refused)]
    lines += chance.sample(lines[:_SETTLES], _REPEATS)
    lines += [_line(intent) for intent in refunds]  # some come before their settle: they are held for it
    lines += _BAD
    chance.shuffle(lines)
    # the same id with another amount, behind the one that it contradicts
    return [*lines, _line(settles[0] | {"amount": "1.00"})]


def _settle(chance: random.Random, number: int, now: str, invoice: str | None = None) -> dict[str, Any]:
    which = chance.randrange(_INVOICES)
    service = 140 if which % 4 == 0 else _SERVICES[which % len(_SERVICES)]
    return {
        "intent_id": f"demo-{number:04d}",
        "source": SOURCE,
        "provider": "billcenter",
        "operation": "settle",
        "amount": f"{chance.randrange(2, 2000)}.00",
        "currency": "MNT",
        "paid_at": now,
        "target": {
            "invoice_code": invoice or f"demo-invoice-{which:03d}",
            "bs_customer_code": f"1{which:05d}",
            "biller_service_id": service,
        },
    }


def _refund(settle: Mapping[str, Any], now: str) -> dict[str, Any]:
    refund = {key: settle[key] for key in ("source", "provider", "amount", "currency")}
    intent_id = settle["intent_id"]
    return refund | {"intent_id": f"{intent_id}-back", "operation": "refund", "refund_of": intent_id, "paid_at": now}


def _line(intent: Mapping[str, Any]) -> bytes:
    return json.dumps(intent).encode()
