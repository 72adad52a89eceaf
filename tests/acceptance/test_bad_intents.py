"""What is no intent goes to quarantine with its reason, and stops nothing else."""

import hashlib
import json

from shared.domain.kept import KEPT_BYTES
from tests.support import audit, intents
from tests.support.stack import STREAM, Row, Stack, wait_until

MAX_BYTES = 64 * 1024


def _raw(source: str, number: int, /, **changed: object) -> bytes:
    return json.dumps(intents.settle(source, number) | changed, ensure_ascii=False).encode()


def _with(source: str, number: int, old: str, new: str) -> bytes:
    raw = json.dumps(intents.settle(source, number), ensure_ascii=False)
    assert raw.count(old) == 1
    return raw.replace(old, new).encode()


def _padded(source: str, number: int, size: int) -> bytes:
    bare = len(_raw(source, number, metadata={"padding": ""}))
    raw = _raw(source, number, metadata={"padding": "x" * (size - bare)})
    assert len(raw) == size
    return raw


ENTRY = "the entry must have exactly one field, `intent`, and may have `traceparent` beside it"


def _bad(source: str) -> dict[str, tuple[bytes, str]]:
    """Name to (bytes, a part of the reason)."""
    nested = b'{"a":' * 200 + b"1" + b"}" * 200
    amounts = {
        "negative": "-1.00",
        "zero": "0.00",
        "too_precise": "1.001",
        "not_ascii_digits": "١٢٣.٠٠",
        "fullwidth_digits": "１００",
        "exponent": "1e3",
        "plus": "+1.00",
        "leading_zero": "01.00",
        "nan_text": "NaN",
        "space": " 1.00",
        "line_feed": "1.00\n",
        "comma": "1,000.00",
        "huge": "9" * 16,
        "empty": "",
    }
    plain = {
        "not_utf8": (b'{"intent_id": "\xff\xfe"}', "not UTF-8"),
        "utf16": (_raw(source, 900).decode().encode("utf-16"), "not UTF-8"),
        "not_json": (b"pay 100 please", "not JSON"),
        "nothing": (b"", "not JSON"),
        "half": (_raw(source, 901)[:-20], "not JSON"),
        "two_documents": (_raw(source, 902) + _raw(source, 903), "not JSON"),
        "a_list": (b"[" + _raw(source, 904) + b"]", "not a JSON object"),
        "text": (b'"settle"', "not a JSON object"),
        "null": (b"null", "not a JSON object"),
        "nul_character": (_raw(source, 905, metadata={"a": "b\0c"}), "NUL"),
        "nul_in_key": (_raw(source, 906, metadata={"b\0c": 1}), "NUL"),
        "nul_byte": (b"\0" + _raw(source, 907), "not JSON"),
        "lone_surrogate": (_with(source, 908, '"543210"', r'"\ud800"'), "surrogate"),
        "deep_nesting": (_raw(source, 909)[:-1] + b', "metadata": ' + nested + b"}", "nested too deeply"),
        "very_deep_nesting": (b"[" * 60_000, "nested too deeply"),
        "too_large": (_padded(source, 910, MAX_BYTES + 1), "limit is 65536"),
        "duplicate_key": (_raw(source, 911)[:-1] + b', "amount": "1.00"}', "key twice"),
        "duplicate_key_inside": (_with(source, 912, '"target": {', '"target": {"invoice_code": "x", '), "key twice"),
        "unknown_key": (_raw(source, 913, colour="red"), "colour"),
        "missing_key": (json.dumps({"intent_id": "s914", "source": source}).encode(), "amount"),
        "amount_is_a_number": (_raw(source, 915, amount=100), "amount"),
        "amount_is_a_float": (_raw(source, 916, amount=100.25), "amount"),
        "amount_is_true": (_raw(source, 917, amount=True), "amount"),
        "amount_is_null": (_raw(source, 918, amount=None), "amount"),
        "amount_is_nan": (_with(source, 919, '"1019.25"', "NaN"), "NaN"),
        "amount_is_infinity": (_with(source, 920, '"1020.25"', "-Infinity"), "Infinity"),
        "amount_beyond_floats": (_with(source, 921, '"1021.25"', "1e999"), "too large"),
        "unknown_currency": (_raw(source, 922, currency="XQQ"), "currency"),
        "small_currency": (_raw(source, 923, currency="mnt"), "currency"),
        "unknown_provider": (_raw(source, 924, provider="nobody"), "provider"),
        "unknown_operation": (_raw(source, 925, operation="withdraw"), "operation"),
        "naive_time": (_raw(source, 926, paid_at="2026-11-21T03:24:12"), "paid_at"),
        "no_such_time": (_raw(source, 927, paid_at="2026-02-30T03:24:12Z"), "paid_at"),
        "time_is_a_number": (_raw(source, 928, paid_at=1790000000), "paid_at"),
        "date_alone": (_raw(source, 929, paid_at="2026-11-21"), "paid_at"),
        "bad_id": (_raw(source, 930, intent_id="a/b"), "intent_id"),
        "long_id": (_raw(source, 931, intent_id="a" * 65), "intent_id"),
        "id_with_line_feed": (_raw(source, 932, intent_id="a\n"), "intent_id"),
        "cyrillic_id": (_raw(source, 933, intent_id="с933"), "intent_id"),
        "empty_source": (_raw(source, 934, source=""), "source"),
        "target_is_text": (_raw(source, 935, target="invoice"), "target"),
        "target_lacks_invoice": (_raw(source, 936, target={"bs_customer_code": "1"}), "target.invoice_code"),
        "refund_with_target": (_raw(source, 937, operation="refund", refund_of="s1"), "refund"),
        "settle_with_refund_of": (_raw(source, 938, refund_of="s1"), "settle"),
    }
    return plain | {
        f"amount_{name}": (_raw(source, 950 + place, amount=amount), "amount")
        for place, (name, amount) in enumerate(amounts.items())
    }


