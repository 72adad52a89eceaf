"""The control room of a product that `up` runs, by the password that it makes while nobody is set up."""

import json
import stat
from urllib.parse import urlsplit

from tests.support import audit, intents
from tests.support.room import Browser
from tests.support.stack import Stack


def test_up_says_where_its_control_room_is_and_its_owner_comes_in(up: Stack, source: str) -> None:
    path = up.home / "control-room.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(path.read_text())
    assert told["url"] == f"{up.told['web_url']}/"
    said = up.stderr.read_text()
    assert f"the control room is {told['url']}" in said
    assert str(path) in said
    assert told["password"] not in said
    paid = [intents.settle(source, 1)]
    up.submit(paid)
    assert audit.states(audit.wait_ended(up, source, paid)) == {"succeeded": 1}
    browser = Browser(urlsplit(told["url"]).port or 0)
    assert browser.log_in("Ann", told["password"] + "x").status == 403
    assert browser.log_in("Ann", told["password"]).status == 303
    page = browser.get("/")
    assert "one person decides alone" in page
    assert page.count(">runs<") == 3
    page = browser.get(f"/payments/{source}/{paid[0]['intent_id']}")
    assert "payment.succeeded" in page
