"""reload: what a process uses of its settings is read anew, without a restart, as far as that can be done.

A provider's keys and passwords can be changed while payments are under way: the next call uses the new ones, and what
is on the wire ends as it began. Everything else needs a restart, and is named. An environment can't be changed from
outside, so what is to be reloaded has to stand in files.
"""

import queue
import signal
import threading
from collections.abc import Callable, Iterator

from pydantic import BaseModel

from shared import lanes, process
from shared.database.engine import AWAY
from shared.runtime import Runtime
from shared.settings import PREFIX, Settings, SettingsError, load_settings
from shared.settings.sections import reloadable
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


class Reload:
    """Of one process's runtime. Thread-safe."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._settings, self._lock = runtime, runtime.settings, threading.Lock()

    def now(self) -> None:
        """Read the settings and use what can be used of them. Settings with mistakes change nothing. Never raises what
        a server may raise."""
        with self._lock:
            try:
                read = load_settings()
            except SettingsError as error:
                log.error("the settings could not be read anew; what was read before stays", reason=str(error))
            else:
                self._take(read)

    def _take(self, read: Settings) -> None:
        changed = [name for name in self._runtime.connected if self._differs(name, read)]
        self._settings = self._settings.model_copy(update={name: self._merged(name, read) for name in changed})
        for name in changed:
            self._runtime.connect_anew(name, self._settings)
        for name in changed:
            self._probe(name)
        left = sorted(_variables(self._settings) ^ _variables(read))
        log.info("the settings were read anew", providers=changed)
        if left:
            names = sorted({name for name, _ in left})
            log.warning("settings have changed that need a restart", settings=names)

    def _differs(self, name: str, read: Settings) -> bool:
        ours, theirs = self._settings.provider(name), read.provider(name)
        return any(getattr(ours, field) != getattr(theirs, field) for field in reloadable(type(ours)))

    def _merged(self, name: str, read: Settings) -> BaseModel:
        ours, theirs = self._settings.provider(name), read.provider(name)
        return ours.model_copy(update={field: getattr(theirs, field) for field in reloadable(type(ours))})

    def _probe(self, name: str) -> None:
        """A lane that was not let in with the old credentials need not wait for its next probe."""
        try:
            with self._runtime.database.connection() as connection:
                lanes.probe_soon(connection, name)
        except AWAY as error:
            log.warning("a halted lane will be probed a little later", reason=type(error).__name__)


def hears(then: Callable[[], object]) -> None:
    """From now on SIGHUP has `then` called, in a thread of its own, once for each. Call it in the main thread, after
    whoever else takes that signal (Celery would restart the process)."""
    asked: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put() may be called in a signal's handler

    def watch() -> None:
        while True:
            asked.get()
            try:
                then()
            except Exception as error:  # a defect must not make this process deaf
                log.error("the settings could not be read anew", reason=type(error).__name__)

    threading.Thread(target=watch, name="reloads", daemon=True).start()
    signal.signal(signal.SIGHUP, lambda *_: asked.put(None))
    if process.unheard_reload():  # it came while this process started, after it had read its settings
        asked.put(None)


def _variables(settings: BaseModel, path: str = PREFIX) -> set[tuple[str, str]]:
    """Each setting with its value as a text that tells no secret apart by being shown."""
    return set(_each(settings, path))


def _each(model: BaseModel, path: str) -> Iterator[tuple[str, str]]:
    for name, field in type(model).model_fields.items():
        value, variable = getattr(model, name), f"{path}{(field.alias or name).upper()}"
        if isinstance(value, BaseModel):
            yield from _each(value, f"{variable}__")
        else:
            yield variable, str(hash(repr(_plain(value))))


def _plain(value: object) -> object:
    """The value itself: a secret's text would always be the same stars."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value
