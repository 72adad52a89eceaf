"""Every category is explained, and evidence is put into words without losing or repeating any."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from shared.domain.discrepancies import Category
from shared.reconciliation.report.evidence import ITEMS, LENGTH, pairs
from shared.reconciliation.report.figures import Reader, reader_locale
from shared.reconciliation.report.words import WORDS
from shared.reconciliation.store.reports import Shown

READER = Reader(reader_locale("en"), ZoneInfo("Asia/Tbilisi"))
ROW = Shown(
    number=12,
    identity="amount_mismatch:7",
    category="amount_mismatch",
    currency="GEL",
    local_minor=1_000,
    provider_minor=100,
    account="170114",
    evidence={},
    payment="shop/ord-1",
    operation="settle",
    amount_minor=1_000,
    own_currency="GEL",
    state="succeeded",
    sent_reference="0123456789abcdefghjk",
    first_day=None,
    fresh=True,
    resolved_by=None,
    resolved_reason=None,
    continues_as=None,
)


def told(evidence: dict[str, Any], **other: Any) -> dict[str, str]:
    return {name: " ".join(text.split()) for name, text in pairs(replace(ROW, evidence=evidence, **other), READER)}


def test_every_category_has_words_that_say_what_to_do() -> None:
    assert set(WORDS) == set(Category)
    for words in WORDS.values():
        assert words.meaning.endswith(".")
        assert words.action.endswith(".")
    assert len({words.title for words in WORDS.values()}) == len(Category)


def test_evidence_leaves_out_what_the_columns_say() -> None:
    line: dict[str, object] = {
        "kind": "payment",
        "account": "170114",
        "marker": ROW.sent_reference,
        "amount_minor": 100,
    }
    line |= {
        "amount_minor": 100,
        "currency": "GEL",
        "at": "2026-11-21T09:12:00.000000Z",
        "reference": "537",
        "status": None,
    }
    payment: dict[str, object] = {"source": "shop", "intent_id": "ord-1", "operation": "settle", "state": "succeeded"}
    payment |= {"amount_minor": 1_000, "currency": "GEL", "finished_at": "2026-11-21T09:11:58.5Z"}
    assert told({"line": line, "payment": payment}) == {
        "booked there": "Nov 21, 2026, 1:12 PM",
        "provider's number": "537",
        "ended here": "Nov 21, 2026, 1:11 PM",
    }


def test_evidence_shows_where_the_provider_has_something_else() -> None:
    line = {"kind": "other", "account": "9", "marker": "zzz", "amount_minor": 70, "currency": "GEL"}
    assert told({"line": line}) == {
        "kind of entry": "other",
        "account there": "9",
        "reference there": "zzz",
        "amount there": "0.70 GEL",
    }


def test_candidates_are_named_with_their_state_and_amount() -> None:
    candidate = {"source": "shop", "intent_id": "ord-2", "state": "unknown", "amount_minor": 500, "sent_reference": "r"}
    assert told({"payments": [candidate]}) == {"could be": "shop/ord-2 (outcome not known here, 5.00 GEL)"}
    many = pairs(replace(ROW, evidence={"payments": [candidate] * (ITEMS + 3)}), READER)
    assert many[-1] == ("could be", "and 3 more")


def test_evidence_that_nobody_foresaw_is_shown_as_it_is_within_limits() -> None:
    shown = told({"odd_thing": {"deep": [1, {"x": True}]}, "long": "y" * 1_000, "flag": False})
    assert shown["odd thing: deep"] == '{"x": true}'
    assert len(shown["long"]) == LENGTH + 1
    assert shown["flag"] == "no"
    assert told({"line": {"currency": "beans", "sum_minor": 1_234}}) == {"sum": "1,234", "currency there": "beans"}
