"""A database as an earlier release left it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from alembic import command

from shared.database import migrate
from shared.database.engine import driver_url


@contextmanager
def database_of(server_url: str, revision: str) -> Iterator[str]:
    """The URL of a new database on this server with the migrations up to `revision`; dropped at the end."""
    name = f"settlepipe_of_{revision}"
    url, admin = (urlunsplit(urlsplit(server_url)._replace(path=f"/{path}")) for path in (name, "postgres"))
    with psycopg.connect(driver_url(admin), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        _run(command.upgrade, url, revision)
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def downgrade(url: str, revision: str) -> None:
    """Take the migrations after `revision` back."""
    _run(command.downgrade, url, revision)


def _run(migration: Callable[..., None], url: str, revision: str) -> None:
    config = migrate._config()
    with migrate.connected(url) as migrating:
        config.attributes["connection"] = migrating
        migration(config, revision)
