"""`settlepipe doctor` against real servers."""

from pathlib import Path

import pytest
import redis
from cryptography.fernet import Fernet
from pydantic import SecretStr

from deploy.local import brokers, doctor
from deploy.local.embedded import Servers
from shared.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, database_url: str, broker_url: str) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=SecretStr(database_url),
        broker_url=SecretStr(broker_url),
        secret_keys=(SecretStr(Fernet.generate_key().decode()),),
    )


def test_a_healthy_stack_passes_every_check(settings: Settings) -> None:
    found = {check.name: check for check in doctor.examine(settings)}
    wrong = [check for check in found.values() if not check.ok]
    assert [check.name for check in wrong] == ["database durability"], "the tests' own server, FAST_POSTGRES"
    assert {"database settings", "database collation"} <= found.keys()
    for name in ("database", "migrations", "clock", "broker", "broker persistence", "broker eviction", "secret keys"):
        assert name in found
    assert found["provider billcenter"].sentence.startswith("off; set SETTLEPIPE_BILLCENTER__BASE_URL")


def test_without_a_stack_it_says_how_to_start_one_and_that_the_binaries_run(tmp_path: Path) -> None:
    found = {check.name: check for check in doctor.examine(Settings(home=tmp_path))}
    assert found["postgres binaries"].ok
    assert found["valkey binary"].ok
    assert not found["stack"].ok
    assert "settlepipe up" in found["stack"].sentence


def test_a_database_without_the_schema_is_seen(servers: Servers) -> None:
    empty = servers.database_url.rpartition("/")[0] + "/postgres"
    found = {check.name: check for check in doctor.database(empty)}
    assert found["database"].ok
    assert not found["migrations"].ok


def test_servers_that_do_not_answer_are_seen_and_no_password_is_shown() -> None:
    (database,) = doctor.database("postgresql://app:hush-hush@127.0.0.1:9/x")
    (broker,) = brokers.examine(Settings(broker_url=SecretStr("redis://:hush-hush@127.0.0.1:9/0")))
    assert (database.ok, broker.ok) == (False, False)
    assert "hush" not in database.sentence + broker.sentence


def test_a_broker_that_throws_messages_away_is_seen(servers: Servers) -> None:
    with redis.Redis.from_url(servers.broker_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            found = {
                check.name: check.ok for check in brokers.examine(Settings(broker_url=SecretStr(servers.broker_url)))
            }
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert found == {"broker": True, "broker persistence": True, "broker eviction": False}


def test_a_clock_that_is_off_is_seen(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CLOCK_TOLERANCE_S", -1.0)
    assert {check.name: check.ok for check in doctor.database(database_url)}["clock"] is False


def test_a_key_that_is_none_is_seen_and_not_shown(settings: Settings) -> None:
    check = doctor.secret_keys(settings.model_copy(update={"secret_keys": (SecretStr("hush"),)}))
    assert not check.ok
    assert "hush" not in check.sentence
    assert not doctor.secret_keys(settings.model_copy(update={"secret_keys": ()})).ok


@pytest.mark.parametrize(
    ("ubill", "says"),
    [
        ({}, "ubill is off"),
        ({"base_url": "http://127.0.0.1:1"}, "set SETTLEPIPE_UBILL__BRAND_ID"),
        ({"base_url": "http://127.0.0.1:1", "brand_id": 7}, "under brand 7"),
    ],
)
def test_it_says_whether_text_messages_are_sent(ubill: dict[str, object], says: str) -> None:
    check = doctor.text_messages(Settings.model_validate({"ubill": ubill}))
    assert check.ok
    assert says in check.sentence


def test_it_looks_at_what_callbacks_come_over(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").touch()
    key = "made-up-callback-key"
    plain = doctor.callback(Settings.model_validate({"ubill": {"callback_key": key}}))
    assert plain.ok
    assert "a proxy has to stand in front" in plain.sentence
    for name in ("cert.pem", "none.pem"):
        given = {"callback_key": key, "callback_cert_file": tmp_path / name, "callback_cert_key_file": tmp_path / name}
        bad = doctor.callback(Settings.model_validate({"ubill": given}))
        assert not bad.ok
        assert key not in bad.sentence


def test_a_home_that_is_a_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not doctor.home_writable(tmp_path / "file").ok
