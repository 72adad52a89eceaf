"""People in the control room: added, revoked, and each with a token, a password and codes of their own."""

import base64
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from shared.database.engine import Connection
from shared.domain import totp
from shared.domain.roles import Deed, Role
from shared.people import change
from shared.people.prove import NotAllowed, prove
from tests.support.door import Answer, Door, door
from tests.support.room import PASSWORD, Browser, inside, set_up

ONE = {"Bob": Role.APPROVER}
NEW = "other made-up words of a person"


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Door]:
    set_up(database_url, ONE)
    with door(database_url, broker_url, tmp_path) as found:
        yield found


def shown(answer: Answer) -> str:
    """What is shown once."""
    found = re.search(r"<pre[^>]*>([^<]+)</pre>", answer.body.decode())
    assert answer.status == 200, answer.body
    assert found is not None
    return unescape(found[1])


def audited(connection: Connection) -> list[tuple[str, str, str]]:
    rows = connection.execute(
        "SELECT action, subject, by_whom FROM audit WHERE action <> 'session.begun' ORDER BY number"
    )
    return [(row["action"], row["subject"], row["by_whom"]) for row in rows.fetchall()]


def token_of(connection: Connection, name: str) -> str:
    """A fresh one of their own."""
    with connection.transaction():
        return change.rotate(connection, name)


def test_a_person_is_added_and_begins_by_the_token_alone(opened: Door, connection: Connection) -> None:
    bob = inside(opened.port, "Bob")
    fields = bob.form("/people", "/people/add") | {"name": " Ann ", "role": "operator"}
    answer = bob.ask("POST", "/people/add", fields)
    token = shown(answer)
    assert "Ann is set up" in answer.body.decode()
    assert bob.ask("POST", "/people/add", fields).status == 409, "a form is done once"
    row = connection.execute("SELECT name, role FROM people WHERE name = 'Ann'").fetchone()
    assert row == {"name": "Ann", "role": "operator"}
    assert token not in bob.get("/people")
    ann = Browser(opened.port)
    typed = {"token": token, "password": NEW, "again": NEW}
    for wrong, said in (
        ({"token": "settlepipe-x"}, "is nobody&#39;s"),
        ({"again": NEW + "x"}, "not the same"),
        ({"password": "short", "again": "short"}, "12 to 200 characters"),
        ({"password": PASSWORD + "\x00", "again": PASSWORD + "\x00"}, "12 to 200 characters"),
        ({"token": "x" * 3000}, "at most 200 characters"),
    ):
        answer = ann.ask("POST", "/login/begin", typed | wrong)
        assert (answer.status, said in answer.body.decode()) == (403, True), answer.body
    own = shown(ann.ask("POST", "/login/begin", typed))
    assert ann.log_in("Ann", NEW).status == 303
    with pytest.raises(NotAllowed):
        prove(connection, token, None, Deed.PROVE)
    assert prove(connection, own, None, Deed.RESOLVE) == "Ann"
    assert ann.ask("POST", "/login/begin", typed).status == 403, "the token that Bob saw is good for nothing any more"
    answer = ann.ask("POST", "/login/begin", {"token": own, "password": PASSWORD, "again": PASSWORD})
    assert (answer.status, answer.headers["location"]) == (303, "/login?said=password")
    assert "The password is set" in ann.get("/login?said=password")
    assert audited(connection)[-4:] == [
        ("person.added", "Ann", "Bob"),
        ("person.rotated", "Ann", "Ann"),
        ("person.password_set", "Ann", "Ann"),
        ("person.password_set", "Ann", "Ann"),
    ]


def test_a_second_approver_agrees_once_there_are_two_and_the_last_one_stays(
    opened: Door, connection: Connection, database_url: str
) -> None:
    bob = inside(opened.port, "Bob")
    assert "last approver" in bob.send("/people", "/people/revoke", name="Bob").body.decode()
    set_up(database_url, {"Ivy": Role.APPROVER})
    answer = bob.send("/people", "/people/add", name="Dan", role="accountant")
    assert answer.headers["location"] == "/people?said=proposed"
    assert connection.execute("SELECT FROM people WHERE name = 'Dan'").fetchone() is None
    ivy = inside(opened.port, "Ivy")
    assert shown(ivy.send("/proposals/1", "/proposals/1/approve"))
    assert "Dan" in bob.get("/people")
    assert bob.ask("POST", "/people/revoke", bob.form("/people", "/people/revoke") | {"name": "Ivy"}).status == 303
    assert ivy.ask("GET", "/").status == 303, "she is out at once"
    assert "revoked" in bob.get("/people")
    for fields, status in (({"name": "Eve", "role": "x"}, 422), ({"name": "Dan", "role": "viewer"}, 409)):
        assert bob.send("/people", "/people/add", **fields).status == status


