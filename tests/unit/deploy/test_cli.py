"""The command line's manners: wrong use is one sentence and status 2, and nothing ever shows a password."""

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis
import sqlalchemy.exc

from deploy.cli import output, stack
from deploy.cli.failures import WrongUse, explain
from deploy.cli.lines import MAX_LINE_BYTES
from deploy.cli.lookup import arguments
from deploy.cli.main import main
from deploy.cli.output import safe
from deploy.cli.submit import batches, read_lines
from shared.domain.cells import harmless
from shared.providers.base import Lookup

_WRONG = [
    ["paymentz"],
    ["payments", "--state", "lost"],
    ["payments", "--provider", "mars"],
    ["payments", "--limit", "0"],
    ["payments", "--limit", "9223372036854775807"],
    ["inbox", "--limit", "9223372036854775807"],
    ["payments", "--stat"],
    ["payment", "without-a-slash"],
    ["payment"],
    ["export", "--format", "xml"],
    ["export", "--format", "csv", "--json"],
    ["submit"],
    ["submit", "no-such-file"],
    ["submit", "."],
    ["quarantine", "show", "one"],
    ["quarantine", "replay"],
    ["quarantine", "replay", "1", "--all"],
    ["quarantine", "--json", "list"],
    ["resolve", "shop/p1", "--as", "refused", "--by", "b"],
    ["resolve", "p1", "--as", "refused", "--reason", "r", "--by", "b"],
    ["cancel", "shop/p1", "--reason", "r"],
    ["lanes", "pause", "billcenter"],
    ["accounts", "mars"],
    ["accounts", "confirm", "billcenter", "140", "7000000001"],
    ["lookup", "mars"],
    ["refresh", "everything"],
    ["refresh", "bank-accounts", "--provider", "mars"],
    ["events", "replay", "--since", "yesterday"],
    ["events", "replay", "--since", "2026-11-21T03:24:12"],
    ["events"],
    ["db"],
    ["up", "--workers", "0"],
    ["sandbox", "--port", "70000"],
    ["reports"],
    ["reconcile", "ubill", "--date", "9999-12-31"],
    ["reconcile", "ubill", "--date", "0001-01-01"],
]


