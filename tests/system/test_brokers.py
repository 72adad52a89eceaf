"""The whole product on each kind of broker, in the middle of what befalls it: every payment once."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from deploy.cli.demo import weather
from deploy.cli.demo.comparison import compare, read_ledger
from shared.database.engine import Database
from shared.payments import views
from tests.support import audit, real_brokers, stack
from tests.support.intents import Intent, settle
from tests.support.real_brokers import Real
from tests.support.stack import Stack

EACH = 30  # payments at a provider
ACCOUNTS = 10  # shared: a look into the books finds other payments of ours beside its own
SOURCE, SEED = "brokers", 7
QUICK = {**weather.QUICK, "DISPATCH_LEASE_S": "5", "INTAKE__RECLAIM_IDLE_S": "2"}
SURVIVE = ("intake", "dispatcher", "relay", "beat", "worker-jobs", "flower")

KINDS = {
    "valkey": real_brokers.plain,
    "tls": real_brokers.over_tls,
    "accounts": real_brokers.with_accounts,
    "prefix": real_brokers.with_accounts_under_prefix,
    "sentinel": real_brokers.behind_sentinel,
    "rabbitmq": real_brokers.on_rabbitmq,
}


def intents_of(source: str) -> list[Intent]:
    """Some of each provider in every stretch of them."""
    found = []
    for number in range(1, EACH + 1):
        account = 700_001 + number % ACCOUNTS
        mtn = {"id_type": "Account Number", "id": f"{account:08d}", "customer_type": 2}
        found += [
            settle(source, 3 * number),
            settle(source, 3 * number + 1, provider="ubill", currency="GEL", target={"account_id": account}),
            settle(source, 3 * number + 2, provider="mtn", currency="GHS", target=mtn),
        ]
    return found


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Real]:
    running: AbstractContextManager[Real] = KINDS[request.param](tmp_path / "servers")
    with running as found:
        yield found


@pytest.fixture
def up(broker: Real, tmp_path: Path) -> Iterator[Stack]:
    running = stack.start(tmp_path / "home", workers=1, **QUICK, **broker.settings)
    try:
        yield running
    finally:
        status = running.stop()
    assert status == 0
    assert running.left() == {}


def test_every_payment_is_settled_once_and_told(broker: Real, up: Stack) -> None:
    before, intents = up.pids, intents_of(SOURCE)
    examined = up.command("doctor")
    assert examined.returncode == 0, examined.stdout + examined.stderr
    weather.set_faults(up.told["sandbox_url"], SEED)
    half = len(intents) // 2
    up.submit(intents[:half])
    if broker.trouble is not None:
        stack.wait_until(lambda: final(up) >= 3, "payments are being settled", 60)
        assert final(up) < half, "the trouble comes too late"
        broker.trouble()
    up.submit(intents[half:], timeout_s=60)
    # A fail-over of Redis may lose what was written last: upstreams put again what no event tells of.
    found = audit.wait_ended(up, SOURCE, intents, 240, resend=True)

    assert Counter(row["state"] for row in found.values()) == {"succeeded": 3 * EACH}
    check_ledger(up)
    stack.wait_until(lambda: told_of(up, SOURCE) == {intent["intent_id"] for intent in intents}, "each is told", 60)
    assert {name: up.pids[name] for name in SURVIVE} == {name: before[name] for name in SURVIVE}, "none was restarted"
    logs = {log.name: log.read_text(errors="replace") for log in (up.home / "logs").iterdir()}
    assert {name for name, text in logs.items() if "NOPERM" in text or "NoPermission" in text} == set()
    workers = {name: pid for name, pid in before.items() if name.startswith("worker-")}
    assert {name: up.pids[name] for name in workers} == workers


def final(up: Stack) -> int:
    (row,) = up.query("SELECT count(*) AS n FROM payments WHERE state = 'succeeded'")
    return int(row["n"])


def check_ledger(up: Stack) -> None:
    database = Database(up.told["database_url"], 1)
    try:
        with database.connection() as connection:
            rows = [json.loads(row) for row in views.export(connection)]
    finally:
        database.dispose()
    found = compare(rows, read_ledger(up.told["sandbox_url"]))
    assert found.agrees, found
    assert {name: lane.applied for name, lane in found.lanes.items()} == dict.fromkeys(weather.FAULTS, EACH)
    struck = weather.struck(up.told["sandbox_url"])
    assert all(struck[name] for name in weather.FAULTS), f"the weather was bad everywhere: {struck}"


def told_of(up: Stack, source: str) -> set[str]:
    told = [event["data"] for event in up.events() if event["type"] == "settlepipe.payment.succeeded"]
    return {data["intent_id"] for data in told if data["source"] == source}
