"""How dispatched ids are put into messages."""

import pytest

from shared.messaging.tasks import MAX_IDS, split


@pytest.mark.parametrize("idle", [-40, 0, 5, 32])
@pytest.mark.parametrize("count", [0, 1, 3, 32, 33, 100, 200, 1000])
def test_every_id_is_in_one_message_that_is_not_too_long(count: int, idle: int) -> None:
    ids = list(range(count))
    messages = split(ids, idle)
    assert [i for message in messages for i in message] == ids
    assert all(1 <= len(message) <= MAX_IDS for message in messages)


def test_idle_senders_get_a_message_each() -> None:
    assert [len(message) for message in split(range(32), 32)] == [1] * 32


def test_a_backlog_makes_full_messages() -> None:
    assert [len(message) for message in split(range(200), 0)] == [MAX_IDS] * 4