def test_who_is_in_changes_what_lets_them_in_by_their_token_alone(opened: Door, connection: Connection) -> None:
    bob, token = inside(opened.port, "Bob"), token_of(connection, "Bob")
    with connection.transaction():
        others = change.rotate(connection, change_name(connection, "Ann"))
    before = audited(connection)
    typed = {"password": NEW, "again": NEW}
    for action in ("/me/password", "/me/code", "/me/token"):
        for wrong in ("", "settlepipe-x", others):
            answer = bob.send("/me", action, token=wrong, **typed)
            assert answer.status in (403, 409), (action, wrong, answer.body)
    assert audited(connection) == before
    secret = shown(bob.send("/me", "/me/code", token=token))
    assert bob.ask("GET", "/me").status == 303, "all log-ins ended"
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    assert Browser(opened.port).log_in("Bob").status == 403
    bob = Browser(opened.port)
    assert bob.log_in("Bob", code=code_now(connection, key)).status == 303
    assert "password and code" in bob.get("/people")
    assert bob.send("/me", "/me/no-code", token=token).headers["location"] == "/me?said=no_code"
    newer = shown(bob.send("/me", "/me/token", token=token))
    assert bob.send("/me", "/me/token", token=token).status == 409, "the old one proves nothing"
    answer = bob.send("/me", "/me/password", token=newer, **typed)
    assert (answer.status, answer.headers["location"]) == (303, "/login?said=password")
    assert bob.ask("GET", "/").status == 303
    assert Browser(opened.port).log_in("Bob", NEW).status == 303
    assert [action for action, _, _ in audited(connection)[len(before) :]] == [
        "person.totp_set",
        "person.totp_removed",
        "person.rotated",
        "person.password_set",
    ]


def change_name(connection: Connection, name: str) -> str:
    change.add(connection, name, Role.OPERATOR, by="Bob")
    return name


def code_now(connection: Connection, secret: bytes) -> str:
    row: Any = connection.execute("SELECT extract(epoch FROM clock())::float8 AS now").fetchone()
    return totp.code(secret, int(row["now"] // totp.STEP_S))


def test_the_first_person_is_set_up_in_the_room_itself(
    database_url: str, broker_url: str, tmp_path: Path, connection: Connection
) -> None:
    with door(database_url, broker_url, tmp_path, WEB__LOCAL_PASSWORD="made-up-local") as found:
        nobody = Browser(found.port)
        assert "Nobody is set up yet" in nobody.ask("POST", "/login/begin", {"token": "x"}).body.decode()
        nobody.log_in("Ann", "made-up-local")
        assert "Add the first person" in nobody.get("/me")
        assert nobody.send("/people", "/people/add", name="Ann", role="viewer").status == 409
        token = shown(nobody.send("/people", "/people/add", name="Ann", role="approver"))
        assert nobody.ask("GET", "/").status == 303, "from now on people have passwords"
        answer = nobody.ask("POST", "/login/begin", {"token": token, "password": NEW, "again": NEW})
        assert answer.headers["location"] == "/login?said=password", "the first one's token is theirs"
        assert nobody.log_in("Ann", NEW).status == 303
    assert audited(connection) == [("person.added", "Ann", "Ann"), ("person.password_set", "Ann", "Ann")]


def test_nobody_but_an_approver_sees_who_has_no_second_factor(opened: Door, database_url: str) -> None:
    set_up(database_url, {"Eve": Role.VIEWER})
    for name, sees in (("Eve", False), ("Bob", True)):
        page = inside(opened.port, name).get("/people")
        assert ("password alone" in page, 'action="/people/add"' in page) == (sees, sees)
