"""What `settlepipe export` writes, byte by byte: as `payment_row` has it, and as Python would write the same rows."""

import hashlib
import json
import time
from contextlib import closing
from typing import Any, get_args

import pytest
from psycopg.pq import TransactionStatus

from shared.archive.twins import every, move
from shared.database.engine import Connection
from shared.domain.cells import BYTE_ORDER_MARK, RUNS, SKIPPED, harmless
from shared.payments import views
from shared.payments.store.export import Form
from tests.integration.conftest import Run
from tests.support.stored import add_payment

FORMS: tuple[Form, ...] = get_args(Form)
STARTS = (*RUNS, *SKIPPED, *"aZ0{}~/: \u00e9я\u10d0\U0001f600\u0301")
TEXTS = [
    *(start + rest for start in STARTS for rest in ("", "=1", ",x")),
    *(
        "",
        '"',
        ',"',
        "a\nb",
        "a\rb",
        "a\r\nb",
        "\\",
        "\\.",
        "\\N",
        "\\n",
        "\u2028x",
        "\x7f",
        "%s",
        "null",
        '{"a": "b"}',
    ),
]
TIMES = [
    *("2026-11-21 03:24:12Z", "2026-11-21 03:24:12.1Z", "2026-11-21 03:24:12.120Z", "2026-11-21 03:24:12.123456Z"),
    *("2026-11-21 03:24:12.00001+04:45", "1999-12-31 23:59:59.999999-11", "0001-01-01 00:00:00Z", "infinity"),
    *("9999-12-31 23:59:59.999999Z", "10000-01-01 00:00:00Z", "10000-01-01 00:00:00.12345Z", "-infinity"),
    *("0044-03-15 00:00:00.123Z BC", "0044-03-15 00:00:00Z BC", "0001-12-31 23:59:59.999Z BC"),
]
NUMBERS: list[object] = [0, -1, 10**30, 0.1, -2.5, 12345.678, 1e22, 0.0001, True, None, {}, []]
STATES = ("accepted", "waiting", "succeeded")


@pytest.fixture
def hostile(connection: Connection) -> Connection:
    """Payments with each odd text wherever a column takes one, and each odd time; every third one in the archive."""
    connection.execute("SET session_replication_role = replica")  # no trigger tells of them
    for number, text in enumerate(TEXTS):
        row = _row(number, text)
        values = ", ".join(f"%({name})s" for name in row)
        connection.execute(f"INSERT INTO payments ({', '.join(row)}) VALUES ({values})", row)
    move(
        connection, [2 * number + 1 for number in range(len(TEXTS)) if number % 3 == 2], "payments", "archive.payments"
    )
    connection.execute("SET session_replication_role = origin")
    return connection


def _row(number: int, text: str) -> dict[str, Any]:
    state, refund = STATES[number % 3], number % 2 == 1
    body = f"{number}{text}".encode() if state == "waiting" or number % 4 else None
    first, second, third = (TIMES[(number + place) % len(TIMES)] for place in range(3))
    return {
        "id": 2 * number + 1,
        "source": text,
        "intent_id": f"{text}{number}",
        "provider": text,
        "operation": "refund" if refund else "settle",
        "refund_of": text if refund else None,
        "amount_minor": (1, 99, 100, 123456, 10**18 - 1)[number % 5],
        "currency": "MNT",
        "places": number // 2 % 5,
        "paid_at": first,
        "created_at": second,
        "finished_at": third if state == "succeeded" else None,
        "state": state,
        "hold_reason": text if state == "accepted" else None,
        "code": text if number % 7 else None,
        "detail": text,
        "provider_reference": text if number % 11 else None,
        "sent_reference": f"{text}{number}",
        "attempts": number,
        "body": body,
        "body_sha256": body and hashlib.sha256(body).digest(),
        "due_at": "now" if state == "waiting" else None,
        "target": json.dumps({text: [text, {"": text}, *NUMBERS]}),
        "metadata": json.dumps({"n": text, text: {}}) if number % 5 else None,
    }


def _rows(connection: Connection) -> list[str]:
    """Each payment as events have it, the oldest first."""
    found = f"SELECT payment_row(ROW(p.*)::payments)::text AS row FROM {every('payments')} p ORDER BY p.id"
    return [row["row"] for row in connection.execute(found).fetchall()]


