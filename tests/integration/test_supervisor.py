"""`settlepipe up`: real servers, real child processes; only the product's programs are stand-ins."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
import redis
from cryptography.fernet import Fernet

from deploy.local import children, running
from deploy.local.kept import LocalError
from deploy.local.processes import SANDBOX_CREDENTIALS
from shared.settings import Settings
from tests.support.running_up import Up, alive, processes_of, wait_until

WORKERS = {"worker-billcenter-1", "worker-jobs"}
NAMES = {*WORKERS, "intake", "dispatcher", "relay", "beat", "web", "flower", "postgres", "valkey"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    tmp_path.chmod(0o700)
    started: list[Up] = []

    def begin(*arguments: str, **environment: str) -> Up:
        started.append(Up(tmp_path / "home", *arguments, **environment))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.process.wait(300)
            one.process.kill()
        one.process.communicate()


def test_it_starts_everything_tells_the_truth_in_stack_json_and_stops_in_order(start: Callable[..., Up]) -> None:
    up = start().wait_ready()
    stack = up.stack
    assert set(stack) == {"database_url", "broker_url", "flower_url", "sandbox_url", "web_url", "processes"}
    assert set(stack["processes"]) == NAMES
    assert all(alive(pid) for pid in stack["processes"].values())
    assert stack["sandbox_url"] is None
    environment = Path(f"/proc/{stack['processes']['intake']}/environ").read_text().split("\0")
    (notify,) = (entry.partition("=")[2] for entry in environment if entry.startswith("NOTIFY_SOCKET="))
    assert not Path(notify).parent.exists(), "a process that is up has no use for it"
    assert (up.home / "stack.json").stat().st_mode & 0o777 == 0o600
    with psycopg.connect(stack["database_url"]) as database:
        row = database.execute("SELECT count(*) FROM alembic_version").fetchone()
        assert row == (1,), "the migrations ran"
    with redis.Redis.from_url(stack["broker_url"]) as broker:
        assert broker.ping()
    assert up.stop() == 0
    assert not (up.home / "stack.json").exists()
    assert not processes_of(up.home)
    order = up.order.read_text().split()
    assert set(order[:5]) == {"intake", "dispatcher", "relay", "beat", "web"}, "the sources of work stop first"
    assert set(order[5:7]) == WORKERS
    assert order[7:] == ["flower"]
    log = up.stderr.read_text()
    assert log.index("flower stopped") < log.index("postgres stopped")


@pytest.mark.only_large
def test_data_and_ports_survive_up_sigint_up(start: Callable[..., Up]) -> None:
    first = start().wait_ready()
    before = first.stack
    with psycopg.connect(before["database_url"]) as database:
        database.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with redis.Redis.from_url(before["broker_url"]) as broker:
        broker.set("kept", 7)
    assert first.stop(signal.SIGINT) == 0
    assert not processes_of(first.home)

    after = start().wait_ready().stack
    assert {name: after[name] for name in after if name.endswith("_url")} == {
        name: before[name] for name in before if name.endswith("_url")
    }
    with psycopg.connect(after["database_url"]) as database:
        assert database.execute("SELECT number FROM kept").fetchone() == (7,)
    with redis.Redis.from_url(after["broker_url"]) as broker:
        assert broker.get("kept") == b"7"


def test_kill_9_of_up_leaves_no_process_behind_and_the_next_up_finds_the_data(start: Callable[..., Up]) -> None:
    first = start("2").wait_ready()
    database_url = first.stack["database_url"]
    assert "worker-billcenter-2" in first.pids
    with psycopg.connect(database_url) as database:
        database.execute("CREATE TABLE kept AS SELECT 7 AS number")
    first.process.kill()
    first.process.wait()
    second = start().wait_ready()  # at once: it waits for what is still stopping
    with psycopg.connect(second.stack["database_url"]) as database:
        assert database.execute("SELECT number FROM kept").fetchone() == (7,)
    second.process.kill()
    second.process.wait()
    wait_until(lambda: not processes_of(second.home))


def _another(up: Up, name: str, than: int) -> int | None:
    pid = up.pids[name]
    return pid if pid != than else None


def test_killed_processes_and_servers_are_restarted_with_their_data_and_new_pids(start: Callable[..., Up]) -> None:
    up = start().wait_ready()
    before, killed = up.stack, ("intake", "worker-billcenter-1", "postgres", "valkey")
    pids = before["processes"]
    with psycopg.connect(before["database_url"]) as database:
        database.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with redis.Redis.from_url(before["broker_url"]) as broker:
        broker.set("kept", 7)
        broker.execute_command("WAITAOF", 1, 0, 5000)
    for name in killed:
        os.kill(pids[name], signal.SIGKILL)
    for name in killed:
        assert alive(wait_until(partial(_another, up, name, pids[name])))

    def kept() -> bool:
        try:
            with psycopg.connect(before["database_url"]) as database:
                row = database.execute("SELECT number FROM kept").fetchone()
            with redis.Redis.from_url(before["broker_url"]) as broker:
                return (row, broker.get("kept")) == ((7,), b"7")
        except (psycopg.OperationalError, redis.ConnectionError):
            return False

    wait_until(kept)
    after = up.stack
    assert {name: after[name] for name in after if name != "processes"} == {
        name: before[name] for name in before if name != "processes"
    }
    unharmed = NAMES - set(killed)
    assert {name: after["processes"][name] for name in unharmed} == {name: pids[name] for name in unharmed}
    assert up.stop() == 0
    assert not processes_of(up.home)


@pytest.mark.only_large
def test_where_nothing_can_be_written_it_goes_on_and_restarts_what_died_when_it_can(start: Callable[..., Up]) -> None:
    """As on a full disk: neither the pid's file nor stack.json can be written."""
    up = start().wait_ready()
    pids, run, told = up.pids, up.home / "run", up.home / "stack.json.new"
    run.rename(up.home / "run.away")
    told.mkdir()
    os.kill(pids["intake"], signal.SIGKILL)
    wait_until(lambda: "intake can't be started and is tried again" in up.stderr.read_text())
    assert up.process.poll() is None
    (up.home / "run.away").rename(run)
    wait_until(lambda: "intake runs again" in up.stderr.read_text())
    assert up.pids == pids, "stack.json could not be written yet"
    told.rmdir()
    assert alive(wait_until(partial(_another, up, "intake", pids["intake"])))
    assert {name for name, pid in up.pids.items() if pid != pids[name]} == {"intake"}
    assert up.stop() == 0
    assert not processes_of(up.home)


