"""What a process takes up of settings that changed, and what it names."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from shared import reload
from shared.settings import PREFIX, Settings, load_settings
from shared.settings.sections import BillcenterSettings, MtnSettings, UbillSettings, reloadable


class Runtime:
    """A process whose providers are what they were connected with."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.connected = settings, {"ubill": settings, "mtn": settings}
        self.database = SimpleNamespace(connection=_Away)

    def connect_anew(self, name: str, settings: Settings) -> None:
        self.connected[name] = settings

    def key(self, provider: str) -> str:
        section: Any = self.connected[provider].provider(provider)
        return str(section.api_key.get_secret_value())


class _Away:
    def __enter__(self) -> None:
        raise psycopg.OperationalError

    def __exit__(self, *_: object) -> None:
        raise AssertionError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"UBILL__API_KEY": "made-up-old", "MTN__API_KEY": "made-up-old", "LOG_LEVEL": "INFO"}.items():
        (tmp_path / f"{PREFIX}{name}").write_text(value)
    monkeypatch.setenv(f"{PREFIX}SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_only_the_provider_whose_key_changed_is_connected_anew(file: Path) -> None:
    runtime = Runtime(load_settings())
    reloads = reload.Reload(runtime)  # type: ignore[arg-type]
    untouched = runtime.connected["mtn"]
    (file / f"{PREFIX}UBILL__API_KEY").write_text("made-up-new")
    reloads.now()
    assert (runtime.key("ubill"), runtime.connected["mtn"] is untouched) == ("made-up-new", True)
    again = runtime.connected["ubill"]
    reloads.now()
    assert runtime.connected["ubill"] is again, "it has it already"


def test_what_needs_a_restart_is_named_without_its_value_and_not_taken(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = Runtime(load_settings())
    (file / f"{PREFIX}UBILL__API_KEY").write_text("made-up-new")
    (file / f"{PREFIX}UBILL__CALLBACK_KEY").write_text("made-up-callback-key")
    (file / f"{PREFIX}UBILL__CONCURRENCY").write_text("3")
    reload.Reload(runtime).now()  # type: ignore[arg-type]
    said = "".join(capsys.readouterr())
    for name in ("UBILL__CALLBACK_KEY", "UBILL__CONCURRENCY"):
        assert f"{PREFIX}{name}" in said
    assert ("made-up-callback-key" in said, f"{PREFIX}UBILL__API_KEY" in said) == (False, False)
    assert (runtime.key("ubill"), runtime.connected["ubill"].ubill.concurrency) == ("made-up-new", 32)


def test_settings_with_a_mistake_change_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runtime = Runtime(load_settings())
    (file / f"{PREFIX}UBILL__API_KEY").write_text("made-up-new")
    (file / f"{PREFIX}MTN__API_KEY").write_text("")
    reload.Reload(runtime).now()  # type: ignore[arg-type]
    assert (runtime.key("ubill"), runtime.key("mtn")) == ("made-up-old", "made-up-old")
    assert "the file is empty" in "".join(capsys.readouterr())


def test_what_lets_us_in_is_what_can_be_reloaded() -> None:
    assert reloadable(BillcenterSettings) == ["username", "password"]
    assert reloadable(UbillSettings) == ["api_key"]
    assert reloadable(MtnSettings) == ["api_key", "client_id", "client_secret"]
