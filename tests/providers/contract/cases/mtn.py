"""mtn's made-up payments and documented answers."""

import json
from dataclasses import replace

from shared.domain.answers import Verdict
from shared.domain.payment import Operation
from tests.providers.contract.case import Case, Documented, Shown
from tests.support.memory import MTN_SETTLE
from tests.support.mtn import EARLIER, OAUTH, bill, paid

ERROR = b"""{"timestamp": "2026-11-21T03:24:13Z", "status": "%d", "error": "made up", "message": "made up",
    "path": "/v1/customerBill/700001"}"""
DONE = {"resultCode": "0000", "resultDescription": "done"}

CASE = Case(
    settings=OAUTH,
    documented={
        Operation.SETTLE: Documented(
            payment=MTN_SETTLE,
            successes=[
                (200, json.dumps({**DONE, "data": {"idType": "Account Number"}}).encode()),
                (200, json.dumps({"result": DONE, "data": {}}).encode()),
            ],
            refusals=[(status, ERROR % status) for status in (400, 404, 405)],
            shows={
                Verdict.APPLIED: Shown(json.dumps({**DONE, "data": bill(paid(EARLIER, "7.00"), paid())}).encode()),
                Verdict.NOT_APPLIED: Shown(json.dumps({"result": DONE, "data": bill(paid(EARLIER, "7.00"))}).encode()),
            },
        )
    },
    latest=replace(MTN_SETTLE, id=2, sent_reference=EARLIER, amount_minor=700),
    given={"customerType": 2, "queryType": "paidBill"},
)
