"""ubill's made-up payments and documented answers."""

import json
from dataclasses import replace
from typing import Any

from shared.domain.answers import Verdict
from shared.domain.payment import Operation
from tests.providers.contract.case import Case, Documented, Shown
from tests.support.memory import SETTLE

PAYMENT = replace(SETTLE, provider="ubill", currency="GEL", target={"account_id": 900001})
EARLIER = replace(PAYMENT, id=2, sent_reference="sp-0", amount_minor=700)


def row(marker: str, amount: str) -> dict[str, Any]:
    """A row of an account's payments."""
    return {
        "id": "71",
        "accountID": None,
        "sum": amount,
        "comment": marker,
        "typeID": "1",
        "date": "2026-11-21 12:00:00",
    }


def rows(*given: dict[str, Any]) -> bytes:
    return json.dumps({"statusID": 0, "message": "Success", "data": given}).encode()


def said(status_id: int) -> tuple[int, bytes]:
    return 200, json.dumps({"statusID": status_id, "message": "made up"}).encode()


CASE = Case(
    settings={"api_key": "made-up-key", "brand_id": 1},
    documented={
        Operation.SETTLE: Documented(
            payment=PAYMENT,
            successes=[(200, b'{"statusID": 0, "message": "Success", "data": {"id": "4001"}}')],
            refusals=[],  # none is documented
            shows={
                Verdict.APPLIED: Shown(rows(row("sp-0", "7"), row("sp-1", "100"))),
                Verdict.NOT_APPLIED: Shown(rows(row("sp-0", "7"))),
            },
        ),
        "sms": Documented(
            payment=replace(PAYMENT, notify={"sms": "995500000000"}),
            successes=[(200, b'{"statusID": 0, "smsID": "77", "message": "Success"}')],
            refusals=[said(status_id) for status_id in (10, 20, 30, 50, 60, 90)],
        ),
    },
    latest=EARLIER,
    given={"date": "2031-01-31", "name": "Made up"},
    apart={"sms_send"},  # tells the outcome of each batch
)
