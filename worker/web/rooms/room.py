"""What all pages of this process share: their own threads and connections, so that whoever looks keeps no intent
waiting; and what is gathered for them in the background."""

import contextlib
import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import redis

from shared import process
from shared.database.engine import Database
from shared.people.oidc import Provider
from shared.people.sessions import Rules
from shared.runtime import Runtime
from worker.web.door import Door
from worker.web.limits import Work
from worker.web.problems import Fault, Problem
from worker.web.rooms.gathering import Gathered, Now, Seen

THREADS, WAITING = 4, 32  # views with PostgreSQL at once, and those that wait for a thread
LOOKS, LOOK_S = 2, 150.0  # at one place outside, a provider for one, and how long one may take
_LOOKS_WAITING = 8
WRITTEN = "written"  # the place where statements and workbooks are made: this processor
_WRITES_WAITING, WRITE_S = 4, 300.0
LOG_INS = 2  # at once; a password takes a tenth of a second of the processor
_FORMS = 8  # one in so many requests that may be under way is a form that still comes in


class Room:
    """One process's. Beside it there may be any number: it holds nothing that would be missed."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.views = Work(THREADS, WAITING, door.settings.answer_s)
        self.log_ins = Work(LOG_INS, WAITING, door.settings.answer_s)
        self._outside: dict[str, Work] = {}
        self._forms, self._most_forms = 0, max(1, door.settings.requests // _FORMS)

    def outside(self, place: str) -> Work:
        """The threads for one place: one that hangs keeps nobody from another. Of the event loop alone."""
        if place not in self._outside:
            threads, waiting, most_s = (
                (1, _WRITES_WAITING, WRITE_S) if place == WRITTEN else (LOOKS, _LOOKS_WAITING, LOOK_S)
            )
            self._outside[place] = Work(threads, waiting, most_s, Fault.PROVIDER_AWAY, place)
        return self._outside[place]

    @property
    def language(self) -> str | None:
        """The installation's, where it has one."""
        with contextlib.suppress(Problem):  # not set up yet
            return self.door.ready.settings.report.language
        return None

    @contextlib.contextmanager
    def form(self) -> Iterator[None]:
        """One more form that is being read until the block ends: strangers may send them, too, and a byte a second.
        Of the event loop alone. Raises Problem where that are too many."""
        if self._forms >= self._most_forms:
            raise Problem(Fault.BUSY)
        self._forms += 1
        try:
            yield
        finally:
            self._forms -= 1

    @cached_property
    def database(self) -> Database:
        """The pages' own pool. Raises Problem until the process is set up."""
        return self.door.ready.database.beside(THREADS + LOOKS + LOG_INS, "settlepipe control room")

    @cached_property
    def runtime(self) -> Runtime:
        """What the verbs need, on the pages' own pool. Raises as `database` does."""
        return replace(self.door.ready, database=self.database)

    @cached_property
    def books(self) -> Runtime:
        """What statements are written with, one at a time, for minutes if need be: on a connection of their own. Raises
        as `database` does."""
        return replace(self.door.ready, database=self.door.ready.database.beside(1, "settlepipe statements"))

    @cached_property
    def now(self) -> Gathered[Seen]:
        """What stands now, a few seconds old at most where the database is quick."""
        return Gathered(Now(self.runtime).look)

    @cached_property
    def broker(self) -> "redis.Redis":
        """For what a decision puts on a stream, or a bell."""
        return process.broker(self.door.ready.settings)

    @cached_property
    def oidc(self) -> Provider | None:
        """The OpenID Connect provider, where one is set."""
        web, settings = self.door.settings, self.door.ready.settings
        if web.oidc_issuer is None or web.oidc_client_secret is None or web.public_url is None:
            return None
        keys = tuple(key.get_secret_value() for key in settings.secret_keys)
        return Provider(
            web.oidc_issuer,
            client_id=web.oidc_client_id,
            client_secret=web.oidc_client_secret.get_secret_value(),
            claim=web.oidc_claim,
            returns_to=f"{web.public_url.rstrip('/')}/login/callback",
            keys=keys,
        )

    def rules(self, here: bool) -> Rules:
        """Of sessions. here: who asks comes from this machine itself; for those the local password counts."""
        web, settings = self.door.settings, self.door.ready.settings
        local = web.local_password.get_secret_value() if web.local_password and here else None
        keys = tuple(key.get_secret_value() for key in settings.secret_keys)
        return Rules(web.session_idle_s, web.session_s, keys, local, oidc=web.oidc_issuer is not None)


def is_here(address: str, forwarded: str | None) -> bool:
    """Does it come from this machine itself? forwarded: what a proxy says of it, and it does not, whatever that is."""
    try:
        return forwarded is None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
