"""A provider that fails every third request, in every way at once."""

from tests.support import audit, intents
from tests.support.stack import Stack

SEED = 20261121
SETTLES, REFUNDS, REFUSED = 200, 40, 20
OTHER_SERVICE = 201
RATE = 0.04  # of each kind; together well over a third: less than a quarter by chance is out of the question

KINDS = (
    {"fault": "error_500_before"},
    {"fault": "error_500_after"},
    {"fault": "hang_before"},
    {"fault": "hang_after"},
    {"fault": "reset_before"},
    {"fault": "reset_after"},
    {"fault": "truncated_200"},
    {"fault": "not_json_200"},
    {"fault": "drip", "delay_s": 0.2},
    {"fault": "error_429", "delay_s": 1},
    {"fault": "error_503", "delay_s": 1},
    {"fault": "applied_late", "delay_s": 1},
)


def test_a_third_of_all_requests_fail_in_all_ways_and_every_payment_ends_as_it_should(up: Stack, source: str) -> None:
    """A repeated id is answered with 400, the token is revoked now and then, and 20 payments are to be refused.

    Those name an invoice that an earlier payment settled for another service: billcenter says no, and where that no
    follows a doubtful attempt, only its books tell that nothing was applied.
    """
    sandbox = up.sandbox
    sandbox.options(duplicate_answer=400, latency_s=0.02)
    sandbox.set_faults(
        *({"operation": name, "rate": RATE, "seed": SEED} | kind for name in ("settle", "refund") for kind in KINDS),
        {"operation": "invoices", "fault": "error_500_before", "rate": 0.2, "seed": SEED},  # the books, too
    )
    refunds = [one for number in range(1, REFUNDS + 1) for one in intents.refundable(source, number)]
    settles = [intents.settle(source, number) for number in range(REFUNDS + 1, SETTLES + 1)]
    refused = [
        intents.settle(source, SETTLES + number, invoice=f"{source}-{SETTLES - number}", service=OTHER_SERVICE)
        for number in range(1, REFUSED + 1)
    ]
    all_ = refunds + settles + refused
    for start in range(0, len(all_), 100):
        audit.prove_token(up, f"{source[:30]}.token.{start}")
        up.submit(all_[start : start + 100])
        audit.revoke_token(up)
    found = audit.wait_ended(up, source, all_, 80)

    audit.check_all(up, source, all_)
    should = {intent["intent_id"]: "succeeded" for intent in settles + refunds}
    should |= {intent["intent_id"]: "refused" for intent in refused}
    wrong = [row for intent_id, row in found.items() if row["state"] != should[intent_id]]
    assert not wrong, audit.described(wrong)
    struck = dict.fromkeys((kind["fault"] for kind in KINDS), 0)
    for fault in sandbox.call("GET", "faults")["faults"]:
        struck[fault["fault"]] += fault["struck"]
    assert all(struck.values()), f"every kind of fault happened: {struck}"
    asked = [row for name in ("settle", "refund") for row in sandbox.requests(operation=name)]
    mine = [row for row in asked if row["reference"] in {one["reference"] for one in found.values()}]
    assert sum(row["fault"] is not None for row in mine) > len(mine) / 4, "about a third of all requests failed"
