"""The database's URL is libpq's: whatever libpq takes, every process and command takes."""

import os
import socket
import string
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from deploy.cli.main import main
from deploy.local import doctor
from deploy.local.embedded import Servers, embedded_servers
from deploy.local.postgres import account_to_run_as
from shared import process
from shared.database import migrate, session
from shared.settings import Settings
from shared.start import start
from tests.conftest import FAST_POSTGRES

pytestmark = pytest.mark.timeout(300)  # some start a server, on a machine that may be busy
PRINTABLE = " " + string.punctuation + "é中"


@pytest.fixture
def odd(servers: Servers) -> Iterator[str]:
    """A user, password and database of every printable character; what stands behind the URL's scheme."""
    name, place = f"a b{PRINTABLE}", urlsplit(servers.database_url)
    with psycopg.connect(servers.database_url, autocommit=True) as owner:
        given = {"role": sql.Identifier(name), "password": sql.Literal(name)}
        owner.execute(sql.SQL("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD {password}").format(**given))
        owner.execute(sql.SQL("CREATE DATABASE {role} OWNER {role}").format(**given))
        try:
            written = quote(name, safe="")
            yield f"{written}:{written}@{place.hostname}:{place.port}/{written}"
        finally:
            owner.execute(sql.SQL("DROP DATABASE {role} WITH (FORCE)").format(**given))
            owner.execute(sql.SQL("DROP ROLE {role}").format(**given))


def works_everywhere(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Alembic, the doctor, a process of the product and a command, each by this URL."""
    migrate.upgrade(url)
    process.right_servers(Settings(database_url=SecretStr(url)))
    said = {check.name: check for check in doctor.database(url)}
    assert said["database"].ok
    assert said["migrations"].ok
    keys = (SecretStr("A" * 43 + "="),)
    runtime = start(Settings(database_url=SecretStr(url), secret_keys=keys), sends=True)
    runtime.close()
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", url)
    capsys.readouterr()
    assert main(["payments", "--json"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_printable_character_may_stand_in_its_parts(
    scheme: str, odd: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    works_everywhere(f"{scheme}://{odd}", monkeypatch, capsys)


def test_the_second_host_is_asked_where_the_first_is_dead(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        place = urlsplit(database_url)
        hosts = f"127.0.0.1:{taken.getsockname()[1]},{place.hostname}:{place.port}"
        url = f"postgresql://{place.username}:{place.password}@{hosts}{place.path}?target_session_attrs=read-write"
        works_everywhere(url, monkeypatch, capsys)


def test_parameters_are_handed_on_as_they_are(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = quote("-c geqo=off -c search_path=nowhere -c application_name=a\\ b")
    works_everywhere(f"{database_url}?options={options}&connect_timeout=7", monkeypatch, capsys)
    given = session.parameters(f"{database_url}?sslrootcert=%2Fa%20b%2Fc+d%25.pem&connect_timeout=7")
    assert (given["sslrootcert"], given["connect_timeout"]) == ("/a b/c+d%.pem", "7")


def test_a_text_of_keys_and_values_is_taken_too(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = urlsplit(database_url)
    words = {"host": place.hostname, "port": place.port, "user": place.username, "password": place.password}
    text = " ".join(f"{key}='{value}'" for key, value in words.items()) + f" dbname={place.path[1:]}"
    works_everywhere(text, monkeypatch, capsys)


def test_a_unix_socket_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o700)
    settings = Settings(home=tmp_path / "home", broker_url=SecretStr("redis://127.0.0.1:1/0"))
    with _open_folder() as folder:
        options = (*FAST_POSTGRES, f"unix_socket_directories={folder}")
        with embedded_servers(tmp_path / "home", settings, options) as servers:
            place = urlsplit(servers.database_url)
            login = f"{place.username}:{place.password}@"
            end = f":{place.port}/settlepipe"
            for where in (f"/settlepipe?host={folder}&port={place.port}", quote(folder, safe="") + end):
                url = f"postgresql://{login}{where}"
                works_everywhere(url, monkeypatch, capsys)
                with session.connect(url, "test") as connection:
                    assert connection.info.host == folder


def test_an_ipv6_address_is_read() -> None:
    given = session.parameters("postgresql+psycopg://u:p@[::1]:5433/db")
    assert {name: given[name] for name in ("host", "port", "user", "password", "dbname")} == {
        "host": "::1",
        "port": "5433",
        "user": "u",
        "password": "p",
        "dbname": "db",
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hu sh@h/db",
        "postgresql://u:p@h/db?hush=1",
        "mysql://u:hush@h/db",
        "hush",
        "postgresql://h:hush/db/%zz",
    ],
)
def test_what_libpq_does_not_take_is_said_without_showing_it(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", url)
    for command in (["payments"], ["db", "upgrade"]):
        assert main(command) == 1
        said = capsys.readouterr().err
        assert "SETTLEPIPE_DATABASE_URL" in said
        assert said.count("\n") == 1
        assert "hush" not in said
        assert "hu sh" not in said
    (check,) = doctor.database(url)
    assert not check.ok
    assert "hush" not in check.sentence


@contextmanager
def _open_folder() -> Iterator[str]:
    """A folder that the account which runs PostgreSQL may write to, with a short name: sockets have no other."""
    with tempfile.TemporaryDirectory(prefix="sp-", dir="/tmp") as folder:
        account = account_to_run_as()
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        yield folder
