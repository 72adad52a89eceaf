"""What grew without bound is forgotten when it is old."""

from datetime import UTC, datetime

from scheduler import jobs
from shared.domain.records import DeliveryReport
from shared.follow_ups.store import delivery as delivery_store
from tests.support.flow import World

DAY_S = 86_400


def _forget(world: World) -> str:
    return jobs.retention(world.runtime, datetime.now(UTC))


def test_quarantine_forgets_what_was_last_seen_long_ago_with_its_event_once_that_is_told(world: World) -> None:
    world.accept(b"[1]", b"[2]", b"[3]")
    world.advance(300 * DAY_S)
    world.accept(b"[2]", b"[4]")
    world.execute("DELETE FROM outbox o USING events e WHERE e.id = o.id AND e.event_id <> 'q3-1'")
    assert "0 entries in quarantine" in _forget(world)
    world.advance(101 * DAY_S)
    assert "forgotten: 0 runs of jobs, 1 entry in quarantine, 0 delivery reports" in _forget(world)
    assert [row["id"] for row in world.rows("SELECT id FROM quarantine ORDER BY id")] == [2, 3, 5]
    assert [row["event_id"] for row in world.rows("SELECT event_id FROM events ORDER BY 1")] == ["q2-1", "q3-1", "q5-1"]
    world.accept(b"[1]")
    assert world.value("SELECT count(*) FROM events JOIN outbox USING (id) WHERE event_id = 'q6-1'") == 1, (
        "it is told anew"
    )


def test_delivery_reports_are_forgotten_in_batches(world: World) -> None:
    with world.runtime.database.connection() as connection:
        for number in range(3):
            delivery_store.keep(connection, str(number), [DeliveryReport("995500000001", 1)], None)
    world.advance(401 * DAY_S)
    with world.runtime.database.connection() as connection:
        delivery_store.keep(connection, "9", [DeliveryReport("995500000001", 1)], None)
        assert delivery_store.forget(connection, 400, 2) == 2
    assert "1 delivery report" in _forget(world)
    assert world.value("SELECT sms_id FROM sms_reports") == "9"
