"""Per provider: made-up payments, settings, and the answers that its document describes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.domain.payment import Operation, Payment
from tests.support.memory import MTN_SETTLE, SETTLE, MemoryDirectory

Body = tuple[int, bytes]


@dataclass(frozen=True)
class Case:
    """successes and refusals: status and body of each documented yes and no."""

    settings: Mapping[str, Any]
    directory: MemoryDirectory
    payments: Mapping[Operation, Payment]
    successes: Mapping[Operation, list[Body]]
    refusals: Mapping[Operation, list[Body]]


_REASON = (400, '{"detail": "төлбөр"}'.encode())
_ERROR = b"""{"timestamp": "2026-11-21T03:24:13Z", "status": "%d", "error": "made up", "message": "made up",
    "path": "/v1/customerBill/700001"}"""

CASES: Mapping[str, Case] = {
    "billcenter": Case(
        settings={"username": "made-up-user", "password": "made-up-password"},
        directory=MemoryDirectory({("bank_accounts", "140"): [{"id": 1, "account": "8000000001", "currency": "MNT"}]}),
        payments={
            Operation.SETTLE: SETTLE,
            Operation.REFUND: replace(
                SETTLE,
                id=2,
                operation=Operation.REFUND,
                sent_reference="sp-2",
                settled=replace(SETTLE, body=b'{"bank_account":"8000000001","payment_id":"sp-1"}'),
            ),
        },
        successes={
            Operation.SETTLE: [(200, b""), (200, b'{"id": 7, "amount_paid": "100.00", "status": "PAID"}')],
            Operation.REFUND: [(200, '{"detail": "буцаагдлаа"}'.encode())],
        },
        refusals={Operation.SETTLE: [_REASON], Operation.REFUND: [_REASON]},
    ),
    "ubill": Case(
        settings={"api_key": "made-up-key"},
        directory=MemoryDirectory(),
        payments={
            Operation.SETTLE: replace(SETTLE, provider="ubill", currency="GEL", target={"account_id": 900001}),
        },
        successes={Operation.SETTLE: [(200, b'{"statusID": 0, "message": "Success", "data": {"id": "4001"}}')]},
        refusals={Operation.SETTLE: []},  # none is documented
    ),
    "mtn": Case(
        settings={"client_id": "made-up-client", "client_secret": "made-up-secret"},
        directory=MemoryDirectory(),
        payments={Operation.SETTLE: MTN_SETTLE},
        successes={
            Operation.SETTLE: [
                (200, b'{"resultCode": "0000", "resultDescription": "done", "data": {"idType": "Account Number"}}'),
                (200, b'{"result": {"resultCode": "0000", "resultDescription": "done"}, "data": {}}'),
            ]
        },
        refusals={Operation.SETTLE: [(status, _ERROR % status) for status in (400, 404, 405)]},
    ),
}