def test_bad_intents_go_to_quarantine_with_a_reason_and_an_event_and_good_ones_around_them_go_through(
    up: Stack, source: str
) -> None:
    bad, before = _bad(source), up.query("SELECT coalesce(max(id), 0) AS id FROM quarantine")[0]["id"]
    good = [intents.settle(source, number) for number in range(1, len(bad) + 3)]
    largest = json.loads(_padded(source, 899, MAX_BYTES))
    conflict = intents.settle(source, 1, amount="777.00")
    same = intents.settle(source, 2, paid_at="2026-11-21T06:24:12.133606+03:00")  # another zone, the same time
    up.submit(good[:1])
    for one, (raw, _) in zip(good[1:], bad.values(), strict=False):
        up.submit([raw, one])
    with up.broker() as broker:
        broker.xadd(STREAM, {"payment": b"{}"})
        broker.xadd(STREAM, {"intent": json.dumps(good[0]).encode(), "extra": b"1"})
    up.submit([conflict, same, json.dumps(largest).encode(), *good[len(bad) + 1 :]])

    audit.wait_ended(up, source, [*good, largest])
    found = audit.check_all(up, source, [*good, largest])
    assert audit.states(found) == {"succeeded": len(good) + 1}
    assert found["s1"]["amount"] == "101.25", "the conflict changed nothing"

    wanted = {hashlib.sha256(raw).hexdigest(): (name, part) for name, (raw, part) in bad.items()}
    assert len(wanted) == len(bad)
    wanted[hashlib.sha256(json.dumps(conflict).encode()).hexdigest()] = ("conflict", "used before")
    rows = wait_until(lambda: _quarantine(up, before, len(wanted) + 2), "everything bad is in quarantine")
    by_digest = {row["sha256"]: row for row in rows}
    wrong = {
        name: by_digest.get(digest, {}).get("reason", "not in quarantine")
        for digest, (name, part) in wanted.items()
        if part not in by_digest.get(digest, {}).get("reason", "")
    }
    assert not wrong, wrong
    other_form = [row for row in rows if row["sha256"] not in wanted]
    assert [row["reason"] for row in other_form] == [ENTRY] * 2
    raws = {row["sha256"]: bytes(row["raw"]) for row in rows}
    kept = {name: raw if len(raw) <= MAX_BYTES else raw[:KEPT_BYTES] for name, (raw, _) in bad.items()}
    assert all(raws[hashlib.sha256(bad[name][0]).hexdigest()] == raw for name, raw in kept.items()), (
        "the bytes are kept"
    )
    _has_an_event_each(up, rows)


def _quarantine(up: Stack, after: int, count: int) -> list[Row]:
    statement = """SELECT id, encode(sha256, 'hex') AS sha256, reason, code, raw, stream, entry_id,
        CASE WHEN conflict_of IS NOT NULL THEN subject END AS conflict_of FROM quarantine WHERE id > %s ORDER BY id"""
    rows = up.query(statement, after)
    return rows if len(rows) >= count else []


def _has_an_event_each(up: Stack, rows: list[Row]) -> None:
    ids = {f"q{row['id']}-1" for row in rows}

    def told() -> dict[str, Row] | None:
        events = {e["id"]: e for e in up.events() if e["id"] in ids}
        return events if len(events) >= len(rows) else None

    events = wait_until(told, "an event for each quarantined intent")
    assert {event_id: event["data"] for event_id, event in events.items()} == {
        f"q{row['id']}-1": {
            "quarantine_id": row["id"],
            "reason": row["reason"],
            "sha256": row["sha256"],
            "stream": STREAM,
            "entry_id": row["entry_id"],
            "code": row["code"],
            "conflict_of": row["conflict_of"],
        }
        for row in rows
    }
