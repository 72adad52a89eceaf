"""Whatever stands on the intake stream: an intent whose sums come out as they went in, or a reason that can be told."""

import json
from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.database import foreign
from shared.domain.intent import MAX_INTENT_BYTES, MAX_REASON, BadIntent, Intent, parse_intent
from shared.domain.kept import KEPT_BYTES, keep
from shared.domain.money import format_amount, parse_amount
from shared.providers.registry import REGISTRATIONS
from tests.support.contract import INTENT, mistakes
from tests.support.fuzzing import fuzzed, some
from tests.support.odd_json import documents, every_odd
from tests.support.quick import quick

TARGETS = {name: registration.target for name, registration in REGISTRATIONS.items()}
SETTLE: dict[str, Any] = {
    "intent_id": "ord-1",
    "source": "shop",
    "provider": "mtn",
    "operation": "settle",
    "amount": "100.00",
    "currency": "ZAR",
    "paid_at": "2026-11-21T03:24:12.133606Z",
    "target": {"id_type": "Account Number", "id": "700001", "customer_type": 2, "payment_method": {"type": "Cash"}},
    "receipt": {"register": "", "email": "made.up@example.com"},
    "notify": {"sms": "995500000000"},
    "metadata": {"any": ["thing", 1.5, None]},
}
UBILL = SETTLE | {"provider": "ubill", "currency": "GEL", "target": {"account_id": 900001}}
REFUND = {k: v for k, v in SETTLE.items() if k != "target"} | {"operation": "refund", "refund_of": "ord-0"}
SEEDS = [json.dumps(one).encode() for one in (SETTLE, UBILL, REFUND)]
SLOW_S = 1.0  # of processor time, for 64 kB at most


@cache
def corpus() -> Sequence[bytes]:
    return list(dict.fromkeys(odd for seed in SEEDS for odd in every_odd(seed)))


def parsed(raw: bytes) -> tuple[Intent | None, BadIntent | None]:
    try:
        return parse_intent(raw, TARGETS), None
    except BadIntent as bad:
        return None, bad


def must_hold(raw: bytes) -> Intent | None:
    with quick(SLOW_S):
        intent, bad = parsed(raw)
        if intent is not None:
            must_be_what_was_written(intent, raw)
        if bad is not None:
            assert 0 < len(bad.reason) <= MAX_REASON
            assert foreign.text(bad.reason, MAX_REASON) == bad.reason
            assert bad.subject is None or foreign.text(bad.subject) == bad.subject
        assert len(keep(raw).raw) <= 8 * max(len(raw), KEPT_BYTES)
    return intent


def must_be_what_was_written(intent: Intent, raw: bytes) -> None:
    """Nothing was rounded, dropped or read in another way than by a plain reader of JSON."""
    written = json.loads(raw.decode())
    assert len(raw) <= MAX_INTENT_BYTES
    told = format_amount(intent.amount_minor, intent.currency)
    assert Decimal(told) == Decimal(written["amount"]) > 0
    assert parse_amount(told, intent.currency) == intent.amount_minor < 2**63
    assert (intent.source, intent.intent_id) == (written["source"], written["intent_id"])
    assert (intent.provider, intent.operation) == (written["provider"], written["operation"])
    assert intent.provider in TARGETS
    assert intent.paid_at.tzinfo is UTC
    for kept in (intent.target, intent.metadata, intent.receipt, intent.notify):
        if kept is not None:
            assert json.loads(foreign.json_text(kept)) == json.loads(json.dumps(kept)), "PostgreSQL could not keep it"
    assert parse_intent(raw, TARGETS).digest == intent.digest
    assert mistakes(INTENT, written) == [], "what the schema forbids is not accepted"


def test_each_odd_thing_in_each_place_is_an_intent_or_has_a_reason() -> None:
    found = [must_hold(raw) for raw in some(corpus(), 3000)]
    assert any(found)
    assert None in found


@fuzzed(400)
@given(documents(*SEEDS))
def test_whatever_is_written_is_an_intent_or_has_a_reason(raw: bytes) -> None:
    must_hold(raw)


@fuzzed(300)
@given(st.decimals(0, 10**16, places=4), st.integers(0, 4), st.sampled_from(["ZAR", "JPY", "KWD", "CLF", "MNT"]))
def test_a_sum_comes_out_as_it_went_in_or_is_refused(amount: Decimal, places: int, currency: str) -> None:
    text = f"{amount:.{places}f}"
    must_hold(json.dumps(SETTLE | {"amount": text, "currency": currency}).encode())


@pytest.mark.parametrize("filling", [b"x", b"\\u0000", b"\\ud83d\\ude00", b"\xd9\xa0", b"\\\\", b"cvv "])
@pytest.mark.parametrize("size", [MAX_INTENT_BYTES - 1, MAX_INTENT_BYTES, MAX_INTENT_BYTES + 1])
def test_an_intent_at_the_limit_of_its_size_takes_no_longer_than_it_may(filling: bytes, size: int) -> None:
    head, _, tail = json.dumps(SETTLE | {"metadata": {"a": "HERE"}}).encode().partition(b"HERE")
    room = size - len(head) - len(tail)
    filled = filling * (room // len(filling))
    must_hold(head + filled + b" " * (room - len(filled)) + tail)
