"""What a process makes once is made once, however many threads ask for it first."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.once import once

THREADS = 8
LIMIT_S = 60


def test_threads_that_ask_together_get_the_same_one() -> None:
    made, asking, rest_ask = list[object](), list[int](), threading.Event()

    def make() -> object:
        rest_ask.wait(LIMIT_S)  # the first one is still making it when all the others ask
        made.append(object())
        return made[-1]

    get = once(make)

    def ask() -> object:
        asking.append(1)
        if len(asking) == THREADS:
            rest_ask.set()
        return get()

    with ThreadPoolExecutor(THREADS) as threads:
        found = [future.result() for future in [threads.submit(ask) for _ in range(THREADS)]]
    assert len(made) == 1
    assert found == made * THREADS


def test_what_could_not_be_made_is_tried_again() -> None:
    tries = iter([OSError("away"), None])

    def make() -> str:
        if (error := next(tries)) is not None:
            raise error
        return "made"

    get = once(make)
    with pytest.raises(OSError, match="away"):
        get()
    assert get() == "made"
    assert get() == "made"
