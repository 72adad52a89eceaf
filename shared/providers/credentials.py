"""One token for the whole fleet, fetched by one login.

Looked for in the process's memory, then in the shared encrypted row, and only then with a login, which one thread of
one process makes while the others wait for its row. Renewed ahead of its end, at a time that differs between
processes. Works for every provider whose credentials end: what a login is comes as a function.
"""

import contextlib
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from shared.domain.records import StoredToken
from shared.providers.base import Auth, LoginBusy, LoginRefused, LoginUnavailable
from shared.providers.ours import TokenStore

YOUNG_S = 60.0  # a token younger than this that gets a 401 again says that the credentials are wrong
_POLL_S = 0.1
_FAILURE_HOLDS_S = 5.0  # those who waited for a login that failed do not each try their own
_MIN_USE_S = 60.0  # a new token is used this long whatever its end says: our clocks may be wrong
_LEAD = 0.1  # renewed in the last tenth of its life, an hour at most before the end
_MAX_LEAD_S = 3600.0
_ASSUMED_LIFE_S = 3600.0  # our reading: of a token whose end is no time; a 401 corrects it
_MAX_LIFE_S = 30 * 86_400.0  # renewed at the latest, whatever its end says
_LIVES = 4  # a token worth renewing for nobody in particular lives so many times the lead

_patience_ends: ContextVar[float | None] = ContextVar("patience_ends", default=None)  # on the monotonic clock


@contextlib.contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """In this block nobody waits longer for somebody else's login: what it was to be used for is over by then."""
    token = _patience_ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _patience_ends.reset(token)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login gave. expires_at: seconds since 1970. refresh: what a cheaper renewal needs, if there is one."""

    access: str
    expires_at: float
    refresh: str | None = None
    refresh_expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Grant(expires_at={self.expires_at})"


Login = Callable[[Grant | None], Grant]
"""Fetches a token; given the last one where it was not refused, may renew it. Raises LoginRefused, LoginUnavailable."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A token in this process's memory; times on its monotonic clock."""

    auth: Auth
    grant: Grant
    after_refusal: bool
    born: float
    renew: float
    ends: float


