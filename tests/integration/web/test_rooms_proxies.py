"""Who asks, behind a proxy: as a trusted one says, and as nobody else does."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.database import store
from shared.database.engine import Connection
from shared.domain.roles import Role
from shared.people import sessions
from shared.people.sessions import _network
from shared.settings.web import WebSettings
from tests.support.door import Door, door
from tests.support.room import Browser, inside, set_up

PEOPLE = {"Bob": Role.APPROVER}
FIVE = range(sessions.FREE)


@contextmanager
def opened(database_url: str, broker_url: str, folder: Path, trusted: str) -> Iterator[Door]:
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, folder, WEB__TRUSTED_PROXIES=trusted) as found:
        yield found


def fails(found: Door, number: int, forwarded: str) -> int:
    """Somebody of a name of their own is not let in; its status: 429 for who has to wait."""
    fields = {"name": f"nobody-{number}-{time.monotonic_ns()}", "password": "a wrong password", "code": ""}
    return Browser(found.port).ask("POST", "/login", fields, X_Forwarded_For=forwarded).status


@pytest.mark.parametrize("trusted", ["[]", '["10.0.0.0/8", "192.0.2.1"]'])
def test_what_an_untrusted_client_says_of_itself_changes_nothing(
    database_url: str, broker_url: str, tmp_path: Path, connection: Connection, trusted: str
) -> None:
    with opened(database_url, broker_url, tmp_path, trusted) as found:
        assert [fails(found, n, f"198.51.100.{n}") for n in FIVE] == [403] * len(FIVE)
        longer(connection)
        assert fails(found, 9, "198.51.100.9") == 429, "it is one address, whatever it says"
        fields = {"name": "Bob", "password": "x", "code": ""}
        answer = Browser(found.port).ask("POST", "/login", fields, X_Forwarded_Proto="https")
        assert "__Host-" not in answer.headers.get("set-cookie", "")


def test_a_trusted_proxy_says_who_asks_and_what_stands_before_that_is_nobodys_word(
    database_url: str, broker_url: str, tmp_path: Path, connection: Connection
) -> None:
    with opened(database_url, broker_url, tmp_path, '["127.0.0.0/8", "192.0.2.1"]') as found:
        # What a client sends itself stands first; the proxy adds whom it has before it. 192.0.2.1 is a proxy, too.
        assert [fails(found, n, f"203.0.113.{n}, 198.51.100.7, 192.0.2.1") for n in FIVE] == [403] * len(FIVE)
        longer(connection)
        assert fails(found, 9, "203.0.113.99, 198.51.100.7") == 429
        assert fails(found, 9, "198.51.100.8") == 403, "another one"
        assert fails(found, 9, "198.51.100.7, 198.51.100.8") == 403
        assert inside(found.port, "Bob").get("/"), "and the proxy itself"


def longer(connection: Connection) -> None:
    """The first wait is of seconds, which a slow machine takes for the next request."""
    connection.execute("UPDATE people_attempts SET wait_until = clock() + interval '90 s' WHERE wait_until > last_at")


def test_a_proxy_on_this_machine_brings_nobody_in_by_the_local_password(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with door(database_url, broker_url, tmp_path, WEB__LOCAL_PASSWORD="made-up-local") as found:
        fields = {"name": "Ann", "password": "made-up-local", "code": ""}
        for said in ("198.51.100.7", "127.0.0.1"):
            assert Browser(found.port).ask("POST", "/login", fields, X_Forwarded_For=said).status == 403
        assert Browser(found.port).ask("POST", "/login", fields).status == 303


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "10.0.0.1/8"])
def test_a_proxy_is_an_address_or_a_network(wrong: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        WebSettings(trusted_proxies=(wrong,))


def test_an_address_of_ipv4_is_one_however_it_is_written() -> None:
    assert _network("::ffff:198.51.100.7") == _network("198.51.100.7")
    assert _network("2001:db8::1") == _network("2001:db8::2") != _network("2001:db8:0:1::1")


def test_a_held_store_is_said_on_every_page_and_lanes_obey_as_by_command(
    database_url: str, broker_url: str, tmp_path: Path, connection: Connection
) -> None:
    with opened(database_url, broker_url, tmp_path, "[]") as found:
        bob = inside(found.port, "Bob")
        assert "The store is held" not in bob.get("/lanes")
        assert store.hold(connection, "it lost time, in this test")
        for page in ("/", "/lanes", "/accounts", "/quarantine", "/statements"):
            text = bob.get(page)
            assert "The store is held: it lost time, in this test" in text, page
            assert "<code>settlepipe recover --by NAME</code>" in text
        assert bob.send("/lanes", "/lanes/mtn/pause", reason="it lost time").status == 303
        assert "The store is held" in bob.get("/lanes?said=paused")
        assert "is held" not in Browser(found.port).get("/login"), "no stranger is told"
