"""bmms's catalogue over a real socket: whole or not at all, in three languages."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.providers.base import Connected, LookupFailed, RefreshFailed
from shared.providers.registry import connect
from shared.settings import Settings
from tests.support.bmms import ACCOUNT, AMOUNT, choice, document, field, select, texts
from tests.support.memory import MemoryTokens
from tests.support.raw_server import answer, answering, raw_server


def asked(body: bytes, verb: Callable[[Connected], Any], status: int = 200) -> tuple[Any, list[bytes]]:
    with raw_server(answering(answer(status, body))) as server:
        settings = Settings.model_validate(
            {"bmms": {"base_url": server.url}, "http": {"total_timeout_s": 5, "max_body_bytes": 100_000}}
        )
        return verb(connect("bmms", settings, MemoryTokens())), server.requests


def refresh(body: bytes, status: int = 200) -> tuple[Any, list[bytes]]:
    return asked(body, lambda connected: connected.refreshes["catalogue"](), status)


def look_up(found: dict[str, Any], **given: Any) -> Any:
    return asked(json.dumps(found).encode(), lambda connected: connected.lookups["recipients"].call(**given))[0]


def test_the_catalogue_has_a_row_for_each_recipient_with_its_fields_and_category() -> None:
    rows, [request] = refresh(json.dumps(document(ACCOUNT, AMOUNT, recipients=2)).encode())
    assert request.startswith(b"GET /services/bmms/api/agent/recipients HTTP/1.1\r\n")
    assert b"authorization" not in request.lower()
    assert [(row.item_id, row.key) for row in rows] == [("900001", "900001"), ("900002", "900002")]
    assert [field["name"] for field in rows[0].data["inputs"]] == ["amount", "licence"], "as they are displayed"
    assert rows[0].data["category"]["id"] == 800001
    assert rows[0].data["responses"][0]["name"] == "saldo"
    assert rows[1].data["inputs"] == []


def test_the_same_catalogue_in_another_order_gives_the_same_rows() -> None:
    first = document(AMOUNT, ACCOUNT, select(3, "KIND", choice("1"), choice("2")), recipients=2)
    second = document(ACCOUNT, select(3, "KIND", choice("2"), choice("1")), AMOUNT, recipients=2)
    second["recipients"].reverse()
    assert refresh(json.dumps(first).encode())[0] == refresh(json.dumps(second).encode())[0]


def test_amounts_are_never_floats() -> None:
    [row], _ = refresh(json.dumps(document()).replace("100000000,", "100000000.10,").encode())
    assert row.data["recipient"]["max_amount"] == "100000000.10"


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in document().items() if key != name}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({**document(), "recipients": []}, "belongs to a recipient that is not listed|recipients is empty"),
        ({"categories": [], "recipients": [], "fields": [], "responseFields": []}, "recipients is empty"),
        (without("recipients"), "recipients is not as documented"),
        (without("responseFields"), "responseFields is not as documented"),
        (document(type="OTHER"), "recipients.0.type"),
        (document(amountRatio=0), "recipients.0.amountRatio"),
        (document(minAmount="much"), "recipients.0.minAmount"),
        (document(id=True), "recipients.0.id"),
        (document(titles={"en": "a\0b"}), "titles.en"),
        (document(titles={"en": "\ud800"}), "titles.en"),
        (document(categoryId=1), "category that is not listed"),
        (document(field(1, "x", recipientId=1)), "recipient that is not listed"),
        (document(field(1, "x"), field(2, "x")), "twice"),
        (document(field(1, "x", controlType="DATE")), "fields.0.controlType"),
        (document(field(1, "x", optional="no")), "fields.0.optional"),
        ({**document(), "recipients": document()["recipients"] * 2}, "twice"),
        ([], "the answer is not as documented"),
    ],
)
def test_a_catalogue_that_is_not_as_documented_is_not_taken(found: Any, reason: str) -> None:
    with pytest.raises(RefreshFailed, match=reason):
        refresh(json.dumps(found).encode())


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"<html>", 200, "not JSON"),
        (b"", 200, "not JSON"),
        (json.dumps(document()).encode()[:-5], 200, "not JSON"),
        (b"x" * 200_000, 200, "SETTLEPIPE_HTTP__MAX_BODY_BYTES"),
        (b"", 500, "HTTP 500"),
        (b"", 401, "how to log in"),
        (b"", 403, "how to log in"),
        (b"{}", 404, "HTTP 404"),
    ],
)
def test_an_answer_that_is_no_catalogue_is_not_taken(body: bytes, status: int, reason: str) -> None:
    with pytest.raises(RefreshFailed, match=reason):
        refresh(body, status)


def test_recipients_are_shown_in_the_chosen_language() -> None:
    found = document(AMOUNT, select(3, "KIND", choice("1,2")), recipients=2)
    [first, _] = look_up(found, language="uz")
    assert (first["title"], first["category"], first["min_amount"]) == ("Water 0 (uz)", "Services (uz)", "500")
    assert [field["title"] for field in first["fields"]] == ["Amount (uz)", "Kind (uz)"]
    assert first["fields"][1]["choices"][0]["title"] == "Choice 1,2 (uz)"
    assert look_up(found)[0]["title"] == "Water 0"


def test_a_text_that_is_missing_in_one_language_is_shown_in_another() -> None:
    assert look_up(document(titles={"ru": "Вода"}), language="en")[0]["title"] == "Вода"
    assert look_up(document(titles={}), language="en")[0]["title"] == "made_up_0"


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ({"recipient_id": 900002}, [900002]),
        ({"recipient_id": 1}, []),
        ({"search": "ПОЧТА"}, [900001]),
        ({"search": "WATERWORKS 1"}, [900002]),
        ({"search": "made_up"}, [900001, 900002]),
    ],
)
def test_recipients_are_found_by_id_and_by_text_in_any_language(given: dict[str, Any], ids: list[int]) -> None:
    found = document(recipients=2, titles=texts("Mail") | {"ru": "Почта"})
    assert [one["id"] for one in look_up(found, **given)] == ids


@pytest.mark.parametrize("given", [{"language": "tr"}, {"nothing": "x"}])
def test_a_wrong_lookup_says_what_is_wrong(given: dict[str, Any]) -> None:
    with pytest.raises(LookupFailed, match=r"language is one of en, ru, uz|nothing is not a parameter"):
        look_up(document(), **given)
