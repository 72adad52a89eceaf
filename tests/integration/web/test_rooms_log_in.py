"""Log-ins that meet a change of what lets people in, and browsers that are not quite what they were."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from shared.database.engine import Connection, Database
from shared.domain import totp
from shared.domain.roles import Role
from shared.people import passwords, sessions
from shared.people.passwords import Known
from shared.people.sessions import Credentials, Entered, NotIn, Rules
from tests.support.by_itself import KEY
from tests.support.door import door
from tests.support.room import PASSWORD, set_up

PEOPLE = {"Bob": Role.APPROVER, "Ann": Role.OPERATOR}
RULES = Rules(idle_s=600, most_s=3600, keys=(KEY,))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    set_up(database_url, PEOPLE)
    found = Database(database_url, pool_size=2)
    yield found
    found.dispose()


def entered(
    database: Database,
    password: str = PASSWORD,
    *,
    code: str = "",
    browser: str | None = None,
    rules: Rules = RULES,
    at: str = "::1",
) -> Entered:
    return sessions.enter(database, Credentials("Bob", password, code, at, browser), rules)


def step_now(connection: Connection) -> int:
    row = connection.execute("SELECT extract(epoch FROM clock())::float8 AS now").fetchone()
    assert row is not None
    return int(row["now"] // totp.STEP_S)


def test_a_secret_that_no_key_reads_lets_nobody_in(database: Database, connection: Connection) -> None:
    with connection.transaction():
        passwords.keep_totp(connection, "Bob", (KEY,))
    other = Rules(600, 3600, (Fernet.generate_key().decode(),))
    with pytest.raises(NotIn):
        entered(database, code=totp.code(b"", step_now(connection)), rules=other)


@pytest.mark.parametrize("change", ["password", "totp"])
def test_who_is_on_the_way_in_while_the_password_changes_does_not_come_in(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    fits: Callable[[Known, str], bool] = passwords.fits

    def then_changed(found: Known, password: str) -> bool:
        fit = fits(found, password)
        with connection.transaction():
            if change == "totp":
                passwords.keep_totp(connection, "Bob", (KEY,))
            else:
                passwords.keep(connection, "Bob", PASSWORD + " anew")
        return fit

    monkeypatch.setattr(passwords, "fits", then_changed)
    with pytest.raises(NotIn):
        entered(database)
    assert connection.execute("SELECT FROM people_sessions").rowcount == 0


def test_a_known_browser_has_one_count_however_its_cookie_is_spelt(database: Database, connection: Connection) -> None:
    known = entered(database).browser
    for number in range(sessions.FREE):
        with pytest.raises(NotIn) as refused:
            entered(database, "a wrong password", browser=known + "." * number)
        assert refused.value.wait_s == 0
    with pytest.raises(NotIn, match="try again in"):
        entered(database, "a wrong password", browser="!" + known)


def test_what_is_kept_of_a_try_is_no_word_that_was_typed_and_a_network_has_one_count(
    database: Database, connection: Connection
) -> None:
    for number in range(sessions.FREE):
        said = Credentials(f"a password {number} typed as a name", "", "", f"2001:db8::{number}", None)
        with pytest.raises(NotIn) as refused:
            sessions.enter(database, said, RULES)
        assert refused.value.wait_s == 0
    connection.execute("UPDATE people_attempts SET wait_until = wait_until + interval '1 min' WHERE failures > 1")
    with pytest.raises(NotIn, match="try again in"):
        entered(database, at="2001:db8::ffff")
    kept = [row["whose"] for row in connection.execute("SELECT whose FROM people_attempts").fetchall()]
    assert len(kept) == sessions.FREE + 1
    assert not [one for one in kept if "password" in one or "2001" in one]


def test_who_came_in_while_nobody_was_set_up_has_no_browser_of_somebody_else(
    database_url: str, connection: Connection
) -> None:
    database = Database(database_url, pool_size=2)
    alone = Rules(600, 3600, (KEY,), local="made-up-local")
    browsers = [entered(database, "made-up-local", rules=alone).browser for _ in range(2)]
    set_up(database_url, PEOPLE)
    for number in range(sessions.FREE):
        with pytest.raises(NotIn):
            entered(database, "a wrong password", browser=browsers[0], at=f"192.0.2.{number}")
    with pytest.raises(NotIn, match="try again in"):
        entered(database, "a wrong password", browser=browsers[1], at="192.0.2.99")
    database.dispose()


def test_forms_that_come_slowly_keep_no_intent_out(database_url: str, broker_url: str, tmp_path: Path) -> None:
    head = (
        "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 99\r\n\r\n"
    )
    with door(database_url, broker_url, tmp_path, WEB__REQUESTS="16") as found:
        strangers = [socket.create_connection(("127.0.0.1", found.port)) for _ in range(20)]
        try:
            for one in strangers:
                one.sendall(head.encode())
            time.sleep(1)  # they are all read, or refused
            assert found.client(None).get("/v1/events").status == 401
        finally:
            for one in strangers:
                one.close()
