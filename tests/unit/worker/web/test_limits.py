"""What one source, and all of them, may take of a process."""

import asyncio
import threading
from collections.abc import Sequence

import psycopg
import pytest

from shared.database.store import HeldError
from worker.web.gathering import Gathering
from worker.web.limits import Rate, Streams, Work
from worker.web.problems import Problem


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_source_gets_its_rate_and_one_says_when_to_come_again() -> None:
    clock = Clock()
    rate = Rate(10, 20, clock)
    assert rate.take("shop", 20) is None
    assert rate.take("shop", 15) == 2, "in whole seconds, rounded up"
    assert rate.take("other", 1) is None
    clock.now += 2
    assert rate.take("shop", 15) is None
    assert rate.take("shop", 6) == 1
    clock.now += 100
    assert rate.take("shop", 50) is None, "what is more than a burst is taken when there is a whole one"
    assert rate.take("shop", 1) == 4, "and paid for by who comes next"


def test_streams_are_counted_for_each_source_and_for_all() -> None:
    streams = Streams(3, 2)
    with streams.one("a"), streams.one("a"):
        with pytest.raises(Problem), streams.one("a"):
            pass
        with streams.one("b"), pytest.raises(Problem), streams.one("c"):
            pass
        with streams.one("c"):
            pass
    with streams.one("a"), streams.one("b"), streams.one("c"):
        pass


@pytest.mark.parametrize(
    ("error", "code"), [(psycopg.OperationalError(), "database_away"), (HeldError("it is held"), "store_held")]
)
def test_a_database_that_is_away_or_held_is_a_503(error: Exception, code: str) -> None:
    def fail() -> None:
        raise error

    async def ask() -> None:
        await Work(1, 1, 5)(fail)

    with pytest.raises(Problem) as caught:
        asyncio.run(ask())
    assert (caught.value.status, caught.value.document["code"]) == (503, code)
    assert int(caught.value.headers["Retry-After"]) >= 1


def test_who_waits_too_long_is_answered_and_no_more_wait_than_may() -> None:
    go_on = threading.Event()

    async def ask() -> list[object]:
        work = Work(1, 2, 0.2)
        first = [asyncio.ensure_future(work(lambda: go_on.wait(30))) for _ in range(4)]
        answers = await asyncio.gather(*first, return_exceptions=True)
        go_on.set()
        for _ in range(200):
            try:
                answers.append(await work(lambda: True))
                break
            except Problem:  # the thread that was given up is still counted
                await asyncio.sleep(0.05)
        return list(answers)

    *problems, last = asyncio.run(ask())
    codes = sorted(one.document["code"] for one in problems if isinstance(one, Problem))
    assert codes == ["busy", "database_away", "database_away", "database_away"]
    assert last is True


def test_what_comes_together_is_done_together_and_each_gets_its_own() -> None:
    turns: list[list[int]] = []
    go_on = threading.Event()

    def double(things: Sequence[int]) -> list[int]:
        turns.append(list(things))
        go_on.wait(30)
        if -1 in things:
            raise psycopg.OperationalError
        return [2 * thing for thing in things]

    async def ask() -> list[object]:
        gathering = Gathering(Work(4, 100, 30), double, 30)
        asked = [asyncio.ensure_future(gathering([number])) for number in (1, 2)]
        await asyncio.sleep(0)
        more = ([3], [4, 5], list(range(250)), [6], [-1])
        asked += [asyncio.ensure_future(gathering(things)) for things in more]
        await asyncio.sleep(0)
        go_on.set()
        return list(await asyncio.gather(*asked, return_exceptions=True))

    first, second, third, fourth, large, *shared = asyncio.run(ask())
    assert (first, second, third, fourth) == ([2], [4], [6], [8, 10])
    assert large == [2 * number for number in range(250)]
    assert [one.document["code"] for one in shared if isinstance(one, Problem)] == ["database_away"] * 2
    assert [len(turn) for turn in turns] == [1, 1, 3, 250, 2]


def test_a_defect_that_one_brings_about_is_no_other_ones() -> None:
    def double(things: Sequence[int]) -> list[int]:
        if -1 in things:
            raise KeyError
        return [2 * thing for thing in things]

    async def ask() -> list[object]:
        gathering = Gathering(Work(1, 100, 30), double, 30)
        asked = [asyncio.ensure_future(gathering([number])) for number in (1, 2, 3, -1, 4)]
        return list(await asyncio.gather(*asked, return_exceptions=True))

    *before, wrong, behind = asyncio.run(ask())
    assert (before, behind) == ([[2], [4], [6]], [8])
    assert isinstance(wrong, KeyError)


def test_who_waits_for_a_turn_too_long_is_answered() -> None:
    go_on = threading.Event()

    async def ask() -> list[object]:
        gathering: Gathering[int, bool] = Gathering(
            Work(1, 100, 30), lambda things: [go_on.wait(30) for _ in things], 0.2
        )
        answers = await asyncio.gather(*(gathering([number]) for number in range(5)), return_exceptions=True)
        go_on.set()
        return list(answers)

    answers = asyncio.run(ask())
    assert [one.status for one in answers if isinstance(one, Problem)] == [503] * 5
