"""The container's build steps, done; and what they leave, run as nobody on a root that nobody can write to."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support import by_itself, image
from tests.support.programs import path_of

LAST = image.stages(image.CONTAINERFILE.read_text("utf-8"))[-1]
NOBODY = "10001"
# What a container is given: a root that is read-only, one folder, no privilege.
ISOLATED = """
mount -t tmpfs -o mode=0700,uid={user},gid={user} tmpfs "$SETTLEPIPE_HOME"
mount -o remount,bind,ro /
cd "$SETTLEPIPE_HOME"
exec {drop} "$@"
"""


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="settlepipe-image-") as folder:
        Path(folder).chmod(0o755)
        yield image.build(Path(folder))


@pytest.fixture
def home(built: Path) -> Path:
    found = built.parents[1] / "home"
    found.mkdir(exist_ok=True)
    return found


def _isolated(built: Path, home: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    root = os.geteuid() == 0
    drop = (
        f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --bounding-set=-all --no-new-privs" if root else ""
    )
    script = "set -e\n" + ISOLATED.format(user=NOBODY if root else "0", drop=drop)
    given = image.environment(LAST) | {"PATH": f"{built / 'bin'}:{os.environ['PATH']}", "SETTLEPIPE_HOME": str(home)}
    command = [path_of("unshare"), "--mount", *([] if root else ["-r"]), "sh", "-c", script, "sh", *words]
    return subprocess.run(
        command,
        env=given | {f"SETTLEPIPE_{name}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_is_built_has_the_product_and_no_tool_to_change_it(built: Path) -> None:
    programs = {path.name for path in (built / "bin").iterdir()}
    assert "settlepipe" in programs
    assert {"pip", "pytest", "ruff"} & programs == set()


def test_it_runs_as_nobody_on_a_root_that_is_read_only(
    built: Path, home: Path, database_url: str, broker_url: str
) -> None:
    place = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, **by_itself.NEEDED}
    touched = _isolated(built, home, "sh", "-c", f"id -u; touch {built}/x || touch /x || touch $SETTLEPIPE_HOME/x")
    assert "Read-only file system" in touched.stderr
    assert touched.returncode == 0, "its folder can be written"

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public, archive CASCADE")
        connection.execute("CREATE SCHEMA public")
    entry = [word.strip('"') for one in LAST if one.name == "ENTRYPOINT" for word in one.rest.strip("[]").split(", ")]
    upgraded = _isolated(built, home, *entry, "db", "upgrade", **place)
    assert (upgraded.returncode, upgraded.stdout) == (0, "the database is up to date\n"), upgraded.stderr

    started = _isolated(built, home, "timeout", "--preserve-status", "6", *entry, "run", "relay", **place)
    assert started.returncode == 0, started.stderr
    assert "Read-only" not in started.stderr
    assert "Permission denied" not in started.stderr
