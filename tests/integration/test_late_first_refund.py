"""A refund that is applied late, after the books had ruled it out and before it could be sent again."""

from tests.support.billcenter import reply
from tests.support.pipeline import Pipeline, invoice, pipeline
from tests.support.raw_server import answer

BEFORE = "2026-06-12T06:45:06Z"


def _ruled_out(made: Pipeline) -> None:
    """A refund whose answer was lost; the next look rules it out."""
    made.runtime.books.learn("billcenter", "refund_lowers_amount_paid")
    made.settled("order")
    made.refund("back", "order")
    made.provider.routes["invoices"] = invoice("100.00", BEFORE)
    made.provider.routes["refund_payment"] = answer(500, b"")
    made.step()
    assert made.row("back")["state"] == "unknown"
    made.later(200)


def test_a_late_first_refund_is_found_and_not_made_twice(database_url: str) -> None:
    with pipeline(database_url, {}) as made:
        _ruled_out(made)
        made.provider.routes["refund_payment"] = answer(429, b"", "Retry-After: 3600")
        made.step()
        assert (made.row("back")["state"], made.sent("refund_payment")) == ("unknown", 2)
        made.provider.routes["invoices"] = invoice("0.00", "2026-06-12T07:45:06Z")  # the first one came through
        made.provider.routes["refund_payment"] = reply({"detail": "done"})
        made.later(3500)
        made.step()
        assert made.row("back")["state"] == "unknown", "not before Retry-After"
        made.later(200)
        made.step()
        assert made.row("back")["state"] == "succeeded"
        assert made.sent("refund_payment") == 2


def test_it_is_found_also_when_it_comes_just_before_the_resend_is_ambiguous(database_url: str) -> None:
    """The books of before the first send stay what counts: read anew, they would have it in them already."""
    with pipeline(database_url, {}) as made:
        _ruled_out(made)

        def arrives(_request: object) -> bytes:
            made.provider.routes["invoices"] = invoice("0.00", "2026-06-12T07:45:06Z")
            return answer(500, b"")

        made.provider.routes["refund_payment"] = arrives
        made.step()
        made.step()
        assert made.row("back")["state"] == "succeeded"
        assert made.sent("refund_payment") == 2


def test_rate_limited_checks_wait_for_retry_after_and_climb_nowhere(database_url: str) -> None:
    with pipeline(database_url, {}) as made:
        _ruled_out(made)
        made.provider.routes["invoices"] = answer(429, b"", "Retry-After: 1800")
        for _ in range(7):
            before = made.sent("invoices")
            made.step()
            assert made.sent("invoices") == before + 1
            made.later(1700)
            made.step()
            assert made.sent("invoices") == before + 1
            made.later(200)
        assert made.row("back")["state"] == "unknown"
