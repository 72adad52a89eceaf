"""How a call is let in at mtn: an API key, an OAuth2 token, both; and what a refusal of each means."""

import base64
import time
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import Answer, Meaning
from shared.domain.request import Request
from shared.providers.base import Auth, Connected, LoginRefused, LoginUnavailable
from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import HttpSettings, MtnSettings
from tests.support.memory import MTN_SETTLE, MemoryDirectory, MemoryTokens
from tests.support.mtn import KEY, OAUTH, OWN, Seen, error, mtn, reply, token
from tests.support.paying import paying
from tests.support.raw_server import answer

DONE = reply({"resultCode": "0000", "resultDescription": "done", "transactionId": "T-1", "data": {}})


def settle(connected: Connected) -> tuple[Answer, Auth]:
    provider = connected.provider
    assert provider is not None
    built = provider.build(MTN_SETTLE, MemoryDirectory())
    assert isinstance(built, Request)
    auth = provider.authorise()
    return provider.send(replace(MTN_SETTLE, body=built.body, path=built.path), auth), auth


def test_a_settle_goes_out_as_a_patch_with_its_headers() -> None:
    with mtn({"settle": DONE}, country_code="ZAF", target_system="ZSmart") as (connected, fake, _):
        got, _ = settle(connected)
    (seen,) = fake.asked("PATCH")
    assert (seen.target, got.meaning, got.provider_reference) == ("/v1/customerBill/700001", Meaning.SUCCEEDED, "T-1")
    sent = {name: seen.headers.get(name) for name in ("transactionid", "countrycode", "targetsystem", "content-type")}
    assert sent == {
        "transactionid": OWN,
        "countrycode": "ZAF",
        "targetsystem": "ZSmart",
        "content-type": "application/json",
    }


def test_what_is_not_configured_is_not_sent() -> None:
    with mtn({"settle": DONE}) as (connected, fake, _):
        settle(connected)
    (seen,) = fake.asked("PATCH")
    assert not seen.headers.keys() & {"countrycode", "targetsystem", "x-api-key"}


@pytest.mark.parametrize(
    ("credentials", "key", "bearer"),
    [
        (KEY, "made-up-key", None),
        (OAUTH, None, "Bearer made-up-token"),
        (KEY | OAUTH, "made-up-key", "Bearer made-up-token"),
    ],
)
def test_what_is_configured_is_sent(credentials: dict[str, Any], key: str | None, bearer: str | None) -> None:
    with mtn({"settle": DONE}, **credentials) as (connected, fake, _):
        settle(connected)
        connected.provider.authorise()
    (seen,) = fake.asked("PATCH")
    assert (seen.headers.get("x-api-key"), seen.headers.get("authorization")) == (key, bearer)
    assert len(fake.seen) == (1 if bearer is None else 2), "one login, and none for a key"


def test_the_login_is_a_form_with_the_client_in_http_basic() -> None:
    """RFC 6749, 2.3.1 and 4.4: client id and secret are form-encoded before they are joined."""
    odd: dict[str, Any] = {"client_id": "made:up", "client_secret": "se cret/+é"}
    with mtn({"settle": DONE}, **odd) as (connected, fake, _):
        settle(connected)
    login = fake.seen[0]
    assert (login.method, login.body) == ("POST", b"grant_type=client_credentials")
    assert login.headers["content-type"] == "application/x-www-form-urlencoded"
    scheme, encoded = login.headers["authorization"].split()
    assert (scheme, base64.b64decode(encoded)) == ("Basic", b"made%3Aup:se+cret%2F%2B%C3%A9")


def test_no_credentials_halt_the_lane_with_a_sentence_that_names_the_settings() -> None:
    section = MtnSettings.model_validate({"base_url": "http://127.0.0.1:1"})
    connected = paying(connect("mtn", Settings(mtn=section), MemoryTokens()))
    with pytest.raises(LoginRefused, match="SETTLEPIPE_MTN__API_KEY"):
        connected.provider.authorise()


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_login_names_the_settings_and_no_secret(status: int) -> None:
    refusal = reply({"error": "invalid_client"}, status)
    said = pytest.raises(LoginRefused, match="SETTLEPIPE_MTN__CLIENT_SECRET")
    with mtn({"login": refusal}) as (connected, _, _server), said as refused:
        connected.provider.authorise()
    assert "made-up" not in str(refused.value)


