"""Where a broker is, as its URL says; and what is no broker's URL, without showing what is in it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import SettingsError, load_settings
from shared.settings.broker_address import AMQP, REDIS, SENTINEL, BadAddress, read

SECRET = "made-up-secret"


@pytest.mark.parametrize(
    ("url", "family", "tls", "places", "path"),
    [
        ("redis://h", REDIS, False, (("h", 6379),), ""),
        ("redis://:p@h:1/7", REDIS, False, (("h", 1),), "7"),
        ("rediss://u:p@h:6380/0", REDIS, True, (("h", 6380),), "0"),
        ("redis://h?db=4", REDIS, False, (("h", 6379),), "4"),
        ("redis://[::1]:6380/0", REDIS, False, (("::1", 6380),), "0"),
        ("sentinel://a,b:2,[::1]/1?master=m", SENTINEL, False, (("a", 26379), ("b", 2), ("::1", 26379)), "1"),
        ("sentinels://a/1?master=m", SENTINEL, True, (("a", 26379),), "1"),
        ("amqp://u:p@a,b:3/pay", AMQP, False, (("a", 5672), ("b", 3)), "pay"),
        ("amqps://u:p@a/%2F", AMQP, True, (("a", 5671),), "/"),
    ],
)
def test_each_kind_is_read(url: str, family: str, tls: bool, places: tuple[tuple[str, int], ...], path: str) -> None:
    found = read(url, queues_only=True)
    assert (found.family, found.tls, found.places, found.path) == (family, tls, places, path)


def test_accounts_are_read_and_not_shown() -> None:
    found = read(f"sentinel://u%3A:{SECRET}%40@s/0?master=m%2F&sentinel_username=v&sentinel_password={SECRET}%3F")
    assert (found.user, found.password) == ("u:", f"{SECRET}@")
    assert (found.master, found.sentinel_user, found.sentinel_password) == ("m/", "v", f"{SECRET}?")
    assert SECRET not in repr(found)


REFUSED = {
    f"redis+cluster://u:{SECRET}@h:1/0": "Redis Cluster is not supported",
    f"redis-cluster://u:{SECRET}@h:1/0": "Redis Cluster is not supported",
    "memory://": "memory:// is not supported",
    f"sqs://u:{SECRET}@": "sqs:// is not supported",
    f"http://u:{SECRET}@h": "http:// is not supported",
    f"redis+socket:///{SECRET}": "is not supported",
    f"unix://{SECRET}": "is not supported",
    f"kafka://{SECRET}": "is not supported",
    f"u:{SECRET}@h:1": "is not a broker's URL",
    SECRET: "is not a broker's URL",
    f"redis://u:{SECRET}@h:x/0": "a port that is none",
    f"redis://u:{SECRET}@h:0/0": "a port that is none",
    f"redis://u:{SECRET}@h:1/name": "number of a database",
    f"redis://u:{SECRET}@": "a host or a port",
    f"redis://u:{SECRET}@a,b/0": "only Sentinel has",
    f"rediss://u:{SECRET}@a/0?ssl_cert_reqs=none": "ssl_cert_reqs behind its ?",
    f"rediss://u:{SECRET}@a/0?{SECRET}": "no name=value",
    f"redis://u:x?{SECRET.replace('-', '_')}=1@a/0": "something behind its ?",
    f"sentinel://u:{SECRET}@a,b/0": "names no master",
    f"sentinel://u:{SECRET}@a;sentinel://u:{SECRET}@b": "commas between them",
}


@pytest.mark.parametrize("setting", ["BROKER_URL", "CELERY_URL"])
@pytest.mark.parametrize("url", REFUSED)
def test_anything_else_is_refused_in_one_sentence_without_what_is_in_it(
    monkeypatch: pytest.MonkeyPatch, setting: str, url: str
) -> None:
    monkeypatch.setenv(f"SETTLEPIPE_{setting}", url)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"the environment has a mistake: SETTLEPIPE_{setting} ")
    assert REFUSED[url] in line
    assert "secret" not in line


def test_rabbitmq_holds_no_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLEPIPE_CELERY_URL", "amqp://u:p@h/v")
    assert load_settings()
    monkeypatch.setenv("SETTLEPIPE_BROKER_URL", "amqp://u:p@h/v")
    with pytest.raises(SettingsError, match=r"SETTLEPIPE_BROKER_URL .* set SETTLEPIPE_CELERY_URL"):
        load_settings()


def test_a_certificate_goes_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLEPIPE_BROKER_TLS__CERT_FILE", "cert.pem")
    with pytest.raises(SettingsError, match=r"SETTLEPIPE_BROKER_TLS: .*both or neither"):
        load_settings()


@given(st.text(max_size=60), st.sampled_from(["", "redis://", "sentinel://", "amqp://"]))
def test_whatever_is_written_there_is_read_or_refused(text: str, scheme: str) -> None:
    with contextlib.suppress(BadAddress):
        assert read(scheme + text, queues_only=True).places
