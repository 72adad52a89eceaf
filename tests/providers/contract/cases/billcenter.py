"""billcenter's made-up payments and documented answers."""

import json
from dataclasses import replace

from shared.domain.answers import Verdict
from shared.domain.payment import Operation
from tests.providers.contract.case import Case, Documented, Shown
from tests.support.memory import SETTLE, MemoryDirectory

KNOWN_ID = "payment_id sp-1 already exists"
REASON = (400, '{"detail": "төлбөр"}'.encode())
SENT = replace(SETTLE, body=b'{"bank_account":"8000000001","payment_id":"sp-1"}')


def invoice(amount_paid: str) -> bytes:
    """The list of invoices with the one that is asked for."""
    row = {
        "id": 7,
        "invoice_code": SETTLE.target["invoice_code"],
        "bs_customer_code": SETTLE.target["bs_customer_code"],
        "amount": "500.00",
        "amount_paid": amount_paid,
        "status": "PARTIALLY_PAID",
        "updated_at": "2026-11-21T03:00:00Z",
    }
    return json.dumps({"count": 1, "results": [row]}).encode()


CASE = Case(
    settings={
        "username": "made-up-user",
        "password": "made-up-password",
        "duplicate_pattern": "payment_id .+ already exists",
    },
    directory=MemoryDirectory(
        {
            ("bank_accounts", "140"): [{"id": 1, "account": "8000000001", "currency": "MNT"}],
            ("services", "140"): [{"id": 140, "with_noat": True}],
        }
    ),
    documented={
        Operation.SETTLE: Documented(
            payment=SETTLE,
            successes=[(200, b""), (200, b'{"id": 7, "amount_paid": "100.00", "status": "PAID"}')],
            refusals=[REASON],
            shows={
                Verdict.APPLIED: Shown(invoice("100.00"), KNOWN_ID),
                Verdict.NOT_APPLIED: Shown(invoice("0.00")),
            },
        ),
        Operation.REFUND: Documented(
            payment=replace(
                SETTLE,
                id=2,
                operation=Operation.REFUND,
                sent_reference="sp-2",
                settled=SENT,
                baseline={"amount_paid": "100.00", "updated_at": "2026-11-21T03:00:00Z"},
            ),
            successes=[(200, '{"detail": "буцаагдлаа"}'.encode())],
            refusals=[REASON],
            shows={
                Verdict.APPLIED: Shown(invoice("0.00")),
                Verdict.NOT_APPLIED: Shown(invoice("100.00")),
            },
        ),
        "receipt": Documented(
            payment=replace(SENT, receipt={"register": "", "email": "made.up@example.com"}),
            successes=[(200, b'{"id": 9, "lottery": "AA 00000000", "qrdt": "made up", "vat": "9.09", "mail": true}')],
            refusals=[REASON],
        ),
    },
    given={"report_name": "biller_count"},
)
