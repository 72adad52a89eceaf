"""How a command finds the stack that runs on HOME."""

import fcntl
import json
from pathlib import Path

from pydantic import SecretStr

from deploy.local.kept import Kept, LocalError, kept
from shared.settings import Settings


def stack_file(home: Path) -> Path:
    """Where `settlepipe up` says what it runs; it is there only while everything is up."""
    return home / "stack.json"


def connected(settings: Settings) -> Settings:
    """`settings` with the running stack's URLs and keys in place of those that aren't set.

    Raises LocalError, in one sentence, when one is missing and no stack is running on HOME.
    """
    home = settings.home.expanduser().absolute()
    known = kept(home)
    missing = settings.database_url is None or settings.broker_url is None
    if missing and (known is None or not is_running(home)):
        raise LocalError(f"no stack is running on {home}; start one with `settlepipe up`")
    urls = _urls(home, known) if missing and known is not None else {}
    changes: dict[str, object] = {name: SecretStr(url) for name, url in urls.items() if getattr(settings, name) is None}
    if not settings.secret_keys and known is not None:
        changes["secret_keys"] = (SecretStr(known.secret_key),)
    if settings.reference_key is None and known is not None and known.reference_key is not None:
        changes["reference_key"] = SecretStr(known.reference_key)
    return settings.model_copy(update=changes)


def is_running(home: Path) -> bool:
    """Does anybody hold the lock on HOME?"""
    try:
        with (home / "up.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def pids(home: Path) -> dict[str, int]:
    """The stack's processes by name; none before all of it is up."""
    try:
        return dict(json.loads(stack_file(home).read_text())["processes"])
    except FileNotFoundError:
        return {}


def _urls(home: Path, known: Kept) -> dict[str, str]:
    """From stack.json: `up` may have been given a server of somebody else's. Before it is there: the embedded ones."""
    try:
        stack = json.loads(stack_file(home).read_text())
    except FileNotFoundError:
        stack = {"database_url": known.database_url, "broker_url": known.broker_url}
    return {name: stack[name] for name in ("database_url", "broker_url")}
