"""The reports of two machines in an object store of S3's kind, and what happens while it is away."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
import requests
from obstore.store import S3Store

from deploy.local.home import free_ports
from tests.support.programs import path_of
from tests.support.stack import ROOT, wait_until
from tests.unit.reconciliation.test_report_files import told

BUCKET = "night-reports"
LARGE = os.urandom(1 << 16) * 300  # 19 MiB: it goes up in parts


@pytest.fixture
def s3(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A server, its address in AWS_ENDPOINT_URL."""
    program = path_of("/opt/settlepipe-tests/s3/bin/moto_server")
    (port,) = free_ports(1)
    with (tmp_path / "s3.log").open("wb") as log:
        server = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url), "the object store answers", 60)
        requests.put(f"{url}/{BUCKET}", timeout=10).raise_for_status()
        yield server
    finally:
        server.kill()
        server.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def _command(home: Path, server: "subprocess.Popen[bytes]", *words: str) -> "subprocess.CompletedProcess[str]":
    arguments = server.args
    assert isinstance(arguments, list)
    settings = {
        "SETTLEPIPE_HOME": str(home),
        "SETTLEPIPE_REPORT__STORE_URL": f"s3://{BUCKET}/settlepipe",
        "SETTLEPIPE_REPORT__STORE_TIMEOUT_S": "5",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{arguments[-1]}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up-too",
    }
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *words],
        env={**os.environ, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_two_machines_reports_stand_together(s3: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    for home, (day, provider) in zip(homes, (("2026-11-20", "ubill"), ("2026-11-21", "mtn")), strict=True):
        told(home / "reports", day, provider)
        (home / "reports" / day / provider / "payments.csv").write_bytes(LARGE)
    for home in homes:
        pushed = _command(home, s3, "reports", "push")
        assert (pushed.returncode, pushed.stderr) == (0, "")
        assert pushed.stdout == f"1 report at s3://{BUCKET}/settlepipe\n"

    listed = _command(homes[0], s3, "reports", "list", "--json")
    assert [json.loads(line) for line in listed.stdout.splitlines()] == [
        {"day": "2026-11-21", "providers": ["mtn"], "at": f"s3://{BUCKET}/settlepipe/2026-11-21"},
        {"day": "2026-11-20", "providers": ["ubill"], "at": f"s3://{BUCKET}/settlepipe/2026-11-20"},
    ]
    fetched = _command(homes[0], s3, "reports", "fetch", "2026-11-21", "--out", str(tmp_path / "here"))
    assert fetched.returncode == 0, fetched.stderr
    there = homes[1] / "reports"
    for path in (there / "2026-11-21" / "mtn").iterdir():
        assert (tmp_path / "here" / path.relative_to(there)).read_bytes() == path.read_bytes()

    arguments = s3.args
    assert isinstance(arguments, list)
    store = S3Store(
        BUCKET,
        endpoint=f"http://127.0.0.1:{arguments[-1]}",
        region="eu-central-1",
        access_key_id="made-up",
        secret_access_key="made-up-too",
        client_options={"allow_http": True},
    )
    page = obstore.get(store, "settlepipe/index.html")
    assert page.attributes["Content-Type"] == "text/html; charset=utf-8", "a browser shows it"
    text = bytes(page.bytes()).decode()
    assert "2026-11-20/ubill/report.html" in text
    assert "2026-11-21/mtn/report.html" in text


def test_a_place_that_hangs_or_is_gone_is_told_in_a_sentence_and_in_time(
    s3: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    told(tmp_path / "reports", "2026-11-20", "ubill")
    for how in (signal.SIGSTOP, signal.SIGKILL):
        s3.send_signal(how)
        for words in (("reports", "push"), ("reports", "list")):
            ended = _command(tmp_path, s3, *words)
            assert ended.returncode == 1
            assert ended.stdout == ""
            assert len(ended.stderr.splitlines()) == 1
            assert "made-up" not in ended.stderr
        looked = _command(tmp_path, s3, "doctor")
        assert f"s3://{BUCKET}/settlepipe: " in " ".join(looked.stdout.split())
