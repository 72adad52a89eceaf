"""unclaim: a claim whose answer was lost is ended as not sent, so that its payment goes out soon.

PostgreSQL may have committed it: then there is an attempt without an end whose process lives, and nobody could tell it
from one that is on the wire. Only the token tells, which was written with that very claim and which its loser knows.
Dying before the attempt is ended leaves an attempt of a dead process: it is looked for like any other.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID, uuid4

from shared.database.engine import AWAY, Connection, Database
from shared.database.session import STATEMENT_S
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

_MAX_LOST = 1000  # remembered at a time; of those beyond it, the oldest are left to their leases and to checks
_WATCH_S = STATEMENT_S + 10  # a statement whose connection broke may still be at work so long
_FIRST_S, _LAST_S = 0.1, 2.0  # between two looks

End = Callable[[Connection, int, UUID], bool]
Result = TypeVar("Result")


class LostClaims:
    """The claims of this process whose answers were lost. A thread ends them when PostgreSQL answers again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: OrderedDict[tuple[int, UUID], tuple[End, float]] = OrderedDict()
        self._ending = False

    @property
    def empty(self) -> bool:
        """Has each of them been ended?"""
        with self._lock:
            return not self._claims

    def remember(self, database: Database, payment_ids: Sequence[int], token: UUID, end: End) -> None:
        """Nothing was sent, and nothing will be, under the claims with this token. end: see `claimed`."""
        with self._lock:
            for payment_id in payment_ids:
                self._claims[payment_id, token] = (end, time.monotonic())
            while len(self._claims) > _MAX_LOST:
                self._claims.popitem(last=False)
            if not self._ending:
                self._ending = True
                threading.Thread(target=self._end, args=(database,), name="unclaim", daemon=True).start()

    def _end(self, database: Database) -> None:
        pause_s = _FIRST_S
        while True:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_S)
            with self._lock:
                lost = list(self._claims.items())
                if not lost:
                    self._ending = False
                    return
            for (payment_id, token), (end, since) in lost:
                began = time.monotonic()
                try:
                    with database.connection() as connection:
                        ended = end(connection, payment_id, token)
                except AWAY:
                    break
                except Exception as error:  # one that can't be ended must not keep the others
                    log.error("a lost claim could not be ended", payment_id=payment_id, reason=type(error).__name__)
                    ended = True
                if ended or began - since > _WATCH_S:
                    with self._lock:
                        self._claims.pop((payment_id, token), None)
                if ended:
                    log.info("a claim whose answer was lost is ended; nothing was sent", payment_id=payment_id)


def claimed(
    lost: LostClaims,
    database: Database,
    payment_ids: Sequence[int],
    claim: Callable[[Connection, UUID], Result],
    end: End,
) -> Result:
    """Make a claim of one or more payments in one statement; once more where PostgreSQL went away meanwhile. A claim
    whose answer did not come is not used.

    end: ends the payment's attempt with this token as not sent; False while there is none. Safe to repeat.
    Raises what `claim` raises, and one of AWAY when PostgreSQL went away twice.
    """

    def once() -> Result:
        token = uuid4()
        with database.connection() as connection:
            try:
                return claim(connection, token)
            except Exception:  # also one whose row can't be read: it is committed by then
                lost.remember(database, payment_ids, token, end)
                raise

    return once_more(once)


def once_more(ask: Callable[[], Result]) -> Result:
    """Ask, and again on another connection where the first one was dead: what is asked first after a restart of
    PostgreSQL finds one. For what may be repeated."""
    try:
        return ask()
    except AWAY:
        return ask()
