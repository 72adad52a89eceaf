"""Sessions that others made: whatever moves money looks at the very session that it runs in."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from psycopg.errors import CannotConnectNow
from pydantic import SecretStr

from deploy.local import doctor
from shared import process
from shared.database import migrate, pooler, session
from shared.database.engine import AWAY, Database
from shared.domain.answers import Answer, Meaning
from shared.domain.payment import State
from shared.payments.accept import accept
from shared.payments.release import release_refunds
from shared.payments.send import send
from shared.payments.store import lots
from shared.payments.store import send as sending
from shared.runtime import Runtime
from shared.settings import Settings, SettingsError
from shared.start import start
from tests.support.flow import LOOK, OK, World

WRONG = {
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "off",
    "session_replication_role": "replica",
    "row_security": "on",
    "search_path": "public, archive",
    "transform_null_equals": "on",
    "standard_conforming_strings": "off",
    "TimeZone": "Pacific/Kiritimati",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
}


def pinned_like_ours(world: World) -> None:
    role = world.value("SELECT current_user::text")
    world.connection.execute(pooler.pins(role).encode())


@pytest.fixture
def pooled(own_world: World) -> Iterator[Runtime]:
    """A process of this world whose sessions begin with what the role has in the database."""
    pinned_like_ours(own_world)
    database = Database(own_world.url, 2, pooled=True)
    yield replace(own_world.runtime, database=database)
    database.dispose()
    database_name = own_world.url.rpartition("/")[2]
    own_world.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {database_name} RESET ALL")


def make_wrong(world: World, setting: str, value: str) -> None:
    name = world.url.rpartition("/")[2]
    world.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET {setting} = '{value}'")


def test_the_whole_flow_works_on_sessions_that_begin_as_the_role_says(own_world: World, pooled: Runtime) -> None:
    world = replace(own_world, runtime=pooled)
    assert world.state(world.settled("safe", OK)) == "succeeded"
    settle = world.settled("careful", LOOK)
    assert world.state(settle) == "unknown"
    with pooled.database.connection() as connection:
        assert pooler.unpinned(connection) == []


def test_every_wrong_setting_is_seen(own_world: World, pooled: Runtime) -> None:
    for setting, value in WRONG.items():
        pinned_like_ours(own_world)
        make_wrong(own_world, setting, value)
        with closing(session.connect_pooled(own_world.url, "test")) as made:
            with pytest.raises(CannotConnectNow, match=f"has {setting} = .*settlepipe db pins"):
                made.execute("SELECT public.pinned()")
            assert any(said.startswith(f"{setting} is") for said in pooler.unpinned(made)), setting
            with session.connect(own_world.url, "test") as direct, pytest.raises(session.Unusable, match=setting):
                pooler.require(direct, made)


def test_nothing_is_claimed_accepted_or_let_go_in_a_session_that_may_lose_it(own_world: World, pooled: Runtime) -> None:
    world = own_world
    document = world.document()
    settle = world.settled("safe", OK)
    refund = world.pay("safe", refund_of=world.payment(settle)["intent_id"], amount="30.00")
    payment_id = world.pay()
    world.dispatched()
    reference = str(world.payment(payment_id)["sent_reference"])
    make_wrong(world, "synchronous_commit", "off")
    pooled.database.dispose()

    with pytest.raises(AWAY):
        accept(pooled, [world.entry(document)])
    with pytest.raises(AWAY):
        release_refunds(pooled)
    with pooled.database.connection() as connection:
        with pytest.raises(CannotConnectNow):
            sending.claim(connection, payment_id, pooled.worker_key, pooled.limits, seen=pooled.seen)
        names = [(payment_id, reference)]
        with pytest.raises(CannotConnectNow):
            lots.claim(connection, names, pooled.worker_key, pooled.limits, token=uuid4(), seen=pooled.seen)
    assert world.value("SELECT count(*) FROM payments") == 3
    assert (world.state(refund), world.payment(refund)["hold_reason"]) == ("accepted", "settle_pending")
    assert (world.state(payment_id), world.payment(payment_id)["attempts"]) == ("dispatched", 0)

    pinned_like_ours(world)
    pooled.database.dispose()
    release_refunds(pooled)
    send(pooled, payment_id)
    assert world.payment(refund)["hold_reason"] is None
    assert world.state(payment_id) == "succeeded"


@pytest.mark.parametrize(("to", "meaning"), [(State.UNKNOWN, Meaning.CHECK), (State.SUCCEEDED, Meaning.SUCCEEDED)])
def test_no_outcome_is_recorded_in_a_session_without_triggers(
    own_world: World, pooled: Runtime, to: State, meaning: Meaning
) -> None:
    """They keep the states legal and write the events; what can't be written is tried until it can."""
    world = own_world
    payment_id = world.pay()
    world.dispatched()
    with world.runtime.database.connection() as connection:
        claim = sending.claim(connection, payment_id, 1, world.runtime.limits, seen=world.runtime.seen)
    assert claim is not None
    wait_s = None if to is State.SUCCEEDED else 5.0
    outcome = sending.Outcome(Answer("odd", meaning), to, wait_s, to is State.UNKNOWN, True, "alive")
    make_wrong(world, "session_replication_role", "replica")
    pooled.database.dispose()
    with pooled.database.connection() as connection, pytest.raises(CannotConnectNow):
        sending.record(connection, claim, outcome, pooled.limits)
    assert world.state(payment_id) == "sending"
    pinned_like_ours(world)
    pooled.database.dispose()
    with pooled.database.connection() as connection:
        assert sending.record(connection, claim, outcome, pooled.limits)
    assert world.events(payment_id)[-1].endswith(to.value)


