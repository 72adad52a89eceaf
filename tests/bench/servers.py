"""PostgreSQL and Valkey of a measurement's own, and what single processes of the product need to use such."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.embedded import Servers, embedded_servers
from shared.database import migrate
from shared.settings import PREFIX, Settings
from tests.support.by_itself import KEY, LANE


@contextmanager
def own_servers(postgres_options: Sequence[str] = ()) -> Iterator[tuple[Servers, Path]]:
    """Both, durable as by default, and a folder for what uses them, until the block ends.

    postgres_options: further `name=value` settings.
    """
    with tempfile.TemporaryDirectory(prefix="settlepipe-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # PostgreSQL runs as another user when we are root
        settings = Settings.model_construct(home=home / "servers", database_url=None, broker_url=None)
        with embedded_servers(settings.home, settings, postgres_options) as servers:
            yield servers, home


@contextmanager
def installed(database_url: str, broker_url: str, home: Path) -> Iterator[None]:
    """An empty database gets its tables, and processes of the product that are started in this block use these servers,
    with one lane whose provider nobody asks."""
    given = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, "HOME": str(home), "LOG_LEVEL": "WARNING", **LANE}
    given |= {"SECRET_KEYS": json.dumps([KEY]), "REFERENCE_KEY": KEY}
    os.environ.update({PREFIX + name: value for name, value in given.items()})
    try:
        migrate.upgrade(database_url)
        yield
    finally:
        for name in given:
            del os.environ[PREFIX + name]
