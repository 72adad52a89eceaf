"""The commands on a real database and a real broker, as their users run them."""

import contextlib
import csv
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from deploy.cli import submit_wait
from shared import lanes
from shared.archive.store import retire as retire_store
from shared.database.engine import Connection
from shared.domain.cards import redacted
from shared.domain.payment import State
from shared.events import outbox
from shared.messaging import events_stream, intake_stream
from shared.messaging.events_stream import EVENTS
from shared.messaging.intake_stream import Intake
from shared.payments.accept import accept
from shared.settings import load_settings
from shared.start import start
from tests.integration.conftest import Run
from tests.support.stored import add_payment, everything


@pytest.fixture
def product(run: Run, broker_url: str) -> Iterator["redis.Redis"]:
    """Intake, a provider that takes everything, and the relay, in one thread; the broker's client."""
    settings = load_settings()
    runtime = start(settings, pool_size=2)
    client = redis.Redis.from_url(broker_url)
    stop = threading.Event()

    def turn(intake: Intake) -> None:
        entries = intake.read(100, 20)
        if entries:
            accept(runtime, entries)
            intake.acknowledge(entries)
        with runtime.database.connection() as connection:
            connection.execute("UPDATE payments SET state = 'succeeded' WHERE state = 'accepted'")
            batch = outbox.pending(connection, 100)
            if batch:
                entry_id = events_stream.publish(client, batch, settings.events_keep_s)
                assert entry_id is not None
                outbox.carried(connection, batch, entry_id)

    def work() -> None:
        intake = Intake(client, ["settlepipe:intake"], "test", 60)
        while not stop.is_set():
            with contextlib.suppress(redis.ResponseError):  # the test wipes the broker
                turn(intake)

    thread = threading.Thread(target=work)
    thread.start()
    yield client
    stop.set()
    thread.join()
    runtime.database.dispose()
    client.close()


def _intent(intent_id: str, **changes: Any) -> str:
    intent = {
        "intent_id": intent_id,
        "source": "shop",
        "provider": "billcenter",
        "operation": "settle",
        "amount": "100.00",
        "currency": "MNT",
        "paid_at": "2026-11-21T03:24:12.133606Z",
        "target": {"invoice_code": intent_id, "bs_customer_code": "1", "biller_service_id": 140},
    }
    return json.dumps(intent | changes)


@pytest.fixture
def billcenter_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """On, with nothing listening: intents are held until an account is known."""
    monkeypatch.setenv("SETTLEPIPE_BILLCENTER__BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SETTLEPIPE_BILLCENTER__BANK_CODE", "50004")


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_submit_puts_lines_on_the_queue_as_they_are(run: Run, broker_url: str, tmp_path: Path) -> None:
    file = tmp_path / "intents"
    long = b"x" * (1024 * 1024 + 1)
    file.write_bytes(b'{"a":  1}\n\n \xff nonsense\r\n' + long + b"\n" + b"n\n" * 1200)
    status, out, err = run("submit", str(file), "--json")
    assert status == 1
    assert json.loads(out) == {"submitted": 1202, "too_long": 1}
    assert "line 4" in err
    with redis.Redis.from_url(broker_url) as client:
        found = [fields for _, fields in client.xrange("settlepipe:intake")]
    assert found == [{b"intent": raw} for raw in (b'{"a":  1}', b" \xff nonsense", *[b"n"] * 1200)]


@pytest.mark.usefixtures("billcenter_on")
def test_submit_and_wait_tells_what_became_of_each(run: Run, product: "redis.Redis", tmp_path: Path) -> None:
    file = tmp_path / "intents"
    good = [_intent(f"p{number}") for number in range(20)]
    file.write_text("\n".join([*good, good[0], "nonsense", _intent("p1", amount="1.00"), _intent("p2", amount="100")]))
    status, out, err = run("submit", str(file), "--wait", "--json", "--timeout", "30")
    found = json.loads(out)
    assert (found["submitted"], found["succeeded"], found["quarantined"]) == (24, 22, 2)
    assert {(other["subject"], other["outcome"]) for other in found["not_succeeded"]} == {
        (None, "quarantined"),
        ("shop/p1", "quarantined"),
    }
    assert status == 1
    assert "2 of 24 did not succeed" in err
    file.write_text("\n".join(good))
    assert run("submit", str(file), "--wait", "--timeout", "30")[0] == 0  # again: nothing new, all succeeded


