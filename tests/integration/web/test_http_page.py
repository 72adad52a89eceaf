"""The page about HTTP: each of its blocks does what it says, on a real process, in their order."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from deploy.docs import ROOT
from tests.support.by_itself import environment, forked
from tests.support.door import door
from tests.support.patience import PATIENCE

BLOCKS: list[str] = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "http.md").read_text("utf-8"), re.M | re.S)


def test_each_block_of_the_page_works(database_url: str, broker_url: str, tmp_path: Path) -> None:
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    place = {"DATABASE_URL": database_url, "BROKER_URL": broker_url}
    with door(database_url, broker_url, tmp_path) as opened, forked("relay", tmp_path, **place) as relay:
        relay.wait_up()
        own = environment(tmp_path / "home", DATABASE_URL=database_url, BROKER_URL=broker_url)
        done = subprocess.run(
            ["sh", "-eu"],
            input="\necho\n".join(BLOCKS),
            cwd=tmp_path,
            env=own | {"PATH": programs, "WEB_URL": f"http://127.0.0.1:{opened.port}"},
            capture_output=True,
            text=True,
            timeout=120 * PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(BLOCKS) == 6
    assert '"id": "ord-1001"' in done.stdout
    assert '"status": 422' in done.stdout, "one of the batch is wrong"
    assert '"state": "cancelled"' in done.stdout
    assert "event: settlepipe.payment.cancelled\n" in done.stdout
    key = json.loads((tmp_path / "key.json").read_text())["key"]
    assert key not in done.stdout
