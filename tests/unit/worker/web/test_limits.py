"""What one source, and all of them, may take of a process."""

import asyncio
import threading

import psycopg
import pytest

from shared.database.store import HeldError
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
