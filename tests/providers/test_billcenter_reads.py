"""billcenter's lists and look-ups: all pages or nothing, and the document's traps."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from shared.providers.base import LookupFailed, RefreshFailed
from tests.support.billcenter import INVOICE, Handler, billcenter, page, reply
from tests.support.raw_server import answer

ACCOUNT = {"khut_type": None, "account": "8000000001", "bank_code": "70000", "currency": "MNT", "biller_service": 58}
CUSTOMER = {
    "id": 5,
    "bs_customer_code": "300001",
    "register": "TT00000001",
    "email": "('',)",
    "adderss": None,
    "new": 1,
}


def rows(count: int) -> list[dict[str, Any]]:
    return [{**ACCOUNT, "id": index, "biller_service": index % 7} for index in range(count)]


def paged(
    all_rows: list[dict[str, Any]], size: int = 10, count: int | None = None
) -> Callable[[dict[str, str]], bytes]:
    """A server that gives `size` rows a page, whatever was asked for."""

    def route(query: dict[str, str]) -> bytes:
        start = (int(query["page"]) - 1) * size
        return page(*all_rows[start : start + size], count=len(all_rows) if count is None else count)

    return route


def refresh(name: str, routes: Mapping[str, bytes | Handler]) -> list[Any]:
    with billcenter(routes) as (connected, _, _server):
        return list(connected.refreshes[name]())


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 60])
def test_all_pages_of_the_bank_accounts_are_fetched(count: int) -> None:
    """Trap: {count, results}, no `next`; 60 accounts in pages of 10."""
    found = refresh("bank_accounts", {"bank_accounts": paged(rows(count))})
    assert [row.item_id for row in found] == [str(index) for index in range(count)]
    assert [row.key for row in found] == [str(index % 7) for index in range(count)]
    assert all(row.data["account"] == "8000000001" for row in found)


def test_khut_type_is_text_whether_it_comes_as_a_number_or_as_text() -> None:
    found = refresh(
        "bank_accounts",
        {"bank_accounts": page({**ACCOUNT, "id": 1, "khut_type": 3}, {**ACCOUNT, "id": 2, "khut_type": "4"})},
    )
    assert [row.data["khut_type"] for row in found] == ["3", "4"]


def changing(query: dict[str, str]) -> bytes:
    return paged(rows(30), count=30 if query["page"] == "1" else 29)(query)


def failing(query: dict[str, str]) -> bytes:
    return answer(500) if query["page"] == "2" else paged(rows(30))(query)


def repeating(query: dict[str, str]) -> bytes:
    return page(*rows(10), count=30)


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        (changing, "changed"),
        (failing, "HTTP 500"),
        (repeating, "repeats"),
        (paged(rows(30), count=31), "30 rows came where 31"),
        (paged(rows(30), count=25), "30 rows came where 25"),
        (page({**ACCOUNT, "id": 1}, {**ACCOUNT, "id": 1}), "repeats"),
        (page({"id": 1}), "biller_service"),
        (reply({"results": []}), "count"),
        (reply([]), "not as documented"),
        (answer(200, b"<html>"), "not JSON"),
        (answer(200), "not as documented"),
    ],
)
def test_a_list_is_fetched_whole_or_not_at_all(route: bytes | Handler, reason: str) -> None:
    with pytest.raises(RefreshFailed, match=reason):
        refresh("bank_accounts", {"bank_accounts": route})


def test_services_are_filed_under_their_id() -> None:
    found = refresh(
        "services", {"biller_services": paged([{"id": 140, "with_noat": True}, {"id": 1, "with_noat": False}], 1)}
    )
    assert [(row.item_id, row.key, row.data["with_noat"]) for row in found] == [("140", "140", True), ("1", "1", False)]


def lookup(name: str, routes: Mapping[str, bytes | Handler], **given: Any) -> tuple[Any, list[str]]:
    with billcenter(routes) as (connected, fake, _):
        found = connected.lookups[name].call(**given)
        json.dumps(found)
        return found, [path for path in fake.paths if "token" not in path]


def test_every_documented_read_is_a_lookup_with_help() -> None:
    with billcenter({}) as (connected, _, _server):
        assert set(connected.lookups) == {
            "biller_categories",
            "biller_services",
            "biller_service",
            "biller_service_customers",
            "customers_by_address",
            "address_list",
            "recommendations",
            "single_detail_bill",
            "combined_detail_bill",
            "invoices",
            "bank_accounts",
            "dashboard",
        }
        for each in connected.lookups.values():
            assert each.help
            assert all(text for _, _, text in each.parameters.values())


@pytest.mark.parametrize(
    ("name", "route", "given", "path"),
    [
        ("biller_categories", ("biller_categories", page({"id": 2, "name": "x"})), {}, "biller_categories/"),
        (
            "biller_services",
            ("biller_services", page({"id": 2})),
            {"search": "a b", "page": 2},
            "biller_services/?search=a+b&page=2",
        ),
        (
            "biller_service",
            ("biller_services/ELE%2F1", reply({"id": 1})),
            {"id_or_service_code": "ELE/1"},
            "biller_services/ELE%2F1/",
        ),
        (
            "biller_service_customers",
            ("biller_service_customers", reply([CUSTOMER])),
            {"category": 1},
            "biller_service_customers/?category=1",
        ),
        ("invoices", ("invoices", page(INVOICE)), {"status": "PAID"}, "invoices/?status=PAID"),
        (
            "bank_accounts",
            ("bank_accounts", page({**ACCOUNT, "id": 1})),
            {"biller_service__id": 58},
            "bank_accounts/?biller_service__id=58",
        ),
        (
            "dashboard",
            ("dashboard", reply({"n": 1})),
            {"biller_category": 1, "report_type": 1, "report_name": "biller_count"},
            "dashboard/?biller_category=1&report_type=1&report_name=biller_count",
        ),
        (
            "single_detail_bill",
            ("biller_service_customers/single_detail_bill", reply({"any": "thing"})),
            {"category": 1},
            "biller_service_customers/single_detail_bill/?category=1",
        ),
        ("address_list", ("address_list", reply([{"name": "x"}])), {"RefID": 0}, "address_list/?RefID=0"),
    ],
)
def test_a_lookup_asks_as_documented(
    name: str, route: tuple[str, bytes | Handler], given: dict[str, Any], path: str
) -> None:
    found, paths = lookup(name, {route[0]: route[1]}, **given)
    assert paths == ["/api/third_party/" + path]
    assert found


def test_address_lookups_are_posts_with_query_parameters() -> None:
    route = reply({"SearchList": [{"CustomerCode": "36000001", "Dun": -0.43, "BillMonth": "202611"}]})
    with billcenter({"biller_service_customers/by_address": route}) as (connected, _, server):
        found = connected.lookups["customers_by_address"].call(AimagName="Булган", Toot="1")
        assert found["SearchList"][0]["Dun"] == "-0.43", "a float in the document; a decimal here"
        assert server.requests[-1].startswith(
            b"POST /api/third_party/biller_service_customers/by_address/?AimagName=%D0"
        )
        assert server.bodies()[-1] == b""


def test_recommendations_are_also_found_under_recommendeds() -> None:
    """Trap: the example's path is another than the document's."""
    found, paths = lookup("recommendations", {"biller_service_customers/recommendeds": reply([CUSTOMER])}, register="x")
    assert found[0]["register"] == "TT00000001"
    assert [path.split("?")[0].split("/")[-2] for path in paths] == ["recommendations", "recommendeds"]


def test_combained_detail_is_the_key_in_the_document() -> None:
    route = reply({"invoices": [INVOICE], "combained_detail": [{"a": 1}]})
    given = {"biller_service_id": 140, "bs_customer_code": "300001"}
    found, _ = lookup("combined_detail_bill", {"biller_service_customers/combined_detail_bill": route}, **given)
    assert found["combained_detail"] == [{"a": 1}]


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("biller_service_customers", {}, "category is missing"),
        ("biller_categories", {"x": 1}, "x is not a parameter"),
        ("address_list", {"RefID": 5}, "RefID is 0 to 4"),
        ("dashboard", {"biller_category": 1, "report_type": 3, "report_name": "payment"}, "report_type"),
        ("dashboard", {"biller_category": 1, "report_type": 1, "report_name": "x"}, "report_name"),
        (
            "dashboard",
            {"biller_category": 1, "report_type": 1, "report_name": "biller_count", "start_date": "2026-01-01"},
            "dates",
        ),
    ],
)
def test_a_wrong_lookup_says_what_is_wrong_and_asks_nothing(name: str, given: dict[str, Any], reason: str) -> None:
    with billcenter({}) as (connected, fake, _):
        with pytest.raises(LookupFailed, match=reason):
            connected.lookups[name].call(**given)
        assert fake.paths == []


@pytest.mark.parametrize(
    "route", [answer(500), answer(404), answer(200, b"<html>"), reply({"count": 1}), reply({"detail": "x"}, 400)]
)
def test_a_lookup_without_a_usable_answer_says_so(route: bytes) -> None:
    with pytest.raises(LookupFailed):
        lookup("biller_categories", {"biller_categories": route})


def test_a_lookup_logs_in_again_once() -> None:
    asked: list[int] = []

    def route(_query: dict[str, str]) -> bytes:
        asked.append(1)
        return answer(401) if len(asked) == 1 else page({"id": 1})

    found, _ = lookup("biller_categories", {"biller_categories": route})
    assert found["count"] == 1
    with pytest.raises(LookupFailed, match="401"):
        lookup("biller_categories", {"biller_categories": answer(401)})
