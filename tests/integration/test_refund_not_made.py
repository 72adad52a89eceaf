"""What proves that a refund was not made."""

from tests.support.pipeline import invoice, pipeline
from tests.support.raw_server import answer


def test_an_invoice_without_a_time_of_change_never_proves_that_a_refund_was_not_made(database_url: str) -> None:
    with pipeline(database_url, {}) as made:
        made.runtime.books.learn("billcenter", "refund_lowers_amount_paid")
        made.settled("order")
        made.refund("back", "order")
        made.provider.routes["invoices"] = invoice("100.00", None)
        made.provider.routes["refund_payment"] = answer(500, b"")
        made.step()
        made.step()
        made.later(200)  # the refund was made, and another bank paid as much: the same sum as before
        made.step()
        assert made.row("back")["state"] == "unknown"
        assert made.sent("refund_payment") == 1
