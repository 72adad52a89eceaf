"""`settlepipe jobs` and `settlepipe refresh tokens`, on a real database and the sandbox."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from scheduler import runs
from scheduler.schedule import jobs_of
from shared.runtime import Runtime
from shared.settings import load_settings
from shared.start import start
from tests.integration.conftest import Run
from tests.support.sandbox import SandboxClient


@pytest.fixture
def environment(
    database_url: str, broker_url: str, sandbox: SandboxClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings of a stack with billcenter on."""
    settings = {
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "HOME": str(tmp_path / "home"),
        "SECRET_KEYS": json.dumps([Fernet.generate_key().decode()]),
        "BILLCENTER__BASE_URL": sandbox.billcenter_url,
        "BILLCENTER__USERNAME": "sandbox",
        "BILLCENTER__PASSWORD": "sandbox",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"SETTLEPIPE_{name}", value)


@pytest.fixture
def run(environment: None, command: Run) -> Run:
    """Run a command with billcenter on: (exit status, stdout, stderr)."""
    return command


@pytest.fixture
def runtime(run: Run) -> Iterator[Runtime]:
    found = start(load_settings(), pool_size=2)
    yield found
    found.database.dispose()


def all_due(runtime: Runtime) -> None:
    table = jobs_of(runtime.connected.keys())
    for run_id, _ in runs.tick(runtime, table):
        runs.run(runtime, run_id, table)


def listed(run: Run) -> dict[str, dict[str, object]]:
    status, out, _ = run("jobs", "--json")
    assert status == 0
    return {row["job"]: row for row in map(json.loads, out.splitlines())}


def test_jobs_of_the_providers_that_are_on_are_listed_before_they_ever_ran(run: Run, runtime: Runtime) -> None:
    rows = listed(run)
    billcenter = {"billcenter-token", "billcenter-services", "billcenter-bank-accounts", "reconcile-billcenter"}
    assert set(rows) == {*billcenter, "retention", "forget-lines"}
    accounts = rows["billcenter-bank-accounts"]
    assert (accounts["state"], accounts["last_slot"], accounts["outcome"]) == ("never", None, None)
    assert accounts["when"] == "daily 04:00 Asia/Ulaanbaatar"
    assert str(accounts["next_slot"]).endswith("T20:00:00.000000Z")


def test_jobs_show_what_they_did_and_how_long_it_took(run: Run, runtime: Runtime) -> None:
    all_due(runtime)
    rows = listed(run)
    assert {row["state"] for row in rows.values()} == {"done"}
    assert str(rows["billcenter-bank-accounts"]["outcome"]).endswith("new or changed, 0 closed")
    assert rows["billcenter-token"]["outcome"] in ("renewed", "good for now"), "who of the jobs comes first logs in"
    assert all(0 <= float(str(row["duration_s"])) < 30 for row in rows.values())
    status, out, _ = run("jobs")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "retention" in out


def test_a_job_that_failed_says_why(run: Run, runtime: Runtime, sandbox: SandboxClient) -> None:
    sandbox.set_faults({"operation": "bank_accounts", "fault": "error_500_before"})
    all_due(runtime)
    accounts = listed(run)["billcenter-bank-accounts"]
    assert accounts["state"] == "waiting"
    assert accounts["outcome"] == "billcenter bank_accounts: page 1 came with HTTP 500"


def test_tokens_are_renewed_by_hand(run: Run, runtime: Runtime, sandbox: SandboxClient) -> None:
    assert run("refresh", "tokens") == (0, "billcenter token: renewed\n", "")
    assert run("refresh", "tokens", "--provider", "billcenter")[:2] == (0, "billcenter token: renewed\n")
    assert len(sandbox.requests(operation="token")) == 1
    assert len(sandbox.requests(operation="refresh")) == 1, "the second one needed no log-in"


def test_a_refused_log_in_halts_the_lane_and_is_told(run: Run, runtime: Runtime, sandbox: SandboxClient) -> None:
    sandbox.options(users={"sandbox": "another"})
    all_due(runtime)
    token = listed(run)["billcenter-token"]
    assert "refused the login" in str(token["outcome"])
    status, out, _ = run("lanes", "--json")
    assert status == 0
    (lane,) = [row for row in map(json.loads, out.splitlines()) if row["provider"] == "billcenter"]
    assert lane["state"] == "halted"
    assert "SETTLEPIPE_BILLCENTER__PASSWORD" in lane["reason"]
    status, _, err = run("refresh", "tokens")
    assert status == 1
    assert "SETTLEPIPE_BILLCENTER__PASSWORD" in err
