"""A look at a lane holds the lane's row: it reads what is due or on its way, not all that waits until later."""

from collections.abc import Iterator, Mapping

import pytest

from deploy.local.embedded import Servers
from shared.database.engine import Database
from shared.payments.store import dispatch
from tests.bench.size_filled import fill
from tests.conftest import migrated_copy
from tests.support.plans import Read, looked_at, nodes, plans

LANE = "billcenter"
WAITING = 20_000  # beside some that are finished
MOST = 100


@pytest.fixture(scope="module")
def filled(servers: Servers, template: str) -> Iterator[Database]:
    for url in migrated_copy(servers, template):
        fill(url, WAITING // 4, WAITING, lambda told: None)
        database = Database(url, pool_size=1)
        yield database
        database.dispose()


LOOKS: Mapping[str, Read] = {
    "takes back what was dispatched when the lane stopped": lambda c: dispatch.take_back(c, LANE, 120),
    "ends leases": lambda c: dispatch.recover(c, LANE, 2, 0),
    "parks what is overdue": lambda c: dispatch.park_overdue(c, LANE),
    "counts what is unclaimed": lambda c: dispatch.unclaimed(c, LANE),
    "counts what is on the wire": lambda c: dispatch.on_the_wire(c, LANE, 120),
    "claims what is due": lambda c: dispatch.claim_due(c, LANE, 200, 60),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_does_not_read_what_waits_until_later(look: str, filled: Database) -> None:
    found = [node for node in nodes(plans(filled, LOOKS[look])) if "Relation Name" in node]
    assert found
    assert [(node["Relation Name"], looked_at(node)) for node in found if looked_at(node) > MOST] == []
