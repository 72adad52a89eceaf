"""start: puts a process's Runtime together. The one place that knows all concrete stores."""

import psycopg

from shared import lanes, process
from shared.database import session
from shared.database.engine import Database
from shared.database.tokens import StoredTokens
from shared.directory.views import CachedDirectory
from shared.payments.store.ours import StoredBooks
from shared.providers import registry
from shared.runtime import Runtime, SignOfLife, limits_of
from shared.settings import Settings, SettingsError


def start(settings: Settings, *, sends: bool = False, pool_size: int = 8) -> Runtime:
    """Connect this process. Raises psycopg.OperationalError when PostgreSQL does not answer; SettingsError, in a
    sentence, for a database that can't be used as it is.

    sends: the process will claim payments and holds a sign of life.
    """
    url = process.database_url(settings)
    database = Database(url, pool_size, frozen_after_s=settings.frozen_after_s)
    registrations = registry.REGISTRATIONS
    try:
        with database.connection() as connection:
            lanes.ensure(connection, sorted(registrations))
    except session.Unusable as error:
        raise SettingsError(str(error)) from None
    tokens = StoredTokens(database, url, [key.get_secret_value() for key in settings.secret_keys])
    on = [name for name in registrations if settings.provider(name).base_url]
    life = SignOfLife(url) if sends else None
    if life and not life.wait(10):
        raise psycopg.OperationalError("no sign of life could be set within 10 s")
    return Runtime(
        settings=settings,
        database=database,
        registrations=registrations,
        connected={name: registry.connect(name, settings, tokens) for name in on},
        directories={name: CachedDirectory(database, name) for name in registrations},
        books=StoredBooks(database),
        limits=limits_of(settings),
        life=life,
    )
