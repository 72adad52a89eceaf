"""What is wrong with a payment by bmms's catalogue: all of it, in order, without its values."""

from typing import Any

import pytest

from shared.providers.bmms.rules import mistakes
from tests.support.bmms import ACCOUNT, AMOUNT, choice, entry, field, select

GOOD = 100_000  # 1000 UZS
REGION = select(3, "REGION", choice("71"), choice("72"))
SERVICE = select(4, "SERVICE", choice("10,11", "71"), choice("20", "72"), requireField="REGION")


def found(*fields: dict[str, Any], given: dict[str, str], minor: int = GOOD, **changes: Any) -> list[str]:
    return mistakes(entry(*fields, **changes), minor, "UZS", given)


def test_a_right_payment_has_no_mistakes() -> None:
    given = {"licence": "300001", "REGION": "71", "SERVICE": "10,11"}
    assert found(AMOUNT, ACCOUNT, REGION, SERVICE, given=given) == []


def test_every_mistake_is_listed_in_a_fixed_order_and_without_values() -> None:
    given = {
        "zzz": "998900000001",
        "REGION": "998900000002",
        "SERVICE": "998900000003",
        "amount": "998900000004",
        "998900000005": "x",
        "abc": "y",
    }
    said = found(AMOUNT, ACCOUNT, REGION, SERVICE, given=given, minor=100)
    assert said == [
        "the amount is below the recipient's minimum of 500 UZS",
        "field amount takes the payment's amount; leave it out",
        "field licence is missing",
        "field REGION is none of its choices",
        "field SERVICE is none of its choices",
        "the recipient has no field abc",
        "the recipient has no field zzz",
        "a field that is given has a name that no field has",
    ]
    assert said == found(AMOUNT, ACCOUNT, REGION, SERVICE, given=dict(reversed(given.items())), minor=100)


def test_another_currency_is_said_and_its_amount_not_compared() -> None:
    assert mistakes(entry(), 100, "USD", {"licence": "1"}) == ["it takes UZS, not USD"]


@pytest.mark.parametrize(
    ("validation", "changes", "below", "above"),
    [
        ("500:200000000", {}, 49_999, 10_000_000_001),
        ("700:", {}, 69_999, 10_000_000_001),
        (":900", {}, 49_999, 90_001),
        ("700:900", {}, 69_999, 90_001),
        ("not explained", {}, 49_999, 10_000_000_001),
        (None, {}, 49_999, 10_000_000_001),
        ("700:900", {"type": "AMOUNT_DICTATOR"}, 69_999, 90_001),
        ("700:900", {"type": "INVOICE"}, 49_999, 10_000_000_001),
        ("70000:90000", {"amountRatio": 100, "minAmount": 50_000, "maxAmount": 100_000}, 69_999, 90_001),
        ("500.5:600.5", {}, 50_049, 60_051),
    ],
)
def test_the_narrower_limits_hold_in_the_unit_that_is_sent(
    validation: str | None, changes: dict[str, Any], below: int, above: int
) -> None:
    fields = ({**AMOUNT, "validation": validation}, ACCOUNT)
    given = {"licence": "1"}
    assert "below" in found(*fields, given=given, minor=below, **changes)[0]
    assert "above" in found(*fields, given=given, minor=above, **changes)[0]
    assert found(*fields, given=given, minor=below + 1, **changes) == []
    assert found(*fields, given=given, minor=above - 1, **changes) == []


def test_a_recipient_without_limits_takes_any_amount() -> None:
    assert found(ACCOUNT, given={"licence": "1"}, minor=1, minAmount=None, maxAmount=None) == []


