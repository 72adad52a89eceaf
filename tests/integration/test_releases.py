"""What waits for a provider's list goes when the list comes, though every process's copy of it may be a second old."""

import json
import time

import pytest
from cryptography.fernet import Fernet

from scheduler.dispatcher import Releases
from shared.directory.store import lists
from shared.domain.records import DirectoryRow
from shared.messaging.intake_stream import Entry
from shared.messaging.tasks import celery_app
from shared.payments.accept import accept
from shared.settings import load_settings
from shared.start import start

_INTENT = {
    "intent_id": "p1",
    "source": "shop",
    "provider": "billcenter",
    "operation": "settle",
    "amount": "100.00",
    "currency": "MNT",
    "paid_at": "2026-11-21T03:24:12Z",
    "target": {"invoice_code": "i1", "bs_customer_code": "1", "biller_service_id": 140},
}


def test_a_payment_held_for_its_account_goes_although_the_first_look_has_an_old_copy(
    database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "DATABASE_URL": database_url,
        "SECRET_KEYS": json.dumps([Fernet.generate_key().decode()]),
        "REFERENCE_KEY": "a-made-up-key-of-references-for-tests",
        "BILLCENTER__BASE_URL": "http://127.0.0.1:1",
        "BILLCENTER__BANK_CODE": "50004",
    }.items():
        monkeypatch.setenv(f"SETTLEPIPE_{name}", value)
    runtime = start(load_settings(), pool_size=2)
    raw = json.dumps(_INTENT).encode()
    assert accept(runtime, [Entry("settlepipe:intake", b"1-1", raw, {b"intent": raw})]) == 1  # its copy: no accounts
    with runtime.database.transaction() as connection:
        row = DirectoryRow("11", "140", {"account": "1", "currency": "MNT", "khut_type": None})
        lists.replace(connection, "billcenter", "bank_accounts", [row])
    releases, app = Releases(), celery_app(broker_url)
    reason: str | None = "not looked"
    deadline = time.monotonic() + 120
    while reason is not None and time.monotonic() < deadline:
        releases.look(runtime, app)
        with runtime.database.connection() as connection:
            found = connection.execute("SELECT hold_reason FROM payments").fetchone()
        assert found is not None
        reason = found["hold_reason"]
        time.sleep(0.05)
    runtime.database.dispose()
    assert reason is None
