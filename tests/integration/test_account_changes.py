"""A provider's account changes: what is held, what goes, and where to. Against the sandbox, on a real PostgreSQL."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from scheduler.dispatcher import Releases
from shared.directory.confirm import confirm
from shared.directory.refresh import refresh
from shared.messaging.intake_stream import Entry
from shared.messaging.tasks import SEND, celery_app
from shared.payments.accept import accept
from shared.payments.dispatch import dispatch
from shared.providers.base import RefreshFailed
from shared.runtime import Runtime
from shared.settings import Settings
from shared.settings.sections import BillcenterSettings
from shared.start import start as start_process
from tests.support import intents
from tests.support.flow import REFERENCE_KEY, deliver
from tests.support.sandbox import SandboxClient

OLD, NEW = "9001400001", "9001400777"
LIMIT_S = 120


Start = Callable[..., Runtime]


@pytest.fixture
def start(sandbox: SandboxClient, database_url: str) -> Iterator[Start]:
    """Start a process of the product; changes: billcenter's settings that differ."""
    started: list[Runtime] = []

    def process(**changes: Any) -> Runtime:
        section = {"base_url": sandbox.billcenter_url, "username": "sandbox", "bank_code": "50004"} | changes
        settings = Settings(
            database_url=SecretStr(database_url),
            secret_keys=(SecretStr("A" * 43 + "="),),
            reference_key=REFERENCE_KEY,
            billcenter=BillcenterSettings(password=SecretStr("sandbox"), **section),
        )
        started.append(start_process(settings, sends=True, pool_size=3))
        return started[-1]

    yield process
    for runtime in started:
        runtime.close()


def change(sandbox: SandboxClient, **what: Any) -> None:
    sandbox.call("POST", "billcenter/accounts", what)


def submit(runtime: Runtime, number: int) -> None:
    raw = json.dumps(intents.settle("shop", number)).encode()
    assert accept(runtime, [Entry("settlepipe:intake", b"1-1", raw, {})]) == 1


def row(runtime: Runtime, number: int) -> dict[str, Any]:
    with runtime.database.connection() as connection:
        found = connection.execute("SELECT * FROM payments WHERE intent_id = %s", (f"s{number}",)).fetchone()
    assert found is not None
    return found


def sent(runtime: Runtime) -> None:
    """Send what is due."""
    batches = dispatch(runtime, "billcenter", lambda: 0).messages
    assert {task for task, _ in batches} <= {SEND}
    deliver(runtime, batches)


def paid_to(sandbox: SandboxClient, reference: str) -> list[str]:
    """The accounts that the sandbox was asked to pay under this reference."""
    return [json.loads(asked["body"])["bank_account"] for asked in sandbox.requests(reference=reference)]


@contextmanager
def looking(runtime: Runtime, broker_url: str) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """The dispatcher's look at what is held, again and again until something is so."""
    releases, app = Releases(), celery_app(broker_url)

    def until(reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not reached():
            assert time.monotonic() < deadline
            releases.look(runtime, app)
            time.sleep(0.05)

    yield until


def known(runtime: Runtime) -> None:
    for kind in ("bank_accounts", "services"):
        refresh(runtime, "billcenter", kind)


def test_payments_to_a_changed_account_wait_for_a_person_and_then_go_there(
    sandbox: SandboxClient, start: Start, broker_url: str
) -> None:
    runtime = start()
    known(runtime)
    submit(runtime, 1)
    assert row(runtime, 1)["hold_reason"] is None  # the first accounts need nobody
    change(sandbox, change=[{"account": OLD, "to": NEW}])
    known(runtime)
    with looking(runtime, broker_url) as until:
        until(lambda: runtime.directories["billcenter"].rows("bank_accounts", "140")[0]["account"] == NEW)
        submit(runtime, 2)
        assert row(runtime, 2)["hold_reason"] == "account_unconfirmed"
        sent(runtime)
        assert row(runtime, 2)["state"] == "accepted"
        confirm(runtime.database, "billcenter", "140", NEW, by="operator-1")
        until(lambda: row(runtime, 2)["hold_reason"] is None)
    sent(runtime)
    assert row(runtime, 2)["state"] == "succeeded"
    assert paid_to(sandbox, row(runtime, 2)["sent_reference"]) == [NEW]
    # What was frozen before the change went where it was meant to go, and the provider refused it.
    assert paid_to(sandbox, row(runtime, 1)["sent_reference"]) == [OLD]


def test_what_has_been_sent_is_sent_again_to_the_same_account(sandbox: SandboxClient, start: Start) -> None:
    runtime = start()
    known(runtime)
    submit(runtime, 1)
    sandbox.set_faults({"operation": "settle", "fault": "error_500_after", "count": 1})
    sent(runtime)
    change(sandbox, change=[{"account": OLD, "to": NEW}])
    known(runtime)
    with runtime.database.connection() as connection:
        connection.execute("UPDATE payments SET due_at = clock()")
    sent(runtime)
    assert row(runtime, 1)["state"] == "succeeded"
    assert paid_to(sandbox, row(runtime, 1)["sent_reference"]) == [OLD, OLD]
    assert len(sandbox.ledger()) == 1


def test_nothing_is_held_where_confirmation_is_switched_off(sandbox: SandboxClient, start: Start) -> None:
    careful, trusting = start(), start(confirm_changed_accounts=False)
    known(careful)
    change(sandbox, change=[{"account": OLD, "to": NEW}])
    known(careful)
    submit(trusting, 1)
    sent(trusting)
    assert paid_to(sandbox, row(trusting, 1)["sent_reference"]) == [NEW]
    submit(careful, 2)
    assert row(careful, 2)["hold_reason"] == "account_unconfirmed"  # it is the setting, and it can be switched on again
    with trusting.database.connection() as connection:
        told = connection.execute("SELECT count(*) AS n FROM events WHERE type = 'settlepipe.account.changed'")
        assert told.fetchone() == {"n": 1}


@pytest.mark.parametrize(
    "trouble", [{"fail_page": 2}, {"vanish_after_page": 1}], ids=lambda trouble: next(iter(trouble))
)
def test_a_list_that_does_not_come_whole_changes_nothing(
    sandbox: SandboxClient, start: Start, trouble: dict[str, int]
) -> None:
    runtime = start()
    change(sandbox, add=[{"biller_service": 201, "account": f"8{number:09d}"} for number in range(60)])  # two pages
    known(runtime)
    change(sandbox, change=[{"account": OLD, "to": NEW}], **trouble)
    before = everything(runtime)
    with pytest.raises(RefreshFailed):
        refresh(runtime, "billcenter", "bank_accounts")
    assert everything(runtime) == before
    change(sandbox, fail_page=None)
    refresh(runtime, "billcenter", "bank_accounts")  # what is wrong with the list is over
    assert everything(runtime) != before


def everything(runtime: Runtime) -> list[Any]:
    with runtime.database.connection() as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("directory_rows", "directory_lists", "bank_accounts", "events")
        ]
