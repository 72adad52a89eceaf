"""The flow on a real database with scripted providers: each rule becomes a short test.

The providers are scripted because the rules are about the flow and the database; what a provider's HTTP means is
tested in tests/providers.
"""

import contextlib
import json
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row
from pydantic import BaseModel, ConfigDict, SecretStr

from shared import lanes
from shared.database import session
from shared.database.engine import Database
from shared.directory.views import CachedDirectory
from shared.domain.answers import Answer, CheckResult, Meaning, Verdict
from shared.domain.payment import Operation, Payment
from shared.domain.records import DeliveryReport
from shared.domain.request import Built, Request
from shared.follow_ups.ask import follow_up
from shared.messaging import tasks
from shared.messaging.intake_stream import Entry
from shared.payments.accept import accept
from shared.payments.check import check
from shared.payments.dispatch import Batches, dispatch
from shared.payments.send import send
from shared.payments.store.ours import StoredBooks
from shared.providers.base import Auth, Connected, Doubt, FollowUp, OperationRule, Registration
from shared.providers.ours import Books, Directory
from shared.runtime import Runtime, limits_of
from shared.settings import Settings
from shared.settings.sections import ProviderSettings, UbillSettings

STREAM = "settlepipe:intake"
OK = Answer("ok", Meaning.SUCCEEDED, http_status=200, provider_reference="P-1")
SENT = Answer("sent", Meaning.SUCCEEDED, http_status=200, provider_reference="71", facts={"sms_id": "71"})
NO = Answer("no", Meaning.REFUSED, http_status=400, detail="unknown customer", refusal=True)
UNDOCUMENTED_NO = Answer("odd_no", Meaning.CHECK, http_status=400, detail="an odd no", refusal=True)
AGAIN = Answer("server_error", Meaning.RESEND, http_status=500)
LOOK = Answer("time_out", Meaning.CHECK, provider_down=True)
NOT_SENT = Answer("not_connected", Meaning.NOT_SENT, provider_down=True)
TOO_MANY = Answer("too_many", Meaning.NOT_SENT, http_status=429)
REAUTH = Answer("unauthorised", Meaning.REAUTH, http_status=401)
HALT = Answer("forbidden", Meaning.HALT, http_status=403, detail="no funds")

APPLIED = CheckResult(Verdict.APPLIED, "it is there", {"paid": "100.00"}, provider_reference="P-9")
ABSENT = CheckResult(Verdict.NOT_APPLIED, "it is not there", {"paid": "0.00"})
UNCLEAR = CheckResult(Verdict.INCONCLUSIVE, "can't be told", {"paid": "?"})
DOWN = CheckResult(Verdict.INCONCLUSIVE, "the books could not be read", provider_down=True)

Step = Any  # an Answer (or CheckResult, Auth, Built), an exception to raise, or a function that gives either


class Target(BaseModel):
    """shared: payments on this invoice can't be told apart at the provider."""

    model_config = ConfigDict(strict=True, extra="forbid")
    invoice: str
    shared: bool = False


class Off(ProviderSettings):
    """A provider without a base URL."""


REFERENCE_KEY = SecretStr("made-up-key-of-references-for-tests")


class FlowSettings(Settings):
    """`safe` promises that a settle may be sent again, `careful` does not; `narrow` only settles; `off` is off;
    `ubill` sends text messages."""

    reference_key: SecretStr | None = REFERENCE_KEY
    safe: ProviderSettings = ProviderSettings(base_url="http://127.0.0.1:1", in_flight=200)
    careful: ProviderSettings = ProviderSettings(base_url="http://127.0.0.1:1")
    narrow: ProviderSettings = ProviderSettings(base_url="http://127.0.0.1:1")
    off: ProviderSettings = ProviderSettings()
    ubill: UbillSettings = UbillSettings(base_url="http://127.0.0.1:1", brand_id=1)


_RULES = {
    "safe": {Operation.SETTLE: OperationRule(True), Operation.REFUND: OperationRule(False)},
    "careful": {Operation.SETTLE: OperationRule(False), Operation.REFUND: OperationRule(False, reads_first=True)},
    "narrow": {Operation.SETTLE: OperationRule(True)},
    "off": {Operation.SETTLE: OperationRule(True)},
    "ubill": {Operation.SETTLE: OperationRule(False)},
}


