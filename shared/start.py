"""start: puts a process's Runtime together. The one place that knows all concrete stores."""

from collections.abc import Sequence
from contextlib import nullcontext

import psycopg

from shared import lanes, process
from shared.database import chosen, session, store, version
from shared.database.engine import Connection
from shared.database.store import Seen, Store
from shared.database.tokens import StoredTokens
from shared.directory.views import CachedDirectory
from shared.domain.reference import fingerprint
from shared.messaging.broker import must_be_usable
from shared.payments.store.ours import StoredBooks
from shared.providers import registry
from shared.runtime import Runtime, SignOfLife, limits_of
from shared.settings import Settings, SettingsError
from shared.witness import Witnesses


def start(settings: Settings, *, sends: bool = False, pool_size: int = 8, lanes_served: Sequence[str] = ()) -> Runtime:
    """Connect this process. Raises psycopg.OperationalError when PostgreSQL does not answer; SettingsError, in a
    sentence, for a database that can't be used as it is, for keys that are none, and for another reference key than the
    installation's; WrongSchema for another schema than this code's.

    sends: the process will claim payments and holds a sign of life, which names the lanes that it serves.
    """
    url = chosen.url(settings)
    database = chosen.database(settings, pool_size, "settlepipe")
    registrations, seen = registry.REGISTRATIONS, Seen()
    try:
        with database.connection() as connection:
            version.require(connection)
            chosen.right_pooler(settings)
            lanes.ensure(connection, sorted(registrations))
            _remember(connection, settings, seen)
    except session.Unusable as error:
        raise SettingsError(str(error)) from None
    try:
        tokens = StoredTokens(database, [key.get_secret_value() for key in settings.secret_keys])
    except ValueError:  # of the cipher
        raise SettingsError(
            "SETTLEPIPE_SECRET_KEYS has no key, or one that is none; set the same list of Fernet keys in every process"
        ) from None
    on = [name for name in registrations if settings.provider(name).base_url]
    life = SignOfLife(url, seen, lanes=lanes_served) if sends else None
    if life and not life.wait(10):
        life.end()
        raise psycopg.OperationalError("no sign of life could be set within 10 s")
    return Runtime(
        settings=settings,
        database=database,
        registrations=registrations,
        connected={name: registry.connect(name, settings, tokens) for name in on},
        directories={name: CachedDirectory(database, name) for name in registrations},
        books=StoredBooks(database),
        limits=limits_of(settings),
        seen=seen,
        life=life,
        connects=lambda name, anew: registry.connect(name, anew, tokens),
    )


def _remember(connection: Connection, settings: Settings, seen: Seen) -> None:
    """Begin with what is remembered of this database outside of it: one that lost time is not taken for what it was,
    though nobody has judged it yet."""
    store.adopt(connection)
    found = store.look(connection)
    with process.broker(settings) if settings.broker_url else nullcontext() as client:
        if client is not None:
            must_be_usable(client)
        remembered = Witnesses(settings.home, client).read(found.installation or "")
    _must_be_its_key(settings, found, {one.fingerprint for one in remembered})
    for one in remembered:
        seen.saw(one.standing)


def _must_be_its_key(settings: Settings, found: Store, remembered: set[str | None]) -> None:
    key = settings.reference_key
    if key is None:
        return
    known = {found.fingerprint, *remembered} - {None}
    if known - {fingerprint(key.get_secret_value().encode())}:
        raise SettingsError(
            "SETTLEPIPE_REFERENCE_KEY is not the key that this installation's references were made with; set that one:"
            " under another, what was sent could be sent again"
        )
