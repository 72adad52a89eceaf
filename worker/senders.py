"""A message's work over the process's sender threads: as few as keep up, more when the provider takes its time.

With a provider that answers at once, many threads only fight for the interpreter's lock (32 cost two thirds more of a
processor than 8, measured); with one that takes 100 ms, few would leave it idle.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")

_TICK_S, _LONGEST_TICK_S = 0.05, 1.0


def _alone(_: Callable[[], None]) -> None:
    """Nobody helps."""


def spread(
    threads: Executor,
    do: Callable[[Item], Sequence[Item]],
    items: Sequence[Item],
    most: int,
    helper: Callable[[Callable[[], None]], None] = _alone,
) -> list[BaseException]:
    """Call `do` for each item, and for those that it returns, which go first. Returns when all are done, with what was
    raised.

    It begins with one thread and doubles them, up to `most`, whenever they did not even do one item each in 50 ms.
    helper: is given what does all that nobody has begun, and may call it in a thread of its own while senders hang.
    """
    pending, failures, done = deque(items), list[BaseException](), list[None]()
    helping = threading.Lock()

    def run() -> None:
        while True:
            try:
                item = pending.popleft()
            except IndexError:  # whoever adds to it is still there, and takes what it adds
                return
            try:
                pending.extendleft(reversed(do(item)))
            except BaseException as error:  # the others go on; the caller raises it
                failures.append(error)
            done.append(None)

    def begin(count: int) -> set["Future[None]"]:
        return {threads.submit(copy_context().run, run) for _ in range(count)}

    def help_out() -> None:
        with helping:
            run()

    helper(help_out)
    at_work, before, tick_s = begin(1 if pending else 0), 0, _TICK_S
    while at_work:
        # With as many as there may be there is only to wait, and looking seldom is enough while nobody is needed: many
        # messages at a provider that hangs would keep the process busy with looking.
        _, at_work = wait(at_work, timeout=None if len(at_work) >= most else tick_s)
        tick_s = _TICK_S if pending else min(2 * tick_s, _LONGEST_TICK_S)
        if pending and len(done) - before < len(at_work):
            at_work |= begin(min(len(at_work), most - len(at_work)))
        before = len(done)
    with helping:  # what a helper has begun is done, too
        return failures
