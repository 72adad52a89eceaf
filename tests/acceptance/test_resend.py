"""The rule that the product is named after: the very same request again, until it got through."""

from tests.support import audit, intents
from tests.support.stack import Stack

_HISTORY = """
SELECT a.number, a.kind, a.meaning, a.http_status, encode(a.body_sha256, 'hex') AS sha256, a.ended_at
FROM attempts a JOIN payments p ON p.id = a.payment_id WHERE p.source = %s ORDER BY a.number
"""


def test_a_settle_that_got_500s_is_sent_again_with_the_same_bytes_and_its_history_shows_each(
    up: Stack, source: str
) -> None:
    up.sandbox.set_faults(
        {"operation": "settle", "fault": "error_500_before", "count": 2},
        {"operation": "settle", "fault": "error_500_after", "count": 1},
    )
    payment = intents.settle(source, 1)
    up.submit([payment])
    audit.wait_ended(up, source, [payment])

    (row,) = audit.check_all(up, source, [payment]).values()
    assert row["state"] == "succeeded"
    sent = up.sandbox.requests(reference=row["reference"], operation="settle")
    assert [request["status"] for request in sent] == [500, 500, 500, 200]
    assert len({request["body"] for request in sent}) == 1
    assert {request["sha256"] for request in sent} == {row["sha256"]}
    history = up.query(_HISTORY, source)
    assert [(attempt["number"], attempt["http_status"]) for attempt in history] == [
        (1, 500),
        (2, 500),
        (3, 500),
        (4, 200),
    ]
    assert [attempt["meaning"] for attempt in history] == ["resend", "resend", "resend", "succeeded"]
    assert {attempt["sha256"] for attempt in history} == {row["sha256"]}
    assert all(attempt["ended_at"] for attempt in history)
