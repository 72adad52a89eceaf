"""PostgreSQL and Valkey of a measurement's own."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.embedded import Servers, embedded_servers
from shared.settings import Settings


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
