"""Settings that could only fail when they are used are judged at start."""

from pathlib import Path

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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("INTAKE__SOURCES", '{"a": ["b"'),
        ("CHECK__LADDER_S", "0,160"),
        ("SECRET_KEYS", "hush"),
        ("ALERTS__MONEY", "5 GEL"),
    ],
)
def test_what_is_not_json_is_named_by_its_variable_and_never_told(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    with pytest.raises(SettingsError, match=f"^the environment has a mistake: SETTLEPIPE_{name} is not JSON; ") as told:
        load(monkeypatch, **{name: text})
    assert text not in str(told.value)


def test_what_is_not_json_in_a_file_is_named_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("hush\n")
    with pytest.raises(SettingsError, match="SETTLEPIPE_SECRET_KEYS is not JSON"):
        load(monkeypatch, SECRET_KEYS_FILE=str(keys))
