"""The container's build steps, done; and what they leave, run without a right on a root that nobody can write to."""

import contextlib
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.home import free_ports
from tests.support import by_itself, image
from tests.support.patience import PATIENCE
from tests.support.programs import path_of
from tests.support.stack import wait_until

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


def _user() -> str:
    """Nobody, who is nobody here either; where nobody may not run this Python (it is in somebody's home), root without
    any of root's rights."""
    places = (base := Path(sys.base_prefix).resolve(), *base.parents)
    return NOBODY if os.geteuid() == 0 and all(place.stat().st_mode & 0o001 for place in places) else "0"


def _isolated(built: Path, home: Path, *words: str, **settings: str) -> "subprocess.Popen[str]":
    root, user = os.geteuid() == 0, _user()
    drop = f"setpriv --reuid {user} --regid {user} --clear-groups --bounding-set=-all --no-new-privs" if root else ""
    script = "set -e\n" + ISOLATED.format(user=user, drop=drop)
    given = image.environment(LAST) | {"PATH": f"{built / 'bin'}:{os.environ['PATH']}", "SETTLEPIPE_HOME": str(home)}
    command = [path_of("unshare"), "--mount", *([] if root else ["-r"]), "sh", "-c", script, "sh", *words]
    environment = given | {f"SETTLEPIPE_{name}": value for name, value in settings.items()}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )


def _done(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, error = process.communicate(timeout=60 * PATIENCE)
    return process.returncode, out, error


def _ready(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def test_what_is_built_has_the_product_and_no_tool_to_change_it(built: Path) -> None:
    programs = {path.name for path in (built / "bin").iterdir()}
    assert "settlepipe" in programs
    assert {"pip", "pytest", "ruff"} & programs == set()


def test_it_runs_without_any_right_on_a_root_that_is_read_only(
    built: Path, home: Path, database_url: str, broker_url: str
) -> None:
    place = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, **by_itself.NEEDED}
    words = f"id -u; touch {built}/x || touch /x || touch $SETTLEPIPE_HOME/x"
    status, _, said = _done(_isolated(built, home, "sh", "-c", words))
    assert (status, said.count("Read-only file system")) == (0, 2), "its folder alone can be written"

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public, archive CASCADE")
        connection.execute("CREATE SCHEMA public")
    entry = [word.strip('"') for one in LAST if one.name == "ENTRYPOINT" for word in one.rest.strip("[]").split(", ")]
    upgraded = _done(_isolated(built, home, *entry, "db", "upgrade", **place))
    assert upgraded == (0, "the database is up to date\n", "")

    (port,) = free_ports(1)
    relay = _isolated(built, home, *entry, "run", "relay", HEALTH_PORT=str(port), **place)
    try:
        wait_until(lambda: _ready(port) or relay.poll() is not None, "the relay is ready", 60)
        relay.terminate()
        status, _, said = _done(relay)
        assert status == 0, said
        assert "Permission denied" not in said
    finally:
        relay.kill()
