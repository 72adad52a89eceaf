"""What a command that reads imports: it begins with each, and libraries that it has no use for are most of its time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# rich is in `table`: it draws what people read.
DEAR = {
    *("alembic", "sqlalchemy", "redis", "celery", "kombu", "requests", "urllib3", "tenacity", "http.client"),
    *("structlog", "prometheus_client", "opentelemetry", "cryptography", "fastapi", "jinja2", "babel", "aiohttp"),
}
_RUN = """
import sys
from deploy.cli.main import main
status = main(sys.argv[2:])
sys.exit(status or ", ".join(sorted(set(sys.argv[1].split()) & set(sys.modules))) or 0)
"""


@pytest.mark.parametrize(
    "command",
    [
        *("lanes", "payments", "inbox", "accounts", "discrepancies", "quarantine", "proposals", "alerts"),
        *("lanes --json", "payments --json", "inbox --json", "audit", "keys list"),
    ],
)
def test_a_command_that_reads_imports_nothing_that_it_does_not_use(
    command: str, database_url: str, tmp_path: Path
) -> None:
    dear = DEAR | ({"rich"} if "--json" in command else set())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SETTLEPIPE_")}
    environment |= {"SETTLEPIPE_DATABASE_URL": database_url, "SETTLEPIPE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _RUN, " ".join(sorted(dear)), *command.split()],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
