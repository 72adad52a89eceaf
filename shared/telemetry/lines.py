"""How a log line comes about. Our own loggers (`logs`) and the standard library's (Celery, kombu, Flower, SQLAlchemy)
end in the same processors."""

import json
import logging
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from shared.telemetry.masking import mask_event

# A line for each message that Celery receives and finishes says nothing that our own events don't, and costs as
# much as they do; SQL and HTTP chatter is for their own debugging.
_QUIET = ("celery.worker.strategy", "celery.app.trace", "sqlalchemy", "urllib3", "kombu", "amqp", "asyncio", "tornado")
_CONTROL = {code: f"\\x{code:02x}" for code in [*range(32), 127, *range(128, 160)]}
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

# Of what is told about logging itself, by the name that others know.
_log = structlog.get_logger("shared.telemetry.logs")


def set_up(level_name: str, stream: TextIO | None) -> None:
    """As `logs.configure` promises."""
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
