"""The demo's intents: made up in code, the same for the same seed."""

import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

SOURCE = "demo"
_SERVICES = (140, *range(201, 249))
_INVOICES = 200
_ACCOUNTS = 20  # at ubill and at mtn: payments share them, so a check finds others of ours beside its own
_SETTLES: Mapping[str, int] = {"billcenter": 264, "ubill": 120, "mtn": 120}
_REFUNDS, _RECEIPTS, _MESSAGES, _REPEATS = 30, 15, 15, 43
# Two billers claim each of these: the second settle is refused. An invoice that does not exist would be refused as
# well, but could not be read where an answer was lost before, and would be left to a person.
_CONTESTED, _CLAIMANTS = 6, (140, 201)
_CURRENCIES: Mapping[str, str] = {
    "billcenter": "MNT", "ubill": "GEL", "mtn": "GHS", "bmms": "UZS", "invoicepayment": "TRY",
}  # fmt: skip
_NO_PAYMENTS: Mapping[str, Mapping[str, Any]] = {
    "bmms": {"recipient_id": 9001},
    "invoicepayment": {"product_oid": "1001", "subscriber_no1": "700001"},
}
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
COUNT = sum(_SETTLES.values()) + _REFUNDS + _REPEATS + _CONTESTED * len(_CLAIMANTS) + len(_NO_PAYMENTS) + len(_BAD) + 1


def intents(seed: int) -> list[bytes]:
    """COUNT lines: settles at each provider, refunds, receipts, text messages, repeats, bad ones, refused ones, ones
    for providers that document no payment, a conflict."""
    chance = random.Random(seed)  # noqa: S311 - a demo, not a secret
    now = datetime.now(UTC).isoformat()
    settles = list(_settles(chance, now))
    of_billcenter = settles[: _SETTLES["billcenter"]]
    for settle in chance.sample([s for s in of_billcenter if s["target"]["biller_service_id"] == 140], _RECEIPTS):
        settle["receipt"] = {"register": "", "email": "customer@example.com"}
    for number, settle in enumerate(chance.sample(settles, _MESSAGES)):
        settle["notify"] = {"sms": f"9955000000{number:02d}"}
    refunds = [_refund(settle, now) for settle in chance.sample(of_billcenter, _REFUNDS)]
    others = [*_contested(chance, now)]
    others += [_settle(name, name, target, chance, now) for name, target in _NO_PAYMENTS.items()]
    lines = [_line(intent) for intent in settles]
    lines += chance.sample(lines, _REPEATS)
    lines += [_line(intent) for intent in (*others, *refunds)]  # a refund before its settle is held for it
    lines += _BAD
    chance.shuffle(lines)
    # the same id with another amount, behind the one that it contradicts
    return [*lines, _line(settles[0] | {"amount": "1.00"})]


def _settles(chance: random.Random, now: str) -> Iterator[dict[str, Any]]:
    for provider, count in _SETTLES.items():
        for number in range(count):
            target = _invoice(chance) if provider == "billcenter" else _account(provider, chance)
            yield _settle(provider, f"{provider}-{number:03d}", target, chance, now)


def _contested(chance: random.Random, now: str) -> Iterator[dict[str, Any]]:
    for number in range(_CONTESTED):
        for service in _CLAIMANTS:
            target = {
                "invoice_code": f"demo-contested-{number}",
                "bs_customer_code": f"2{number:05d}",
                "biller_service_id": service,
            }
            yield _settle("billcenter", f"contested-{number}-{service}", target, chance, now)


def _settle(provider: str, name: str, target: Mapping[str, Any], chance: random.Random, now: str) -> dict[str, Any]:
    return {
        "intent_id": f"demo-{name}",
        "source": SOURCE,
        "provider": provider,
        "operation": "settle",
        "amount": f"{chance.randrange(2, 2000)}.00",
        "currency": _CURRENCIES[provider],
        "paid_at": now,
        "target": target,
    }


def _invoice(chance: random.Random) -> dict[str, Any]:
    which = chance.randrange(_INVOICES)
    return {
        "invoice_code": f"demo-invoice-{which:03d}",
        "bs_customer_code": f"1{which:05d}",
        "biller_service_id": 140 if which % 4 == 0 else _SERVICES[which % len(_SERVICES)],
    }


def _account(provider: str, chance: random.Random) -> dict[str, Any]:
    number = 700001 + chance.randrange(_ACCOUNTS)
    if provider == "ubill":
        return {"account_id": number}
    return {"id_type": "Account Number", "id": f"{number:08d}", "customer_type": 2}


def _refund(settle: Mapping[str, Any], now: str) -> dict[str, Any]:
    refund = {key: settle[key] for key in ("source", "provider", "amount", "currency")}
    intent_id = settle["intent_id"]
    return refund | {"intent_id": f"{intent_id}-back", "operation": "refund", "refund_of": intent_id, "paid_at": now}


def _line(intent: Mapping[str, Any]) -> bytes:
    return json.dumps(intent).encode()
