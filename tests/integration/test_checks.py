"""What `make check` says of dangers in the source, of secrets and of advisories: each of them bites."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.checks import audit
from tests.support.raw_server import Connection, Script, answer, raw_server
from tests.support.stack import ROOT

LOCK = """one==1.0 \\
    --hash=sha256:{0}
two==2.0 \\
    --hash=sha256:{0}
elsewhere==3.0 ; sys_platform == 'no-such-system' \\
    --hash=sha256:{0}
""".format("0" * 64)
ADVISORY = {
    "id": "MADE-UP-1",
    "schema_version": "1.0.0",
    "affected": [
        {
            "package": {"name": "two", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1"}]}],
        }
    ],
}
BANDIT = "bandit -q -c pyproject.toml --ignore-nosec -r shared worker scheduler deploy"
# Put together here, so that this file has none itself.
SECRETS = {
    "a key in a call": 'connect(api_key="' + "correct-horse-battery" + '")\n',
    "a password": 'PASSWORD = "' + "staple-horse-battery" + '"\n',
    "a URL": "# see postgresql://app:" + "correct-horse@db.example.com/payments\n",
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\n",
    "an access key": "# AKIA" + "Z7XQ4P2M9W1R5T8Y\n",
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with what the checks are configured by, and one harmless module."""
    for name in ("pyproject.toml", "requirements.lock", ".secrets.baseline"):
        shutil.copy(ROOT / name, tmp_path)
    known = json.loads((tmp_path / ".secrets.baseline").read_text())
    (tmp_path / ".secrets.baseline").write_text(json.dumps(known | {"results": {}}))
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/module.py").write_text("LIMIT_S = 5\n")
    (tmp_path / ".venv").mkdir()
    return tmp_path


def checked(copy: Path, name: str, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", f"tests.checks.{name}", *more],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def write(copy: Path, text: str) -> None:
    (copy / "shared/module.py").write_text(text)


def test_make_check_runs_each_of_them() -> None:
    assert {path.stem for path in (ROOT / "tests/checks").glob("*.py")} == {
        "audit",
        "contracts",
        "languages",
        "narrower",  # what contracts is made with
        "secrets",
        "unchanged",
    }
    planned = subprocess.run(
        ["make", "-n", "-o", ".venv/.installed", "check"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    checks = [f"python -m tests.checks.{name}" for name in ("audit", "contracts", "languages", "secrets")]
    for command in (BANDIT, *checks):
        assert f"/{command}\n" in planned.stdout


def test_a_danger_fails_whatever_its_line_says(copy: Path) -> None:
    def dangers() -> "subprocess.CompletedProcess[str]":
        command = BANDIT.replace("worker scheduler deploy", "").split()
        return subprocess.run([sys.executable, "-m", *command], cwd=copy, capture_output=True, text=True, check=False)

    assert dangers().returncode == 0
    write(copy, "import pickle\n\n\ndef load(text: bytes) -> object:\n    return pickle.loads(text)  # nosec\n")
    found = dangers()
    assert found.returncode == 1
    assert "B301" in found.stdout


def test_a_new_secret_fails_and_is_not_shown(copy: Path) -> None:
    write(copy, "".join(SECRETS.values()))
    found = checked(copy, "secrets")
    assert found.returncode == 1
    told = [line.split(": ")[0] for line in found.stderr.splitlines()]
    assert told == [f"shared/module.py:{number}" for number, _ in enumerate(SECRETS, 1)]
    assert "horse" not in found.stdout + found.stderr


def test_a_made_up_secret_is_known_once_somebody_has_kept_it(copy: Path) -> None:
    write(copy, 'PASSWORD = "sandbox"\nOTHER_PASSWORD = "made-up:pass/word"\n')
    assert checked(copy, "secrets").returncode == 0
    write(copy, SECRETS["a password"])
    assert checked(copy, "secrets").returncode == 1
    assert checked(copy, "secrets", "--keep").returncode == 0
    assert checked(copy, "secrets").returncode == 0
    write(copy, "\n\n" + SECRETS["a password"])
    assert checked(copy, "secrets").returncode == 0, "it has moved, no more"
    write(copy, SECRETS["a password"] + SECRETS["a URL"])
    assert checked(copy, "secrets").returncode == 1
    write(copy, "")
    assert "no longer there" in checked(copy, "secrets").stderr
    (copy / "shared/module.py").unlink()
    assert "no longer there" in checked(copy, "secrets").stderr


def advisories(of: str) -> Script:
    """Knows every package, and an advisory on those whose name this is."""

    def script(connection: Connection) -> None:
        while (request := connection.request()) is not None:
            asked = json.loads(request.partition(b"\r\n\r\n")[2])["package"]["name"]
            connection.send(answer(200, json.dumps({"vulns": [ADVISORY]} if asked == of else {}).encode()))

    return script


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(audit, "FIRST_LIMIT_S", audit.LIMIT_S)  # a loaded machine starts the program slowly
    (tmp_path / "requirements.lock").write_text(LOCK)
    return tmp_path / "requirements.lock"


def audited(lock: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", url)
    return audit.audit(lock, lock.parent)


def test_an_advisory_fails(lock: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with raw_server(advisories("two")) as service:
        assert audited(lock, service.url, monkeypatch) == 1
    assert capsys.readouterr().err.splitlines() == [f"{lock}: two 2.0 has MADE-UP-1; mended in: 2.1"]
    assert not (lock.parent / ".audited").exists()


@pytest.mark.only_large
def test_a_clean_answer_is_good_for_a_day_and_for_the_same_lock(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(advisories("three")) as service:
        assert audited(lock, service.url, monkeypatch) == 0
        assert len(service.requests) == 1 + 2, "not what this machine doesn't install"
        assert audited(lock, service.url, monkeypatch) == 0
        assert len(service.requests) == 3
        yesterday = time.time() - audit.GOOD_FOR_S
        os.utime(lock.parent / ".audited", (yesterday, yesterday))
        assert audited(lock, service.url, monkeypatch) == 0
        assert len(service.requests) == 6
        lock.write_text(LOCK.replace("two", "three"))
        assert audited(lock, service.url, monkeypatch) == 1


@pytest.mark.parametrize(
    "script", [Connection.hang, Connection.reset, lambda one: (one.request(), one.send(answer(503)))]
)
def test_no_answer_is_said_in_a_line_and_not_taken_for_a_clean_one(
    lock: Path, script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with raw_server(script) as service:
        assert audited(lock, service.url, monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [f"{lock}: not audited, for no service that has advisories answers"]
    assert not (lock.parent / ".audited").exists()


def test_a_lock_file_that_can_not_be_read_is_no_silence(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock.write_text(LOCK + "four>=1\n")
    with raw_server(advisories("three")) as service, pytest.raises(RuntimeError, match="four"):
        audited(lock, service.url, monkeypatch)