@pytest.mark.parametrize("variable", ["PGTZ", "PGDATESTYLE"])
def test_what_the_environment_tells_a_pooler_is_refused(
    own_world: World, pooled: Runtime, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, {"PGTZ": "Europe/Moscow", "PGDATESTYLE": "German"}[variable])
    with pytest.raises(session.Unusable, match=f"{variable} in this process's environment"):
        session.connect_pooled(own_world.url, "test")


def test_a_pooler_that_leads_elsewhere_is_refused(own_world: World, world: World) -> None:
    with session.connect(own_world.url, "test") as ours, session.connect_pooled(world.url, "test") as another:
        assert pooler.place(ours) == pooler.place(own_world.connection)
        with pytest.raises(session.Unusable, match="leads to another database"):
            pooler.require(ours, another)


def test_nothing_is_prepared_and_no_options_go_to_a_pooler(own_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=77kB")
    with session.connect_pooled(own_world.url, "test") as made:
        for _ in range(10):
            made.execute("SELECT %s::int", (1,))
        assert made.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        assert made.execute("SHOW work_mem").fetchone() != ("77kB",)


def test_two_sessions_are_not_shared_where_no_pooler_is(own_world: World) -> None:
    with (
        session.connect_pooled(own_world.url, "test") as one,
        session.connect_pooled(own_world.url, "test") as other,
    ):
        assert not pooler.shares(one, other)


class _Pooler(socketserver.ThreadingTCPServer):
    """In front of a server, as a pooler: each client is told a number of the pooler's own for its session."""

    daemon_threads = True
    server: tuple[str, int]


class _Client(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Pooler)
        with socket.create_connection(self.server.server) as behind:
            asks = threading.Thread(target=self._carry, args=(self.request, behind, b""), daemon=True)
            asks.start()
            self._carry(behind, self.request, _KEY)

    def _carry(self, here: socket.socket, there: socket.socket, key: bytes) -> None:
        with contextlib.suppress(OSError):
            while chunk := here.recv(65536):
                place = chunk.find(key) if key else -1
                if place >= 0:  # its number
                    chunk = chunk[: place + 5] + b"\x00\x00\x00\x07" + chunk[place + 9 :]
                there.sendall(chunk)
            there.shutdown(socket.SHUT_WR)


_KEY = b"K\x00\x00\x00\x0c"  # BackendKeyData: its length, then the session's number and a key to end statements with


@pytest.fixture
def fronted(own_world: World) -> Iterator[str]:
    """The URL of such a pooler."""
    parts = urlsplit(own_world.url)
    with _Pooler(("127.0.0.1", 0), _Client) as server:
        server.server = (str(parts.hostname), int(parts.port or 0))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        port = server.server_address[1]
        yield urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
        server.shutdown()


def test_a_pooler_in_place_of_the_database_is_refused_in_a_sentence(own_world: World, fronted: str) -> None:
    sentence = "a connection pooler answers at SETTLEPIPE_DATABASE_URL"
    with pytest.raises(session.Unusable, match=sentence):
        session.connect(fronted, "test")
    with pytest.raises(session.Unusable, match=sentence):
        migrate.upgrade(fronted)
    settings = Settings(database_url=SecretStr(fronted))
    with pytest.raises(SettingsError, match=sentence):
        process.right_servers(settings)
    with pytest.raises(SettingsError, match=sentence):
        start(settings)
    (said,) = [check.sentence for check in doctor.database(fronted)]
    assert sentence in said
    with session.connect_pooled(fronted, "test") as made, session.connect(own_world.url, "test") as direct:
        assert pooler.place(made) == pooler.place(direct)