@pytest.mark.parametrize(
    ("changes", "given", "said"),
    [
        ({}, {}, ["field extra is missing"]),
        ({}, {"extra": "  "}, ["field extra is missing"]),
        ({"optional": True}, {}, []),
        ({"output": False}, {}, []),
        ({"output": False}, {"extra": "1"}, []),
        ({"controlType": "READONLY"}, {}, []),
        ({"controlType": "READONLY"}, {"extra": "1"}, ["field extra is read-only; leave it out"]),
        ({"visibility": "HIDDEN"}, {}, []),
        ({"visibility": "HIDDEN"}, {"extra": "1"}, ["field extra is hidden; leave it out"]),
        ({"prefixes": ["+998", "998"]}, {"extra": "998000000"}, []),
        ({"prefixes": ["+998", "998"]}, {"extra": "7000"}, ["field extra does not start with +998, 998"]),
        (
            {"requireField": "gone"},
            {"extra": "1"},
            ["field extra depends on field gone, which the recipient does not have"],
        ),
        ({"controlType": "SELECT"}, {"extra": "any"}, []),
    ],
)
def test_a_field_is_judged_as_the_catalogue_describes_it(
    changes: dict[str, Any], given: dict[str, str], said: list[str]
) -> None:
    got = found(field(5, "extra", **changes), given=given)
    assert got[: len(said)] == said
    assert len(got) == len(said) or "gone" in got[0]


@pytest.mark.parametrize(
    ("value", "right"),
    [("10,11", True), ("11, 10", True), ("10", True), ("20", True), ("10,20", False), ("1", False), (",", False)],
)
def test_a_choice_with_several_values_is_given_whole_or_in_part(value: str, right: bool) -> None:
    said = found(select(3, "KIND", choice("10,11"), choice("20")), given={"KIND": value})
    assert said == ([] if right else ["field KIND is none of its choices"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"REGION": "72", "SERVICE": "20"}, []),
        ({"REGION": "72", "SERVICE": "10"}, ["field SERVICE is none of its choices"]),
        ({"REGION": "72"}, ["field SERVICE is missing"]),
        ({"SERVICE": "10"}, ["field REGION is missing", "field SERVICE depends on field REGION, which is not given"]),
        ({"REGION": "73", "SERVICE": "10"}, ["field REGION is none of its choices"]),
        ({}, ["field REGION is missing", "field SERVICE is missing"]),
    ],
)
def test_a_dependent_choice_goes_with_the_choice_it_depends_on(given: dict[str, str], said: list[str]) -> None:
    assert found(REGION, SERVICE, given=given) == said


@pytest.mark.parametrize("service", [{}, {"SERVICE": "10"}])
def test_where_no_choice_matches_that_is_a_mistake_with_its_reason(service: dict[str, str]) -> None:
    """Trap: in the document's example no `filterBy` is a value of the field that it names."""
    lost = select(4, "SERVICE", choice("10", "98"), choice("11", "99"), requireField="REGION")
    assert found(REGION, lost, given={"REGION": "71", **service}) == [
        "field SERVICE has no choice for the given REGION"
    ]


def test_fields_that_depend_on_each_other_are_no_endless_way() -> None:
    one, two = (select(i, f"F{i}", choice("1", "1"), requireField=f"F{3 - i}") for i in (1, 2))
    assert found(one, two, given={"F1": "1", "F2": "1"}) == []


def test_a_choice_without_a_filter_is_there_for_every_choice() -> None:
    mixed = select(4, "SERVICE", choice("10"), choice("20", "72"), requireField="REGION")
    assert found(REGION, mixed, given={"REGION": "71", "SERVICE": "10"}) == []
    assert found(REGION, mixed, given={"REGION": "71", "SERVICE": "20"}) == ["field SERVICE is none of its choices"]


def test_limits_are_compared_exactly_however_many_digits_they_have() -> None:
    """A third of a limit is no decimal, and a Decimal keeps 28 digits."""
    given = {"licence": "1"}
    ratio, limit = "3", "100"
    assert "below" in found(ACCOUNT, given=given, minor=3333, minAmount=limit, maxAmount=None, amountRatio=ratio)[0]
    assert found(ACCOUNT, given=given, minor=3334, minAmount=limit, maxAmount=None, amountRatio=ratio) == []
    long = "123456789012345678.000001"
    said = found(ACCOUNT, given=given, minor=1, minAmount=long, maxAmount=None, amountRatio="0.000001")
    assert said == ["the amount is below the recipient's minimum of 123456789012345678000001 UZS"]
    said = found(ACCOUNT, given=given, minor=12345678901234567800, minAmount=long, maxAmount=None, amountRatio="1")
    assert "below" in said[0]
