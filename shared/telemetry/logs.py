"""Logs: JSON lines on stderr for machines, readable lines on a terminal; never a secret (see masking).

Our own loggers (`structlog.get_logger()`) and the standard library's (Celery, kombu, Flower, SQLAlchemy) end in the
same processors. An event is a sentence without values; the values are fields. `payment_id`, `attempt` and `task_id`
are bound once and stand in every event of that thread.
"""

import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from shared.settings import Settings
from shared.telemetry.alerts import Alert
from shared.telemetry.masking import mask_event

# A line for each message that Celery receives and finishes says nothing that our own events don't, and costs as
# much as they do; SQL and HTTP chatter is for their own debugging.
_QUIET = ("celery.worker.strategy", "celery.app.trace", "sqlalchemy", "urllib3", "kombu", "amqp", "asyncio", "tornado")
_CONTROL = {code: f"\\x{code:02x}" for code in [*range(32), 127, *range(128, 160)]}
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

_log = structlog.get_logger(__name__)


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of module `name`. It may be made before `configure`, at the top of a module."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def configure(settings_or_level: Settings | str = "INFO", *, stream: TextIO | None = None) -> None:
    """Set up every logger of this process. May be called again; the last call counts.

    stream: where lines go; by default whatever `sys.stderr` is at that moment. Colour only on a terminal.
    Uncaught exceptions, of threads too, are logged (and masked) instead of printed.
    """
    level_name = settings_or_level if isinstance(settings_or_level, str) else settings_or_level.log_level
    level = logging.getLevelNamesMapping()[level_name.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,
        mask_event,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    terminal = (stream or sys.stderr).isatty()
    render = _terminal_renderer() if terminal else _render_json
    structlog.configure(
        processors=[*shared, _name_logger, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *names: _Line(stream, names[0] if names else "settlepipe"),
        cache_logger_on_first_use=False,  # a logger that was used before `configure` must not keep the old set-up
    )
    handler = _Handler(stream)
    std = structlog.stdlib
    foreign: list[Processor] = [std.add_logger_name, std.ExtraAdder(), std.ProcessorFormatter.remove_processors_meta]
    handler.setFormatter(std.ProcessorFormatter(foreign_pre_chain=[*foreign, *shared], processors=[render]))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def bind(**ids: Any) -> None:
    """Put ids (payment_id, attempt, task_id …) into every later event of this thread or task."""
    structlog.contextvars.bind_contextvars(**ids)


@contextmanager
def bound(**ids: Any) -> Iterator[None]:
    """Like `bind`, until the block ends; then what was there before is there again."""
    with structlog.contextvars.bound_contextvars(**ids):
        yield


def alert(which: Alert, event: str, **fields: Any) -> None:
    """Log what people should be told: an error with the alert's name and severity, which alert rules match on."""
    _log.error(event, alert=which.value, severity=which.severity.value, **fields)


class _Line:
    """Writes one line in one write, so that lines of threads and processes don't mix."""

    def __init__(self, stream: TextIO | None, name: str) -> None:
        self._stream = stream
        self.name = name

    def msg(self, line: str) -> None:
        _write(self._stream, line)

    debug = info = warning = error = critical = exception = msg


class _Handler(logging.Handler):
    """The standard library's records. A record that can't be formatted is reported without its arguments."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _write(self._stream, self.format(record))
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        _log.error("a log call has arguments that don't fit its text", logger=record.name, line=record.lineno)


def _write(stream: TextIO | None, line: str) -> None:
    # A closed stderr (a terminal that is gone) must not stop a payment.
    with suppress(OSError, ValueError):
        (stream or sys.stderr).write(line + "\n")


def _name_logger(logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.setdefault("logger", logger.name)
    return event


def _render_json(_logger: Any, _method: str, event: Mapping[str, Any]) -> str:
    return _ENCODER.encode(event)


def _terminal_renderer() -> Processor:
    console = structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)

    def render(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        # Text from outside must not steer the terminal.
        event["event"] = str(event.get("event", "")).translate(_CONTROL)
        return console(logger, method, event)

    return render


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("the process ends: an exception nobody caught", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or args.exc_type is SystemExit:
        return
    name = args.thread.name if args.thread else "?"
    _log.critical(
        "a thread ends: an exception nobody caught",
        thread=name,
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
    )
