"""A check that could not be made says nothing."""

from tests.support.billcenter import reply
from tests.support.pipeline import Pipeline, invoice, pipeline
from tests.support.raw_server import answer


def _parked_refund(made: Pipeline) -> None:
    """A refund whose answer was lost and that nobody could check."""
    made.settled("order")
    made.refund("back", "order")
    made.provider.routes["invoices"] = invoice("100.00")
    made.provider.routes["refund_payment"] = answer(500, b"")
    made.step()
    made.sql("UPDATE payments SET state = 'parked', due_at = NULL WHERE intent_id = 'back'")
    assert made.sent("refund_payment") == 1


def _ask_to_resend(made: Pipeline) -> None:
    made.sql(
        "UPDATE payments SET state = 'unknown', resend_asked = true, due_at = clock(), rung = 0, deadline = NULL"
        " WHERE intent_id = 'back'"
    )


def test_a_resend_that_a_person_asked_for_waits_until_the_books_could_be_read(database_url: str) -> None:
    with pipeline(database_url, {}) as made:
        _parked_refund(made)
        _ask_to_resend(made)
        made.provider.routes["invoices"] = answer(500, b"")  # nobody has looked
        made.step()
        assert made.sent("refund_payment") == 1
        made.provider.routes["invoices"] = invoice("0.00")  # it was made after all
        made.later(1000)
        made.step()
        assert made.row("back")["state"] == "succeeded"
        assert made.sent("refund_payment") == 1


def test_a_resend_that_a_person_asked_for_does_not_go_out_after_a_look_that_says_nothing(database_url: str) -> None:
    with pipeline(database_url, {}) as made:
        _parked_refund(made)
        _ask_to_resend(made)
        made.later(1000)  # past the settle window
        made.provider.routes["invoices"] = invoice("70.00")
        made.provider.routes["refund_payment"] = reply({"detail": "done"})
        made.step()
        assert made.row("back")["state"] == "parked"
        assert made.sent("refund_payment") == 1


def test_a_lane_that_is_halted_stays_so_when_its_probe_could_not_read_the_books(database_url: str) -> None:
    with pipeline(database_url, {}) as made:
        made.provider.routes["settle_payment"] = answer(400, b"")  # an undocumented no: to be checked
        made.settle("order")
        made.step()
        assert made.row("order")["state"] == "unknown"
        made.sql("UPDATE lanes SET halted_at = clock(), halted_reason = 'forbidden', probe_at = clock()")
        made.provider.routes["invoices"] = answer(403, b"")
        made.step()
        assert made.sent("invoices") == 1
        assert made.sql("SELECT halted_reason FROM lanes WHERE provider = 'billcenter'") == [
            {"halted_reason": "forbidden"}
        ]
