"""Very much that waits: the inbox shows the first of it, in the order of all."""

import pytest

from shared.inbox import Kind, Order, waiting
from tests.support.flow import World
from tests.support.parked import parked_many

COUNT = 5_000
_AGE = "parked_at, source || '/' || intent_id"
_ORDERS = {Order.AGE: _AGE, Order.MONEY: f"currency, amount_minor DESC, {_AGE}"}


@pytest.mark.parametrize("order", list(Order))
def test_the_first_of_very_many_are_those_of_all(own_world: World, order: Order) -> None:
    connection = own_world.connection
    parked_many(connection, COUNT)
    rows = connection.execute(
        f"SELECT source || '/' || intent_id AS name FROM payments ORDER BY {_ORDERS[order]}".encode()
    )
    names = [row["name"] for row in rows.fetchall()]
    for skip in (0, 40, COUNT - 10):
        found = waiting(connection, kind=Kind.PAYMENT, order=order, limit=20, skip=skip)
        assert [one.number for one in found] == names[skip : skip + 20]
