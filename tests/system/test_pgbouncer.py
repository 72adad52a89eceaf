"""The whole product behind Debian's PgBouncer in transaction mode, by the published file, with the published roles."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.cli.demo import weather
from deploy.local.embedded import Servers
from shared.database import migrate, pooler
from tests.support import audit, by_itself, pgbouncer, role_urls, stack
from tests.support.pgbouncer import Pooler
from tests.support.role_urls import Urls
from tests.support.stack import Stack
from tests.system.test_brokers import EACH, check_ledger, final, intents_of, told_of

SOURCE, SEED = "pooled", 11
QUICK = {**weather.QUICK, "DISPATCH_LEASE_S": "5", "INTAKE__RECLAIM_IDLE_S": "2"}


@pytest.fixture
def urls(servers: Servers) -> Iterator[Urls]:
    """A migrated database with the roles, whose runtime has what a pooler's sessions begin with."""
    with role_urls.granted(servers.database_url, f"pooled_{os.getpid()}") as found:
        migrate.upgrade(found.owner)
        pin(found)
        yield found


@pytest.fixture
def pooled(urls: Urls) -> Iterator[Pooler]:
    with pgbouncer.pooling(urls.runtime) as found:
        yield found


def pin(urls: Urls) -> None:
    with psycopg.connect(urls.superuser, autocommit=True) as admin:
        admin.execute(pooler.pins("settlepipe_runtime").encode())