@pytest.mark.parametrize("given", _WRONG, ids=" ".join)
def test_wrong_use_is_one_sentence_on_stderr_and_status_2(
    given: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTLEPIPE_HOME", str(tmp_path))
    assert main(given) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("settlepipe")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_without_a_stack_a_command_says_how_to_start_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTLEPIPE_HOME", str(tmp_path))
    assert main(["payments"]) == 1
    assert "settlepipe up" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "closed", "status"),
    [
        ("schema intent", ">&-", 0),
        ("--help", ">&- 2>&-", 0),
        ("schema mars", "2>&-", 2),
        ("submit -", "<&-", 1),
        ("payments", "<&- >&-", 1),
    ],
)
def test_a_stream_that_is_closed_is_an_empty_one(given: str, closed: str, status: int, tmp_path: Path) -> None:
    command = ["sh", "-c", f"exec {shlex.quote(sys.executable)} -m deploy.cli.main {given} {closed}"]
    environment = {**os.environ, "SETTLEPIPE_HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == status
    assert done.stdout == "", "what belongs to stderr is not told on stdout"
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    assert done.stderr.count("\n") == int(status == 1)


def test_a_word_that_is_not_utf_8_is_wrong_use(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object, **__: object) -> None:
        "shop/\udcff".encode()

    monkeypatch.setattr(stack, "connection", asked)
    assert main(["payment", "shop/\udcff"]) == 2
    assert capsys.readouterr().err == "settlepipe: a word of the command is not UTF-8; names and texts are\n"
    assert main(["payment", "shop/p1"]) == 1, "what was not given so is our own mistake"


def test_mistakes_in_the_environment_are_wrong_use(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTLEPIPE_DATABSE_URL", "x")
    assert main(["lanes"]) == 2
    assert "SETTLEPIPE_DATABSE_URL" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["postgresql://app:hush@127.0.0.1:1/x", "postgres//app:hush@nowhere", "://hush"])
def test_a_database_that_cannot_be_reached_is_said_without_its_password(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", url)
    for given in (["payments"], ["export"], ["db", "upgrade"]):
        assert main(given) == 1
        err = capsys.readouterr().err
        assert "SETTLEPIPE_DATABASE_URL" in err
        assert "hush" not in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(("url", "status"), [("redis://:hush@127.0.0.1:1/0", 1), ("hush", 2)])
def test_a_broker_that_cannot_be_reached_is_said_without_its_password(
    url: str, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SETTLEPIPE_BROKER_URL", url)
    intents = tmp_path / "intents"
    intents.write_text("{}\n")
    for given in (["submit", str(intents)], ["submit", str(intents), "--wait"], ["events", "tail"]):
        assert main(given) == status
        err = capsys.readouterr().err
        assert "SETTLEPIPE_BROKER_URL" in err
        assert "hush" not in err


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError('FATAL: password authentication failed for user "app"'),
        psycopg.errors.UndefinedTable("relation payments does not exist"),
        sqlalchemy.exc.OperationalError("SELECT", {}, psycopg.OperationalError("no route to postgres://a:hush@b")),
        redis.AuthenticationError("WRONGPASS"),
        redis.TimeoutError("hush"),
        KeyError("hush"),
        OSError(28, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_failure_becomes_one_sentence(error: Exception) -> None:
    status, sentence = explain(error)
    assert status == 1
    assert sentence
    assert "\n" not in sentence
    assert "hush" not in sentence


def test_help_answers_without_importing_drivers_or_celery() -> None:
    code = (
        "import sys\nfrom deploy.cli.main import main\nmain(['--help'])\n"
        "heavy = {'celery', 'psycopg', 'redis', 'sqlalchemy', 'pydantic', 'requests', 'aiohttp', 'rich', 'structlog'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=400)
    assert done.stderr == ""
    assert done.returncode == 0
    for command in ("submit", "payments", "quarantine", "resolve", "lanes", "lookup", "refresh", "doctor", "up", "db"):
        assert command in done.stdout


def test_up_begins_without_importing_what_its_processes_do() -> None:
    code = (
        "import sys\nimport deploy.local.up\nfrom deploy.local.processes import sandbox_settings\n"
        "assert sandbox_settings('billcenter', 'http://127.0.0.1')\n"
        "heavy = {'celery', 'kombu', 'sqlalchemy', 'alembic', 'requests', 'aiohttp', 'rich'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=400)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_line_that_is_too_long_is_left_out_and_no_other() -> None:
    exact = b"x" * MAX_LINE_BYTES
    too_long: list[int] = []
    written = b"\n".join([b'{"a": 1}', b"  ", exact, exact + b"x", b"y" * (5 * MAX_LINE_BYTES), b"last\r\n", b"end"])
    assert list(read_lines(io.BytesIO(written), too_long)) == [b'{"a": 1}', exact, b"last", b"end"]
    assert too_long == [4, 5]


def test_batches_are_bounded_in_lines_and_in_bytes_and_lose_nothing() -> None:
    lines = [b"%d" % number for number in range(1234)] + [b"x" * MAX_LINE_BYTES] * 9
    found = list(batches(lines))
    assert [line for batch in found for line in batch] == lines
    assert max(map(len, found)) == 500
    assert max(sum(map(len, batch)) for batch in found) <= 5 * MAX_LINE_BYTES


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_runs_no_cell(text: str) -> None:
    assert harmless(text) == f"'{text}"


def test_harmless_cells_stay_as_they_are() -> None:
    assert [harmless(v) for v in ("mbank-app", "100.00", "a=b", None, 3)] == ["mbank-app", "100.00", "a=b", None, 3]


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    assert safe("a\x1b[2Jb\u202ec\x9b\n") == "a\\x1b[2Jb\\u202ec\\x9b\\x0a"


def test_look_up_parameters_are_typed() -> None:
    of = Lookup("help", {"page": (int, True, ""), "search": (str, False, ""), "all": (bool, False, "")}, print)
    assert arguments("x", of, ["page=3", "search=a=b", "all=true"]) == {"page": 3, "search": "a=b", "all": True}
    for wrong in (["page"], ["page=three"], ["page=1", "page=2"], ["page=1", "size=2"], [], ["page=1", "all=perhaps"]):
        with pytest.raises(WrongUse, match=r"page|all"):
            arguments("x", of, wrong)


def test_doctor_tells_programs_in_json_and_by_its_status(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTLEPIPE_HOME", str(tmp_path))
    assert main(["doctor", "--json"]) == 1  # no stack is running
    found = {check["name"]: check for check in map(json.loads, capsys.readouterr().out.splitlines())}
    assert found["python"]["ok"]
    assert not found["stack"]["ok"]


@pytest.mark.parametrize("columns", [("field", "value"), ("payment", ">amount", "says")])
def test_a_table_breaks_no_word_in_80_columns(columns: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    name, digest = "m" * 64 + "/" + "o" * 64, "0123456789abcdef" * 4
    sentence = "the provider's books could not be read " * 4
    values = [name, digest, sentence]
    output.table(columns, [("request_sha256", one) if len(columns) == 2 else (one, "1.00", sentence) for one in values])
    shown = capsys.readouterr().out
    assert name in shown
    assert digest in shown
    assert all(len(line) <= 80 or name in line or digest in line for line in shown.splitlines())
    output.table(("payment", "says"), [("shop/ord-1", sentence)])
    assert "───" in capsys.readouterr().out, "what fits is a table"
