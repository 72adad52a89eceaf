"""Who somebody is, said by a real OpenID Connect provider."""

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import oidc_provider_mock
import pytest

from deploy.local.home import free_ports
from shared.database.engine import Connection
from shared.domain.roles import Role
from tests.support.door import Door, door
from tests.support.room import Browser, inside, set_up

pytestmark = pytest.mark.only_large

PEOPLE = {"bob@example.com": Role.APPROVER, "Ann": Role.OPERATOR}


@pytest.fixture
def issuer() -> Iterator[str]:
    users = [
        oidc_provider_mock.User(sub="1", claims={"email": "bob@example.com", "email_verified": True}),
        oidc_provider_mock.User(sub="2", claims={"email": "eve@example.com"}),
        oidc_provider_mock.User(sub="3", claims={"email": "bob@example.com", "email_verified": False}),
        oidc_provider_mock.User(sub="bob@example.com"),
        oidc_provider_mock.User(sub="Eve"),
    ]
    with oidc_provider_mock.run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path, issuer: str) -> Iterator[Door]:
    with opened_for(database_url, broker_url, tmp_path, issuer) as found:
        yield found


@contextmanager
def opened_for(database_url: str, broker_url: str, tmp_path: Path, issuer: str) -> Iterator[Door]:
    """A room that people come into by this provider."""
    set_up(database_url, PEOPLE)
    (port,) = free_ports(1)
    given = {"WEB__OIDC_ISSUER": issuer, "WEB__OIDC_CLIENT_ID": "room", "WEB__OIDC_CLIENT_SECRET": "made-up-secret"}
    given |= {"WEB__OIDC_CLAIM": "sub", "WEB__PUBLIC_URL": f"http://127.0.0.1:{port}", "WEB__PORT": str(port)}
    with door(database_url, broker_url, tmp_path, **given) as found:
        yield Door(found.one, port, database_url)


def at_the_provider(url: str, sub: str) -> str:
    """Where it sends somebody back to, who says there that they are this one."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"{parts.path}?{parts.query}", urlencode({"sub": sub}), headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status in (302, 303), answer.status
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def begun(browser: Browser) -> str:
    answer = browser.ask("GET", "/login/oidc")
    assert answer.status == 303, answer.body
    return answer.headers["location"]


def test_a_person_comes_in_by_the_provider_and_ends_with_being_revoked(opened: Door, connection: Connection) -> None:
    browser = Browser(opened.port)
    assert "/login/oidc" in browser.get("/login")
    url = begun(browser)
    asked = parse_qs(urlsplit(url).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"http://127.0.0.1:{opened.port}/login/callback"]
    answer = browser.ask("GET", at_the_provider(url, "bob@example.com"))
    assert (answer.status, b'http-equiv="refresh"' in answer.body) == (200, True), answer.body
    assert "settlepipe-oidc" not in browser.cookies
    page = browser.get("/search")
    assert "bob@example.com" in page
    assert "approver" in page
    connection.execute("UPDATE people SET revoked_at = clock(), revoked_by = 'x' WHERE name = 'bob@example.com'")
    assert browser.ask("GET", "/search").status == 303


def test_whom_nobody_set_up_stays_out_however_well_the_provider_knows_them(opened: Door) -> None:
    browser = Browser(opened.port)
    answer = browser.ask("GET", at_the_provider(begun(browser), "Eve"))
    assert (answer.status, b"nobody is set up here" in answer.body) == (403, True)
    assert browser.ask("GET", "/").status == 303


def test_an_answer_of_another_browser_another_state_or_used_before_lets_nobody_in(opened: Door) -> None:
    mine, other = Browser(opened.port), Browser(opened.port)
    url = begun(mine)
    begun(other)
    back = at_the_provider(url, "bob@example.com")
    for browser, path in (
        (Browser(opened.port), back),
        (other, back),
        (mine, re.sub("state=[^&]*", "state=x", back)),
        (mine, re.sub("code=[^&]*", "code=x", back)),
    ):
        answer = browser.ask("GET", path)
        assert answer.status == 409, answer.body
        assert browser.ask("GET", "/").status == 303
    assert mine.ask("GET", back).status == 200
    assert mine.ask("GET", back).status == 409


@pytest.mark.parametrize("claim", ["email", "preferred_username"])
def test_an_address_counts_where_the_provider_verified_it_and_a_claim_that_is_not_said_never(
    database_url: str, broker_url: str, tmp_path: Path, issuer: str, claim: str
) -> None:
    set_up(database_url, PEOPLE)
    (port,) = free_ports(1)
    given = {"WEB__OIDC_ISSUER": issuer, "WEB__OIDC_CLIENT_ID": "room", "WEB__OIDC_CLIENT_SECRET": "made-up-secret"}
    given |= {"WEB__OIDC_CLAIM": claim, "WEB__PUBLIC_URL": f"http://127.0.0.1:{port}", "WEB__PORT": str(port)}
    with door(database_url, broker_url, tmp_path, **given):
        for sub, comes_in in (("1", claim == "email"), ("2", False), ("3", False)):
            browser = Browser(port)
            answer = browser.ask("GET", at_the_provider(begun(browser), sub))
            assert (answer.status == 200) == comes_in, (sub, answer.body)
            assert (browser.ask("GET", "/search").status == 200) == comes_in


def test_without_a_provider_there_is_no_such_way(database_url: str, broker_url: str, tmp_path: Path) -> None:
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, tmp_path) as found:
        browser = Browser(found.port)
        assert "/login/oidc" not in browser.get("/login")
        assert browser.ask("GET", "/login/oidc").status == 404
        assert browser.ask("GET", "/login/callback?code=x&state=y").status == 404
        assert inside(found.port, "Ann").get("/")
