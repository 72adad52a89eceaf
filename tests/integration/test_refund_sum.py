"""Two dispatchers at once: never more refunds than was settled."""

import threading

import psycopg
import pytest

from shared.payments import release
from shared.payments.store import release as release_store
from tests.support.pipeline import Pipeline, pipeline


# What a server's owner may have set: under the last two the second dispatcher would not see what the first released.
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
@pytest.mark.parametrize("whose", ["DATABASE {database}", "ROLE app IN DATABASE {database}"])
def test_two_dispatchers_do_not_release_more_refunds_than_was_settled(
    database_url: str, isolation: str, whose: str
) -> None:
    name = database_url.rpartition("/")[2]
    with psycopg.connect(database_url, autocommit=True) as owner:
        where = whose.format(database=name)
        owner.execute(f"ALTER {where} SET default_transaction_isolation = '{isolation}'".encode())
    with pipeline(database_url, {}, refund_id="own", partial_refunds=True) as made:
        made.settled("order")
        made.refund("back-1", "order")
        with made.runtime.database.transaction() as first:
            held = release_store.refunds(first, 60)
            made.refund("back-2", "order")  # comes while the first dispatcher is at work
            settle_id = held[0].settle_id
            assert settle_id is not None
            found = release_store.settle(first, settle_id)  # the first dispatcher's lock
            second = threading.Thread(target=release.release_refunds, args=(made.runtime,))
            second.start()
            _until_blocked(made)
            release._decide(made.runtime, first, held[0])
            assert (found.payment.amount_minor, found.refunded_minor) == (10_000, 0)
        second.join(120)
        rows = made.sql("SELECT state, detail FROM payments WHERE operation = 'refund' ORDER BY id")
        assert [row["state"] for row in rows] == ["accepted", "refused"], rows


def _until_blocked(made: Pipeline) -> None:
    """Wait until some session waits for a row lock of another."""
    for _ in range(2000):
        if made.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"):
            return
        threading.Event().wait(0.005)
    raise AssertionError("nobody waits")
