"""Named points of the flow at which a process is killed, or stopped, when it comes there while the point is armed.

A point is armed while a file of its name stands in the folder, with the signal's number in it; whoever takes the file
away, leaving its pid in one with `.reached` behind its name, gets the signal. The product knows nothing of this: its
functions are wrapped as their modules are loaded.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_BEFORE_WRITING = "before_first_byte"
_BEFORE_POST = "before_post"  # the same, of what may move money: not of a look into the books
_folder = ""
# Module, function (or class.method), the point before it and the point behind it.
_WRAPPED: Sequence[tuple[str, str, str, str]] = (
    ("shared.payments.store.send", "claim", "before_claim", "after_claim"),
    ("shared.payments.store.send", "record", "before_outcome", "after_outcome"),
    ("shared.payments.store.lots", "claim", "before_claim", "after_claim"),
    ("shared.payments.store.lots", "succeeded", "before_outcome", "after_outcome"),
    ("shared.payments.store.check", "resend", "before_verdict", "after_resend_claim"),
    ("shared.payments.store.check", "applied", "before_verdict", ""),
    ("shared.providers.connection", "_Timed._write", _BEFORE_WRITING, "after_first_byte"),
    ("shared.providers.http", "Http.call", "", "after_answer"),
    ("shared.payments.store.accept", "insert", "before_accept", ""),
    ("shared.messaging.intake_stream", "Intake.acknowledge", "after_accept", ""),
    ("shared.messaging.tasks", "publish", "before_publish", ""),
    ("shared.messaging.events_stream", "publish", "before_xadd", "after_xadd"),
)


def prepare(folder: str) -> None:
    """Wrap the functions as soon as their modules are loaded."""
    global _folder  # noqa: PLW0603 - once, before anything of the product is imported
    _folder = folder
    sys.meta_path.insert(0, _Finder())


def _reached(point: str, result: object = None) -> None:
    if not point or (point.endswith("_claim") and point.startswith("after") and not result):
        return
    armed = os.path.join(_folder, point)
    try:
        taken = f"{armed}.{os.getpid()}"
        os.rename(armed, taken)
    except OSError:
        return
    with open(taken) as file:
        number = int(file.read())
    with open(f"{armed}.reached", "w") as file:
        file.write(str(os.getpid()))
    # To this thread: one to the process goes to its main thread, and this one would go on for a moment.
    signal.pthread_kill(threading.get_ident(), number)


def _wrapped(function: Callable[..., Any], before: str, behind: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if before == _BEFORE_WRITING:
            connection, data, call = args
            args = (connection, data, _AtLastLook(call, data))
        else:
            _reached(before)
        result = function(*args, **kwargs)
        _reached(behind, result)
        return result

    return call


class _AtLastLook:
    """A call of `shared.providers.connection`: the point lies between its last look at the clock and the first byte,
    where nothing of the process's own can hold it back any more."""

    def __init__(self, call: Any, data: memoryview) -> None:
        object.__setattr__(self, "call", call)
        object.__setattr__(self, "posts", bytes(data[:5]) == b"POST ")

    def left_s(self) -> float:
        left_s: float = self.call.left_s()
        _reached(_BEFORE_WRITING)
        if object.__getattribute__(self, "posts"):
            _reached(_BEFORE_POST)
        return left_s

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "call"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.call, name, value)


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        wanted = [one for one in _WRAPPED if one[0] == name]
        spec = PathFinder.find_spec(name, path, target) if wanted else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, wanted)
        return spec


class _Loader(Loader):
    def __init__(self, inner: Loader, wanted: Sequence[tuple[str, str, str, str]]) -> None:
        self._inner, self._wanted = inner, wanted

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        for _, name, before, behind in self._wanted:
            *owners, last = name.split(".")
            owner: Any = getattr(module, owners[0]) if owners else module
            setattr(owner, last, _wrapped(getattr(owner, last), before, behind))
