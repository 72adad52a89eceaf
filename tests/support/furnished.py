"""A control room with something on every page."""

from shared.database.engine import Connection
from shared.domain.discrepancies import Reconciliation
from shared.domain.payment import State
from tests.integration.test_cli_inbox import account, discrepancy, quarantined
from tests.support.reconciled import ReportedNight
from tests.support.stored import add_payment

PARKED = "/payments/shop/p1"
PAGES = (
    *("/", "/search", "/search?q=p1x", PARKED, "/payments/shop/p2", "/payments/shop/p3", "/inbox", "/lanes"),
    "/inbox/many",
    *("/proposals", "/proposals/1", "/accounts", "/accounts?service=140", "/quarantine", "/quarantine/1"),
    *("/discrepancies", "/discrepancies/1", "/days", "/days/mtn/2026-11-21", "/statements"),
    *("/alerts", "/jobs", "/audit", "/settings", "/people", "/me", "/keys", "/webhooks", "/webhooks/1"),
    "/payments/no/such",
)


def furnish(connection: Connection) -> Reconciliation:
    """Payments, follow-ups, an account, a discrepancy, quarantine, an alert, and a day that was compared. A proposal is
    there once somebody makes one. Of a process that runs: it is what makes the lanes. Gives the day."""
    add_payment(connection, "p1", State.PARKED)
    add_payment(connection, "p2", State.SUCCEEDED, receipt=True, sms=True)
    connection.execute("UPDATE follow_ups SET state = 'parked', due_at = NULL, detail = 'a time-out'")
    add_payment(connection, "p3")
    connection.execute("UPDATE payments SET hold_reason = 'account_unconfirmed', due_at = NULL WHERE intent_id = 'p3'")
    for make in (account, discrepancy, quarantined):
        make(connection)
    connection.execute("INSERT INTO alerts (name, subject, figures) VALUES ('payment_parked', 'mtn', '{}')")
    connection.execute(
        """INSERT INTO webhooks (source, url, created_by, position, failures, failure)
        VALUES ('shop', 'https://hooks.example/settlepipe', 'Ann', 0, 3, 'HTTP 500')"""
    )
    night = ReportedNight(connection, "mtn", currency="GHS")
    night.pay(3)
    return night.compared()
