"""`sslmode=verify-full` in a database's URL is kept by everything that goes there, and is nobody's to undo."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest

from shared.database import session
from tests.support import by_itself
from tests.support.authority import Authority
from tests.support.patience import PATIENCE
from tests.support.stack import ROOT
from tests.support.tls_link import Link, tls_link

PASSWORD = "made-up-and-not-to-be-shown"
WRONG = r"SSL error|server certificate for .* does not match"


@dataclass(frozen=True)
class Place:
    """A PostgreSQL behind TLS. url: of whoever is let in."""

    link: Link
    url: str
    authority: Authority
    folder: Path


@pytest.fixture(params=["127.0.0.1"])
def place(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    authority, at = Authority(tmp_path / "authority"), urlsplit(database_url)
    assert at.port is not None
    mine = authority.signed("client", "client.invalid")
    mine.key.chmod(0o600)  # libpq takes no other
    with tls_link(at.port, authority, authority.signed("server", request.param), postgres=True) as link:
        files = {"sslrootcert": authority.ca, "sslcert": mine.cert, "sslkey": mine.key}
        query = "&".join(["sslmode=verify-full", *(f"{name}={quote(str(path))}" for name, path in files.items())])
        netloc = f"{at.username}:{at.password}@127.0.0.1:{link.port}"
        yield Place(link, urlunsplit(at._replace(netloc=netloc, query=query)), authority, tmp_path)


def settlepipe(place: Place, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        by_itself.command(*words),
        env=by_itself.environment(place.folder / "home", **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        check=False,
    )


def test_a_process_and_the_commands_are_up_over_tls(place: Place, broker_url: str) -> None:
    where = {"DATABASE_URL": place.url, "BROKER_URL": broker_url}
    assert settlepipe(place, "db", "upgrade", **where).returncode == 0
    assert settlepipe(place, "db", "check", **where).returncode == 0
    with by_itself.running("dispatcher", place.folder, **by_itself.NEEDED, **by_itself.LANE, **where) as one:
        assert one.wait_up()["database"]["ok"]
        assert one.stop() == 0
    assert place.link.let_in > 3
    assert place.link.refused == []


def test_a_server_that_another_authority_vouches_for_gets_nobodys_password(place: Place, broker_url: str) -> None:
    other = Authority(place.folder / "other")
    _refused(place, place.url.replace(quote(str(place.authority.ca)), quote(str(other.ca))), broker_url)


@pytest.mark.parametrize("place", ["another.invalid"], indirect=True)
def test_nor_does_one_of_another_name(place: Place, broker_url: str) -> None:
    _refused(place, place.url, broker_url)


def test_what_the_environment_says_does_not_undo_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Authority(place.folder / "other")
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGSSLROOTCERT", str(other.ca))
    with session.connect(place.url, "settlepipe test") as connection:
        assert connection.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match=WRONG):
        session.connect(place.url.replace(quote(str(place.authority.ca)), quote(str(other.ca))), "settlepipe test")


def _refused(place: Place, url: str, broker_url: str) -> None:
    at = urlsplit(url)
    url = urlunsplit(at._replace(netloc=at.netloc.replace(at.password or "", PASSWORD)))
    with pytest.raises(psycopg.OperationalError, match=WRONG):
        session.connect(url, "settlepipe test")
    done = settlepipe(place, "db", "check", DATABASE_URL=url, BROKER_URL=broker_url)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert PASSWORD not in done.stderr
    assert place.link.let_in <= 2, "where only the name is wrong the client ends it after the handshake"
