"""deploy/compose: as Compose's own schema has it, with settings and commands that there are."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli.run import Process, named
from deploy.local import processes
from shared.settings import Settings, SettingsError
from tests.support import compose, deployed

GIVEN = {"POSTGRES_PASSWORD": "made-up", "VALKEY_PASSWORD": "made-up"}
EXTERNAL = compose.services(compose.EXTERNAL, given=GIVEN)
BUNDLED = compose.services(compose.EXTERNAL, compose.BUNDLED, given=GIVEN)
EXAMPLE = compose.variables(compose.EXAMPLE.read_text("utf-8"))
OURS = {name: service for name, service in EXTERNAL.items() if name != "sandbox"}
RUN = {name: service for name, service in OURS.items() if service["command"][0] == "run"}


def _schema(file: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("file", [compose.EXTERNAL, compose.BUNDLED], ids=lambda file: file.name)
def test_composes_schema_has_nothing_to_say(file: Path, tmp_path: Path) -> None:
    done = _schema(file)
    assert done.returncode == 0, done.stdout
    broken = yaml.safe_load(file.read_text("utf-8"))
    broken["services"]["migrate"]["no_such_word"] = ["db"]
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(broken))
    assert _schema(tmp_path / "broken.yaml").returncode == 1


def test_every_setting_of_the_example_is_one() -> None:
    text = EXAMPLE | {"SETTLEPIPE_REFERENCE_KEY": "made-up-" * 4}
    assert deployed.readable(text).mtn.country_code == "GHA"
    with pytest.raises(SettingsError, match="SETTLEPIPE_NO_SUCH is not a setting"):
        deployed.readable({"SETTLEPIPE_NO_SUCH": "1"})


@pytest.mark.parametrize("name", EXTERNAL)
def test_every_setting_and_command_of_a_service_is_one(name: str) -> None:
    service = EXTERNAL[name]
    deployed.readable(service["environment"])
    deployed.parsed(service["command"])
    if "healthcheck" in service:
        assert service["healthcheck"]["test"][:2] == ["CMD", "settlepipe"]
        assert deployed.parsed(service["healthcheck"]["test"][2:]) == "health"


@pytest.mark.parametrize("words", [["run", "nobody"], ["db", "downgrade"], ["health"], ["sandbox", "--no-such"]])
def test_a_command_that_there_is_not_would_be_seen(words: list[str]) -> None:
    with pytest.raises(ValueError, match=words[0]):
        deployed.parsed(words)


def test_every_process_has_a_service_that_asks_how_it_is() -> None:
    assert {named(service["command"][1]).process for service in RUN.values()} == set(Process)
    for service in RUN.values():
        process = named(service["command"][1]).process
        assert service["healthcheck"]["test"][2:] == ["health", process.value]


@pytest.mark.parametrize("name", OURS)
def test_a_service_may_do_little_and_has_time_to_stop(name: str) -> None:
    service = OURS[name]
    assert service["user"] == "10001:10001"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    takes_s = Settings().http.total_timeout_s + processes.WORKER_MARGIN_S
    assert takes_s <= float(service["stop_grace_period"].removesuffix("s")) <= takes_s + 10


@pytest.mark.parametrize("name", RUN)
def test_nothing_runs_before_the_schema_is_there(name: str) -> None:
    assert RUN[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    order = list(compose.in_order(BUNDLED))
    assert order.index("postgres") < order.index("migrate") < order.index(name)


def test_what_a_machine_shows_the_world_it_shows_itself_alone() -> None:
    ports: list[Any] = [port for service in BUNDLED.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_password_stands_in_the_files() -> None:
    with pytest.raises(KeyError, match="PASSWORD"):
        compose.services(compose.BUNDLED, given={})