def unpin(urls: Urls, setting: str, value: str) -> None:
    database = urls.runtime.rpartition("/")[2]
    with psycopg.connect(urls.superuser, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE settlepipe_runtime IN DATABASE {database} SET {setting} = '{value}'".encode())


@pytest.fixture
def up(urls: Urls, pooled: Pooler, tmp_path: Path) -> Iterator[Stack]:
    place = {"DATABASE_URL": urls.runtime, "DATABASE_OWNER_URL": urls.owner, "DATABASE_POOL_URL": pooled.url}
    running = stack.start(tmp_path / "home", workers=2, **QUICK, **place)
    try:
        yield running
    finally:
        status = running.stop()
    assert status == 0


def test_every_payment_is_settled_once_while_workers_and_the_relay_are_killed_and_frozen(
    up: Stack, pooled: Pooler
) -> None:
    assert "transactions share its sessions" in up.command("doctor", "--json").stdout
    weather.set_faults(up.told["sandbox_url"], SEED)
    intents = intents_of(SOURCE)
    third = len(intents) // 3
    up.submit(intents[:third])
    stack.wait_until(lambda: final(up) >= 3, "payments are being settled", 60)
    for name in ("worker-ubill-1", "worker-billcenter-1", "worker-mtn-2"):
        up.kill(name)
    with up.frozen("relay"):
        up.submit(intents[third : 2 * third])
        stack.wait_until(lambda: final(up) >= third, "the flow needs no relay", 120)
    up.kill("relay")
    pooled.console("RECONNECT")
    up.submit(intents[2 * third :])
    found = audit.wait_ended(up, SOURCE, intents, 300)

    assert Counter(row["state"] for row in found.values()) == {"succeeded": 3 * EACH}
    check_ledger(up)
    stack.wait_until(lambda: told_of(up, SOURCE) == {i["intent_id"] for i in intents}, "each is told", 60)
    in_order(up)
    exported = up.command("export")
    assert exported.stdout.count("\n") == 3 * EACH, exported.stderr
    compared = up.command("reconcile", "all", "--date", up.query("SELECT now()::date AS d")[0]["d"].isoformat())
    assert compared.returncode == 0, compared.stdout + compared.stderr
    direct = up.query("SELECT application_name AS name FROM pg_stat_activity WHERE datname = current_database()")
    named = [row["name"] for row in direct if row["name"].startswith("settlepipe")]
    assert sum(name.startswith("settlepipe sign of life") for name in named) == 6, "one for each worker"


def in_order(up: Stack) -> None:
    """The first showing of each payment's events, by their numbers."""
    seen: dict[str, int] = {}
    for event in up.events():
        payment, _, number = event["id"].rpartition("-")
        assert int(number) <= seen.get(payment, 0) + 1, event["id"]
        seen[payment] = max(seen.get(payment, 0), int(number))


def test_sessions_that_may_lose_a_commit_claim_nothing_and_the_flow_goes_on_when_they_are_right(
    up: Stack, urls: Urls, pooled: Pooler
) -> None:
    intents = intents_of(SOURCE)[:6]
    up.submit(intents[:3])
    audit.wait_ended(up, SOURCE, intents[:3], 60)
    unpin(urls, "synchronous_commit", "off")
    pooled.console("RECONNECT")
    up.submit(intents[3:])
    stack.wait_until(lambda: "synchronous_commit = off" in logs(up), "it is said", 60)
    assert len(audit.payments(up, SOURCE)) == 3, "none is accepted"
    assert "synchronous_commit is off" in up.command("doctor", "--json").stdout
    pin(urls)
    pooled.console("RECONNECT")
    found = audit.wait_ended(up, SOURCE, intents, 60)
    assert {row["state"] for row in found.values()} == {"succeeded"}


def logs(up: Stack) -> str:
    return "".join(log.read_text(errors="replace") for log in (up.home / "logs").iterdir())


@pytest.mark.parametrize("name", ["relay", "intake", "dispatcher", "beat", "jobs"])
def test_a_pooler_in_place_of_the_database_is_refused_in_a_sentence(
    name: str, pooled: Pooler, broker_url: str, tmp_path: Path
) -> None:
    place = {"DATABASE_URL": pooled.url, "BROKER_URL": broker_url, **by_itself.NEEDED}
    done = command(tmp_path, "run", name, **place)
    assert done.returncode == 2, done.stderr
    assert "a connection pooler answers at SETTLEPIPE_DATABASE_URL" in done.stderr
    if name == "relay":
        examined = command(tmp_path, "doctor", "--json", **place)
        assert (examined.returncode, "a connection pooler answers" in examined.stdout) == (1, True)


def test_a_pooler_whose_sessions_are_not_ours_or_that_leads_elsewhere_is_refused_in_a_sentence(
    urls: Urls, servers: Servers, broker_url: str, tmp_path: Path
) -> None:
    unpin(urls, "default_transaction_isolation", "repeatable read")
    place = {"DATABASE_URL": urls.runtime, "BROKER_URL": broker_url, **by_itself.NEEDED}
    with pgbouncer.pooling(urls.runtime) as pooled:
        done = command(tmp_path, "run", "relay", DATABASE_POOL_URL=pooled.url, **place)
        assert (done.returncode, "has default_transaction_isolation = repeatable read" in done.stderr) == (2, True)
    with pgbouncer.pooling(servers.database_url) as pooled:
        done = command(tmp_path, "run", "relay", DATABASE_POOL_URL=pooled.url, **place)
        assert (done.returncode, "leads to another database" in done.stderr) == (2, True)
        assert (
            "leads to another database"
            in command(tmp_path, "doctor", "--json", DATABASE_POOL_URL=pooled.url, **place).stdout
        )


def test_doctor_says_where_no_session_is_shared(urls: Urls, broker_url: str, tmp_path: Path) -> None:
    place = {"DATABASE_URL": urls.runtime, "BROKER_URL": broker_url, **by_itself.NEEDED}
    with pgbouncer.pooling(urls.runtime, pool_mode="session") as pooled:
        assert (
            "shares no session" in command(tmp_path, "doctor", "--json", DATABASE_POOL_URL=pooled.url, **place).stdout
        )
    with pgbouncer.pooling(urls.runtime, pool_mode="statement") as pooled:
        said = command(tmp_path, "doctor", "--json", DATABASE_POOL_URL=pooled.url, **place).stdout
        assert "no session to give" in said or "not allowed" in said


def command(home: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        by_itself.command(*words),
        env=by_itself.environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