@pytest.mark.only_large
def test_one_that_does_not_stop_in_time_is_killed(start: Callable[..., Up]) -> None:
    up = start(FAKE_STUBBORN="beat").wait_ready()
    assert up.stop() == 0
    assert not processes_of(up.home)
    assert "beat did not stop in time" in up.stderr.read_text()


@pytest.mark.only_large
def test_a_second_signal_makes_it_quick(start: Callable[..., Up]) -> None:
    up = start(FAKE_STUBBORN="worker-billcenter-1", SETTLEPIPE_HTTP__TOTAL_TIMEOUT_S="300").wait_ready()
    up.process.send_signal(signal.SIGTERM)
    wait_until(lambda: up.order.exists() and "worker-billcenter-1" in up.order.read_text())
    assert up.stop() == 0
    assert not processes_of(up.home)


def test_one_that_can_not_start_fails_the_whole_with_a_sentence_that_names_its_log(start: Callable[..., Up]) -> None:
    up = start(FAKE_BROKEN="relay")
    output, _ = up.process.communicate(timeout=300)
    assert (up.process.returncode, output) == (1, "")
    assert up.stderr.read_text().strip().splitlines()[-1] == (
        f"settlepipe up: relay ends again and again; {up.home}/logs/relay.log says why"
    )
    assert "this one can't start" in (up.home / "logs" / "relay.log").read_text()
    assert not processes_of(up.home)