@pytest.mark.usefixtures("billcenter_on")
def test_submit_and_wait_survives_a_broker_that_forgets_everything(
    run: Run, product: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_wait, "RESEND_AFTER_S", 0.3)
    file = tmp_path / "intents"
    file.write_text("\n".join(_intent(f"p{number}") for number in range(50)))
    wiped: list[bool] = []
    submit = intake_stream.submit

    def wipe_once(client: "redis.Redis", stream: str, intents: list[bytes]) -> None:
        submit(client, stream, intents)
        if not wiped:
            wiped.append(client.flushdb())

    monkeypatch.setattr(intake_stream, "submit", wipe_once)
    status, out, _ = run("submit", str(file), "--wait", "--json", "--timeout", "30")
    assert wiped
    assert status == 0
    assert json.loads(out)["succeeded"] == 50


def test_submit_and_wait_gives_up_without_news(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "intents"
    file.write_text(_intent("p1"))
    status, out, err = run("submit", str(file), "--wait", "--json", "--timeout", "1")
    assert (status, json.loads(out)["undecided"]) == (1, 1)
    assert "submit the same file again" in err


def test_payments_are_listed_filtered_and_shown_in_80_columns(run: Run, connection: Connection) -> None:
    for number in range(3):
        add_payment(connection, f"p{number}", State.PARKED if number else State.ACCEPTED)
    assert [row["intent_id"] for row in _lines(run("payments", "--json")[1])] == ["p2", "p1", "p0"]
    assert [row["intent_id"] for row in _lines(run("payments", "--json", "--state", "accepted")[1])] == ["p0"]
    assert len(_lines(run("payments", "--json", "--limit", "2", "--source", "shop")[1])) == 2
    assert run("payments", "--json", "--source", "nobody")[1] == ""
    status, out, err = run("payments", "--limit", "2")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    assert "shop/p2" in out
    assert "shop/p0" not in out
    assert "--limit" in err


def test_payments_are_sorted_and_filtered_by_age_sum_reason_and_hold_with_their_sums(
    run: Run, connection: Connection
) -> None:
    held = add_payment(connection, "held")
    connection.execute("UPDATE payments SET hold_reason = 'no_account', due_at = NULL WHERE id = %s", (held,))
    lost = add_payment(connection, "lost", State.UNKNOWN)
    connection.execute(
        "UPDATE payments SET code = 'no_answer', created_at = clock() - interval '3 hours' WHERE id = %s", (lost,)
    )
    large = add_payment(connection, "large", State.PARKED)
    connection.execute("ALTER TABLE payments DISABLE TRIGGER a_legal")
    connection.execute("UPDATE payments SET amount_minor = 90000 WHERE id = %s", (large,))

    def found(*given: str) -> list[str]:
        return [row["intent_id"] for row in _lines(run("payments", "--json", *given)[1])]

    assert found() == ["large", "lost", "held"]
    assert found("--order", "age") == ["lost", "held", "large"]
    assert found("--order", "money")[0] == "large"
    assert found("--hold", "any") == found("--hold", "no_account") == found("--code", "no_account") == ["held"]
    assert found("--hold", "invoice_busy") == []
    assert found("--code", "no_answer") == found("--older-than", "2h") == ["lost"]
    assert found("--older-than", "4h") == []
    assert found("--at-least", "100.01") == ["large"]
    assert found("--at-least", "900") == ["large"]
    assert run("payments", "--at-least", "100.00")[1].splitlines()[-1] == "3 payments: 1100.00 MNT"
    assert run("payments", "--at-least", "1000")[1].splitlines()[-1] == "0 payments"
    for wrong in (("--hold", "x"), ("--code", "x"), ("--older-than", "2"), ("--at-least", "-1"), ("--order", "x")):
        status, out, err = run("payments", *wrong)
        assert (status, out, err.count("\n")) == (2, "", 1)


def test_a_payment_is_shown_with_its_history_in_order_of_time(run: Run, connection: Connection) -> None:
    number = add_payment(connection, "p1", State.PARKED)
    connection.execute(
        """INSERT INTO attempts (payment_id, number, started_at, lease_until, ended_at, worker_key, body_sha256,
        meaning, kind, http_status, detail)
        SELECT id, 1, created_at + interval '1 us', clock(), clock(), 1, body_sha256, 'check', 'server_error', 500, 'no'
        FROM payments WHERE id = %s""",
        (number,),
    )
    connection.execute("INSERT INTO checks VALUES (%s, 1, clock(), 'inconclusive', 'not told', '{}')", (number,))
    assert run("resolve", "shop/p1", "--as", "succeeded", "--reason", "a letter", "--by", "operator-1")[0] == 0
    status, out, _ = run("payment", "shop/p1", "--json")
    [found] = _lines(out)
    assert (status, found["state"], found["request_sha256"]) == (0, "succeeded", found["history"][1]["request_sha256"])
    assert found["history"] == sorted(found["history"], key=lambda entry: entry["at"])
    assert [entry["what"] for entry in found["history"]][:2] == ["event", "attempt"]
    assert {entry["what"] for entry in found["history"]} == {"event", "attempt", "check", "resolution"}
    status, out, _ = run("payment", "shop/p1")
    assert "a letter" in out
    assert max(map(len, out.splitlines())) <= 80
    assert run("payment", "shop/nobody")[0] == 1


def test_export_streams_the_same_rows_in_both_formats(run: Run, connection: Connection) -> None:
    for number in range(5):
        add_payment(connection, f"p{number}")
    connection.execute("UPDATE payments SET detail = '=cmd()' || chr(10) || '\"x\",\\y' WHERE intent_id = 'p3'")
    rows = _lines(run("export")[1])
    mark, written = run("export", "--format", "csv")[1].split("source", 1)
    assert mark == "\ufeff", "or the usual spreadsheet reads it as something else"
    table = list(csv.DictReader(io.StringIO("source" + written, newline="")))
    assert [row["intent_id"] for row in rows] == ["p0", "p1", "p2", "p3", "p4"]
    assert list(table[0]) == list(rows[0])
    assert rows[3]["detail"] == '=cmd()\n"x",\\y'
    assert table[3]["detail"] == '\'=cmd()\n"x",\\y'
    for row, cells in zip(rows, table, strict=True):
        same = {
            key: "" if value is None else str(value) for key, value in row.items() if key not in ("detail", "target")
        }
        assert same == {key: value for key, value in cells.items() if key not in ("detail", "target")}
        assert json.loads(cells["target"]) == row["target"]


def test_nothing_is_submitted_to_a_stream_that_nobody_reads(
    run: Run, broker_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "intents"
    file.write_text(_intent("p1"))
    monkeypatch.setenv("SETTLEPIPE_INTAKE__SOURCES", '{"settlepipe:intake": ["*"], "settlepipe:intake:bank": ["bank"]}')
    with redis.Redis.from_url(broker_url) as client:
        client.set("text", "x")
        client.xadd("unread", {"a": "b"})
        for stream in ("settlepipe:intake:typo", "", "text", "unread", "settlepipe:intake "):
            for more in ((), ("--wait", "--timeout", "1"), ("--json",)):
                code, out, err = run("submit", str(file), "--stream", stream, *more)
                assert (code, out) == (2, "")
                assert "SETTLEPIPE_INTAKE__SOURCES has settlepipe:intake, settlepipe:intake:bank" in err
        assert sorted(client.keys()) == [b"text", b"unread"]
        assert run("submit", str(file), "--stream", "settlepipe:intake:bank")[:2] == (0, "1 submitted\n")
        client.xgroup_create("other", "settlepipe", mkstream=True)  # an intake with other settings reads it
        assert run("submit", str(file), "--stream", "other")[:2] == (0, "1 submitted\n")
        assert (client.xlen("settlepipe:intake:bank"), client.xlen("other")) == (1, 1)


@pytest.mark.usefixtures("billcenter_on")
def test_quarantine_is_listed_shown_and_replayed(
    run: Run, product: "redis.Redis", connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "intents"
    file.write_bytes(b"\n".join([b"\x1b[2J\xff", _intent("p1").encode(), _intent("p1", amount="1.00").encode()]))
    assert run("submit", str(file), "--wait", "--timeout", "30")[0] == 1
    listed = {row["reason"][:7]: row for row in _lines(run("quarantine", "--json")[1])}
    assert listed == {row["reason"][:7]: row for row in _lines(run("quarantine", "list", "--json")[1])}
    bad, conflict = listed["the int"], listed["this id"]
    assert conflict["conflict_of"] == "shop/p1"
    [shown] = _lines(run("quarantine", "show", str(conflict["id"]), "--json")[1])
    assert shown["conflict"]["amount"] == "100.00"
    assert json.loads(shown["raw"])["amount"] == "1.00"
    out = run("quarantine", "show", str(bad["id"]))[1]
    assert "\\x1b[2J\\xff" in out
    assert "\x1b" not in out
    assert run("quarantine", "show", "999")[0] == 1
    assert run("quarantine", "replay", str(bad["id"]))[:2] == (0, "1 replayed\n")
    row = connection.execute("SELECT replayed_at FROM quarantine WHERE id = %s", (bad["id"],)).fetchone()
    assert row is not None
    assert row["replayed_at"] is not None
    assert run("quarantine", "replay", "999")[0] == 1
    assert run("quarantine", "replay", "--all")[0] == 0


def test_replayed_bytes_are_the_kept_ones_on_their_own_stream(
    run: Run, connection: Connection, broker_url: str
) -> None:
    connection.execute(
        "INSERT INTO quarantine (sha256, raw, reason, stream, entry_id) VALUES (sha256(%s), %s, 'r', 'other', '1-1')",
        (b"\x00raw", b"\x00raw"),
    )
    assert run("quarantine", "replay", "--all")[1] == "1 replayed\n"
    assert run("quarantine", "replay", "--all")[1] == "0 replayed\n"  # it did not come back
    with redis.Redis.from_url(broker_url) as client:
        assert [fields for _, fields in client.xrange("other")] == [{b"intent": b"\x00raw"}]


def test_what_was_cut_is_shown_as_cut_and_never_put_on_the_queue_again(
    run: Run, product: "redis.Redis", connection: Connection, tmp_path: Path
) -> None:
    """Also one whose beginning is an intent by itself."""
    whole = _intent("p1").encode()
    lines = [whole + b" " * 70_000, _intent("p2", metadata={"cvv": "987", "x": "x" * 70_000}).encode()]
    file = tmp_path / "intents"
    file.write_bytes(b"\n".join(lines))
    code, out, _ = run("submit", str(file), "--wait", "--timeout", "30", "--json")
    assert (code, _lines(out)[0]["quarantined"]) == (1, 2), "whoever follows it hears of it"
    rows = _lines(run("quarantine", "--json")[1])
    assert [(row["bytes"] <= 5000, row["whole_bytes"]) for row in rows] == [(True, len(line)) for line in lines]
    assert rows[0]["sha256"] == hashlib.sha256(lines[0]).hexdigest()
    shown = _lines(run("quarantine", "show", str(rows[1]["id"]), "--json")[1])[0]
    assert "987" not in shown["raw"]
    code, out, err = run("quarantine", "replay", *(str(row["id"]) for row in rows))
    assert (code, out) == (1, "")
    assert "0 were replayed; 2 were too long, only the beginning was kept: their upstream has to send them" in err
    assert run("quarantine", "replay", "--all")[1].startswith("0 replayed; 2 were too long")
    assert connection.execute("SELECT FROM payments").fetchall() == []
    assert product.xlen("settlepipe:intake") == 0


def test_what_was_kept_redacted_is_never_put_on_the_queue_again(
    run: Run, connection: Connection, broker_url: str
) -> None:
    number, other = [
        connection.execute(
            """INSERT INTO quarantine (sha256, raw, reason, stream, entry_id)
            VALUES (sha256(%s), %s, 'r', 'cards', '1-1') RETURNING id""",
            (raw, raw),
        ).fetchone()["id"]  # type: ignore[index]
        for raw in (redacted(b'{"cvv": "987"}'), b"[]")
    ]
    code, out, err = run("quarantine", "replay", str(number))
    assert (code, out) == (1, "")
    assert "0 were replayed; 1 held card data, kept redacted: their upstream has to send them anew" in err
    code, out, _ = run("quarantine", "replay", "--all")
    assert code == 0
    assert out.startswith("1 replayed; 1 held card data")
    with redis.Redis.from_url(broker_url) as client:
        assert [fields for _, fields in client.xrange("cards")] == [{b"intent": b"[]"}]
    replayed = connection.execute("SELECT id FROM quarantine WHERE replayed_at IS NOT NULL").fetchall()
    assert [row["id"] for row in replayed] == [other]


@pytest.mark.parametrize(("kind", "called"), [("receipt", "receipt"), ("sms", "text message")])
def test_a_parked_follow_up_is_settled_and_shown(run: Run, connection: Connection, kind: str, called: str) -> None:
    add_payment(connection, "p1", State.SUCCEEDED, receipt=True, sms=True)
    connection.execute("UPDATE follow_ups SET state = 'parked', due_at = NULL")
    given = ("resolve", "shop/p1", f"--{kind}", "--reason", "a look", "--by", "operator-1")
    assert run(*given, "--as", "resend")[:2] == (0, f"the {called} of shop/p1 will be asked for again\n")
    connection.execute("UPDATE follow_ups SET state = 'parked', due_at = NULL")
    assert run(*given, "--as", "succeeded")[:2] == (0, f"the {called} of shop/p1 is succeeded\n")
    [shown] = _lines(run("payment", "shop/p1", "--json")[1])
    states = {entry["what"]: entry["state"] for entry in shown["history"] if entry["what"] in ("receipt", "sms")}
    assert states == {"receipt": "parked", "sms": "parked"} | {kind: "sent" if kind == "sms" else "issued"}


def test_what_a_person_may_not_decide_is_said_in_one_sentence(run: Run, connection: Connection) -> None:
    number = add_payment(connection, "p1", State.SENDING)
    before = everything(connection, number)
    for given in (
        ("resolve", "shop/p1", "--as", "refused", "--reason", "r", "--by", "b"),
        ("resolve", "shop/p1", "--as", "refused", "--reason", "r", "--by", "b", "--receipt"),
        ("resolve", "shop/p1", "--as", "refused", "--reason", "r", "--by", "b", "--sms"),
        ("cancel", "shop/p1", "--reason", "r", "--by", "b"),
        ("cancel", "shop/nobody", "--reason", "r", "--by", "b"),
    ):
        status, out, err = run(*given)
        assert (status, out, err.count("\n")) == (1, "", 1)
    assert run("resolve", "shop/p1", "--as", "maybe", "--reason", "r", "--by", "b")[0] == 2
    assert run("resolve", "shop/p1", "--as", "refused", "--reason", "r", "--by", "b", "--sms", "--receipt")[0] == 2
    assert everything(connection, number) == before
    add_payment(connection, "p2", State.ACCEPTED)
    assert run("cancel", "shop/p2", "--reason", "r", "--by", "b")[:2] == (0, "shop/p2 is cancelled\n")


def test_lanes_are_shown_paused_and_resumed(run: Run, connection: Connection) -> None:
    assert run("lanes", "pause", "billcenter", "--by", "operator-1")[0] == 1  # no process has run yet
    add_payment(connection, "p1", State.PARKED)
    assert _lines(run("lanes", "--json")[1])[0]["state"] == "running"
    status, _, err = run("lanes", "pause", "billcenter", "--by", "operator-1")
    assert (status, "a lane was paused" in err) == (0, True)
    [lane] = _lines(run("lanes", "list", "--json")[1])
    assert (lane["state"], lane["reason"], lane["payments"]) == ("paused", "by operator-1", {"parked": 1})
    assert "paused" in run("lanes")[1]
    assert run("lanes", "resume", "billcenter")[0] == 0
    assert lanes.overview(connection)[0]["running"]
    assert run("lanes", "resume", "mars")[0] == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("halted_at = clock(), halted_reason = 'the key is refused'", "halted: the key is refused"),
        ("open_until = clock() + interval '1 min', failures = 9", "the breaker is open"),
    ],
)
def test_a_pause_shows_what_else_is_wrong(run: Run, connection: Connection, change: str, said: str) -> None:
    lanes.ensure(connection, ["mtn"])
    assert run("lanes", "pause", "mtn", "--by", "operator-1")[0] == 0
    connection.execute(f"UPDATE lanes SET {change} WHERE provider = 'mtn'".encode())
    (lane,) = [row for row in _lines(run("lanes", "--json")[1]) if row["provider"] == "mtn"]
    assert (lane["state"], lane["reason"]) == ("paused", f"by operator-1; also {said}")
    (entry,) = _lines(run("inbox", "--json")[1])
    assert entry["reason"].startswith("paused by operator-1")
    assert said in entry["reason"]


def test_resuming_an_open_lane_lets_it_try_one_payment(run: Run, connection: Connection) -> None:
    add_payment(connection, "p1")
    connection.execute("UPDATE lanes SET open_until = clock() + interval '1 hour', failures = 10")
    [lane] = _lines(run("lanes", "--json")[1])
    assert lane["state"] == "open"
    assert "tries one payment now" in run("lanes", "resume", "billcenter")[1]
    with connection.transaction():
        locked = lanes.lock(connection, "billcenter", None)
    assert locked is not None
    assert (locked.running, locked.may_probe) == (False, True)


@pytest.mark.usefixtures("billcenter_on")
def test_a_look_up_at_a_provider_that_is_away_is_a_failure_in_one_sentence(run: Run) -> None:
    for given in (("lookup", "billcenter", "biller_categories"), ("refresh", "bank-accounts")):
        status, out, err = run(*given)
        assert (status, out, err.count("\n")) == (1, "", 1)
    assert {row["name"] for row in _lines(run("lookup", "billcenter", "--json")[1])} >= {"invoices", "bank_accounts"}
    assert run("lookup", "billcenter", "nothing")[0] == 2
    assert run("lookup", "billcenter", "invoices", "page=one")[0] == 2
    status, _, err = run("refresh", "tokens")
    assert (status, err) == (1, "settlepipe: billcenter: the login got no answer (not_connected)\n")
    status, _, err = run("refresh", "catalogue")
    assert (status, "not supported" in err) == (1, True)


def test_a_look_up_at_a_provider_that_is_off_says_how_to_turn_it_on(run: Run) -> None:
    status, _, err = run("lookup", "billcenter")
    assert (status, "SETTLEPIPE_BILLCENTER__BASE_URL" in err) == (1, True)


def test_events_are_replayed_and_printed_as_cloud_events(run: Run, connection: Connection, broker_url: str) -> None:
    add_payment(connection, "p1", State.PARKED)
    with redis.Redis.from_url(broker_url) as client:
        events_stream.publish(client, outbox.pending(connection, 100), 600)
        assert client.xlen(EVENTS) == 3
    connection.execute("DELETE FROM outbox")
    found = _lines(run("events", "tail", "-n", "2")[1])
    assert [event["type"].rpartition(".")[2] for event in found] == ["unknown", "parked"]
    assert found[1]["data"]["state"] == "parked"
    assert run("events", "replay", "--since", "2020-01-01T00:00:00+08:00")[1] == "3 events are replayed\n"
    assert len(outbox.pending(connection, 100)) == 3


def test_a_replay_says_when_the_archive_holds_more(run: Run, connection: Connection) -> None:
    number = add_payment(connection, "p1", State.SUCCEEDED)
    connection.execute("DELETE FROM outbox")
    since = ("events", "replay", "--since", "2020-01-01T00:00:00Z")
    assert "archive" not in run(*since)[2]
    connection.execute("DELETE FROM outbox")
    with connection.transaction():
        assert retire_store.retire(connection, [number], 0) == 1
    status, out, err = run(*since)
    assert (status, out) == (0, "0 events are replayed\n")
    assert "resend an intent to get its payment's last event again" in err
    assert run("payment", "shop/p1", "--json")[0] == 0


def test_a_database_without_a_schema_is_told_from_one_that_is_away(
    run: Run, servers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", servers.database_url.rpartition("/")[0] + "/template1")
    status, _, err = run("payments")
    assert (status, "settlepipe db upgrade" in err) == (1, True)


def test_upgrading_again_changes_nothing(run: Run) -> None:
    assert run("db", "upgrade")[:2] == (0, "the database is up to date\n")
    assert run("doctor", "--json")[0] in (0, 1)
