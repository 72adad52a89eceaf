"""What probes say of real processes while PostgreSQL or the broker stands still, and afterwards."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.local.embedded import Servers, embedded_servers
from shared.database import migrate
from shared.settings import Settings
from tests.conftest import FAST_POSTGRES
from tests.support import by_itself
from tests.support.by_itself import LANE, NEEDED, ByItself
from tests.support.stack import standing_still

pytestmark = pytest.mark.timeout(900)

NOTICED_S = 10.0
PROBE_S = 3.0  # the longest that a probe may take, whatever the servers do
STUCK_S = 3.0
LANES: Mapping[str, str | None] = {"intake": None, "relay": None, "jobs": None, "worker": "mtn"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "servers"


@pytest.fixture
def servers_of_its_own(home: Path) -> Iterator[Servers]:
    with embedded_servers(home, Settings(home=home), FAST_POSTGRES) as servers:
        migrate.upgrade(servers.database_url)
        yield servers


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Every process of the server whose data is in this folder stands still."""
    pids = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                inside = os.readlink(process / "cwd").startswith(str(folder))
            except OSError:
                continue
            pids += [int(process.name)] if inside else []
    assert pids
    with standing_still(pids):
        yield


@contextmanager
def all_up(tmp_path: Path, servers: Servers) -> Iterator[dict[str, ByItself]]:
    place = {"DATABASE_URL": servers.database_url, "BROKER_URL": servers.broker_url, **LANE, **NEEDED}
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(
                by_itself.forked(name, tmp_path, lane, HEALTH_STUCK_AFTER_S=str(STUCK_S), **place)
            )
            for name, lane in LANES.items()
        }
        for one in started.values():
            one.wait_up()
        yield started


def first_503(processes: Mapping[str, ByItself], began: float) -> dict[str, float]:
    """When each of them first said that it is not ready, in seconds."""
    noticed: dict[str, float] = {}
    while len(noticed) < len(processes):
        assert time.monotonic() - began < NOTICED_S, noticed
        for name, one in processes.items():
            status, _ = one.ask("/readyz", PROBE_S)
            assert status in (200, 503), f"{name}: a probe hangs"
            if status == 503:
                noticed.setdefault(name, time.monotonic() - began)
        time.sleep(0.1)
    return noticed


def test_a_frozen_server_is_noticed_in_ten_seconds_and_forgotten_when_it_wakes(
    home: Path, tmp_path: Path, servers_of_its_own: Servers
) -> None:
    with all_up(tmp_path, servers_of_its_own) as processes:
        for server, folder in (("database", "postgres"), ("broker", "valkey")):
            with frozen(home / folder):
                noticed = first_503(processes, time.monotonic())
                for one in processes.values():
                    told = one.wait("/readyz", 503)
                    other = "broker" if server == "database" else "database"
                    assert (told[server]["ok"], told[other]["ok"]) == (False, True)
                if server == "database":
                    # Who waits for PostgreSQL doesn't turn; Celery's loop waits for nobody.
                    processes["intake"].wait("/livez", 503)
                    processes["worker"].wait("/livez", 200)
            for one in processes.values():
                assert one.wait("/readyz", 200)["ready"]
                one.wait("/livez", 200)
            print(server, {name: round(after_s, 1) for name, after_s in noticed.items()})
        assert [one.stop() for one in processes.values()] == [0, 0, 0, 0]


def test_of_two_relays_one_stands_by_until_the_other_is_gone(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    place = {"DATABASE_URL": database_url, "BROKER_URL": broker_url}
    with (
        by_itself.forked("relay", tmp_path, **place) as first,
        by_itself.forked("relay", tmp_path, **place) as second,
    ):
        turns = {first.wait_up()["process"], second.wait_up()["process"]}
        assert turns == {"relay"}
        holds, waits = _sorted(first, second)
        holds.process.kill()
        while waits.wait("/readyz", 200)["turn"] != "held":
            time.sleep(0.1)


def _sorted(first: ByItself, second: ByItself) -> tuple[ByItself, ByItself]:
    """Who holds the turn, and who stands by."""
    while True:
        told = [one.wait("/readyz", 200)["turn"] for one in (first, second)]
        assert told != ["held", "held"]
        if "held" in told:
            return (first, second) if told[0] == "held" else (second, first)
        time.sleep(0.1)