def _cell(value: object) -> str:
    """As a CSV file has it: harmless, and in quotation marks where something in it would end the cell."""
    cell = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else harmless(value)
    text = "" if cell is None else str(cell)
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text


def test_a_line_is_the_row_that_events_have(run: Run, hostile: Connection) -> None:
    rows = _rows(hostile)
    assert len(rows) == len(TEXTS) > 500
    assert run("export") == (0, "".join(f"{row}\n" for row in rows), "")


def test_a_line_of_csv_is_what_python_would_write_of_it(run: Run, hostile: Connection) -> None:
    rows = [json.loads(row) for row in _rows(hostile)]
    lines = [",".join(map(_cell, row.values())) + "\n" for row in rows]
    status, out, err = run("export", "--format", "csv")
    assert (status, out[:1], err) == (0, BYTE_ORDER_MARK, "")
    assert out[1:] == ",".join(rows[0]) + "\n" + "".join(lines)


def test_a_store_without_payments_has_a_heading_and_no_line(run: Run) -> None:
    heading = (
        "source,intent_id,provider,operation,amount,currency,state,hold_reason,attempts,sent_reference,"
        "provider_reference,detail,request_sha256,refund_of,paid_at,created_at,finished_at,code,target,metadata\n"
    )
    assert run("export") == (0, "", "")
    assert run("export", "--format", "csv") == (0, BYTE_ORDER_MARK + heading, "")


def test_small_numbers_are_in_both_as_they_are_kept(run: Run, connection: Connection) -> None:
    add_payment(connection, "small")
    connection.execute("UPDATE payments SET metadata = '{\"rate\": 1e-7}'")
    assert '"metadata" : {"rate": 0.0000001}}\n' in run("export")[1]
    assert ',"{""rate"": 0.0000001}"\n' in run("export", "--format", "csv")[1]


@pytest.mark.parametrize("form", FORMS)
def test_no_setting_of_a_session_changes_a_byte(hostile: Connection, form: Form) -> None:
    before = b"".join(views.exported(hostile, form))
    settings = {"DateStyle": "German", "TimeZone": "Pacific/Kiritimati", "IntervalStyle": "sql_standard"}
    settings |= {"bytea_output": "escape", "extra_float_digits": "-15", "quote_all_identifiers": "on"}
    for name, value in settings.items():
        hostile.execute("SELECT set_config(%s, %s, false)", (name, value))
    assert b"".join(views.exported(hostile, form)) == before


def test_one_session_may_read_again_and_again(connection: Connection) -> None:
    add_payment(connection, "p")
    assert {tuple(views.export(connection)) for _ in range(12)} == {
        tuple(views.payments(connection)) for _ in range(12)
    }


@pytest.mark.parametrize("form", FORMS)
def test_who_stops_reading_gets_the_session_back_as_it_was(connection: Connection, form: Form) -> None:
    _many(connection, 8000)
    connection.execute("SET statement_timeout = '29s'")
    with closing(views.exported(connection, form)) as lines:
        assert next(lines)
    assert connection.info.transaction_status == TransactionStatus.IDLE
    assert connection.execute("SHOW statement_timeout").fetchone() == {"statement_timeout": "29s"}


@pytest.mark.parametrize("form", FORMS)
def test_a_reader_may_pause_for_longer_than_any_time_out(connection: Connection, form: Form) -> None:
    _many(connection, 8000)
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout", "tcp_user_timeout"):
        connection.execute("SELECT set_config(%s, '500ms', false)", (setting,))
    lines = views.exported(connection, form)
    first = next(lines)
    time.sleep(4)
    assert (first + b"".join(lines)).count(b"\n") == 8000 + (form == "csv")


def _many(connection: Connection, count: int) -> None:
    """So many payments; their lines are more than what lies in the buffers between PostgreSQL and its client."""
    add_payment(connection, "1")
    connection.execute("SET session_replication_role = replica")
    connection.execute(
        """INSERT INTO payments SELECT (jsonb_populate_record(p, jsonb_build_object('id', p.id + n, 'intent_id', n,
            'sent_reference', n, 'metadata', jsonb_build_object('a', repeat('x', 3000))))).*
        FROM payments p, generate_series(2, %s) n""",
        (count,),
    )
    connection.execute("SET session_replication_role = origin")
