"""Intents whose kept bytes are the same once redacted are still told apart."""

import json
from typing import Any

from deploy.cli.submit_wait import Followed
from tests.support.flow import World


def test_two_rejected_intents_that_look_alike_without_digits_are_both_told_of(world: World) -> None:
    told: dict[str, Any] = {"metadata": {"note": "cvv"}, "target": {"invoice": "i", "cvv": "123"}}
    documents = [world.document(**told), world.document(**told)]
    for document in documents:
        world.accept(document)
    raws = {bytes(row["raw"]) for row in world.rows("SELECT raw FROM quarantine")}
    assert len(raws) == 1  # or this test shows nothing
    subjects = world.rows("SELECT subject FROM events ORDER BY id")
    assert [row["subject"] for row in subjects] == [f"shop/{document['intent_id']}" for document in documents]


def test_who_follows_a_line_with_card_data_hears_that_it_is_in_quarantine(world: World) -> None:
    """It can be redacted value by value, or digit by digit."""
    documents = [
        world.document(target={"invoice": "i", "cvv": "123"}),
        world.document(target={"invoice": "i", "cvv": "456"}, metadata={"note": "cvv"}),
    ]
    lines = [*(json.dumps(document).encode() for document in documents), b'{"cvv": 789, "cvv": ', b"cvv=321"]
    followed = Followed()
    for line in lines:
        followed.add(line)
        world.accept(line)
    for event in world.rows("SELECT event_id AS id, type, subject, data FROM events ORDER BY id"):
        assert not followed.done
        followed.saw(event)
    assert (followed.done, followed.counts()) == (True, {"quarantined": 4})


def test_a_line_that_was_accepted_is_not_taken_for_one_that_looks_like_it_in_quarantine(world: World) -> None:
    good = world.document(metadata={"note": "cvv"})
    bad = good | {"paid_at": "2026-13-21T03:24:12Z"}
    followed = Followed()
    for document in (good, bad):
        raw = json.dumps(document).encode()
        followed.add(raw)
        world.accept(raw)
    for event in world.rows("SELECT event_id AS id, type, subject, data FROM events ORDER BY id"):
        followed.saw(event)
    assert [line.outcome for line in followed.lines()] == [None, "quarantined"]
