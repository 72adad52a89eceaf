"""What one source is told of its events, page by page: each once, in order, none left out by who commits late."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from shared.database.engine import Connection
from shared.events import feed
from shared.events.feed import Horizon
from tests.support.flow import World

pytestmark = pytest.mark.made_up_rows

_WRITE = "INSERT INTO events (event_id, type, subject, data) VALUES (%s, %s, %s, '{}') RETURNING id"


@pytest.fixture
def reader(world: World) -> Iterator[Connection]:
    with psycopg.connect(world.url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def write(
    connection: Connection, subject: str, told: str = "settlepipe.payment.accepted", *, pending: bool = False
) -> int:
    row = connection.execute(_WRITE, (subject, told, subject)).fetchone()
    assert row is not None
    if not pending:
        connection.execute("DELETE FROM outbox WHERE id = %s", (row["id"],))
    return int(row["id"])


def names(page: feed.Page) -> list[str]:
    return [event["event_id"] for event in page.events]


def test_who_commits_late_is_waited_for_and_then_told_in_order(world: World, reader: Connection) -> None:
    horizon = Horizon()
    start = horizon.look(reader)
    with psycopg.connect(world.url, row_factory=dict_row) as late, psycopg.connect(world.url) as idle:
        idle.execute("SELECT count(*) FROM events")  # who only reads is not waited for
        first = write(late, "shop/late")
        second = write(reader, "shop/early")
        assert first < second
        assert names(feed.page(reader, "shop", start, horizon.look(reader), 10)) == [], (
            "or the late one would be missed"
        )
        with psycopg.connect(world.url, row_factory=dict_row) as later:
            write(later, "shop/later")  # whoever began after the look is not waited for
            late.commit()
            page = feed.page(reader, "shop", start, horizon.look(reader), 10)
            assert names(page) == ["shop/late", "shop/early"]
            later.rollback()
    horizon.look(reader)
    write(reader, "shop/last")
    page = feed.page(reader, "shop", page.position, horizon.look(reader), 10)
    assert names(page) == ["shop/last"], "what was rolled back is a gap"
    assert names(feed.page(reader, "shop", page.position, horizon.look(reader), 10)) == []


def test_a_page_has_the_sources_own_and_what_is_everybodys(
    world: World, reader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_SCANNED", 3)
    horizon = Horizon()
    position = horizon.look(reader)
    for subject, told in (
        ("shop/1", "settlepipe.payment.accepted"),
        ("shop2/1", "settlepipe.payment.accepted"),
        ("shop/140", "settlepipe.account.changed"),  # of a provider that is called like the source
        ("shop/2026-11-21", "settlepipe.reconciliation.done"),
        ("-", "settlepipe.store.recovered"),
        ("shop/2", "settlepipe.receipt.issued"),
        ("other/1", "settlepipe.payment.accepted"),
        ("shop/3", "settlepipe.intake.quarantined"),
        ("other/2", "settlepipe.sms.sent"),
        ("shop/4", "settlepipe.sms.sent"),
    ):
        write(reader, subject, told)
    found: list[str] = []
    more = True
    while more:
        page = feed.page(reader, "shop", position, horizon.look(reader), 2)
        found, position, more = found + names(page), page.position, page.more
    assert found == ["shop/1", "-", "shop/2", "shop/3", "shop/4"]


def test_what_the_relay_has_not_carried_is_not_told_before_and_holds_up_nobody_who_is_past_it(
    world: World, reader: Connection
) -> None:
    horizon = Horizon()
    position = horizon.look(reader)
    first, second = write(reader, "shop/1"), write(reader, "shop/2", pending=True)
    write(reader, "shop/3")
    assert names(feed.page(reader, "shop", position, horizon.look(reader), 10)) == ["shop/1"]
    assert feed.page(reader, "shop", position, horizon.look(reader), 10).position == first
    reader.execute("UPDATE outbox SET id = %s", (first,))  # the second was carried, the first one is told again
    assert names(feed.page(reader, "shop", first, horizon.look(reader), 10)) == ["shop/2", "shop/3"]
    assert names(feed.page(reader, "shop", second, horizon.look(reader), 10)) == ["shop/3"]


def test_what_is_committed_and_not_told_is_held_for_its_source_alone(
    world: World, reader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    horizon = Horizon()
    start = horizon.look(reader)

    def held(source: str) -> bool:
        page = feed.page(reader, source, start, horizon.look(reader), 10)
        return feed.held(reader, source, page.position)

    with psycopg.connect(world.url, row_factory=dict_row) as late:
        write(late, "shop/late")
        assert not held("shop"), "it is not committed"
        write(reader, "shop2/1")
        write(reader, "shop/1", "settlepipe.reconciliation.done")
        assert (held("shop"), held("shop2")) == (False, True)
        write(reader, "shop/1")
        assert held("shop")
        late.rollback()
    assert not held("shop"), "all of it is told"
    write(reader, "-", "settlepipe.store.recovered", pending=True)
    assert held("shop"), "not carried, and everybody's"
    monkeypatch.setattr(feed, "_SCANNED", 1)
    reader.execute("UPDATE events SET type = 'settlepipe.lane.halted' WHERE id IN (SELECT id FROM outbox)")
    assert held("shop"), "so many were not told that nobody knows"


def test_a_database_that_came_back_older_lowers_the_horizon(world: World, reader: Connection) -> None:
    horizon = Horizon()
    write(reader, "shop/1")
    highest = horizon.look(reader)
    reader.execute("DELETE FROM events")
    assert horizon.look(reader) < highest


def test_what_goes_to_the_archive_during_a_look_makes_no_reader_go_past_what_is_left(
    world: World, reader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_SCANNED", 3)
    written = [write(reader, f"shop/{number}") for number in range(7)]
    horizon = Horizon().look(reader)

    class Archives:
        """Between any two statements of the look the archive takes the oldest."""

        def execute(self, *given: Any) -> Any:
            found = reader.execute(*given)
            world.execute("DELETE FROM events WHERE id = (SELECT min(id) FROM events)")
            return found

    position, told = written[0] - 1, list[str]()
    archives: Any = Archives()
    while True:
        page = feed.page(archives, "shop", position, horizon, 10)
        told += names(page)
        position = page.position
        if not page.more:
            break
    left = {row["event_id"] for row in world.rows("SELECT event_id FROM events")}
    assert told == sorted(set(told)), "in order, once"
    assert left <= set(told), "what is still there was told"
    assert len(told) >= 4