class Scripted:
    """A provider that answers by script and remembers every byte that it was sent. Without a script: success."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answers: deque[Step] = deque()
        self.verdicts: deque[Step] = deque()
        self.auths: deque[Step] = deque()
        self.builds: deque[Step] = deque()
        self.baselines: deque[Step] = deque()
        self.receipts: deque[Step] = deque()
        self.sent: list[tuple[int, bytes]] = []
        self.doubts: list[Doubt] = []
        self.receipts_sent: list[bytes] = []
        self.messages: deque[Step] = deque()
        self.messages_sent: list[bytes] = []
        self.reports: dict[str, Step] = {}
        self.forgotten: list[Auth] = []

    def bodies(self, payment_id: int) -> list[bytes]:
        return [body for sent, body in self.sent if sent == payment_id]

    def build(self, payment: Payment, _directory: Directory) -> Built:
        target = payment.target
        body = {"id": payment.sent_reference, "sum": payment.amount_minor, "invoice": target["invoice"]}
        key = f"{self.name}:{target['invoice']}" if target.get("shared") else None
        built: Built = _next(self.builds, Request(f"/{payment.operation}", json.dumps(body).encode(), key))
        return built

    def authorise(self) -> Auth:
        auth: Auth = _next(self.auths, Auth())
        return auth

    def forget(self, auth: Auth) -> bool:
        self.forgotten.append(auth)
        return auth.fresh_after_refusal

    def send(self, payment: Payment, _auth: Auth) -> Answer:
        assert payment.body is not None
        self.sent.append((payment.id, payment.body))
        answer: Answer = _next(self.answers, OK)
        return answer

    def baseline(self, _payment: Payment, _auth: Auth) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = _next(self.baselines, {"paid": "0.00"})
        return found

    def check(self, doubt: Doubt, _books: Books, _auth: Auth) -> CheckResult:
        self.doubts.append(doubt)
        result: CheckResult = _next(self.verdicts, UNCLEAR)
        return result

    def build_receipt(self, payment: Payment, _directory: Directory) -> Built:
        built: Built = _next(self.builds, Request("/receipt", payment.sent_reference.encode()))
        return built

    def send_receipt(self, request: Request, _auth: Auth) -> Answer:
        self.receipts_sent.append(request.body)
        answer: Answer = _next(self.receipts, OK)
        return answer

    def build_message(self, payment: Payment, _directory: Directory) -> Built:
        assert payment.notify is not None
        built: Built = _next(self.builds, Request("/sms", f"{payment.notify['sms']} {payment.intent_id}".encode()))
        return built

    def send_message(self, request: Request, _auth: Auth) -> Answer:
        self.messages_sent.append(request.body)
        answer: Answer = _next(self.messages, SENT)
        return answer

    def report(self, sms_id: str) -> Sequence[DeliveryReport]:
        found: Sequence[DeliveryReport] = _next(deque([self.reports[sms_id]]), None)
        return found

    def connected(self, settings: Settings) -> Connected:
        if self.name == "safe":
            return Connected(self, follow_ups={"receipt": FollowUp(self.build_receipt, self.send_receipt)})
        if self.name == "ubill":
            sms = FollowUp(self.build_message, self.send_message, settings.ubill.sms_max_age_s)
            return Connected(self, follow_ups={"sms": sms}, reports=self.report)
        return Connected(self)


def _next(script: "deque[Step]", default: Step) -> Any:
    step = script.popleft() if script else default
    if callable(step):
        step = step()
    if isinstance(step, BaseException):
        raise step
    return step


@dataclass
class Life:
    """The sign of life of a process, held on a connection of its own until `end`."""

    key: int
    connection: "psycopg.Connection[Any]"

    def wait(self, _timeout_s: float) -> bool:
        return True

    def end(self) -> None:
        # Closing alone frees the lock when the server notices; a test must see it free at once.
        with contextlib.suppress(psycopg.OperationalError):  # some tests break this connection on purpose
            self.connection.execute("SELECT pg_advisory_unlock_all()")
        self.connection.close()


@dataclass
class World:
    """A migrated database whose clock can be moved, a runtime on it, and the scripted providers by name."""

    url: str
    runtime: Runtime
    providers: Mapping[str, Scripted]
    connection: "psycopg.Connection[dict[str, Any]]"
    closing: list[Callable[[], None]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    @property
    def safe(self) -> Scripted:
        return self.providers["safe"]

    @property
    def ubill(self) -> Scripted:
        return self.providers["ubill"]

    @property
    def careful(self) -> Scripted:
        return self.providers["careful"]

    def advance(self, seconds: float) -> None:
        """Move the database's clock."""
        step = "make_interval(secs => %(seconds)s)"
        self.connection.execute(
            f"UPDATE public.test_clock SET shift = shift + {step}, held = held + {step}", {"seconds": seconds}
        )

    def hold_clock(self) -> None:
        """The database's clock moves by `advance` alone from here on: what a slow machine takes for a step between
        two of them is nothing."""
        self.execute("UPDATE public.test_clock SET held = clock()")

    def rows(self, statement: str, *given: Any) -> list[dict[str, Any]]:
        return self.connection.execute(statement, given).fetchall()

    def execute(self, statement: str, *given: Any) -> int:
        return self.connection.execute(statement, given).rowcount

    def value(self, statement: str, *given: Any) -> Any:
        (row,) = self.rows(statement, *given)
        (value,) = row.values()
        return value

    def payment(self, payment_id: int) -> dict[str, Any]:
        (row,) = self.rows(
            "SELECT p.*, due_at - clock() AS due_in, finished_at IS NOT NULL AS final FROM payments p WHERE id = %s",
            payment_id,
        )
        return row

    def state(self, payment_id: int) -> str:
        return str(self.payment(payment_id)["state"])

    def attempt(self, payment_id: int, number: int = 1) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM attempts WHERE payment_id = %s AND number = %s", payment_id, number)
        return row

    def events(self, payment_id: int) -> list[str]:
        """The last words of the types of a payment's events, in order."""
        rows = self.rows("SELECT type FROM events WHERE payment_id = %s ORDER BY id", payment_id)
        return [row["type"].removeprefix("settlepipe.payment.") for row in rows]

    def lane(self, provider: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT l.*, open_until - clock() AS open_for FROM lanes l WHERE provider = %s", provider)
        return row

    def document(self, provider: str = "safe", **fields: Any) -> dict[str, Any]:
        """A valid intent; with refund_of it is a refund."""
        number = next(self.numbers)
        refund = "refund_of" in fields
        document: dict[str, Any] = {
            "intent_id": f"ord-{number}",
            "source": "shop",
            "provider": provider,
            "operation": "refund" if refund else "settle",
            "amount": "100.00",
            "currency": "MNT",
            "paid_at": "2026-11-21T03:24:12Z",
        }
        if not refund:
            document["target"] = {"invoice": f"inv-{number}"}
        return document | fields

    def entry(self, document: Any, stream: str = STREAM) -> Entry:
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        return Entry(stream, f"{next(self.numbers)}-0".encode(), raw, {b"intent": raw})

    def accept(self, *documents: Any) -> int:
        return accept(self.runtime, [self.entry(document) for document in documents])

    def pay(self, provider: str = "safe", **fields: Any) -> int:
        """Accept one payment; its id."""
        document = self.document(provider, **fields)
        assert self.accept(document) == 1
        return self.id_of(document)

    def id_of(self, document: Mapping[str, Any]) -> int:
        statement = "SELECT payment_id FROM intent_keys WHERE source = %s AND intent_id = %s"
        return int(self.value(statement, document["source"], document["intent_id"]))

    def batches(self, provider: str = "safe", queued: int = 0) -> Batches:
        return dispatch(self.runtime, provider, lambda: queued).messages

    def named(self, payment_id: int) -> tasks.Name:
        """What a message calls this payment."""
        return payment_id, str(self.payment(payment_id)["sent_reference"])

    def dispatched(self, provider: str = "safe", queued: int = 0) -> list[int]:
        """One look at the lane; the ids that it would publish."""
        return [id_in(name) for _, names in self.batches(provider, queued) for name in names]

    def run(self, provider: str = "safe") -> list[int]:
        """One look at the lane, and its messages delivered at once; the ids."""
        batches = self.batches(provider)
        deliver(self.runtime, batches)
        return [id_in(name) for _, names in batches for name in names]

    def settled(self, provider: str = "safe", *answers: Step, **fields: Any) -> int:
        """Accept, dispatch and send one payment with these answers scripted; its id."""
        payment_id = self.pay(provider, **fields)
        self.providers[provider].answers.extend(answers)
        self.run(provider)
        return payment_id

    def another(self) -> Runtime:
        """Another process: a runtime with a connection pool and a sign of life of its own."""
        return _runtime(self.url, self.runtime.settings, self.providers, self.closing)

    def die(self) -> None:
        """This process's sign of life ends."""
        life: Any = self.runtime.life
        life.end()
        while self.value("SELECT worker_alive(%s)", life.key):  # the server notices the closed connection soon
            pass


_VERBS: Mapping[str, Callable[..., object]] = {tasks.SEND: send, tasks.CHECK: check, tasks.FOLLOW_UP: follow_up}


def id_in(name: tasks.Name) -> int:
    """The id in what a message names."""
    return name if isinstance(name, int) else name[0]


def deliver(runtime: Runtime, batches: Batches) -> None:
    """Do what these messages ask for, one after another."""
    for task, names in batches:
        for name in names:
            _VERBS[task](runtime, *((name,) if isinstance(name, int) else name))


def _connected_already(*_: Any) -> Connected:
    raise AssertionError("these tests connect their providers themselves")


def _runtime(
    url: str,
    settings: Settings,
    providers: Mapping[str, Scripted],
    closing: list[Callable[[], None]],
    pool: Database | None = None,
) -> Runtime:
    database = pool or Database(url, pool_size=8)
    life: Any = Life(secrets.randbits(63), session.connect(url, "settlepipe sign of life", frozen_after_s=0))
    life.connection.execute("SELECT pg_advisory_lock(%s)", (life.key,))
    closing += [life.end] if pool else [database.dispose, life.end]
    registrations = {
        name: Registration(name, name, "UTC", "MNT", Target, rules, {}, _connected_already)
        for name, rules in _RULES.items()
    }
    with database.connection() as connection:
        lanes.ensure(connection, sorted(registrations))
    return Runtime(
        settings=settings,
        database=database,
        registrations=registrations,
        connected={name: p.connected(settings) for name, p in providers.items() if settings.provider(name).base_url},
        directories={name: CachedDirectory(database, name) for name in registrations},
        books=StoredBooks(database),
        limits=limits_of(settings),
        life=life,
    )


def _empty(connection: "psycopg.Connection[dict[str, Any]]") -> None:
    """As the migrations left it. What a test before left in a transaction is ended: it could hold a lock for ever."""
    connection.execute(
        """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"""
    )
    disabled = """SELECT DISTINCT tgrelid::regclass::text AS name FROM pg_trigger
        WHERE tgenabled = 'D' AND NOT tgisinternal"""
    for row in connection.execute(disabled).fetchall():
        connection.execute(f"ALTER TABLE {row['name']} ENABLE TRIGGER USER".encode())
    for row in connection.execute("SELECT relname AS name FROM pg_class WHERE relispartition").fetchall():
        connection.execute(f"DROP TABLE {row['name']}".encode())
    # Not TRUNCATE: tables stay the same to the sessions of the pool, which keep their plans.
    filled = connection.execute(
        """SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
        WHERE schemaname IN ('public', 'archive') AND tablename NOT IN ('alembic_version', 'code_range')
            AND pg_relation_size(format('%I.%I', schemaname, tablename)::regclass) > 0"""
    ).fetchall()
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")  # no triggers, no foreign keys
        for row in filled:
            connection.execute(f"DELETE FROM {row['name']}".encode())
    connection.execute("INSERT INTO store (beat_at) VALUES (now()) ON CONFLICT DO NOTHING")
    connection.execute(
        """SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
        FROM pg_sequences WHERE schemaname IN ('public', 'archive')"""
    )


# Pools that outlive a test, by the URL of a database that is emptied for each: their sessions know its tables.
POOLS: dict[str, Database] = {}


@contextmanager
def running_world(url: str, make: Callable[[str], Scripted] = Scripted, /, **settings: Any) -> Iterator[World]:
    """A World on a migrated database; make: a provider of this name; settings: sections other than the defaults."""
    with session.connect(url, "test", row_factory=dict_row) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.test_clock (shift interval NOT NULL, held timestamptz)")
        _empty(connection)
    with running_world_on(url, make, **settings) as world:
        yield world


@contextmanager
def running_world_on(url: str, make: Callable[[str], Scripted] = Scripted, /, **settings: Any) -> Iterator[World]:
    """The same, with what is in the database already."""
    connection = session.connect(url, "test", row_factory=dict_row)
    if connection.execute("SELECT WHERE to_regclass('public.test_clock') IS NULL").fetchone() is not None:
        connection.execute("CREATE TABLE public.test_clock (shift interval NOT NULL, held timestamptz)")
    connection.execute("INSERT INTO public.test_clock VALUES ('0', NULL)")
    moved = "SELECT FROM pg_proc WHERE proname = 'clock' AND prosrc ~ 'test_clock'"
    if connection.execute(moved).fetchone() is None:  # some tests have a clock of their own
        connection.execute(
            """CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS
            $$ SELECT coalesce(held, now() + shift) FROM public.test_clock $$"""
        )
    providers = {name: make(name) for name in ("safe", "careful", "narrow", "ubill")}
    closing: list[Callable[[], None]] = [connection.close]
    runtime = _runtime(url, FlowSettings(**settings), providers, closing, POOLS.get(url))
    try:
        yield World(url, runtime, providers, connection, closing)
    finally:
        for close in reversed(closing):
            close()


def together(*verbs: Callable[[], Any]) -> list[Any]:
    """Run these at the same time, each in a thread; their results, in order. Raises the first one's exception."""
    results: dict[int, Any] = {}
    start = threading.Barrier(len(verbs))

    def run(place: int, verb: Callable[[], Any]) -> None:
        start.wait(120)
        try:
            results[place] = verb()
        except Exception as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(verbs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for place in range(len(verbs)):
        if isinstance(results[place], Exception):
            raise results[place]
    return [results[place] for place in range(len(verbs))]


def waits_for_lock(connection: "psycopg.Connection[Any]", count: int = 1) -> bool:
    """Do this many sessions of this database wait for a lock now?"""
    row = connection.execute(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return bool(row and row["n"] >= count)
