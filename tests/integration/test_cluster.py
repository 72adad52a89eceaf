"""A node of a Redis Cluster looks like any other server until a key is another node's: it is refused before."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from deploy.local import brokers, valkey
from deploy.local.home import free_ports
from shared.settings import Settings, SettingsError
from shared.start import start
from tests.support.by_itself import LANE, NEEDED, command, environment
from tests.support.patience import PATIENCE
from tests.support.stack import ROOT, wait_until

SECRET = "made-up-secret"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[str]:
    """The URL of a server in cluster mode."""
    (port,) = free_ports(1)
    options = ["--cluster-enabled", "yes", "--requirepass", SECRET, "--save", "", "--bind", "127.0.0.1"]
    ports = ["--port", str(port), "--cluster-port", str(free_ports(1)[0])]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([valkey.binary(), *ports, *options], cwd=tmp_path, stdout=log)
    try:
        wait_until(lambda: b"Ready to accept" in (tmp_path / "log").read_bytes(), "the node is up")
        with redis.Redis(port=port, password=SECRET) as client:
            assert client.ping()
        yield f"redis://default:{SECRET}@127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("process", ["intake", "relay", "beat", "flower", "worker --lane mtn"])
def test_every_process_refuses_it(node: str, database_url: str, process: str, tmp_path: Path) -> None:
    settings = {**NEEDED, **LANE, "DATABASE_URL": database_url, "BROKER_URL": node}
    done = subprocess.run(
        command("run", *process.split()),
        env=environment(tmp_path / "home", **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert "Redis Cluster is not supported" in done.stderr
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stderr


def test_doctor_refuses_it(node: str) -> None:
    (check,) = brokers.examine(Settings(broker_url=SecretStr(node)))
    assert not check.ok
    assert "Redis Cluster is not supported" in check.sentence
    assert SECRET not in check.sentence


def test_what_up_starts_refuses_it(node: str, database_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=SecretStr(database_url), broker_url=SecretStr(node))
    with pytest.raises(SettingsError, match="Redis Cluster"):
        start(settings)