@pytest.mark.parametrize(
    "answered",
    [
        answer(500),
        answer(503),
        answer(429),
        answer(404),
        answer(200),
        answer(200, b"<html>"),
        reply([]),
        reply({}),
        reply({"access_token": ""}),
        reply({"access_token": 7}),
        reply({"access_token": "a b"}),
        reply({"access_token": "a\nb"}),
    ],
)
def test_a_login_that_gives_no_token_for_now_is_tried_again_later(answered: bytes) -> None:
    with mtn({"login": answered}) as (connected, _, _server), pytest.raises(LoginUnavailable):
        connected.provider.authorise()


@pytest.mark.parametrize(
    ("expires_in", "life_s"),
    [
        (1800, 1800),
        ("1800", 1800),
        (1800.0, 1800),
        (None, 3600),
        ("soon", 3600),
        (-5, 3600),
        (0, 3600),
        (True, 3600),
        ([], 3600),
        (10**11, 30 * 86_400),
        (10**400, 3600),
        ("0.0", 3600),
        ("-1", 3600),
        ("", 3600),
        ("NaN", 3600),
        ("Infinity", 3600),
        ("9" * 400, 3600),
        (float("nan"), 3600),
        (float("inf"), 3600),
        (1e300, 3600),
    ],
)
def test_a_token_lives_as_long_as_it_says_or_else_an_hour(expires_in: Any, life_s: float) -> None:
    with mtn({"login": token(expires_in=expires_in)}) as (connected, fake, _):
        before = time.time()
        connected.provider.authorise()
        row = fake.tokens.read("mtn")
    assert row is not None
    assert before + life_s <= row.token["expires_at"] <= time.time() + life_s


@pytest.mark.parametrize("written", [b"1e999999", b"-1e999999", b"9" * 5000, b"1.8e3"])
def test_a_life_that_no_number_can_hold_is_no_reason_to_stay_logged_out(written: bytes) -> None:
    answered = answer(200, b'{"access_token": "made-up-token", "expires_in": ' + written + b"}")
    with mtn({"login": answered}) as (connected, _, _server):
        assert connected.provider.authorise().headers == {"Authorization": "Bearer made-up-token"}


def test_a_token_without_expires_in_is_used_and_shared() -> None:
    with mtn({"login": reply({"access_token": "made-up-token"}), "settle": DONE}) as (connected, fake, server):
        settle(connected)
        section = MtnSettings.model_validate({"base_url": f"{server.url}/v1", **OAUTH})
        other = connect("mtn", Settings(mtn=section, http=HttpSettings(total_timeout_s=5)), fake.tokens)
        settle(other)
    assert len([seen for seen in fake.seen if seen.method == "POST"]) == 1, "one login for the fleet"


def test_a_401_with_oauth2_asks_for_a_new_token_and_the_second_in_a_row_says_that_the_credentials_are_wrong() -> None:
    logins = iter(("first", "second"))
    with mtn({"login": lambda _: token(next(logins)), "settle": error(401)}) as (connected, fake, _):
        got, auth = settle(connected)
        assert (got.meaning, connected.provider.forget(auth)) == (Meaning.REAUTH, False)
        got, auth = settle(connected)
        assert (got.meaning, connected.provider.forget(auth)) == (Meaning.REAUTH, True)
    assert [seen.headers["authorization"] for seen in fake.asked("PATCH")] == ["Bearer first", "Bearer second"]
    assert len({seen.body for seen in fake.asked("PATCH")}) == 1


def test_a_new_token_that_is_let_in_is_proven() -> None:
    def door(seen: Seen) -> bytes:
        return DONE if seen.headers["authorization"] == "Bearer second" else error(401)

    logins = iter(("first", "second"))
    with mtn({"login": lambda _: token(next(logins)), "settle": door}) as (connected, _, _server):
        _, auth = settle(connected)
        connected.provider.forget(auth)
        got, auth = settle(connected)
        assert (got.meaning, auth.fresh_after_refusal) == (Meaning.SUCCEEDED, True)
        assert connected.provider.authorise().fresh_after_refusal is False


def test_a_401_with_a_key_alone_halts_the_lane() -> None:
    with mtn({"settle": error(401)}, **KEY) as (connected, fake, _):
        got, auth = settle(connected)
        assert (got.meaning, got.kind) == (Meaning.HALT, "key_refused")
        assert connected.provider.forget(auth) is True
    assert len(fake.seen) == 1


def test_a_401_with_key_and_client_asks_for_a_new_token() -> None:
    with mtn({"settle": error(401)}, **KEY, **OAUTH) as (connected, _, _server):
        assert settle(connected)[0].meaning is Meaning.REAUTH
