"""A message's ids over the process's sender threads: as few as keep up, more when the provider takes its time.

With a provider that answers at once, many threads only fight for the interpreter's lock (32 cost two thirds more of a
processor than 8, measured); with one that takes 100 ms, few would leave it idle.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from typing import TypeVar

Name = TypeVar("Name")

_START = 2
_TICK_S = 0.05


def spread(threads: Executor, verb: Callable[[Name], None], names: Sequence[Name]) -> list[BaseException]:
    """Call `verb` for each name and return when all are done, with what they raised.

    It begins with two threads and doubles them whenever they did not even do one id each in 50 ms.
    """
    pending, failures, drained = deque(names), list[BaseException](), threading.Event()

    def run() -> None:
        while True:
            try:
                name = pending.popleft()
            except IndexError:
                drained.set()
                return
            try:
                verb(name)
            except BaseException as error:  # the others go on; the caller raises it
                failures.append(error)

    if not pending:
        return []
    runners = [threads.submit(copy_context().run, run) for _ in names[:_START]]
    left = len(names)
    # Once each id has a thread asked for it there is only to wait: many messages at a provider that hangs would keep
    # the process busy with looking.
    while pending and len(runners) < len(names) and not drained.wait(_TICK_S):
        if left - len(pending) < len(runners):
            more = min(len(runners), len(pending))
            runners += [threads.submit(copy_context().run, run) for _ in range(more)]
        left = len(pending)
    for runner in runners:
        runner.result()
    return failures
