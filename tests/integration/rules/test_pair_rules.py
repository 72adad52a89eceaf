"""A parked payment and a line that may be it: what speaks against, and that a line is one payment's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from shared.domain.answers import CheckResult, Verdict
from shared.payments.look import Unresolvable
from shared.payments.pairs import Pair, pairs
from tests.support.decided import decide
from tests.support.flow import APPLIED, LOOK, World

NOW = datetime.now(UTC)
LINE = {"line": "P-7", "amount_minor": 10_000, "at": NOW.isoformat(), "marker": None}


def seen(*candidates: dict[str, Any], missing: int = 0, whole: bool = True) -> CheckResult:
    shown = tuple({"number": one["line"]} for one in candidates)
    evidence = {"lines": 3, "missing_successes": missing, "whole": whole}
    return CheckResult(Verdict.INCONCLUSIVE, "not explained", evidence, shown=shown, candidates=candidates)


def parked(world: World, found: CheckResult, key: str = "careful:1") -> int:
    """A payment that a check could not explain, on this account."""
    payment_id = world.settled("careful", LOOK)
    world.execute("UPDATE payments SET books_key = %s WHERE id = %s", key, payment_id)
    for _ in range(12):
        if world.state(payment_id) == "parked":
            return payment_id
        world.advance(30_000)
        world.careful.verdicts.append(found)
        world.run("careful")
    raise AssertionError(world.state(payment_id))


def shown(world: World) -> list[Pair]:
    with world.runtime.database.connection() as connection:
        return list(pairs(connection))


def near(world: World) -> dict[str, Any]:
    """A line that was booked at the moment of the database's clock."""
    return LINE | {"at": world.value("SELECT clock()").isoformat()}


def test_one_line_for_one_payment_is_sure(world: World) -> None:
    parked(world, seen(near(world)))
    (pair,) = shown(world)
    assert (pair.sure, pair.line, pair.confidence) == (True, "P-7", "likely")
    assert pair.told()["line_amount"] == pair.told()["amount"] == "100.00"


def test_those_of_one_payment_are_what_they_are_among_all(world: World) -> None:
    first = parked(world, seen(near(world)))
    parked(world, seen(near(world)))
    parked(world, seen(near(world) | {"line": "P-8"}), key="careful:2")
    found = shown(world)
    assert {pair.payment_id for pair in found} > {first}
    with world.runtime.database.connection() as connection:
        assert list(pairs(connection, None, [first])) == [pair for pair in found if pair.payment_id == first]


@pytest.mark.parametrize(
    ("change", "missing", "why"),
    [
        ({"amount_minor": None}, 0, "its sum can't be read"),
        ({"at": None}, 0, "its date can't be read"),
        ({"at": (NOW + timedelta(days=60)).isoformat()}, 0, "booked"),
        ({"at": "2020-02-29T12:00:00+00:00"}, 0, "booked"),  # long before the customer paid
        ({"marker": "cash desk 7"}, 0, "another text"),
        ({}, 2, "2 earlier successes of ours"),
    ],
)
def test_what_speaks_against_it(world: World, change: dict[str, Any], missing: int, why: str) -> None:
    parked(world, seen(near(world) | change, missing=missing))
    (pair,) = shown(world)
    assert not pair.sure
    assert any(why in said for said in pair.against)


def test_a_list_that_is_not_whole_may_lack_the_line_that_is_it(world: World) -> None:
    parked(world, seen(near(world), whole=False))
    (pair,) = shown(world)
    assert pair.against == ("the list is not whole, so another line may be it",)


def test_two_lines_or_two_payments_are_not_one_to_one(world: World) -> None:
    parked(world, seen(near(world), near(world) | {"line": "P-8"}))
    assert [pair.against for pair in shown(world)] == [("1 other line of this sum may be it",)] * 2
    parked(world, seen(near(world)), "careful:2")
    other = world.settled("careful", LOOK)
    world.execute("UPDATE payments SET books_key = 'careful:2' WHERE id = %s", other)
    (pair,) = [pair for pair in shown(world) if len(pair.against) and "open payment" in pair.against[0]]
    assert pair.against == ("1 other open payment of this sum on this account may be it",)


def test_a_word_without_a_line_leaves_its_line_in_doubt(world: World) -> None:
    first = parked(world, seen(near(world)))
    decide(world, first, "succeeded", seen(near(world)))
    parked(world, seen(near(world)))
    (pair,) = shown(world)
    assert pair.against == ("1 payment of this sum on this account had a person's word and no line",)


def test_a_line_that_was_taken_is_nobody_elses(world: World) -> None:
    first, second = parked(world, seen(near(world))), parked(world, seen(near(world)))
    decide(world, first, "succeeded", seen(near(world)), line="P-7")
    assert shown(world) == []
    before = world.payment(second)
    with pytest.raises(Unresolvable, match="one line is one payment's"):
        decide(world, second, "succeeded", seen(near(world)), line="P-7")
    assert world.payment(second)["state"] == before["state"] == "parked"
    with pytest.raises(psycopg.errors.UniqueViolation):
        world.execute("INSERT INTO taken_lines (provider, account, line, payment_id) SELECT provider, account, line, 0"
                      " FROM taken_lines")  # fmt: skip


def test_the_same_number_in_another_accounts_list_is_another_line(world: World) -> None:
    first, second = parked(world, seen(near(world))), parked(world, seen(near(world)), "careful:2")
    for payment_id in (first, second):
        decide(world, payment_id, "succeeded", seen(near(world)), line="P-7")
    assert world.value("SELECT count(*) FROM taken_lines") == 2


def test_a_line_with_our_reference_is_taken_by_the_check(world: World) -> None:
    matched = world.settled("careful", LOOK)
    other = parked(world, seen(near(world)))
    world.execute("UPDATE payments SET books_key = 'careful:1' WHERE id = %s", matched)
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL WHERE id = %s AND state = 'unknown'", matched)
    decide(world, matched, "resend", replace(APPLIED, line="P-7"))
    assert world.state(matched) == "succeeded"
    with pytest.raises(Unresolvable, match="one line is one payment's"):
        decide(world, other, "succeeded", seen(near(world)), line="P-7")


def test_books_that_show_a_taken_line_as_ours_are_believed_all_the_same(world: World) -> None:
    first, second = parked(world, seen(near(world))), parked(world, seen(near(world)))
    decide(world, first, "succeeded", seen(near(world)), line="P-7")
    decide(world, second, "resend", replace(APPLIED, line="P-7"))
    assert world.state(second) == "succeeded"
    assert world.value("SELECT payment_id FROM taken_lines") == first


def test_a_line_whose_number_a_success_bears_is_taken(world: World) -> None:
    """After a lost time a success is back as upstream was told of it, with its number; `taken_lines` is not."""
    first, second = parked(world, seen(near(world))), parked(world, seen(near(world)))
    other = parked(world, seen(near(world)), "careful:2")
    decide(world, first, "succeeded", seen(near(world)), line="P-7")
    world.execute("DELETE FROM taken_lines")
    assert [pair.payment_id for pair in shown(world)] == [other], "of this list alone"
    with pytest.raises(Unresolvable, match="line P-7 is shop/ord-1 already"):
        decide(world, second, "succeeded", seen(near(world)), line="P-7")
    assert world.state(second) == "parked"
    decide(world, other, "succeeded", seen(near(world)), line="P-7")
