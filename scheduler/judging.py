"""The dispatcher's thread that judges what stands still, and has people told. It holds up no payment: it has a session
of its own, and where there is much to count it takes a twentieth of that at most."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from scheduler import job_runs
from scheduler.apart import Apart
from scheduler.broker_state import Looking
from scheduler.late import late
from scheduler.schedule import Job, jobs_of
from shared import process
from shared.alerts.judge import Broker, judge
from shared.alerts.keep import keep, stood
from shared.alerts.views import stands
from shared.database import chosen
from shared.database.engine import Connection, Database
from shared.metrics import read
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert

_EVERY_S, _SHARE = 10.0, 20
_STATEMENT_S = 30.0


def begin(runtime: Runtime, stop: threading.Event) -> None:
    """Judge from now on, until `stop` is set."""
    database = chosen.database(runtime.settings, 1, "settlepipe alerts")
    table = jobs_of(list(runtime.connected))
    looking = Looking(process.broker(runtime.settings), sorted(runtime.settings.intake.sources))
    step = partial(_look, runtime, database, table, looking)
    threading.Thread(target=_keep_judging, args=(step, stop), name="judges", daemon=True).start()


def _keep_judging(step: Callable[[], None], stop: threading.Event) -> None:
    apart, pause_s = Apart(turned=lambda: None), 0.0  # this is not the main loop
    while not stop.wait(pause_s):
        began = time.monotonic()
        apart.run("judge what stands still", step)
        pause_s = max(_EVERY_S, _SHARE * (time.monotonic() - began))


def _look(runtime: Runtime, database: Database, table: Sequence[Job], looking: Looking) -> None:
    with database.connection() as connection:
        full = stands(connection, Alert.BROKER_NEARLY_FULL)
    once(runtime, database, table, looking.look(full))


def once(
    runtime: Runtime,
    database: Database,
    table: Sequence[Job],
    found: Broker = Broker(),  # noqa: B008 - frozen
) -> None:
    """Look, judge and keep what was found. Raises what the database raises."""
    settings = runtime.settings
    before = stood(database)
    counted = read.count(database, _STATEMENT_S)
    rates = {lane: settings.provider(lane).rate_per_s for lane in runtime.lanes}
    standing, late_s = read.stand(database, rates, _STATEMENT_S, partial(_late, table=table))
    judged = judge(counted, standing, late_s, settings.alerts, found)
    keep(database, runtime.seen, judged, settings.retention.keep_days, before)


def _late(connection: Connection, table: Sequence[Job]) -> Mapping[str, float]:
    """Of a job that was never planned nobody knows since when it could have been: it is new, or the installation is."""
    known = job_runs.newest_slots(connection, [job.name for job in table])
    return {name: seconds for name, seconds in late(connection, table).items() if name in known}
