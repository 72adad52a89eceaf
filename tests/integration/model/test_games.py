"""Games of the flow, played by chance: whatever happens in whatever order, what must hold holds after every step."""

import os

import pytest

from shared.messaging import broker
from tests.support.model.playing import play, play_restored

MORE = int(os.environ.get("GAMES", "1"))  # times as many games

pytestmark = pytest.mark.timeout(600 * MORE)


def test_whatever_happens_each_payment_is_applied_once_and_comes_to_its_end(model_url: str) -> None:
    play(model_url, games=MORE * 20)


def test_whatever_is_restored_each_payment_is_applied_once_and_no_end_is_taken_back(
    model_url: str, broker_url: str
) -> None:
    with broker.connect(broker_url) as client:
        play_restored(model_url, client, games=MORE * 5)
