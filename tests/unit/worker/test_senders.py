"""A message's ids over the sender threads."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from worker import senders
from worker.senders import spread


def test_every_id_is_done_once_and_failures_come_back() -> None:
    done: list[int] = []

    def verb(payment_id: int) -> Sequence[int]:
        done.append(payment_id)
        if payment_id % 2:
            raise ValueError(payment_id)
        return ()

    with ThreadPoolExecutor(8) as threads:
        failures = spread(threads, verb, range(25), 25)
    assert sorted(done) == list(range(25))
    assert sorted(str(failure) for failure in failures) == sorted(str(i) for i in range(1, 25, 2))


def test_a_provider_that_takes_its_time_gets_as_many_threads_as_there_are_ids() -> None:
    together = threading.Barrier(16)  # each waits until all sixteen are under way

    def meet(_: int) -> Sequence[int]:
        together.wait(120)
        return ()

    with ThreadPoolExecutor(16) as threads:
        assert spread(threads, meet, range(16), 16) == []


@pytest.mark.parametrize("count", [2, 3, 8])
def test_what_an_item_returns_is_spread_too(count: int) -> None:
    """A lot that was claimed: while one of it hangs, others take the rest."""
    together = threading.Barrier(count)

    def do(item: int | None) -> Sequence[int | None]:
        if item is None:
            return range(count)
        together.wait(120)
        return ()

    with ThreadPoolExecutor(8) as threads:
        assert spread(threads, do, [None], count) == []


def test_what_an_item_returns_goes_first() -> None:
    order = list[str]()

    def do(item: str) -> Sequence[str]:
        order.append(item)
        return "ab" if item == "lot" else ()

    with ThreadPoolExecutor(1) as threads:
        assert spread(threads, do, ["lot", "last"], 1) == []
    assert order == ["lot", "a", "b", "last"]


def test_no_ids_are_nothing_to_do() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert spread(threads, lambda _: (), [], 1) == []


def test_while_every_id_hangs_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, hanging = list[float | None](), threading.Event()

    def hang(_: int) -> Sequence[int]:
        hanging.wait(120)
        return ()

    def counted(futures: Any, timeout: float | None) -> Any:
        looks.append(timeout)
        return wait(futures, None if timeout is None else 0)  # as if the time had passed

    monkeypatch.setattr(senders, "wait", counted)
    release = threading.Timer(0.5, hanging.set)
    release.start()
    with ThreadPoolExecutor(4) as threads:
        assert spread(threads, hang, range(16), 16) == []
    assert len(looks) < 10
    assert looks[-1] is None


def test_a_helper_does_what_nobody_has_begun() -> None:
    """A process that stops: its senders hang, and what is left of their messages is not to wait for them."""
    hanging, done = threading.Event(), list[int]()
    helps: list[Callable[[], None]] = []

    def do(item: int) -> Sequence[int]:
        if threading.current_thread().name.startswith("sender"):
            helper.start()
            hanging.wait(120)
        done.append(item)
        return ()

    def help_out() -> None:
        helps[0]()
        hanging.set()

    helper = threading.Thread(target=help_out, name="helper")
    with ThreadPoolExecutor(1, thread_name_prefix="sender") as threads:
        assert spread(threads, do, range(5), 5, helps.append) == []
    assert done == [1, 2, 3, 4, 0]


def test_what_a_helper_has_begun_is_waited_for() -> None:
    helps: list[Callable[[], None]] = []
    begun, goes_on, ended = threading.Event(), threading.Event(), list[int]()

    def do(item: int) -> Sequence[int]:
        if threading.current_thread() is helper:
            begun.set()
            goes_on.wait(120)
            ended.append(item)
        else:
            helper.start()
            begun.wait(120)
            threading.Timer(0.2, goes_on.set).start()  # the sender is done long before
        return ()

    def help_out() -> None:
        helps[0]()

    helper = threading.Thread(target=help_out)
    with ThreadPoolExecutor(1) as threads:
        spread(threads, do, range(2), 1, helps.append)
    assert ended == [1]
