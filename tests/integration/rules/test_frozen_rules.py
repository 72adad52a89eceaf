"""A process that stands still, SIGSTOP, holds what only one may hold for a while; its sign of life for ever."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from cryptography.fernet import Fernet

from shared.database import migrate, session
from shared.database.engine import AWAY
from shared.database.tokens import StoredTokens
from shared.payments.send import send
from shared.reconciliation.turn import Busy, turn
from tests.support.flow import ABSENT, World
from tests.support.stack import wait_until

pytestmark = pytest.mark.timeout(300)  # each starts a process, on a machine that may be busy
FROZEN_S = 1.0
PATIENCE_S = 120

# Each stops itself at the place in question, as the machine's owner could at any moment.
_PREAMBLE = """
import os, signal, sys
from pydantic import SecretStr
from shared.runtime import SignOfLife
from shared.database import migrate, session
from shared.reconciliation.turn import Busy, turn
from shared.database.engine import AWAY, Database
from shared.database.tokens import StoredTokens
from tests.support import flow
url, frozen_s, key = sys.argv[1], float(sys.argv[2]), sys.argv[3]
def stand_still(*_):
    os.kill(os.getpid(), signal.SIGSTOP)
def world():
    providers = {name: flow.Scripted(name) for name in ("safe", "careful", "narrow", "ubill")}
    runtime = flow._runtime(url, flow.FlowSettings(frozen_after_s=frozen_s), providers, [])
    database = Database(url, frozen_after_s=frozen_s)
    import dataclasses
    return dataclasses.replace(runtime, database=database, life=None), providers
"""
DISPATCHER = """
from shared.payments.dispatch import dispatch
runtime, _ = world()
def asked():
    stand_still()
    return 0
try:
    print(dispatch(runtime, "safe", asked))
except AWAY:
    print("lost")
"""
INTAKE = """
from shared.payments import accept
from shared.messaging.intake_stream import Entry
runtime, _ = world()
accept.store.quarantine = stand_still  # the last thing before its commit
try:
    print(accept.accept(runtime, [Entry(flow.STREAM, b"1-1", key.encode(), {})]))
except AWAY:
    print("lost")
"""
NIGHT = """
with turn(Database(url), "safe", frozen_s) as mine:
    mine.held()
    try:
        with mine.database.transaction() as connection:
            connection.execute("INSERT INTO tokens (provider, version, token) VALUES ('late', 1, '')")
            stand_still()
    except AWAY as error:
        print(type(error).__name__)
    try:
        mine.held()
        print("compares")
    except AWAY:
        print("lost")
"""
LOGIN = """
tokens = StoredTokens(Database(url), [key], login_s=frozen_s)
release = tokens.try_login_lock("safe")
stand_still()
print(tokens.save("safe", {"access": "late"}, False).token["access"])
release()
"""
SENDER = """
import dataclasses
from shared.payments.send import send
runtime, providers = world()
life = SignOfLife(url, runtime.seen)
assert life.wait(10)
def first_byte():
    stand_still()
    return flow.OK
providers["careful"].answers.append(first_byte)
send(dataclasses.replace(runtime, life=life), int(key))
print("done")
"""
MIGRATOR = """
from shared.database.migrations import versions
import alembic.command
upgrade = alembic.command.upgrade
def stopped(config, to):
    config.attributes["connection"].exec_driver_sql("SELECT pg_advisory_lock(7310587403)")
    config.attributes["connection"].commit()
    stand_still()
    upgrade(config, to)
alembic.command.upgrade = stopped
try:
    migrate.upgrade(url, frozen_s)
    print("migrated")
except Exception as error:
    print("lost")
"""


@contextmanager
def frozen(script: str, url: str, key: str = "x", frozen_s: float = FROZEN_S) -> Iterator["subprocess.Popen[str]"]:
    """The script, standing still at its place; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PREAMBLE + script, url, str(frozen_s), key], stdout=subprocess.PIPE, text=True
    )
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it ended before its place"
        yield process
    finally:
        process.kill()
        process.communicate()


def woken(process: "subprocess.Popen[str]") -> str:
    """What it says in the end, once it goes on."""
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=PATIENCE_S)
    return said.strip().splitlines()[-1]


def test_a_frozen_dispatcher_gives_its_lane_back(world: World) -> None:
    payment_id = world.pay()
    with frozen(DISPATCHER, world.url) as process:
        assert world.dispatched() == [], "the lane is another one's"
        wait_until(lambda: bool(world.dispatched()), "its lane is free", PATIENCE_S)
        assert woken(process) == "lost"
    send(world.runtime, payment_id)
    assert world.state(payment_id) == "succeeded"