def test_a_signal_while_it_starts_stops_it_with_status_0(start: Callable[..., Up]) -> None:
    up = start()
    wait_until((up.home / "postgres" / "postmaster.pid").exists)
    assert up.stop(expected=("", "ready\n")) == 0, "on a loaded machine it may be through before the signal comes"
    assert not processes_of(up.home)


@pytest.mark.only_large
def test_others_find_the_running_stack_a_second_up_is_sent_away_and_later_there_is_none(
    start: Callable[..., Up],
) -> None:
    up = start().wait_ready()
    pids = up.pids
    settings = Settings(home=up.home)
    found = running.connected(settings)
    assert found.database_url is not None
    assert found.broker_url is not None
    assert found.database_url.get_secret_value() == up.stack["database_url"]
    assert found.broker_url.get_secret_value() == up.stack["broker_url"]
    assert len(found.secret_keys) == 1

    second = start()
    output, _ = second.process.communicate(timeout=300)
    said = second.stderr.read_text().strip().splitlines()
    assert (second.process.returncode, output) == (1, "")
    assert len(said) == 1
    assert "is running on" in said[0]
    assert up.pids == pids
    assert all(alive(pid) for pid in pids.values())

    assert up.stop() == 0
    with pytest.raises(LocalError, match=r"no stack is running on .*; start one with `settlepipe up`"):
        running.connected(settings)


@pytest.mark.only_large
def test_the_sandbox_runs_when_asked_for_and_the_processes_are_pointed_at_it(start: Callable[..., Up]) -> None:
    up = start(FAKE_SANDBOX="1", SETTLEPIPE_BILLCENTER__BANK_CODE="15").wait_ready()
    stack = up.stack
    assert alive(stack["processes"]["sandbox"])
    given = dict(
        entry.split("=", 1)
        for entry in Path(f"/proc/{stack['processes']['intake']}/environ").read_text().split("\0")
        if entry.startswith("SETTLEPIPE_")
    )
    lane = {name.removeprefix("SETTLEPIPE_BILLCENTER__"): given[name] for name in given if "BILLCENTER" in name}
    assert lane == {
        "BASE_URL": stack["sandbox_url"] + "/billcenter",
        "USERNAME": "sandbox",
        "PASSWORD": "sandbox",
        "BANK_CODE": "15",
        "DUPLICATE_PATTERN": SANDBOX_CREDENTIALS["billcenter"]["DUPLICATE_PATTERN"],
        "CONCURRENCY": "7",
    }
    assert given["SETTLEPIPE_DATABASE_URL"] == stack["database_url"]
    assert given["SETTLEPIPE_BROKER_URL"] == stack["broker_url"]
    (key,) = json.loads(given["SETTLEPIPE_SECRET_KEYS"])
    assert Fernet(key)
    assert up.stop() == 0


def test_the_sandbox_beside_a_real_base_url_is_wrong_use(start: Callable[..., Up]) -> None:
    up = start(FAKE_SANDBOX="1", SETTLEPIPE_BILLCENTER__BASE_URL="https://provider.example")
    output, _ = up.process.communicate(timeout=300)
    assert (up.process.returncode, output) == (2, "")
    assert "unset SETTLEPIPE_BILLCENTER__BASE_URL" in up.stderr.read_text()
    assert not up.home.exists()


def test_logs_are_rotated_and_three_old_ones_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("ab") as writer:  # a process that goes on writing to the same file
        for number in range(6):
            writer.write(f"run {number}\n".encode())
            writer.flush()
            children.rotate(log)
        writer.write(b"now\n")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "a.log": "now\n",
        "a.log.1": "run 5\n",
        "a.log.2": "run 4\n",
        "a.log.3": "run 3\n",
    }
