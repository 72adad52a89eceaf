"""The models of a payment, for hours: games that nobody has played before, and every state with more attempts."""

import pytest

from shared.messaging import broker
from tests.integration.rules.test_every_state_rules import differences
from tests.support.flow import World
from tests.support.model.every import Operated, goes_on_by_itself, graph, operated, pairs, without_a_way_on, wrong
from tests.support.model.playing import play, play_restored
from tests.support.model.written import WRITTEN

OPERATED = list(operated())


@pytest.mark.timeout(4 * 3600)
def test_many_games(model_url: str) -> None:
    play(model_url, games=4000, same=False)


@pytest.mark.timeout(4 * 3600)
def test_many_games_with_restores(model_url: str, broker_url: str) -> None:
    with broker.connect(broker_url) as client:
        play_restored(model_url, client, games=2000, same=False)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("one", OPERATED, ids=lambda one: f"{one.provider}-{one.operation}")
def test_every_state_with_three_attempts(one: Operated) -> None:
    found = graph(one.start, one.meanings, 3)
    assert len(found) > 20_000
    assert [made for before, steps in found.items() for made in steps if wrong(before, *made)] == []
    assert list(without_a_way_on(found)) == []
    assert all(map(goes_on_by_itself, found))


@pytest.mark.timeout(3600)
def test_the_database_does_what_the_model_says_with_two_attempts(world: World) -> None:
    found = [case for case in pairs(2) if case[1].what in WRITTEN]
    assert len(found) > 30_000
    assert differences(world, found) == []
