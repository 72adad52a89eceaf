"""Games of the flow, played by chance: whatever happens in whatever order, what must hold holds after every step."""

from tests.support.model.playing import play


def test_whatever_happens_each_payment_is_applied_once_and_comes_to_its_end(model_url: str) -> None:
    play(model_url, games=45)
