"""What a process makes once and all of its threads share."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """`make`, called by one thread at the first use; the others wait for what it made. What it raises is not kept.

    functools.lru_cache lets all threads that come before the first result make one of their own: a worker whose first
    messages came together sent through several times CONCURRENCY threads.
    """
    lock, made = threading.Lock(), list[T]()

    def get() -> T:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    return get
