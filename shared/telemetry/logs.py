"""Logs: JSON lines on stderr for machines, readable lines on a terminal; never a secret (see masking).

An event is a sentence without values; the values are fields. `payment_id`, `attempt` and `task_id` are bound once and
stand in every event of that thread.

How a line comes about is in `lines`. That is structlog, which imports rich: 60 ms, a tenth of a command that reads, and
most commands say nothing. So nothing of it is imported here before something is said.
"""

# ruff: noqa: PLC0415 - see above
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO, cast

from shared.telemetry.alerts import Alert

if TYPE_CHECKING:
    import structlog.typing

    from shared.settings import Settings


class _Logger:
    """structlog's of this name, made at its first word."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._structlog: Any = None

    def __getattr__(self, method: str) -> Any:
        if self._structlog is None:
            import structlog

            self._structlog = structlog.get_logger(self._name)
        _FirstWarning.set_up()
        return getattr(self._structlog, method)


def get_logger(name: str) -> "structlog.typing.FilteringBoundLogger":
    """The logger of module `name`. It may be made before `configure`, at the top of a module."""
    return cast("structlog.typing.FilteringBoundLogger", _Logger(name))


_log = get_logger(__name__)


def configure(settings_or_level: "Settings | str" = "INFO", *, stream: TextIO | None = None) -> None:
    """Set up every logger of this process. May be called again; the last call counts.

    stream: where lines go; by default whatever `sys.stderr` is at that moment. Colour only on a terminal.
    Uncaught exceptions, of threads too, are logged (and masked) instead of printed.
    """
    from shared.telemetry import lines

    _FirstWarning.waits = False
    lines.set_up(settings_or_level if isinstance(settings_or_level, str) else settings_or_level.log_level, stream)


def configure_at_the_first_warning() -> None:
    """Of a command: as `configure("WARNING")`, when there is one, or an exception that nobody caught."""
    _FirstWarning.waits = True
    logging.basicConfig(handlers=[_FirstWarning()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    sys.excepthook, threading.excepthook = _uncaught, _uncaught_in_thread


class _FirstWarning(logging.Handler):
    """Stands for the set-up that is put off."""

    waits = False

    def emit(self, record: logging.LogRecord) -> None:
        self.set_up()
        logging.getLogger(record.name).handle(record)

    @classmethod
    def set_up(cls) -> None:
        """What was put off, is done."""
        if cls.waits:
            configure("WARNING")


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    configure("WARNING")
    sys.excepthook(kind, error, trace)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    configure("WARNING")
    threading.excepthook(args)


def bind(**ids: Any) -> None:
    """Put ids (payment_id, attempt, task_id …) into every later event of this thread or task."""
    from structlog.contextvars import bind_contextvars

    bind_contextvars(**ids)


@contextmanager
def bound(**ids: Any) -> Iterator[None]:
    """Like `bind`, until the block ends; then what was there before is there again."""
    from structlog.contextvars import bound_contextvars

    with bound_contextvars(**ids):
        yield


def alert(which: Alert, event: str, **fields: Any) -> None:
    """Log what people should be told: an error with the alert's name and severity, which alert rules match on."""
    _log.error(event, alert=which.value, severity=which.severity.value, **fields)