def test_a_frozen_intake_lets_others_take_its_intents(world: World) -> None:
    document = world.document()
    raw = world.entry(document).raw
    assert raw is not None
    with frozen(INTAKE, world.url, raw.decode()) as process:
        started = time.monotonic()
        assert world.accept(document) == 1, "waits for the frozen one's key, and gets it"
        assert time.monotonic() - started < session.STATEMENT_S / 2
        assert woken(process) == "lost"
    assert len(world.rows("SELECT id FROM payments")) == 1


def test_a_frozen_comparison_loses_its_turn_and_notices(world: World) -> None:
    with frozen(NIGHT, world.url) as process:
        with turn(world.runtime.database, "safe") as mine:  # waits for a lease that nobody renews
            mine.held()
        assert woken(process) == "lost"
    assert world.rows("SELECT FROM tokens") == [], "what it woke in the middle of is not committed"


def test_a_frozen_comparison_that_nobody_overtook_goes_on(world: World) -> None:
    with frozen(NIGHT, world.url) as process:
        time.sleep(2 * FROZEN_S)  # is what this is about
        assert woken(process) == "compares"


def test_a_killed_comparison_is_waited_for(world: World) -> None:
    with frozen(NIGHT, world.url, frozen_s=3) as process:
        process.kill()
        process.wait()
        started = time.monotonic()
        with turn(world.runtime.database, "safe"):
            assert time.monotonic() - started < 60


def test_a_turn_is_kept_for_as_long_as_its_holder_lives(world: World) -> None:
    with turn(world.runtime.database, "safe", 0.4) as mine:
        time.sleep(2)  # is what this is about: five times the limit, with nothing asked
        with pytest.raises(Busy), turn(world.runtime.database, "safe"):
            pass
        mine.held()


def test_a_frozen_login_lets_others_log_in_and_replaces_no_newer_token(world: World) -> None:
    key = Fernet.generate_key().decode()
    tokens = StoredTokens(world.runtime.database, [key])
    tokens.save("safe", {"access": "old"}, False)
    with frozen(LOGIN, world.url, key) as process:
        before = _sessions(world)
        for _ in range(20):
            assert tokens.try_login_lock("safe") is None
        assert _sessions(world) <= before + 1, "who waits opens no connection each time"
        release = wait_until(lambda: tokens.try_login_lock("safe"), "others may log in", PATIENCE_S)
        tokens.save("safe", {"access": "new"}, False)
        release()
        assert woken(process) == "new"
    kept = tokens.read("safe")
    assert kept is not None
    assert (kept.version, kept.token) == (2, {"access": "new"})


def _sessions(world: World) -> int:
    """Sessions that this server ever had on this database, and has; as far as it counts them already."""
    world.rows("SELECT pg_stat_clear_snapshot()")
    return int(world.value("SELECT sessions FROM pg_stat_database WHERE datname = current_database()"))


def test_a_frozen_migrator_lets_others_migrate(own_world: World) -> None:
    with frozen(MIGRATOR, own_world.url) as process:
        migrate.upgrade(own_world.url)
        assert woken(process) == "lost"


OWNERS = {
    "idle_session_timeout": "500ms",
    "idle_in_transaction_session_timeout": "500ms",
    "transaction_timeout": "500ms",
    "statement_timeout": "500ms",
    "tcp_user_timeout": "500ms",
    "tcp_keepalives_idle": "1s",
}


def test_a_sender_frozen_after_its_first_byte_is_alive_whatever_limits_an_owner_sets(own_world: World) -> None:
    world = own_world
    name = world.url.rpartition("/")[2]
    for setting, value in OWNERS.items():
        world.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with (
        psycopg.connect(world.url, autocommit=True) as bystander,
        frozen(SENDER, world.url, str(payment_id)) as process,
    ):
        key = world.attempt(payment_id)["worker_key"]
        wait_until(
            lambda: _ended(bystander), "the owner's limit ended a session", PATIENCE_S
        )  # the owner's limits do end sessions here
        time.sleep(5 * FROZEN_S)  # and ours, others; nobody's touch this one
        assert world.value("SELECT worker_alive(%s)", key)
        world.advance(3600)
        world.run("careful")
        world.careful.verdicts.extend([ABSENT] * 3)
        for _ in range(3):
            world.advance(3600)
            world.run("careful")
        assert world.careful.doubts, "it was looked for"
        assert world.careful.sent == [], "whoever may be between two bytes has sent it, or will"
        assert woken(process) == "done"
    assert world.state(payment_id) == "succeeded"


def _ended(connection: "psycopg.Connection[tuple[object]]") -> bool:
    try:
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return False


def test_what_a_frozen_process_meets_is_a_database_that_is_away() -> None:
    errors = psycopg.errors
    for error in (errors.IdleInTransactionSessionTimeout, errors.IdleSessionTimeout, errors.TransactionTimeout):
        assert issubclass(error, AWAY)
