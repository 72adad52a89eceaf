"""`settlepipe run` refuses in one sentence what can't run, and runs what `settlepipe up` runs."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from deploy.cli.main import main
from deploy.cli.run import Process
from deploy.local import commands, processes
from deploy.local.embedded import Servers
from deploy.local.kept import Kept
from deploy.local.processes import Stack
from shared.settings import Settings, SettingsError
from worker.flower_process import arguments, credentials

EVERY = [process.value for process in Process]
NOWHERE = "postgresql://127.0.0.1:1/x"
KEY = Fernet.generate_key().decode()
WHOLE = {
    "DATABASE_URL": NOWHERE,
    "BROKER_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEYS": f'["{KEY}"]',
    "REFERENCE_KEY": KEY,
    "UBILL__CALLBACK_KEY": "made-up-callback-key",
    "METRICS_PORT": "0",
    "MTN__BASE_URL": "http://127.0.0.1:1/v1",
}


@pytest.fixture(autouse=True)
def _given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FLOWER_BASIC_AUTH", raising=False)
    for name, value in {**WHOLE, "HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(f"SETTLEPIPE_{name}", value)


class BecameIt(BaseException):
    """The process would be another one now."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The command lines that this process would have become."""
    found: list[tuple[str, ...]] = []

    def execve(path: str, command: tuple[str, ...], environment: Mapping[str, str]) -> NoReturn:
        assert (path, environment["SETTLEPIPE_DATABASE_URL"]) == (command[0], NOWHERE)
        found.append(command)
        raise BecameIt

    monkeypatch.setattr(os, "execve", execve)
    return found


@pytest.mark.parametrize("name", EVERY)
def test_the_servers_are_needed_by_each(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("DATABASE_URL", "BROKER_URL"):
        monkeypatch.delenv(f"SETTLEPIPE_{variable}")
    assert main(["run", name]) == 2
    said = capsys.readouterr().err
    assert f"{name} can't run without SETTLEPIPE_DATABASE_URL, SETTLEPIPE_BROKER_URL;" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "changed", "says"),
    [
        ("worker", {}, "a worker works on one lane; say --lane with one of"),
        ("worker --lane nobody", {}, "there is no lane nobody"),
        ("worker-nobody-1", {}, "there is no lane nobody"),
        ("worker-mtn-1 --lane mtn", {}, "the name says the lane"),
        ("worker-mtn-0", {}, "there is no process worker-mtn-0; say one of intake, "),
        ("worker --lane bmms", {}, "there is no lane bmms"),
        ("worker --lane ubill", {}, "the lane ubill is off; set SETTLEPIPE_UBILL__BASE_URL"),
        ("intake --lane mtn", {}, "only a worker has a lane"),
        ("nobody", {}, "nobody"),
        ("intake", {"REFERENCE_KEY": ""}, "can't run without SETTLEPIPE_REFERENCE_KEY;"),
        ("intake", {"SECRET_KEYS": ""}, "can't run without SETTLEPIPE_SECRET_KEYS;"),
        ("dispatcher", {"SECRET_KEYS": ""}, "can't run without SETTLEPIPE_SECRET_KEYS;"),
        ("jobs", {"SECRET_KEYS": ""}, "can't run without SETTLEPIPE_SECRET_KEYS;"),
        ("worker --lane mtn", {"SECRET_KEYS": ""}, "can't run without SETTLEPIPE_SECRET_KEYS;"),
        ("sms-callback", {"UBILL__CALLBACK_KEY": ""}, "can't run without SETTLEPIPE_UBILL__CALLBACK_KEY;"),
        ("metrics", {"METRICS_PORT": ""}, "can't run without SETTLEPIPE_METRICS_PORT;"),
        ("relay", {"BROKER_URL": "http://127.0.0.1"}, "SETTLEPIPE_BROKER_URL is not a broker's URL"),
        ("relay", {"DATABASE_URL": "http://127.0.0.1"}, "SETTLEPIPE_DATABASE_URL is not a PostgreSQL URL"),
        ("flower", {"FLOWER_ADDRESS": "192.0.2.1"}, "Flower would be open to everybody"),
        ("relay", {"HOME": "/proc/nowhere"}, "/proc/nowhere can't be used"),
    ],
)
def test_wrong_use_is_one_sentence(
    words: str,
    changed: Mapping[str, str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(f"SETTLEPIPE_{name}", value)
    assert main(["run", *words.split()]) == 2
    said = capsys.readouterr().err
    assert (says in said, said.count("\n")) == (True, 1)


def test_up_and_run_run_the_same_commands(tmp_path: Path, became: list[tuple[str, ...]]) -> None:
    """A PostgreSQL that isn't there is the process's own to wait for."""
    for name in EVERY:
        with pytest.raises(BecameIt):
            main(["run", name, *(("--lane", "mtn") if name == "worker" else ())])
    assert {child.command for child in processes.product(_stack(tmp_path / "home"))} == set(became)
    assert len(became) == len(EVERY) == len(commands.singles()) + 1


@pytest.mark.parametrize(("word", "number"), [("worker-mtn-3", 3), ("worker-mtn", 1)])
def test_one_word_names_a_lanes_worker(word: str, number: int, tmp_path: Path, became: list[tuple[str, ...]]) -> None:
    with pytest.raises(BecameIt):
        main(["run", word])
    assert became == [commands.lane_worker("mtn", number, _stack(tmp_path).settings)]


def _stack(home: Path) -> Stack:
    kept = Kept(1, "", 2, "", 3, "made-up", 4, KEY, KEY)
    servers = Servers(NOWHERE, WHOLE["BROKER_URL"])
    return Stack(home, Settings(), kept, servers, ("mtn",), ("mtn",), False, 1, None)


def test_up_takes_the_port_of_probes_from_its_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SETTLEPIPE_HEALTH_PORT", "9000")
    assert "SETTLEPIPE_HEALTH_PORT" not in processes.environment(_stack(tmp_path))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_flower_needs_no_password_on_this_machine_alone(address: str) -> None:
    assert credentials(Settings(flower_address=address), {}) == ""


@pytest.mark.parametrize("address", ["192.0.2.1", "::", "example.org"])
def test_flower_is_never_open_to_a_network(address: str) -> None:
    with pytest.raises(SettingsError, match="open to everybody"):
        credentials(Settings(flower_address=address), {"FLOWER_BASIC_AUTH": ""})
    assert credentials(Settings(flower_address=address), {"FLOWER_BASIC_AUTH": "ann:made-up"}) == "ann:made-up"
    settings = Settings(flower_address=address, flower_password=SecretStr("made-up-made-up-"))
    assert credentials(settings, {}) == "settlepipe:made-up-made-up-"


def test_flowers_password_is_on_no_command_line() -> None:
    assert "made-up" not in " ".join(arguments(Settings(flower_password=SecretStr("made-up-made-up-made-up"))))
