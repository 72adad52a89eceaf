"""What goes wrong, as one sentence that says what to do. Passwords never stand in it.

The drivers' exceptions are recognised by the module they come from: importing the drivers to tell would make every
command slow.
"""

import re

FAILURE, WRONG_USE, INTERRUPTED = 1, 2, 130
_MAX_CHARACTERS = 400


class Failed(Exception):  # noqa: N818 - says what happened
    """The command could not do what it was asked. The message is one sentence that says what to do."""


class WrongUse(Exception):  # noqa: N818
    """The command was asked for something that does not exist. The message says what does."""


def explain(error: Exception) -> tuple[int, str]:
    """Exit status and sentence."""
    if hasattr(error, "format_message"):  # typer's own: a wrong option, a missing argument
        return WRONG_USE, f"{error.format_message().rstrip('.')}; see --help"
    name, origins = type(error).__name__, {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if isinstance(error, WrongUse) or name == "SettingsError":
        return WRONG_USE, str(error)
    if isinstance(error, Failed) or name in _SENTENCES:
        return FAILURE, str(error)
    return FAILURE, _of_machinery(error, name, origins)


def _of_machinery(error: Exception, name: str, origins: set[str]) -> str:
    original = getattr(error, "orig", None)
    if "sqlalchemy" in origins and isinstance(original, Exception):
        error, name, origins = original, type(original).__name__, {"psycopg"}
    if "psycopg" in origins:
        return _of_postgres(error, name)
    if "sqlalchemy" in origins:
        return _POSTGRES_AWAY
    if "redis" in origins:
        return _of_broker(error, name)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else (error.strerror or name)
    return f"this is a defect ({name}{_where(error)}); please report it"


_SENTENCES = (
    "BadDatabaseUrl",
    "WrongSchema",
    "Blocked",
    "Unusable",
    "LocalError",
    "Unresolvable",
    "NotDecided",
    "Unconfirmable",
    "LookupFailed",
    "RefreshFailed",
    "LoginRefused",
    "LoginUnavailable",
    "Busy",
    "NotCompared",
    "Elsewhere",
    "HeldError",
    "NotRecovered",
    "NotAllowed",
    "Unkept",
    "Void",
)
_POSTGRES_AWAY = "PostgreSQL does not answer; check SETTLEPIPE_DATABASE_URL, or start a stack with `settlepipe up`"


def _of_postgres(error: Exception, name: str) -> str:
    if name in ("UndefinedTable", "UndefinedFunction", "UndefinedColumn"):
        return "the database has no settlepipe schema, or an older one; run `settlepipe db upgrade`"
    fatal = re.search(r"FATAL:\s*(.+)", str(error))
    if fatal:
        return f"PostgreSQL refuses: {_short(fatal.group(1))}; check SETTLEPIPE_DATABASE_URL"
    if getattr(error, "sqlstate", None) is None:
        return _POSTGRES_AWAY
    return f"PostgreSQL refuses: {_short(str(error))}"


def _of_broker(error: Exception, name: str) -> str:
    if name in ("AuthenticationError", "NoPermissionError"):
        return "the broker refuses the password or user; check SETTLEPIPE_BROKER_URL"
    if name == "ResponseError":
        return f"the broker refuses: {_short(str(error))}"
    return "the broker does not answer; check SETTLEPIPE_BROKER_URL, or start a stack with `settlepipe up`"


def _short(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return re.sub(r"(?<!\S)(?>(\S*?)://)\S*@", r"\1://***@", line)[:_MAX_CHARACTERS].rstrip(".")


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" in {trace.tb_frame.f_globals.get('__name__', '?')}, line {trace.tb_lineno}" if trace else ""
