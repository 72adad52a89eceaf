"""Games of the flow, played by chance: whatever happens in whatever order, what must hold holds after every step."""

import pytest

from shared.messaging import broker
from tests.support.model.playing import play, play_restored
from tests.support.size import sized

pytestmark = pytest.mark.large


def test_whatever_happens_each_payment_is_applied_once_and_comes_to_its_end(model_url: str) -> None:
    play(model_url, games=sized(20, 90))


def test_whatever_is_restored_each_payment_is_applied_once_and_no_end_is_taken_back(
    model_url: str, broker_url: str
) -> None:
    with broker.connect(broker_url) as client:
        play_restored(model_url, client, games=sized(5, 22))
