"""accept: what becomes of an entry of the intake stream."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from shared.domain.intent import AHEAD
from shared.messaging.intake_stream import Entry
from shared.payments.accept import accept
from tests.support.flow import STREAM, World, running_world, together

NUMBER = "4000000000000002"  # made up


def quarantine(world: World) -> list[dict[str, Any]]:
    return world.rows("SELECT * FROM quarantine ORDER BY id")


def test_a_batch_is_accepted_in_one_commit_with_its_events(world: World) -> None:
    documents = [world.document() for _ in range(3)]
    assert world.accept(*documents) == 3
    assert world.value("SELECT count(DISTINCT xmin::text) FROM payments") == 1
    assert [world.events(world.id_of(d)) for d in documents] == [["accepted"]] * 3


def test_the_request_is_built_and_its_hash_kept_before_anything_is_sent(world: World) -> None:
    payment = world.payment(world.pay(amount="100"))
    assert json.loads(payment["body"])["sum"] == 10_000
    assert bytes(payment["body_sha256"]) == hashlib.sha256(payment["body"]).digest()


@pytest.mark.parametrize("change", [{}, {"amount": "100"}, {"paid_at": "2026-11-21T07:24:12+04:00"}])
def test_the_same_intent_again_changes_nothing_and_reemits_the_last_event_verbatim(
    world: World, change: dict[str, str]
) -> None:
    document = world.document(paid_at="2026-11-21T03:24:12Z")
    world.accept(document)
    world.execute("DELETE FROM outbox")
    before = world.rows("SELECT id, event_id, type, subject, data::text, created_at FROM events")
    payment = world.payment(world.id_of(document))
    assert world.accept(document | change) == 0
    assert (
        world.rows("SELECT id, event_id, type, subject, data::text, created_at FROM events JOIN outbox USING (id)")
        == before
    )
    after = world.payment(world.id_of(document))
    assert {**after, "due_in": None} == {**payment, "due_in": None}
    assert quarantine(world) == []


def test_a_repeat_inside_one_batch_is_a_repeat(world: World) -> None:
    document = world.document()
    assert world.accept(document, document) == 1
    assert world.events(world.id_of(document)) == ["accepted"]


def test_a_repeat_of_a_settled_intent_reemits_its_success_also_when_a_receipt_came_after(world: World) -> None:
    document = world.document(receipt={"register": ""})
    world.accept(document)
    world.run()
    world.run()
    world.execute("DELETE FROM outbox")
    world.accept(document)
    assert [row["type"] for row in world.rows("SELECT type FROM events JOIN outbox USING (id)")] == [
        "settlepipe.payment.succeeded"
    ]


@pytest.mark.parametrize("apart", [False, True])
def test_the_same_id_with_other_content_goes_to_quarantine_with_both(world: World, apart: bool) -> None:
    document = world.document()
    other = document | {"metadata": {"note": "other"}}
    if apart:
        world.accept(document)
        world.accept(other)
    else:
        world.accept(document, other)
    (kept,) = quarantine(world)
    assert json.loads(kept["raw"]) == other
    assert kept["conflict_of"] == world.id_of(document)
    assert kept["subject"] == f"shop/{document['intent_id']}"
    assert world.value("SELECT count(*) FROM payments") == 1


def test_what_cannot_be_parsed_is_kept_with_its_bytes_and_the_reason_and_told(world: World) -> None:
    raw = b'{"intent_id": "\xff"}'
    good = world.document()
    assert accept(world.runtime, [world.entry(raw), world.entry(good)]) == 1
    (kept,) = quarantine(world)
    assert (bytes(kept["raw"]), kept["reason"]) == (raw, "the intent is not UTF-8")
    (event,) = world.rows("SELECT * FROM events WHERE payment_id IS NULL")
    assert (event["event_id"], event["type"]) == (f"q{kept['id']}-1", "settlepipe.intake.quarantined")
    assert event["subject"] == "-"
    assert set(event["data"]) == {"quarantine_id", "reason", "sha256", "stream", "entry_id", "code", "conflict_of"}
    assert (event["data"]["code"], event["data"]["conflict_of"]) == ("not_json", None)
    assert event["data"]["sha256"] == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (lambda d: json.dumps(d | {"metadata": {"card_number": NUMBER, "c\u0076v": "987"}}), "cardNumber and cvv"),
        (lambda d: json.dumps(d | {"target": {"invoice": "i", "details": {"cardNumber": NUMBER}}}), "cardNumber and"),
        (lambda d: json.dumps(d | {"metadata": {"cvv": NUMBER}})[:-1], "not JSON"),
        (lambda d: json.dumps(d | {"metadata": {"cvv": NUMBER, "x": "x" * 65_536}}), "the limit is 65536"),
        (lambda d: json.dumps(d)[:-1] + ', "cvv": "' + NUMBER + '", "cvv": "1"}', "a key twice"),
    ],
)
def test_card_data_is_kept_nowhere_and_its_digest_is_of_what_is_kept(world: World, make: Any, kept: str) -> None:
    raw = make(world.document()).encode()
    assert accept(world.runtime, [world.entry(raw), Entry(STREAM, b"2-0", None, {b"intent": raw, b"x": b"1"})]) == 0
    rows = quarantine(world)
    assert kept in rows[0]["reason"]
    assert len(rows) == 2
    events = json.dumps([event["data"] for event in world.rows("SELECT data FROM events")])
    for row in rows:
        assert NUMBER.encode() not in bytes(row["raw"])
        assert b"987" not in bytes(row["raw"])
        assert bytes(row["sha256"]) == hashlib.sha256(row["raw"]).digest()
        assert bytes(row["sha256"]).hex() in events
    assert hashlib.sha256(raw).hexdigest() not in events


def test_an_entry_without_the_one_field_goes_to_quarantine(world: World) -> None:
    accept(world.runtime, [Entry(STREAM, b"1-0", None, {b"a": b"1", b"b": b"2"})])
    assert bytes(quarantine(world)[0]["raw"]) == b"a=1\nb=2"


def test_quarantine_keeps_each_digest_once_and_reemits_its_event(world: World) -> None:
    world.accept(b"[]")
    world.execute("DELETE FROM outbox")
    before = world.rows("SELECT id, event_id, data::text FROM events")
    world.accept(b"[]", b"[]")
    (kept,) = quarantine(world)
    assert kept["seen"] == 3
    assert world.rows("SELECT id, event_id, data::text FROM events JOIN outbox USING (id)") == before


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"provider": "off"}, "provider off is off"),
        ({"provider": "narrow", "refund_of": "ord-0"}, "refund is not documented for narrow, so it is not supported"),
        ({"currency": "EUR"}, "safe takes MNT, not EUR"),
    ],
)
def test_what_can_never_be_sent_is_accepted_and_then_refused_with_both_events(
    world: World, fields: dict[str, str], detail: str
) -> None:
    payment_id = world.pay(**fields)
    payment = world.payment(payment_id)
    assert payment["state"] == "refused"
    assert payment["detail"].startswith(detail)
    assert world.events(payment_id) == ["accepted", "refused"]
    assert world.safe.sent == []


def test_two_intakes_with_the_same_batch_insert_it_once(world: World) -> None:
    documents = [world.document() for _ in range(40)]
    forth = [world.entry(d) for d in documents]
    back = [world.entry(d) for d in reversed(documents)]
    other = world.another()
    counts = together(lambda: accept(world.runtime, forth), lambda: accept(other, back))
    assert sum(counts) == 40
    assert world.value("SELECT count(*) FROM payments") == 40
    assert world.value("SELECT count(*) FROM events") == 40
    assert quarantine(world) == []


def test_a_row_that_postgresql_refuses_does_not_stop_the_others(own_world: World) -> None:
    world = own_world
    world.execute("ALTER TABLE payments ADD CHECK (intent_id <> 'poison')")
    documents = [world.document() for _ in range(5)]
    documents[3]["intent_id"] = "poison"
    assert world.accept(*documents) == 4
    (kept,) = quarantine(world)
    assert json.loads(kept["raw"])["intent_id"] == "poison"


def test_an_intent_whose_adapter_fails_does_not_stop_the_others(world: World) -> None:
    world.safe.builds.append(ZeroDivisionError())
    assert world.accept(world.document(), world.document()) == 1
    assert len(quarantine(world)) == 1


def test_no_intent_is_dropped_when_the_first_one_of_its_id_could_not_be_built(world: World) -> None:
    document = world.document()
    other = document | {"amount": "7.00"}
    world.safe.builds.append(ZeroDivisionError())
    assert world.accept(document, other) == 0
    assert [json.loads(row["raw"])["amount"] for row in quarantine(world)] == ["100.00", "7.00"]


def test_a_database_that_is_away_while_building_acknowledges_nothing_and_blames_no_intent(world: World) -> None:
    world.safe.builds.append(psycopg.OperationalError("gone"))
    with pytest.raises(psycopg.OperationalError):
        world.accept(world.document())
    assert quarantine(world) == []


def test_a_source_that_is_not_allowed_on_a_stream_goes_to_quarantine(rules_url: str) -> None:
    intake = {"sources": {STREAM: ["shop"], "other": ["*"]}}
    with running_world(rules_url, intake=intake) as world:
        good, bad = world.document(), world.document(source="intruder")
        assert world.accept(good, bad) == 1
        assert quarantine(world)[0]["reason"] == "this source may not use this stream"
        assert accept(world.runtime, [world.entry(bad, "other")]) == 1
        assert accept(world.runtime, [world.entry(world.document(), "unlisted")]) == 0


def test_what_an_amount_may_be_fits_the_database_or_is_refused_with_its_reason(world: World) -> None:
    world.accept(world.document(amount="999999999999999.9999", currency="CLF"))
    (kept,) = quarantine(world)
    assert "amount" in kept["reason"]


def test_what_is_paid_in_the_future_waits_in_quarantine_until_it_is_not(world: World) -> None:
    """By the database's clock, whatever this process's says."""
    world.advance(-40 * 86_400)
    now = world.value("SELECT clock() AS now")
    soon, late = (world.document(paid_at=(now + timedelta(hours=h)).isoformat()) for h in (23.9, 24.1))
    assert world.accept(soon, late, late) == 1
    (kept,) = quarantine(world)
    assert (kept["reason"], kept["seen"], kept["conflict_of"]) == (AHEAD, 2, None)
    assert json.loads(kept["raw"])["intent_id"] == late["intent_id"]
    assert world.value("SELECT count(*) FROM intent_keys") == 1
    world.advance(3600)
    assert world.accept(late) == 1
    assert world.accept(late) == 0
    assert world.state(world.id_of(late)) == "accepted"
    assert len(quarantine(world)) == 1


def test_what_was_accepted_is_known_again_also_when_the_clock_went_back(world: World) -> None:
    document = world.document(paid_at="2026-11-21T03:24:12Z")
    world.accept(document)
    world.execute("DELETE FROM outbox")
    world.advance(-3650 * 86_400)
    assert world.accept(document, document | {"amount": "7.00"}) == 0
    assert [row["reason"] for row in quarantine(world)] == ["this id was used before for an intent with other content"]
    assert world.value("SELECT count(*) FROM events JOIN outbox USING (id) WHERE payment_id IS NOT NULL") == 1
