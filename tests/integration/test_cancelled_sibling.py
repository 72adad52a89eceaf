"""The end of a payment and the cancelling of one that waits for it."""

import threading

import psycopg

from shared.payments.dispatch import dispatch
from shared.payments.send import send
from tests.support.pipeline import SETTLE, pipeline
from tests.support.raw_server import answer


def test_an_outcome_is_recorded_while_a_sibling_that_waits_for_it_is_being_cancelled(database_url: str) -> None:
    with pipeline(database_url, {}) as made:
        blocked = threading.Event()
        go = threading.Event()

        def slow(_query: dict[str, str]) -> bytes:
            blocked.set()
            go.wait(2)
            return answer(200, b"")

        made.provider.routes["settle_payment"] = slow
        assert made.submit({**SETTLE, "intent_id": "one"}, {**SETTLE, "intent_id": "two"}) == 2
        one = made.row("one")["id"]
        dispatch(made.runtime, "billcenter", lambda: 0)
        assert made.row("two")["hold_reason"] == "invoice_busy"
        failures: list[BaseException] = []

        def run() -> None:
            try:
                send(made.runtime, one)
            except psycopg.Error as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert blocked.wait(120)
        with made.runtime.database.transaction() as connection:
            connection.execute(
                "UPDATE payments SET state = 'cancelled', hold_reason = NULL, due_at = NULL WHERE intent_id = 'two'"
            )
            go.set()
            thread.join(1.5)  # with a lock that it waits for, it is still at it
        thread.join(120)
        assert not failures
        assert [made.row(name)["state"] for name in ("one", "two")] == ["succeeded", "cancelled"]
