"""`settlepipe keys`, as people type it, and what a key opens."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from shared import audit
from shared.database.engine import Connection, Database
from shared.people import keys
from shared.people.prove import NotAllowed
from tests.integration.conftest import Run


def created(run: Run, source: str) -> dict[str, Any]:
    status, out, err = run("keys", "create", source, "--by", "Ann", "--json")
    assert (status, err) == (0, "")
    return dict(json.loads(out))


def opened(connection: Connection, key: str) -> tuple[int, str] | None:
    return keys.opened(connection, key)


def test_a_key_opens_its_source_until_it_is_revoked_and_only_its_digest_is_kept(
    run: Run, connection: Connection
) -> None:
    assert "there is no key" in run("keys")[1]
    first, second = created(run, "shop"), created(run, "shop")
    assert opened(connection, first["key"]) == (first["id"], "shop")
    assert opened(connection, second["key"]) == (second["id"], "shop"), "two at a time: one is changed without a pause"
    kept = connection.execute("SELECT * FROM source_keys WHERE id = %s", (first["id"],)).fetchone()
    assert kept is not None
    assert bytes(kept["key_sha256"]) == hashlib.sha256(first["key"].encode()).digest()
    assert first["key"] not in str(kept)
    assert run("keys", "revoke", str(first["id"]), "--by", "Bob")[0] == 0
    assert opened(connection, first["key"]) is None
    assert opened(connection, second["key"]) == (second["id"], "shop")
    assert opened(connection, "settlepipe-key-guessed") is None
    status, _, err = run("keys", "revoke", str(first["id"]), "--by", "Bob")
    assert (status, err.count("\n"), "nothing was changed" in err) == (1, 1, True)
    rows = [json.loads(line) for line in run("keys", "list", "--json")[1].splitlines()]
    assert [(row["id"], row["revoked_by"]) for row in rows] == [(second["id"], None), (first["id"], "Bob")]
    assert first["key"] not in run("keys")[1]


def test_what_was_done_with_keys_is_in_the_audit_without_the_key(run: Run, connection: Connection) -> None:
    made = created(run, "shop")
    assert run("keys", "revoke", str(made["id"]), "--by", "Bob")[0] == 0
    told = [(r["action"], r["subject"], r["by_whom"], r["content"]) for r in audit.records(connection)]
    content = {"key": made["id"]}
    assert told == [("key.created", "shop", "Ann", content), ("key.revoked", "shop", "Bob", content)]


def test_a_key_needs_a_name_and_a_source_and_an_approver_once_people_are_set_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("keys", "create", "shop")[0] == 2
    status, _, err = run("keys", "create", "no source", "--by", "Ann")
    assert (status, "1 to 64" in err) == (2, True)
    token = json.loads(run("people", "add", "Ann", "--role", "approver", "--json")[1])["token"]
    assert run("keys", "create", "shop", "--by", "Ann")[0] == 2
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", token)
    assert run("keys", "create", "shop")[0] == 0


def test_that_a_key_was_used_is_written_once_a_minute(run: Run, connection: Connection) -> None:
    made = created(run, "shop")
    opened(connection, made["key"])

    def used() -> tuple[Any, Any]:
        row = connection.execute("SELECT last_used_at, xmin FROM source_keys").fetchone()
        assert row is not None
        return row["last_used_at"], row["xmin"]

    connection.execute("UPDATE source_keys SET last_used_at = date_trunc('minute', clock())")
    at, written = used()
    assert (at.second, at.microsecond) == (0, 0)
    opened(connection, made["key"])
    if used()[0] == at:  # no new minute began
        assert used()[1] == written
    connection.execute("UPDATE source_keys SET last_used_at = last_used_at - interval '1 hour'")
    opened(connection, made["key"])
    assert used()[0] >= at


def test_a_source_has_no_more_keys_than_the_limit_also_when_many_are_made_at_once(
    database_url: str, connection: Connection
) -> None:
    database = Database(database_url, pool_size=4)

    def make(_: int) -> bool:
        try:
            with database.transaction() as own:
                keys.create(own, "shop", by="Ann")
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(make, range(keys.MOST + 5))) == keys.MOST
    database.dispose()


def test_a_revocation_without_a_name_is_refused_by_the_database(run: Run, connection: Connection) -> None:
    created(run, "shop")
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE source_keys SET revoked_at = clock()")
