"""The HTTP door rings for the lanes whose intents it committed, in a thread of its own."""

import fakeredis

from shared.messaging import broker
from worker.web.door import Bell


def test_what_was_rung_before_it_is_heard_is_one_ring_for_all_its_lanes() -> None:
    client, bell = fakeredis.FakeRedis(), Bell()
    bell.ring({"mtn"})
    bell.ring(set())
    bell.ring({"ubill", "mtn"})
    bell.start(client)
    assert broker.wait_for_ring(client, 1) == {"mtn", "ubill"}
    bell.ring({"bmms"})
    assert broker.wait_for_ring(client, 1) == {"bmms"}
