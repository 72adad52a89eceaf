"""What upstreams come by, in the control room: keys of the HTTP door, and webhooks."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.database.engine import Connection
from shared.domain.roles import Role
from tests.integration.web.test_rooms_people import audited, shown
from tests.support.door import Client, Door, door, intent
from tests.support.receiver import receiving
from tests.support.room import inside, set_up

PEOPLE = {"Bob": Role.APPROVER, "Ann": Role.OPERATOR, "Eve": Role.VIEWER}
HOOKS = {"WEBHOOKS__ALLOW_HTTP": "true", "WEBHOOKS__ALLOW_NETWORKS": '["127.0.0.0/8"]'}


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Door]:
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, tmp_path, **HOOKS) as found:
        yield found


def test_a_key_is_made_used_and_revoked(opened: Door, connection: Connection) -> None:
    bob = inside(opened.port, "Bob")
    fields = bob.form("/keys", "/keys/create") | {"source": "shop"}
    key = shown(bob.ask("POST", "/keys/create", fields))
    assert bob.ask("POST", "/keys/create", fields).status == 409, "a form is done once"
    assert "never" in bob.get("/keys")
    assert Client(opened.port, key).submit(intent("ord-1")).status == 202
    page = bob.get("/keys")
    assert key not in page
    assert re.search(r'<td class="whole">[^<]*20\d\d[^<]*</td><td>', page), "when it was used"
    assert bob.send("/keys", "/keys/1/revoke").headers["location"] == "/keys?said=key_revoked"
    assert "revoked" in bob.get("/keys")
    assert bob.send("/keys", "/keys/create", source="a b").status == 422
    form = bob.form("/keys", "/keys/create")
    assert bob.ask("POST", "/keys/1/revoke", form).status == 409
    assert audited(connection)[-2:] == [("key.created", "shop", "Bob"), ("key.revoked", "shop", "Bob")]


def test_a_webhook_is_added_tried_stopped_and_goes_on(opened: Door, connection: Connection) -> None:
    bob, ann = inside(opened.port, "Bob"), inside(opened.port, "Ann")
    opened.client("shop").submit(intent("ord-1"))
    with receiving(lambda _: (500, {})) as receiver:
        url = f"{receiver.url}/in?key=a-made-up-part"
        secret = shown(bob.send("/webhooks", "/webhooks/add", source="shop", url=url))
        assert secret.startswith("whsec_")
        assert (secret in bob.get("/webhooks/1"), url in bob.get("/webhooks/1")) == (False, True)
        assert "a-made-up-part" not in ann.get("/webhooks") + ann.get("/webhooks/1")
        assert "was not taken" in ann.send("/webhooks/1", "/webhooks/1/test").body.decode()
        receiver.answer = lambda _: (200, {})
        receiver.secrets.append(secret)
        assert "was taken" in ann.send("/webhooks/1", "/webhooks/1/test").body.decode()
    assert ann.send("/webhooks/1", "/webhooks/1/disable", reason=" ").status == 422
    assert ann.send("/webhooks/1", "/webhooks/1/disable", reason="it moves").status == 303
    assert "it moves" in ann.get("/webhooks/1")
    assert "disabled" in ann.get("/webhooks")
    assert ann.send("/webhooks/1", "/webhooks/1/enable", reason="it moved", skip="yes").status == 303
    since = {"since": "2026-11-21T03:24", "until": "", "reason": "they lost them"}
    assert ann.send("/webhooks/1", "/webhooks/1/replay", **since).headers["location"] == "/webhooks/1?said=replays"
    assert ann.send("/webhooks/1", "/webhooks/1/replay", since="yesterday").status == 422
    newer = shown(bob.send("/webhooks/1", "/webhooks/1/rotate"))
    assert newer != secret
    assert "the old one signs, too" in ann.get("/webhooks/1")
    assert bob.send("/webhooks", "/webhooks/add", source="shop", url="https://user:x@shop.example").status == 422
    answer = bob.send("/webhooks", "/webhooks/add", source="shop", url="http://10.0.0.1/x")
    assert (answer.status, b"is not public" in answer.body) == (422, True)
    assert bob.send("/webhooks/1", "/webhooks/1/remove").headers["location"] == "/webhooks?said=removed"
    assert bob.ask("GET", "/webhooks/1").status == 404
    kept = [action for action, subject, _ in audited(connection) if subject == "shop"]
    assert [action for action in kept if action.startswith("webhook")] == [
        *("webhook.added", "webhook.disabled", "webhook.enabled", "webhook.replayed", "webhook.rotated"),
        "webhook.removed",
    ]


def test_only_who_may_has_the_forms(opened: Door) -> None:
    bob = inside(opened.port, "Bob")
    bob.send("/webhooks", "/webhooks/add", source="shop", url="https://shop.example/in")
    shown(bob.send("/keys", "/keys/create", source="shop"))
    for name, forms in (("Eve", set()), ("Ann", {"test", "disable", "replay"})):
        browser = inside(opened.port, name)
        page = browser.get("/webhooks/1") + browser.get("/webhooks") + browser.get("/keys")
        found = set(re.findall(r'action="/(?:webhooks|keys)/(?:1/)?(\w+)"', page))
        assert found == forms, name
