"""beat: once a second, is the database what others remember of it? Then they are told how far it has come.

Where it can die, and what is true then:
  before the commit     nothing changed; another one, or the next, does the same
  after the commit      the witnesses remember the second before: a loss of this one second goes unseen by them
Judging is repeated by any process at any time: the row is locked meanwhile, and a store that is held stays so.
"""

from shared.database import store
from shared.database.engine import Connection
from shared.database.store import Store
from shared.domain.standing import Judgement, judged
from shared.recovery.store import places
from shared.recovery.window import open_window
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert
from shared.witness import Witnesses

EVERY_S = 1.0
_SWITCHED = "another server has taken over; what was committed since the last beat before may be lost"


def beat(runtime: Runtime, witnesses: Witnesses) -> bool:
    """Judge the database, and let it go on, hold it, or open a window. May the flow go on?"""
    with runtime.database.connection() as connection:  # the witnesses are asked while no transaction waits for them
        store.adopt(connection)
        installation = store.look(connection).installation or ""
    known = [one.standing for one in witnesses.read(installation)]
    with runtime.database.transaction() as connection:
        found = store.look(connection, lock=True)
        if found.held_at is not None:
            return False
        mine = runtime.seen.highest
        verdict = judged(found.recorded, found.here, [*known, *([mine] if mine else [])])
        if verdict.judgement is Judgement.LOST:
            store.hold(connection, verdict.reason)
        else:
            if verdict.judgement is Judgement.SWITCHED:
                _go_on_elsewhere(runtime, connection, found)
            store.beat(connection, EVERY_S)
            found = store.look(connection)
    if verdict.judgement is Judgement.LOST:
        _tell(verdict.reason)
        return False
    runtime.seen.saw(found.here)
    witnesses.write(found)
    return True


def hold(connection: Connection, reason: str) -> None:
    """Hold the store for a reason that shows elsewhere (events that the database does not have)."""
    if store.hold(connection, reason):
        _tell(reason)


def _go_on_elsewhere(runtime: Runtime, connection: Connection, found: Store) -> None:
    places.move(connection)
    open_window(runtime, connection, found.recorded.at, by=None, reason=_SWITCHED, unbroken=True)
    alert(
        Alert.STORE_SWITCHED, f"{_SWITCHED}: what was open is looked up before it is sent", since=str(found.recorded.at)
    )


def _tell(reason: str) -> None:
    alert(
        Alert.STORE_HELD,
        "the database lost time, or is another one: nothing is accepted or sent until `settlepipe recover`",
        reason=reason,
    )