class TokenSource:
    """Authorises calls to one provider. Thread-safe; its fast path takes no lock.

    wait_s: how long a caller waits for somebody else's login.
    """

    def __init__(
        self,
        provider: str,
        store: TokenStore,
        login: Login,
        *,
        wait_s: float,
        headers: Callable[[str], Mapping[str, str]] = lambda access: {"Authorization": f"Bearer {access}"},
    ) -> None:
        self._provider, self._store, self._login = provider, store, login
        self._wait_s, self._headers = wait_s, headers
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._worked = 0  # the newest version that a call succeeded with
        self._forgotten = 0  # the newest version that got a 401 in this process
        self._failure: tuple[float, LoginRefused | LoginUnavailable] | None = None

    def authorise(self) -> Auth:
        """A token that is good for now. Takes `wait_s` and one login at most, and less within `waiting_at_most`. Raises
        LoginRefused, LoginUnavailable."""
        held, now = self._held, time.monotonic()
        if held is None or now >= held.ends:
            return self._as_auth(self._wait_for_token())
        if now >= held.renew and self._lock.acquire(blocking=False):  # one renews, the others go on with the old one
            try:
                held = self._renew_ahead(held)
            finally:
                self._lock.release()
        return self._as_auth(held)

    def renew(self, ahead_s: float | None = None) -> bool:
        """Fetch a new token for the fleet if the shared one ends within `ahead_s` seconds; None: in any case.

        False when there was no need. A token that lives for less than four times `ahead_s` is left to those who use
        it: renewing it all the time would be logging in for nobody. Raises LoginRefused, LoginUnavailable.
        """
        with self._lock:
            row = self._usable(self._store.read(self._provider), newer_than=0)
            if row is not None and ahead_s is not None:
                left_s = _ends(row) - time.time()
                if left_s > ahead_s or left_s + row.age_s < _LIVES * ahead_s:
                    return False
            self._shared_or_login(row.version if row else 0, self._wait_s)
            return True

    def forget(self, auth: Auth) -> bool:
        """This token got a 401: it is not used again, here or elsewhere. Newer ones are left alone.

        True when it was fetched because its predecessor was refused, is young, and nobody in the fleet has succeeded
        with it: then the credentials are wrong, not the token. Judged now, not when the call began: others may have
        succeeded meanwhile.
        """
        hopeless = auth.fresh_after_refusal and auth.version > self._worked
        if hopeless:
            row = self._store.read(self._provider)
            hopeless = row is not None and row.version == auth.version and row.after_refusal
        self._forgotten = max(self._forgotten, auth.version)
        held = self._held
        if held is not None and held.auth.version <= auth.version:
            self._held = None
        self._store.invalidate(self._provider, auth.version)
        return hopeless

    def worked(self, auth: Auth) -> None:
        """A call was let in with this token: a 401 from now on is about the token, not the credentials."""
        if auth.version <= self._worked:
            return
        self._worked = auth.version
        held = self._held
        if held is not None and held.auth.version == auth.version and held.after_refusal:
            with contextlib.suppress(Exception):  # unsaid, another process may halt a little early: no reason to fail
                self._store.prove(self._provider, auth.version)

    def _as_auth(self, held: _Held) -> Auth:
        if not held.after_refusal or held.auth.version <= self._worked:
            return held.auth
        young = time.monotonic() - held.born < YOUNG_S
        return Auth(held.auth.headers, held.auth.version, fresh_after_refusal=young)

    def _wait_for_token(self) -> _Held:
        asked = time.monotonic()
        wait_s = self._patience_s()
        if not self._lock.acquire(timeout=wait_s):
            raise LoginBusy(f"{self._provider}: another thread's login took more than {wait_s:g} s")
        try:
            held = self._held
            if held is not None and time.monotonic() < held.ends:
                return held
            failure = self._failure
            if failure is not None and (failure[0] >= asked or time.monotonic() < failure[0] + _FAILURE_HOLDS_S):
                raise type(failure[1])(str(failure[1]))
            return self._shared_or_login(newer_than=0, wait_s=self._patience_s())
        finally:
            self._lock.release()

    def _patience_s(self) -> float:
        ends = _patience_ends.get()
        return self._wait_s if ends is None else min(self._wait_s, max(round(ends - time.monotonic(), 3), 0.0))

    def _renew_ahead(self, held: _Held) -> _Held:
        if self._held is not held:
            return self._held or held
        try:
            return self._shared_or_login(newer_than=held.auth.version, wait_s=0)
        except (LoginRefused, LoginUnavailable):
            pause = time.monotonic() + random.uniform(0.5, 1) * YOUNG_S  # noqa: S311 - spreads, hides nothing
            self._held = _Held(held.auth, held.grant, held.after_refusal, held.born, min(pause, held.ends), held.ends)
            return held

    def _shared_or_login(self, newer_than: int, wait_s: float) -> _Held:
        """The shared token if it is newer and good, else a login; while somebody else logs in, their token."""
        ends = time.monotonic() + wait_s
        while True:
            row = self._usable(self._store.read(self._provider), newer_than)
            if row is not None:
                return self._adopt(row)
            release = self._store.try_login_lock(self._provider)
            if release is not None:
                try:
                    return self._log_in(newer_than)
                finally:
                    release()
            if time.monotonic() >= ends:
                raise LoginBusy(f"{self._provider}: another process's login took more than {wait_s:g} s")
            time.sleep(_POLL_S)

    def _log_in(self, newer_than: int) -> _Held:
        row = self._store.read(self._provider)  # again, under the lock: somebody may just have finished
        usable = self._usable(row, newer_than)
        if usable is not None:
            return self._adopt(usable)
        refused = row is not None and (row.refused or row.version <= self._forgotten)
        try:
            grant = self._login(None if row is None or refused else _grant(row))
        except (LoginRefused, LoginUnavailable) as failure:
            self._failure = (time.monotonic(), failure)
            raise
        self._failure = None
        token = {
            "access": grant.access,
            "expires_at": grant.expires_at,
            "refresh": grant.refresh,
            "refresh_expires_at": grant.refresh_expires_at,
        }
        return self._adopt(self._store.save(self._provider, token, refused))

    def _usable(self, row: StoredToken | None, newer_than: int) -> StoredToken | None:
        if row is None or row.refused or row.version <= max(newer_than, self._forgotten):
            return None
        return row if row.age_s < _MIN_USE_S or time.time() < _ends(row) else None

    def _adopt(self, row: StoredToken) -> _Held:
        grant, now = _grant(row), time.monotonic()
        left_s = max(_ends(row) - time.time(), _MIN_USE_S - row.age_s)
        lead_s = min(_LEAD * (left_s + row.age_s), _MAX_LEAD_S) * random.uniform(0.5, 1)  # noqa: S311
        auth = Auth(self._headers(grant.access), row.version)
        held = _Held(auth, grant, row.after_refusal, now - row.age_s, now + left_s - lead_s, now + left_s)
        self._held = held
        return held


def _ends(row: StoredToken) -> float:
    """When a token counts as ended, in seconds since 1970: when it says, if that is a time, and bounded by its age.

    NaN and infinity are no times (no comparison with them would ever renew it), nor is what lies before 1970.
    """
    told, got_at = _grant(row).expires_at, time.time() - row.age_s
    if not (math.isfinite(told) and told > 0):
        return got_at + _ASSUMED_LIFE_S
    return min(told, got_at + _MAX_LIFE_S)


def _grant(row: StoredToken) -> Grant:
    token: Mapping[str, Any] = row.token
    return Grant(token["access"], token["expires_at"], token.get("refresh"), token.get("refresh_expires_at"))
