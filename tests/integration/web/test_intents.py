"""Intents by HTTP, through the real process: taken once, each answered, nothing of another source's."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.door import Client, Door, carried, door, intent

Rows = list[dict[str, Any]]


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Door]:
    with door(database_url, broker_url, tmp_path) as found:
        yield found


@pytest.fixture
def shop(opened: Door) -> Client:
    return opened.client("shop")


def rows(opened: Door, statement: str) -> Rows:
    with psycopg.connect(opened.database_url, row_factory=dict_row) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_an_intent_is_committed_when_it_is_answered_and_the_same_again_is_a_duplicate(
    opened: Door, shop: Client
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    first = shop.post("/v1/intents", intent("a1"), traceparent=trace, Idempotency_Key="a1")
    assert first.status == 202, first.told
    assert first.headers["location"] == first.told["payment"] == "/v1/payments/shop/a1"
    assert (first.told["id"], first.told["source"], first.told["duplicate"]) == ("a1", "shop", False)
    (row,) = rows(opened, "SELECT state, traceparent, source, intent_id FROM payments")
    assert row == {"state": "accepted", "traceparent": trace, "source": "shop", "intent_id": "a1"}
    again = shop.submit(intent("a1", amount="100.0"))
    assert (again.status, again.told) == (202, first.told | {"duplicate": True})
    assert len(rows(opened, "SELECT FROM payments")) == 1
    conflict = shop.submit(intent("a1", amount="101.00"))
    assert (conflict.status, conflict.told["code"]) == (409, "id_conflict")
    assert conflict.told["digest_before"] == first.told["digest"] != conflict.told["digest"]
    assert conflict.headers["content-type"] == "application/problem+json"
    assert rows(opened, "SELECT FROM quarantine") == []


def test_every_mistake_is_told_with_its_code_and_place(shop: Client) -> None:
    answer = shop.submit(intent("a1", amount="1.001", paid_at="yesterday", colour="red", target={"id": 7}))
    told = answer.told
    assert (answer.status, told["code"], told["status"]) == (422, "unknown_field", 422)
    found = {(one["code"], one["place"]) for one in told["mistakes"]}
    assert found >= {
        ("unknown_field", "colour"),
        ("too_precise", "amount"),
        ("bad_time", "paid_at"),
        ("bad_field", "target.id"),
        ("missing_field", "target.customer_type"),
    }
    assert "yesterday" not in answer.body.decode()
    assert shop.post("/v1/intents", b"{").status == 400
    assert shop.post("/v1/intents", json.dumps(intent("a1")).encode() * 2).told["code"] == "not_json"
    assert shop.submit(intent("a1", source="other")).told["code"] == "not_yours"
    assert shop.submit(intent("a1", metadata={"x": "y" * 70_000})).status == 413
    assert shop.post("/v1/intents", intent("a1"), Idempotency_Key="a2").told["code"] == "key_mismatch"
    assert shop.post("/v1/intents", b"a=b", Content_Type="application/x-www-form-urlencoded").status == 415
    assert shop.submit(intent("a1", paid_at="2999-11-21T03:24:12Z")).told["code"] == "paid_ahead"
    assert shop.get("/v1/payments").told == {"payments": [], "next": None}, "none of these was taken"


def test_a_batch_is_answered_in_order_each_as_it_would_be_alone(opened: Door, shop: Client) -> None:
    shop.submit(intent("known"))
    batch = [
        intent("b1"),
        intent("known"),
        intent("b1"),
        intent("b1", amount="5.00"),
        intent("bad", amount="0"),
        intent("theirs", source="other"),
        intent("b2"),
    ]
    raw = json.dumps({"intents": batch}).replace('"intent_id": "b2"', '"intent_id": "b2", "intent_id": "b3"')
    answer = shop.post("/v1/intents", raw.encode())
    assert answer.status == 207
    told = [(one["status"], one.get("code"), one.get("duplicate")) for one in answer.told["results"]]
    assert told == [
        (202, None, False),
        (202, None, True),
        (202, None, True),
        (409, "id_conflict", None),
        (422, "bad_amount", None),
        (403, "not_yours", None),
        (400, "not_json", None),
    ]
    assert {row["intent_id"] for row in rows(opened, "SELECT intent_id FROM payments")} == {"known", "b1"}


def test_a_thousand_at_once_are_taken_and_one_more_is_not(opened: Door, shop: Client) -> None:
    many = [intent(f"m{number}") for number in range(1000)]
    answer = shop.submit(*many)
    assert answer.status == 207
    assert {one["status"] for one in answer.told["results"]} == {202}
    assert [one["id"] for one in answer.told["results"]] == [one["intent_id"] for one in many]
    assert shop.submit(*many, intent("more")).told["code"] == "too_many_intents"
    assert len(rows(opened, "SELECT FROM payments")) == 1000
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = shop.get(f"/v1/payments?limit=200&after={after}").told
        seen += [one["intent_id"] for one in page["payments"]]
        after = page["next"]
    assert sorted(seen) == sorted(one["intent_id"] for one in many)
    assert len(seen) == 1000


def test_a_payment_is_read_with_its_history_and_cancelled_by_its_source_alone(opened: Door, shop: Client) -> None:
    other = opened.client("other")
    shop.submit(intent("c1"))
    found = shop.get("/v1/payments/shop/c1")
    assert (found.status, found.told["state"]) == (200, "accepted")
    assert [entry["what"] for entry in found.told["history"]] == ["event"]
    assert shop.get("/v1/payments/shop/none").status == 404
    for odd in ("a%00b", "%20", "%ED%A0%80", "x" * 65):
        assert shop.get(f"/v1/payments/shop/{odd}").told["code"] == "bad_parameter"
        assert shop.post(f"/v1/payments/shop/{odd}/cancel", {"reason": "odd"}).status == 422
        assert shop.get(f"/v1/payments/{odd}/c1").status == 403
    for path in ("/v1/payments/shop/c1", "/v1/payments/shop/none"):
        assert (other.get(path).status, other.get(path).told["code"]) == (403, "not_yours")
    assert other.post("/v1/payments/shop/c1/cancel", {"reason": "no"}).status == 403
    assert other.get("/v1/payments").told["payments"] == []
    assert shop.post("/v1/payments/shop/c1/cancel", {}).status == 422
    assert shop.post("/v1/payments/shop/none/cancel", {"reason": "not wanted"}).status == 404
    assert shop.post("/v1/payments/shop/c1/cancel", {"reason": "not wanted"}).told["state"] == "cancelled"
    again = shop.post("/v1/payments/shop/c1/cancel", {"reason": "not wanted"})
    assert (again.status, again.told["state"]) == (200, "cancelled"), "as one whose answer was lost"
    (audited,) = rows(opened, "SELECT by_whom, action, subject FROM audit WHERE action LIKE 'payment.%'")
    assert (audited["action"], audited["subject"]) == ("payment.cancelled", "shop/c1")
    assert audited["by_whom"].startswith("shop (key ")
    assert shop.get("/v1/payments?state=cancelled").told["payments"][0]["intent_id"] == "c1"
    assert shop.get("/v1/payments?state=accepted&provider=mtn").told == {"payments": [], "next": None}
    assert shop.get("/v1/payments?state=nonsense").told["code"] == "bad_parameter"


def test_events_come_in_order_as_their_schema_says_and_none_of_another_source(opened: Door, shop: Client) -> None:
    other = opened.client("other")
    start = shop.get("/v1/events?after=end").told["next"]
    shop.submit(*(intent(f"e{number}") for number in range(5)))
    other.submit(intent("theirs", source="other"))
    shop.post("/v1/payments/shop/e3/cancel", {"reason": "not wanted"})
    waiting = shop.get(f"/v1/events?after={start}")
    assert waiting.told == {"events": [], "next": start, "more": True}, "committed, and not carried yet"
    assert waiting.headers["retry-after"] == "1"
    carried(opened.database_url)
    told: list[dict[str, Any]] = []
    more = True
    while more:
        page = shop.get(f"/v1/events?limit=2&after={start}").told
        told, start, more = told + page["events"], page["next"], page["more"]
    assert [(one["subject"], one["type"].rpartition(".")[2]) for one in told] == [
        *((f"shop/e{number}", "accepted") for number in range(5)),
        ("shop/e3", "cancelled"),
    ]
    assert shop.get(f"/v1/events?after={start}").told["events"] == []
    assert shop.get("/v1/events?after=nonsense").status == 422


def test_a_page_says_that_there_is_more_while_a_transaction_holds_back_what_is_committed(
    opened: Door, shop: Client
) -> None:
    other = opened.client("other")
    start = shop.get("/v1/events?after=end").told["next"]
    with psycopg.connect(opened.database_url) as held:
        held.execute(
            "INSERT INTO events (event_id, type, subject, data)"
            " VALUES ('held', 'settlepipe.payment.accepted', 'nobody/1', '{}')"
        )
        assert shop.get(f"/v1/events?after={start}").told["more"] is False, "what is not committed is nobody's yet"
        shop.submit(intent("held-back"))
        carried(opened.database_url)
        for _ in range(2):
            page = shop.get(f"/v1/events?after={start}")
            assert (page.told["events"], page.told["more"], page.headers["retry-after"]) == ([], True, "1")
        theirs = other.get(f"/v1/events?after={start}")
        assert (theirs.told["more"], "retry-after" in theirs.headers) == (False, False), "nothing of theirs is held"
        held.rollback()
    page = shop.get(f"/v1/events?after={start}")
    assert [one["subject"] for one in page.told["events"]] == ["shop/held-back"]
    assert (page.told["more"], "retry-after" in page.headers) == (False, False)
