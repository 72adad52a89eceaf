"""A refund is judged by the books just before it was sent."""

from shared.payments.dispatch import dispatch
from shared.payments.store import send as send_store
from tests.support.pipeline import invoice, pipeline
from tests.support.raw_server import answer


def test_a_refund_that_was_not_sent_at_first_is_judged_by_the_books_just_before_it_was_sent(
    database_url: str,
) -> None:
    with pipeline(database_url, {}) as made:
        made.settled("order")
        made.refund("back", "order")
        # first try: the books show ours and another bank's money; the refund itself is not taken (429)
        made.provider.routes["invoices"] = invoice("200.00", "2026-06-12T06:45:06Z")
        made.provider.routes["refund_payment"] = answer(429, b"")
        made.step()
        assert made.row("back")["state"] == "waiting"
        # the other bank takes its 100.00 back; ours is sent and dies on the way, nothing is refunded
        made.provider.routes["invoices"] = invoice("100.00", "2026-06-12T07:45:06Z")
        made.provider.routes["refund_payment"] = answer(500, b"")
        made.later(60)
        made.step()
        assert made.row("back")["state"] == "unknown"
        made.step()
        made.later(200)
        made.step()
        assert made.row("back")["state"] != "succeeded", made.row("back")["detail"]


def test_books_that_were_read_for_an_attempt_that_was_not_sent_do_not_judge_one_that_died(database_url: str) -> None:
    with pipeline(database_url, {}) as made:
        made.settled("order")
        made.refund("back", "order")
        made.provider.routes["invoices"] = invoice("200.00")
        made.provider.routes["refund_payment"] = answer(429, b"")
        made.step()
        made.later(60)
        dispatch(made.runtime, "billcenter", lambda: 0)
        with made.runtime.database.connection() as connection:  # the worker dies before it reads the books
            claimed = send_store.claim(
                connection, made.row("back")["id"], made.runtime.worker_key, made.runtime.limits, seen=made.runtime.seen
            )
        assert claimed is not None
        made.provider.routes["invoices"] = invoice("100.00", "2026-06-12T07:45:06Z")  # another bank's refund
        made.later(100)
        made.step()
        made.step()
        # nothing went out before the books were read, so there is nothing to look for in them
        assert (made.row("back")["state"], made.row("back")["in_doubt"]) == ("waiting", False)
        assert made.sql("SELECT verdict FROM checks") == []
