"""Settings that could only fail when they are used are judged at start."""

import pytest

from shared.settings import SettingsError, load_settings


def load(monkeypatch: pytest.MonkeyPatch, **given: str) -> object:
    for name, value in given.items():
        monkeypatch.setenv(f"SETTLEPIPE_{name}", value)
    return load_settings()


@pytest.mark.parametrize("text", ["$amount", "${currency} $intent_id $source $$", "no name at all"])
def test_a_template_of_a_message_is_taken(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert load(monkeypatch, UBILL__SMS_TEXT=text)


@pytest.mark.parametrize(
    ("text", "wrong"), [("$sum", "\\$sum is none of"), ("5 $", "begins no name"), ("  ", "must say something")]
)
def test_a_template_that_names_what_there_is_not_is_named(
    monkeypatch: pytest.MonkeyPatch, text: str, wrong: str
) -> None:
    with pytest.raises(SettingsError, match=f"UBILL__SMS_TEXT: .*{wrong}"):
        load(monkeypatch, UBILL__SMS_TEXT=text)


def test_a_certificate_without_its_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="set both or neither"):
        load(monkeypatch, UBILL__CALLBACK_CERT_FILE="/made/up.pem")
