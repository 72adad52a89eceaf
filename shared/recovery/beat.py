"""beat: once a second, is the database what others remember of it? Then they are told how far it has come.

Where it can die, and what is true then:
  before the commit     nothing changed; another one, or the next, does the same
  after the commit      the witnesses remember the second before: a loss of this one second goes unseen by them
Judging is repeated by any process at any time: the row is locked meanwhile, and a store that is held stays so.
"""

from shared.database import store
from shared.database.engine import Connection
from shared.database.store import Store
from shared.domain.standing import Judged, Judgement, judged
from shared.follow_ups import lane as follow_ups
from shared.payments.store import lost_time
from shared.recovery.store import places
from shared.runtime import Runtime
from shared.telemetry.logs import alert, get_logger
from shared.witness import Remembered, Witnesses

log = get_logger(__name__)

EVERY_S = 1.0
_SWITCHED = "another server has taken over; what was committed since the last beat before may be lost"


def beat(runtime: Runtime, witnesses: Witnesses) -> bool:
    """Judge the database, and let it go on, hold it, or open a window. May the flow go on?"""
    with runtime.database.transaction() as connection:
        store.adopt(connection)
        found = store.look(connection, lock=True)
        if found.held_at is not None:
            return False
        remembered = witnesses.read(found.installation or "")
        known = [one.standing for one in remembered]
        mine = runtime.seen.highest
        verdict = judged(found.recorded, found.here, [*known, *([mine] if mine else [])])
        if verdict.judgement is Judgement.LOST:
            store.hold(connection, verdict.reason)
        else:
            if verdict.judgement is Judgement.SWITCHED:
                places.move(connection)
                _open(runtime, connection, found)
            store.beat(connection, EVERY_S)
            found = store.look(connection)
    if verdict.judgement is Judgement.LOST:
        _tell(verdict)
        return False
    runtime.seen.saw(found.here)
    witnesses.write(found.installation or "", Remembered(found.here, found.fingerprint, found.derived_since))
    return True


def hold(connection: Connection, reason: str) -> None:
    """Hold the store for a reason that shows elsewhere (events that the database does not have)."""
    if store.hold(connection, reason):
        _tell(Judged(Judgement.LOST, reason))


def _open(runtime: Runtime, connection: Connection, found: Store) -> None:
    lost_time.open_window(
        connection,
        found.recorded.at,
        sending_s=sending_s(runtime),
        window_s=runtime.settings.recovery.window_s,
        by=None,
        reason=_SWITCHED,
        unbroken=True,
    )
    follow_ups.end_in_lost_time(connection)
    alert("store_switched", f"{_SWITCHED}: what was open is looked up before it is sent", since=str(found.recorded.at))


def sending_s(runtime: Runtime) -> float:
    """How long after the last claim a request may still be on the wire: an HTTP deadline and a lease."""
    return runtime.settings.http.total_timeout_s + runtime.settings.lease_s


def _tell(verdict: Judged) -> None:
    alert(
        "store_held",
        "the database lost time, or is another one: nothing is accepted or sent until `settlepipe recover`",
        reason=verdict.reason,
    )
