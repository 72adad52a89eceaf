"""The database that the settings name, and connections to it. What a command needs that asks no broker."""

from typing import Any

import psycopg

from shared.database import pooler, session
from shared.database.engine import Database
from shared.settings import Settings, SettingsError


def url(settings: Settings) -> str:
    """The database's URL. Raises SettingsError when there is none: `settlepipe up` sets it for its processes."""
    if settings.database_url is None:
        raise SettingsError("SETTLEPIPE_DATABASE_URL is not set; set it, or run the process with `settlepipe up`")
    return settings.database_url.get_secret_value()


def database(settings: Settings, pool_size: int | None, application: str) -> Database:
    """What this process's statements go through: to the pooler where one is set. pool_size: as `Database` takes it.
    Raises SettingsError."""
    pool_url, frozen_after_s = settings.database_pool_url, settings.frozen_after_s
    if pool_url is not None:
        return Database(pool_url.get_secret_value(), pool_size, application, pooled=True)
    return Database(url(settings), pool_size, application, frozen_after_s=frozen_after_s)


def reading(settings: Settings, pool_size: int | None, application: str) -> Database:
    """The database for what may be late and decides nothing: on a standby where one is set. Raises SettingsError."""
    if settings.database_read_url is not None:
        return Database(settings.database_read_url.get_secret_value(), pool_size, application)
    return database(settings, pool_size, application)


def right_pooler(settings: Settings) -> None:
    """Raises session.Unusable where a pooler is set that can't be used; psycopg.Error when it can't be asked."""
    if settings.database_pool_url is not None:
        with session.connect(url(settings), "settlepipe looks at the pooler") as connection:
            require_pooler(settings, connection)


def require_pooler(settings: Settings, direct: "psycopg.Connection[Any]") -> None:
    """The same, beside a connection that is there."""
    if settings.database_pool_url is not None:
        with session.connect_pooled(
            settings.database_pool_url.get_secret_value(), "settlepipe looks at the pooler"
        ) as pooled:
            pooler.require(direct, pooled)
