"""What a lane's workers are scaled by is its backlog, read by a role that may read nothing else."""

from typing import Any

import pytest

from tests.support import kubernetes
from tests.support.flow import World

SCALED = kubernetes.of_kind(kubernetes.rendered("large"), "ScaledObject")["worker-mtn"]["spec"]
QUERY: str = SCALED["triggers"][0]["metadata"]["query"].replace("'mtn'", "'safe'")


def _backlog(world: World) -> Any:
    (row,) = world.rows(QUERY)
    (value,) = row.values()
    return value


def test_it_counts_what_the_dispatcher_may_take_and_nothing_of_a_lane_that_stands_still(world: World) -> None:
    assert _backlog(world) == 0
    for _ in range(3):
        world.pay()
    world.pay("careful")
    assert _backlog(world) == 3
    world.execute("INSERT INTO lanes (provider) VALUES ('safe') ON CONFLICT DO NOTHING")
    world.execute("UPDATE lanes SET paused_at = now(), stopped_at = now() WHERE provider = 'safe'")
    assert _backlog(world) == 0
    world.execute("UPDATE lanes SET paused_at = NULL, stopped_at = NULL WHERE provider = 'safe'")
    world.run()
    assert _backlog(world) == 0


@pytest.mark.parametrize(("table", "may"), [("payments", True), ("lanes", True), ("attempts", False)])
def test_a_role_that_may_read_two_tables_can_ask_it(world: World, table: str, may: bool) -> None:
    world.execute("CREATE ROLE scaler")
    try:
        world.execute("GRANT SELECT ON payments, lanes, public.test_clock TO scaler")  # the last is the test's own
        world.execute("SET ROLE scaler")
        assert _backlog(world) == 0
        assert world.value(f"SELECT has_table_privilege('{table}', 'SELECT')") is may
    finally:
        world.execute("RESET ROLE")
        world.execute("REVOKE ALL ON payments, lanes, public.test_clock FROM scaler")
        world.execute("DROP ROLE scaler")
