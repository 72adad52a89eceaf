"""The pictures of the control room in docs, taken in a real Chromium. `make pictures` takes them anew."""

import json
import os
import re
from pathlib import Path

from shared.database.engine import Connection
from tests.support import audit, chromium, intents
from tests.support.door import Door
from tests.support.furnished import PARKED
from tests.support.stack import ROOT, Stack
from tests.system.test_rooms_pages import click, connection, fill, log_in, opened, page, url  # noqa: F401 - fixtures

WIDTH, HIGHEST = 1100, 1600
# A test's folder is nobody's: in its place stands where an installation has it.
_AT_HOME = """for (const cell of document.querySelectorAll("td"))
    if (cell.textContent.startsWith(%s)) cell.textContent = "/var/lib/settlepipe"; 0"""
# Flower fills its table by a request of its own.
_ROWS = """new Promise(done => { const look = () => document.querySelector("tbody tr a")
    ? done(0) : setTimeout(look, 50); look(); })"""
PLACES = {
    "now": "/",
    "search": "/search?provider=billcenter",
    "payment": PARKED,
    "inbox": "/inbox",
    "many": "/inbox/many",
    "proposals": "/proposals",
    "proposal": "/proposals/1",
    "lanes": "/lanes",
    "accounts": "/accounts",
    "quarantine": "/quarantine",
    "quarantined": "/quarantine/1",
    "discrepancies": "/discrepancies",
    "discrepancy": "/discrepancies/1",
    "days": "/days",
    "day": "/days/mtn/2026-11-21",
    "reports": "/statements",
    "people": "/people",
    "me": "/me",
    "keys": "/keys",
    "webhooks": "/webhooks",
    "alerts": "/alerts",
    "jobs": "/jobs",
    "audit": "/audit",
    "settings": "/settings",
}


def _folder(otherwise: Path) -> Path:
    folder = ROOT / os.environ["PICTURES"] if "PICTURES" in os.environ else otherwise
    folder.mkdir(exist_ok=True)
    return folder


def test_each_page_has_its_picture(page: chromium.Page, opened: Door, tmp_path: Path, connection: Connection) -> None:  # noqa: F811
    folder = _folder(tmp_path)
    log_in(page, opened, "Bob")
    page.go(url(opened, PARKED))
    click(page, "#a-succeeded")
    fill(page, {"reason": "asked at the biller"})
    page.loads(lambda: click(page, 'form[action$="/resolve"] button'))
    for name, path in PLACES.items():
        page.look(width=WIDTH)
        page.go(url(opened, path))
        page.tell(_AT_HOME % json.dumps(str(tmp_path)))
        page.look(width=WIDTH, height=min(page.tell("document.documentElement.scrollHeight"), HIGHEST))
        page.picture(folder / f"{name}.webp")
        assert (folder / f"{name}.webp").stat().st_size > 2000, name
    assert page.complaints == []


def test_flower_has_its_picture(page: chromium.Page, up: Stack, source: str, tmp_path: Path) -> None:  # noqa: F811
    paid = [intents.settle(source, number) for number in range(1, 4)]
    up.submit(paid)
    audit.wait_ended(up, source, paid)
    page.call("Network.clearBrowserCookies")
    page.look(width=WIDTH, height=700)
    page.go(up.told["flower_url"])
    page.tell(_ROWS)
    page.picture(_folder(tmp_path) / "flower.webp")


def test_docs_show_a_picture_of_each_page_and_no_other() -> None:
    shown = re.findall(r"\]\(pictures/(\w+)\.webp\)", (ROOT / "docs/control-room.md").read_text())
    assert shown == list(PLACES)
    assert {path.stem for path in (ROOT / "docs/pictures").glob("*")} == {*PLACES, "flower"}
    assert "](pictures/flower.webp)" in (ROOT / "docs/flower.md").read_text()
