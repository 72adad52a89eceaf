"""What the control room shows is found by indexes: of very many open payments no page reads more than it shows, nearly.

The same statements serve `settlepipe inbox` and the like. What is counted in the background is bounded otherwise.
"""

from collections.abc import Iterator, Mapping

import pytest

from deploy.local.embedded import Servers
from shared.database.engine import Database
from shared.inbox import Kind, Order, waiting
from shared.payments import search, views
from shared.payments.pairs import pairs
from tests.bench.rooms_filled import fill
from tests.conftest import migrated_copy
from tests.support.plans import Read, looked_at, nodes, plans

COUNT = 40_000  # 8,000 of them are parked, 2,800 held for a person; 800 entries are in quarantine
MOST = 1_500
LARGE = {"payments", "attempts", "checks", "events", "follow_ups", "intent_keys"}


@pytest.fixture(scope="module")
def filled(servers: Servers, template: str) -> Iterator[Database]:
    for url in migrated_copy(servers, template):
        fill(url, COUNT)
        database = Database(url, pool_size=1)
        with database.connection() as connection:  # so many that sorting them costs more than an index
            connection.execute(
                "UPDATE payments SET hold_reason = 'account_unconfirmed' WHERE hold_reason = 'no_account'"
            )
            connection.execute("VACUUM ANALYZE payments")
        yield database
        database.dispose()


READS: Mapping[str, tuple[Read, set[str]]] = {
    "the inbox": (
        lambda c: waiting(c, limit=51),
        {"payments_parked_at", "payments_undecided_at", "payments_open_books", "follow_ups_parked"}
        | {"quarantine_first_seen"},
    ),
    "the largest sums": (
        lambda c: waiting(c, limit=51, order=Order.MONEY),
        {"payments_parked_sum", "payments_undecided_sum", "payments_open_books"},
    ),
    "of a provider": (lambda c: waiting(c, limit=51, provider="mtn"), {"payments_parked_at", "payments_open_books"}),
    "held": (lambda c: waiting(c, limit=51, kind=Kind.HOLD), {"payments_undecided_at"}),
    "receipts": (lambda c: waiting(c, limit=51, kind=Kind.RECEIPT), {"follow_ups_parked"}),
    "quarantine": (lambda c: waiting(c, limit=51, kind=Kind.QUARANTINE), {"quarantine_first_seen"}),
    "a payment's lines": (lambda c: pairs(c, "mtn", [COUNT // 2 + 15]), {"payments_open_books"}),
    "a payment": (lambda c: views.payment(c, COUNT // 2), {"payments_pkey", "checks_pkey", "events_payment"}),
    "search by an id": (lambda c: search.search(c, "ord-77", 50, personal=False), {"intent_keys_pkey"}),
    "the newest": (lambda c: search.newest(c, before=None, state=None, provider=None, limit=50), {"payments_pkey"}),
    "in quarantine": (lambda c: views.quarantine_page(c, 0, 51, everything=False), {"quarantine_pkey"}),
}


@pytest.mark.parametrize("what", READS)
def test_a_page_reads_little_more_than_it_shows(what: str, filled: Database) -> None:
    read, indexes = READS[what]
    found = list(nodes(plans(filled, read)))
    assert indexes <= {node["Index Name"] for node in found if "Index Name" in node}
    most = [(node["Relation Name"], looked_at(node)) for node in found if node.get("Relation Name") in LARGE]
    assert [(table, rows) for table, rows in most if rows > MOST] == []


def test_a_search_by_an_account_looks_at_the_newest_and_no_further(filled: Database) -> None:
    found = nodes(plans(filled, lambda c: search.search(c, "made-up-0", 50, personal=True)))
    looked = sum(looked_at(node) for node in found if node.get("Relation Name") == "payments")
    assert search.NEWEST <= looked < search.NEWEST + 2_500, "it is among the parked ones alone"


def test_a_page_that_reads_all_of_them_is_noticed(filled: Database) -> None:
    (plan,) = plans(filled, lambda c: c.execute("SELECT id FROM payments WHERE detail = 'x'"))
    assert max(map(looked_at, nodes(plan))) > COUNT / 3
