"""billcenter's tokens: which end counts, when a refresh token is used, what a refused login is."""

import json
import time

import pytest

from shared.providers.base import LoginRefused, LoginUnavailable
from tests.support.billcenter import billcenter, reply
from tests.support.memory import MemoryTokens, jwt
from tests.support.raw_server import answer


def test_the_end_of_an_access_token_is_its_own_exp_and_never_expires_at() -> None:
    """Trap: `expires_at` is a string and the refresh token's end, also inside the access token's claims."""
    far = str(int(time.time() + 30 * 86_400))
    access = jwt(3600, expires_at=int(far), iat=1)
    routes = {"token": reply({"access": access, "refresh": jwt(30 * 86_400), "type": "T", "expires_at": far})}
    with billcenter(routes) as (connected, fake, server):
        assert connected.provider.authorise().headers == {"Authorization": f"Bearer {access}"}
        row = fake.tokens.read("billcenter")
        assert row is not None
        assert row.token["expires_at"] == pytest.approx(time.time() + 3600, abs=5)
        assert row.token["refresh_expires_at"] == pytest.approx(time.time() + 30 * 86_400, abs=5)
        assert json.loads(server.bodies()[0]) == {"username": "made-up-user", "password": "made-up-password"}


def aged(tokens: MemoryTokens, refresh: str | None, refresh_in_s: float = 86_400) -> None:
    """A token that is about to end."""
    row = {
        "access": "old",
        "expires_at": time.time() + 20,
        "refresh": refresh,
        "refresh_expires_at": time.time() + refresh_in_s,
    }
    tokens.save("billcenter", row, False)
    tokens.age(900)


def test_an_ending_access_token_is_renewed_with_the_refresh_token() -> None:
    with billcenter({"token/refresh": reply({"access": jwt(3600, iat=1)})}) as (connected, fake, server):
        aged(fake.tokens, "made-up-refresh")
        assert connected.provider.authorise().version == 1
        assert connected.provider.authorise().version == 2
        assert fake.paths == ["/api/token/refresh/"]
        assert json.loads(server.bodies()[0]) == {"refresh": "made-up-refresh"}
        row = fake.tokens.read("billcenter")
        assert row is not None
        assert row.token["refresh"] == "made-up-refresh"  # the answer gives only `access`


@pytest.mark.parametrize(("refresh", "refresh_in_s"), [(None, 86_400), ("made-up-refresh", -1)])
def test_without_a_refresh_token_that_is_alive_it_logs_in(refresh: str | None, refresh_in_s: float) -> None:
    with billcenter({}) as (connected, fake, _):
        aged(fake.tokens, refresh, refresh_in_s)
        connected.provider.authorise()
        connected.provider.authorise()
        assert fake.paths == ["/api/token/"]


def test_a_refused_refresh_token_leads_to_a_login() -> None:
    with billcenter({"token/refresh": answer(401)}) as (connected, fake, _):
        aged(fake.tokens, "made-up-refresh")
        connected.provider.authorise()
        connected.provider.authorise()
        assert fake.paths == ["/api/token/refresh/", "/api/token/"]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_login_names_its_settings_and_no_secret(status: int) -> None:
    with billcenter({"token": reply({"detail": "made-up-password is wrong"}, status)}) as (connected, _, _server):
        with pytest.raises(LoginRefused, match="SETTLEPIPE_BILLCENTER__PASSWORD") as caught:
            connected.provider.authorise()
        assert "made-up-password" not in str(caught.value)


@pytest.mark.parametrize(
    "answered",
    [
        answer(500), answer(502, b"<html>"), answer(503), answer(429), answer(404), answer(200), answer(200, b"<html>"),
        answer(200, b"[]"), reply({}), reply({"access": ""}), reply({"access": 7}), reply({"access": "a\r\nX: y"}),
        reply({"access": "токен"}), reply({"access": "x" * 9000}),
    ],
)  # fmt: skip
def test_a_login_without_a_usable_answer_is_unavailable(answered: bytes) -> None:
    with billcenter({"token": answered}) as (connected, _, _server), pytest.raises(LoginUnavailable):
        connected.provider.authorise()


def test_a_login_that_hangs_is_unavailable() -> None:
    routes = {"token": lambda _query: lambda connection: connection.hang()}
    with billcenter(routes, total_timeout_s=0.3) as (connected, _, _server), pytest.raises(LoginUnavailable):
        connected.provider.authorise()


@pytest.mark.parametrize("access", ["opaque", "a.b.c", "a.e30.c", "a.eyJleHAiOiAibGF0ZSJ9.c", "a.W10.c"])
def test_a_token_that_does_not_say_its_end_is_used_for_an_hour(access: str) -> None:
    """Our reading: a 401 corrects it."""
    with billcenter({"token": reply({"access": access})}) as (connected, fake, _):
        connected.provider.authorise()
        row = fake.tokens.read("billcenter")
        assert row is not None
        assert row.token["expires_at"] == pytest.approx(time.time() + 3600, abs=5)
