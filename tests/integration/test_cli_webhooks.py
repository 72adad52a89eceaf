"""`settlepipe webhooks`, as people type it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared import audit
from shared.database.engine import Connection, Database
from shared.people.prove import NotAllowed
from shared.settings.webhooks import WebhookSettings
from shared.webhooks import keep
from shared.webhooks.sign import Vault
from tests.integration.conftest import Run
from tests.support.receiver import receiving

URL = "https://shop.example/hook?made=up"


def added(run: Run, source: str = "shop", url: str = URL, *more: str) -> dict[str, Any]:
    status, out, err = run("webhooks", "add", source, url, "--by", "Ann", "--json", *more)
    assert (status, err) == (0, "")
    return dict(json.loads(out))


def one(connection: Connection, statement: str, *given: object) -> dict[str, Any]:
    row = connection.execute(statement, given).fetchone()
    assert row is not None
    return row


def event(connection: Connection, event_id: str, subject: str = "shop/ord-1", days: float = 0) -> int:
    statement = """INSERT INTO events (event_id, type, subject, data, created_at)
        VALUES (%s, 'settlepipe.payment.accepted', %s, '{}', clock() - make_interval(secs => %s)) RETURNING id"""
    number = int(one(connection, statement, event_id, subject, days * 86_400)["id"])
    connection.execute("DELETE FROM outbox")  # it was carried
    return number


def test_a_webhook_is_added_listed_and_removed_and_its_secret_is_shown_once(run: Run, connection: Connection) -> None:
    assert "there is no webhook" in run("webhooks")[1]
    made = added(run)
    assert made["secret"].startswith("whsec_")
    assert made["secret"].encode() not in bytes(one(connection, "SELECT secret FROM webhook_secrets")["secret"])
    (row,) = [json.loads(line) for line in run("webhooks", "list", "--json")[1].splitlines()]
    assert (row["id"], row["source"], row["url"], row["delivered"]) == (made["id"], "shop", URL, 0)
    shown = run("webhooks", "show", str(made["id"]))[1]
    assert URL in shown
    for out in (shown, run("webhooks")[1], run("webhooks", "show", str(made["id"]), "--json")[1]):
        assert made["secret"] not in out
    assert run("webhooks", "remove", str(made["id"]), "--by", "Bob")[0] == 0
    assert one(connection, "SELECT count(*) AS n FROM webhook_secrets")["n"] == 0
    status, _, err = run("webhooks", "remove", str(made["id"]), "--by", "Bob")
    assert (status, "nothing was changed" in err) == (1, True)


def test_what_was_done_is_in_the_audit_without_secrets_or_the_urls_query(run: Run, connection: Connection) -> None:
    made = added(run)
    number = str(made["id"])
    for words in (
        ("rotate",),
        ("disable", "--reason", "moves"),
        ("enable",),
        ("replay", "--since", "2026-01-01T00:00:00Z"),
    ):
        assert run("webhooks", words[0], number, *words[1:], "--by", "Bob")[0] == 0
    assert run("webhooks", "remove", number, "--by", "Bob")[0] == 0
    told = list(audit.records(connection))
    assert [row["action"].removeprefix("webhook.") for row in told] == [
        *("added", "rotated", "disabled", "enabled", "replayed", "removed")
    ]
    assert {row["subject"] for row in told} == {"shop"}
    assert told[0]["content"] == {"webhook": made["id"], "url": "https://shop.example/hook"}
    assert "whsec" not in str(told)
    assert "made=up" not in str(told)


@pytest.mark.parametrize(
    "url", ["http://shop.example/", "https://127.0.0.1/", "https://169.254.169.254/latest", "word"]
)
def test_a_url_that_may_not_be_reached_is_refused_and_nothing_is_kept(
    run: Run, connection: Connection, url: str
) -> None:
    status, _, err = run("webhooks", "add", "shop", url, "--by", "Ann")
    assert (status, err.count("\n")) == (2, 1)
    assert one(connection, "SELECT count(*) AS n FROM webhooks")["n"] == 0


def test_it_takes_an_approver_once_people_are_set_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("webhooks", "add", "shop", URL)[0] == 2, "nobody says who"
    token = json.loads(run("people", "add", "Ann", "--role", "approver", "--json")[1])["token"]
    assert run("webhooks", "add", "shop", URL, "--by", "Ann")[0] == 2
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", token)
    assert run("webhooks", "add", "shop", URL)[0] == 0


def test_a_source_has_no_more_than_the_limit_also_when_many_are_added_at_once(database_url: str) -> None:
    database = Database(database_url, pool_size=4)
    vault = Vault([SecretStr(Fernet.generate_key().decode())])

    def make(_: int) -> bool:
        try:
            with database.transaction() as own:
                keep.add(own, vault, WebhookSettings(), "shop", URL, position=0, since=None, by="Ann")
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(make, range(keep.MOST + 5))) == keep.MOST
    database.dispose()


def test_a_webhook_begins_with_what_comes_next_or_at_a_time(run: Run, connection: Connection) -> None:
    for number, days in enumerate((9, 5, 1)):
        event(connection, f"{number}-1", days=days)
    last = one(connection, "SELECT max(id) AS id FROM events")["id"]
    since = one(connection, "SELECT to_char(clock() - interval '6 days', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS t")["t"]
    now, then = added(run)["id"], added(run, "shop", URL, "--since", since)["id"]
    positions = {row["id"]: row["position"] for row in connection.execute("SELECT id, position FROM webhooks")}
    assert positions == {now: last, then: last - 2}


def test_a_replay_is_of_what_was_delivered_in_a_time_and_two_make_one(run: Run, connection: Connection) -> None:
    sources = ("shop", "shop", "other", "shop", "shop")
    ids = [
        event(connection, f"{number}-1", f"{source}/ord-1", days)
        for number, (source, days) in enumerate(zip(sources, (9, 5, 4.5, 3, 1), strict=True))
    ]
    number = str(added(run)["id"])
    times = {
        days: one(
            connection,
            'SELECT to_char(clock() - make_interval(days => %s), \'YYYY-MM-DD"T"HH24:MI:SS"Z"\') AS t',
            days,
        )["t"]
        for days in (8, 4, 2, 0)
    }
    out = run("webhooks", "replay", number, "--since", times[4], "--until", times[2], "--by", "Bob")[1]
    assert out == "1 event is delivered again\n"
    out = run("webhooks", "replay", number, "--since", times[8], "--until", times[4], "--by", "Bob")[1]
    assert out == "1 event is delivered again\n"
    row = one(connection, "SELECT replay_next, replay_last FROM webhooks")
    assert (row["replay_next"], row["replay_last"]) == (ids[1] - 1, ids[3])
    event(connection, "10-1")  # not delivered yet: it comes by itself
    out = run("webhooks", "replay", number, "--since", times[0], "--by", "Bob")[1]
    assert out == "0 events are delivered again\n"
    status, _, err = run("webhooks", "replay", "999", "--since", times[0], "--by", "Bob")
    assert (status, "no webhook 999" in err) == (1, True)


def test_a_secret_that_is_rotated_signs_beside_the_new_one_for_a_while(run: Run, connection: Connection) -> None:
    made = added(run)
    fresh = json.loads(run("webhooks", "rotate", str(made["id"]), "--by", "Bob", "--json")[1])
    assert (fresh["id"], fresh["source"], fresh["secret"] != made["secret"]) == (made["id"], "shop", True)
    row = one(
        connection, "SELECT extract(epoch FROM until - clock()) AS left FROM webhook_secrets WHERE until IS NOT NULL"
    )
    assert 86_000 < row["left"] <= 86_400
    run("webhooks", "rotate", str(made["id"]), "--by", "Bob")
    assert one(connection, "SELECT count(*) AS n FROM webhook_secrets")["n"] == 2, "one overlap at a time"


def test_a_test_event_is_posted_signed_and_its_answer_told(
    run: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTLEPIPE_WEBHOOKS__ALLOW_HTTP", "true")
    monkeypatch.setenv("SETTLEPIPE_WEBHOOKS__ALLOW_NETWORKS", '["127.0.0.1/32"]')
    with receiving() as receiver:
        made = added(run, "shop", receiver.url)
        receiver.secrets.append(made["secret"])
        status, out, err = run("webhooks", "test", str(made["id"]))
        assert (status, err, "it answered 204" in out) == (0, "", True)
        (got,) = receiver.taken
        assert got.event["type"] == "settlepipe.webhook.test"
        assert (got.event["data"], got.subject) == ({"webhook": made["id"]}, "shop/-")
        rotated = json.loads(run("webhooks", "rotate", str(made["id"]), "--by", "Bob", "--json")[1])
        assert run("webhooks", "test", str(made["id"]))[0] == 0, "the old secret reads it, too"
        receiver.secrets[:] = [rotated["secret"]]
        assert run("webhooks", "test", str(made["id"]))[0] == 0
        assert [one.signatures for one in receiver.taken] == [1, 2, 2]
        receiver.answer = lambda _: (500, {})
        status, _, err = run("webhooks", "test", str(made["id"]))
        assert (status, "it answered 500" in err) == (1, True)
        monkeypatch.setenv("SETTLEPIPE_WEBHOOKS__ALLOW_NETWORKS", "[]")
        assert run("webhooks", "test", str(made["id"]))[0] == 2, "as the settings are now"
