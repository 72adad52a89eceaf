"""Commands on a real database and a real broker, as their users run them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from deploy.cli.main import main
from shared.database.engine import Connection, Database

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with the settings that stand in the environment: (exit status, stdout, stderr)."""

    def run(*given: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(given)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return run


@pytest.fixture
def run(database_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Run) -> Run:
    """Run a command against this test's servers: (exit status, stdout, stderr)."""
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
    monkeypatch.setenv("SETTLEPIPE_BROKER_URL", broker_url)
    monkeypatch.setenv("SETTLEPIPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SETTLEPIPE_SECRET_KEYS", json.dumps([Fernet.generate_key().decode()]))
    monkeypatch.setenv("SETTLEPIPE_REFERENCE_KEY", "a-made-up-key-of-references-for-tests")
    return command


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    pool = Database(database_url, pool_size=1)
    with pool.connection() as one:
        yield one
    pool.dispose()
