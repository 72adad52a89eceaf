"""What may stand before an installation's keys."""

import pytest

from shared.domain.broker_keys import BadPrefix, checked
from shared.settings import SettingsError, load_settings


@pytest.mark.parametrize("prefix", ["", "a:", "shop-a:", "bank.one_", "Bank:Europe:7-", "a" * 63 + ":"])
def test_plain_words_that_end_with_a_sign_may(prefix: str) -> None:
    assert checked(prefix) == prefix


@pytest.mark.parametrize(
    "prefix",
    [
        *(" ", " a:", "a :", "a: ", "a:\n", "\u00e4:", "\u0661:"),  # blanks, and what looks like a letter or a digit
        *("a*:", "a?:", "[a]:", "a\\:", "^a:"),  # of accounts' patterns, and of PSUBSCRIBE's
        *("{a}:", "a%s:", "/0.a:", "a/"),  # of a Cluster, of Python, of kombu's channels
        *(":", "a", "shop", "-a:", "a" * 64 + ":"),
    ],
)
def test_nothing_else_may_and_the_sentence_says_what(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadPrefix):
        checked(prefix)
    monkeypatch.setenv("SETTLEPIPE_BROKER_KEY_PREFIX", prefix)
    with pytest.raises(SettingsError) as told:
        load_settings()
    assert str(told.value) == (
        "the environment has a mistake: SETTLEPIPE_BROKER_KEY_PREFIX is no prefix of keys; write letters, digits and"
        " . _ : - alone, at most 64 in all, a letter or a digit first and one of those four last, as in shop-a:"
    )
