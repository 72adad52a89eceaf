"""Real servers for tests: one PostgreSQL and one Valkey for the whole run, a fresh database for each test.

SETTLEPIPE_… variables of the caller's shell never reach a test. TEST_DATABASE_URL and TEST_BROKER_URL, when set,
name servers to use in place of the embedded ones (the role must be allowed to create databases, and the broker's
database is flushed).
"""

import itertools
import os
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import psycopg
import pytest
import redis
from psycopg import sql
from pydantic import SecretStr

from deploy.local.embedded import Servers, embedded_servers
from shared.settings import PREFIX, Settings
from tests.support import size
from tests.support.by_file import ByFile
from tests.support.sandbox import SandboxClient

# These tests don't pull the plug: what they lose by this is only waiting.
FAST_POSTGRES = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum_naptime=5")
_numbers = itertools.count(1)

# How fast examples are made and tried says something of the machine.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")

# Tests start hundreds of processes: compiling all of it in each of them would take more than half of their time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest begins first, in whatever order the rest is (see ByFile); the longest is left out."""
    items.sort(key=_place)
    left_out = [] if size.LARGE else [item for item in items if item.get_closest_marker("only_large")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _place(item: pytest.Item) -> int:
    """Whole products first, then the files that start processes, so that none of them is left alone at the end."""
    file = item.nodeid.partition("::")[0]
    if "tests/acceptance/" in file:
        return 0
    return 1 if "tests/integration/" in file and "/rules/" not in file else 2


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each worker gets whole files."""
    return ByFile(config, log)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL and Valkey, started once for the whole run."""
    home = tmp_path_factory.mktemp("servers")
    settings = Settings.model_construct(
        home=home,
        database_url=_secret("TEST_DATABASE_URL"),
        broker_url=_secret("TEST_BROKER_URL"),
    )
    with embedded_servers(home, settings, FAST_POSTGRES) as running:
        yield running


@pytest.fixture(scope="session")
def template(servers: Servers) -> Iterator[str]:
    """The name of a database with every migration run, from which the tests' databases are copied."""
    from shared.database import migrate  # noqa: PLC0415 - unit tests don't wait for Alembic

    name = f"settlepipe_template_{os.getpid()}"
    _administer(servers, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    migrate.upgrade(url_of(servers, name))
    yield name
    _administer(servers, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(servers: Servers, template: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    yield from migrated_copy(servers, template)


def migrated_copy(servers: Servers, template: str) -> Iterator[str]:
    """The URL of a new copy of the template, which is dropped at the end."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    # file_copy: with fsync off it is faster than writing the copy to the log
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    _administer(servers, copy.format(sql.Identifier(name), sql.Identifier(template)))
    yield url_of(servers, name)
    _administer(servers, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxClient]:
    """The providers' sandbox, started once for the whole run."""
    from deploy.sandbox.running import running_sandbox  # noqa: PLC0415 - unit tests don't wait for aiohttp

    with running_sandbox() as url:
        yield SandboxClient(url)


@pytest.fixture
def sandbox(sandbox_process: SandboxClient) -> SandboxClient:
    """The sandbox as if it had just been started."""
    sandbox_process.reset()
    return sandbox_process


@pytest.fixture
def broker_url(servers: Servers) -> str:
    """The broker, empty."""
    with redis.Redis.from_url(servers.broker_url) as client:
        client.flushdb()
    return servers.broker_url


def _secret(name: str) -> SecretStr | None:
    return SecretStr(os.environ[name]) if name in os.environ else None


def _administer(servers: Servers, statement: sql.Composed) -> None:
    with psycopg.connect(url_of(servers, "postgres"), autocommit=True) as connection:
        connection.execute(statement)


def url_of(servers: Servers, database: str) -> str:
    """The URL of this database on the tests' server."""
    return urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{database}"))
