"""What a command talks to: the servers whose URLs are set, else those of the stack that runs on HOME."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis

    from shared.database.engine import Connection, Database
    from shared.runtime import Runtime
    from shared.settings import Settings

_NAME = "settlepipe cli"  # of its sessions


def settings() -> "Settings":
    """The environment's settings. Raises SettingsError.

    Logging is set up with them: warnings and worse, unless a level is asked for.
    """
    from shared.settings import PREFIX, load_settings
    from shared.telemetry import logs

    found = load_settings()
    if f"{PREFIX}LOG_LEVEL" in os.environ:
        logs.configure(found.log_level)
    else:
        logs.configure_at_the_first_warning()
    return found


def settings_with_sandbox() -> "Settings":
    """The same; where no provider is on and the stack on HOME has a sandbox, with the sandbox's providers on."""
    from shared.settings import load_settings

    found = settings()
    values = _of_sandbox(found)
    os.environ.update(values)
    return load_settings() if values else found


def database_url(found: "Settings") -> str:
    """Raises LocalError when it isn't set and no stack is running."""
    url = with_servers(found).database_url
    assert url is not None  # noqa: S101 - connected() raises instead
    return url.get_secret_value()


def with_servers(found: "Settings") -> "Settings":
    """The same with a database's URL: the running stack's, where none is set. Raises LocalError."""
    from deploy.local.running import connected

    return found if found.database_url else connected(found)


def with_keys(found: "Settings") -> "Settings":
    """The same with SECRET_KEYS: those of the stack on HOME, where none is set. Raises LocalError."""
    from deploy.local.running import connected

    return found if found.secret_keys else connected(found)


def owner_url(found: "Settings") -> str:
    """Of whoever owns the tables, for migrations. Raises what `database_url` does."""
    return found.database_owner_url.get_secret_value() if found.database_owner_url else database_url(found)


@contextmanager
def database() -> Iterator["Database"]:
    """The database, without a pool."""
    found = _opened()
    with found.connection() as one:
        _say_if_held(one)
    yield found


@contextmanager
def reading() -> Iterator["Connection"]:
    """One autocommit connection for what may be a little late: a standby's, where one is set. That the store is held is
    said all the same, by the primary if it answers."""
    import psycopg

    from shared.database import chosen

    found = with_servers(settings())
    if found.database_read_url is None:
        with connection() as one:
            yield one
        return
    with suppress(psycopg.Error), chosen.database(found, None, _NAME).connection() as one:
        _say_if_held(one)
    with chosen.reading(found, None, _NAME).connection() as one:
        yield one


@contextmanager
def connection() -> Iterator["Connection"]:
    """One autocommit connection."""
    with _opened().connection() as one:
        _say_if_held(one)
        yield one


def _opened() -> "Database":
    from shared.database import chosen

    found = with_servers(settings())
    chosen.right_pooler(found)
    return chosen.database(found, None, _NAME)


def _say_if_held(connection: "Connection") -> None:
    """Whatever a command does, nobody should overlook that nothing goes on."""
    import psycopg

    from shared.database import store

    try:
        found = store.look(connection)
    except psycopg.errors.UndefinedTable:
        return  # an older schema: the command itself says so
    if found.held_at is not None:
        print(f"settlepipe: {found.told}", file=sys.stderr)


@contextmanager
def broker() -> Iterator["redis.Redis"]:
    """A client of the broker. Raises SettingsError when its URL is none."""
    from deploy.local.running import connected
    from shared import process

    found = settings()
    client = process.broker(found if found.broker_url else connected(found))
    try:
        yield client
    finally:
        client.close()


@contextmanager
def runtime(pool_size: int = 2, *, told: bool = True) -> Iterator["Runtime"]:
    """What the flow needs, with the providers that are on connected. Raises what `start` does.

    told: say so where the store is held.
    """
    from deploy.local.running import connected
    from shared.start import start

    settings = connected(settings_with_sandbox())
    found = start(settings, pool_size=pool_size)
    try:
        if told:
            with found.database.connection() as one:
                _say_if_held(one)
        yield found
    finally:
        found.database.dispose()


def _of_sandbox(found: "Settings") -> dict[str, str]:
    from deploy.local.processes import sandbox_settings
    from deploy.local.running import stack_file
    from shared.providers.registry import REGISTRATIONS
    from shared.settings import in_files

    if any(found.provider(name).base_url for name in REGISTRATIONS):
        return {}
    try:
        url = json.loads(stack_file(found.home.expanduser().absolute()).read_text())["sandbox_url"]
    except (OSError, ValueError, KeyError):
        return {}
    if url is None:
        return {}
    values = {key: value for name in REGISTRATIONS for key, value in sandbox_settings(name, url).items()}
    given = in_files()
    return {key: value for key, value in values.items() if not os.environ.get(key) and key not in given}
