"""billcenter's tokens: which end counts, when a refresh token is used, what a refused login is."""

import base64
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shared.providers.base import LoginRefused, LoginUnavailable
from tests.support.billcenter import Handler, billcenter, reply
from tests.support.memory import MemoryTokens, jwt
from tests.support.raw_server import Connection, answer


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


def aged(tokens: MemoryTokens, refresh: str | None, refresh_in_s: float = 86_400, access_in_s: float = 20) -> None:
    """A token that is about to end, or has ended."""
    row = {
        "access": "old",
        "expires_at": time.time() + access_in_s,
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


def hang(_query: dict[str, str]) -> Callable[[Connection], None]:
    return lambda connection: connection.hang()


def reset(_query: dict[str, str]) -> Callable[[Connection], None]:
    return lambda connection: connection.reset()


NO_ACCESS: Sequence[Any] = (None, "", 7, True, ["t"], {}, "a b", "a\r\nX: y", "токен", "x" * 9000)
NO_TOKEN: Sequence[bytes | Handler] = [
    *(answer(status) for status in (400, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504)),
    answer(429, b"", "Retry-After: 3600"), answer(302, b"", "Location: /api/token/"), answer(204), hang, reset,
    answer(200), answer(200, b"<html>log in</html>"), answer(200, b"[]"), answer(200, b"null"), answer(200, b'{"acc'),
    *(reply({"access": access}) for access in NO_ACCESS),
    *(reply({"access": access}) for access in ("opaque", "a.b.c", jwt(-1), jwt(0, exp="late"), jwt(0, exp=None))),
    *(reply({"access": jwt(0, exp=exp)}) for exp in (float("nan"), float("inf"), -5, 0, True, [1], 10**400)),
    reply({}), reply({"refresh": jwt(86_400)}), answer(200, b'{"access": NaN}'),
]  # fmt: skip


@pytest.mark.parametrize("answered", NO_TOKEN, ids=range(len(NO_TOKEN)))
def test_where_the_renewal_gives_no_token_it_logs_in(answered: bytes | Handler) -> None:
    """Whatever the refresh address does, the name and the password open the door."""
    access = jwt(3600)
    routes: dict[str, bytes | Handler] = {"token/refresh": answered, "token": reply({"access": access})}
    with billcenter(routes, total_timeout_s=2) as (connected, fake, _):
        aged(fake.tokens, "made-up-refresh")
        connected.provider.authorise()
        assert connected.provider.authorise().headers == {"Authorization": f"Bearer {access}"}
        assert fake.paths[-1] == "/api/token/"
        assert fake.paths.count("/api/token/") == 1


def test_a_renewal_that_gave_nothing_is_not_asked_for_with_each_login() -> None:
    routes: dict[str, bytes | Handler] = {"token/refresh": answer(500), "token": answer(500)}
    with billcenter(routes) as (connected, fake, _):
        aged(fake.tokens, "made-up-refresh", access_in_s=-1)
        assert connected.renew is not None
        for _ in range(3):
            with pytest.raises(LoginUnavailable):
                connected.renew(None)
        with pytest.raises(LoginUnavailable):
            connected.provider.authorise()
        assert fake.paths == ["/api/token/refresh/", "/api/token/", "/api/token/", "/api/token/"]


def test_renewal_and_login_take_no_longer_than_one_call_together() -> None:
    routes: dict[str, bytes | Handler] = {"token/refresh": hang, "token": hang}
    with billcenter(routes, total_timeout_s=1) as (connected, fake, _):
        aged(fake.tokens, "made-up-refresh", access_in_s=-1)
        begun = time.monotonic()
        with pytest.raises(LoginUnavailable):
            connected.provider.authorise()
        assert time.monotonic() - begun < 1.8
        assert fake.paths == ["/api/token/refresh/", "/api/token/"]


@pytest.mark.parametrize("refreshed", [answer(500), answer(401)])
def test_a_login_that_is_refused_after_a_renewal_without_a_token_halts(refreshed: bytes) -> None:
    routes: dict[str, bytes | Handler] = {"token/refresh": refreshed, "token": answer(401)}
    with billcenter(routes) as (connected, fake, _):
        aged(fake.tokens, "made-up-refresh", access_in_s=-1)
        with pytest.raises(LoginRefused):
            connected.provider.authorise()


@pytest.mark.parametrize("answered", [answer(401), answer(404), answer(500), answer(200, b"<html>"), hang])
def test_while_the_token_is_good_a_login_that_fails_stops_nobody(answered: bytes | Handler) -> None:
    routes: dict[str, bytes | Handler] = {"token/refresh": answered, "token": answered}
    with billcenter(routes, total_timeout_s=1) as (connected, fake, _):
        aged(fake.tokens, "made-up-refresh")
        for _ in range(3):
            assert connected.provider.authorise().headers == {"Authorization": "Bearer old"}
        assert fake.paths == ["/api/token/refresh/", "/api/token/"], "and it is tried again after a while"


def test_a_refresh_token_without_an_end_that_can_be_one_is_not_used() -> None:
    odd = jwt(0, exp=float("nan"))
    with billcenter({"token": reply({"access": jwt(3600), "refresh": odd})}) as (connected, fake, _):
        connected.provider.authorise()
        row = fake.tokens.read("billcenter")
        assert row is not None
        assert row.token["refresh_expires_at"] is None


@pytest.mark.parametrize("exp", [float("nan"), float("inf"), 10**14, -1, 0])
def test_a_token_whose_end_is_none_is_renewed_all_the_same(exp: float) -> None:
    with billcenter({"token": reply({"access": jwt(0, exp=exp)})}) as (connected, fake, _):
        connected.provider.authorise()
        row = fake.tokens.read("billcenter")
        assert row is not None
        assert time.time() < row.token["expires_at"] <= time.time() + 30 * 86_400


@pytest.mark.parametrize(
    "end", ["NaN", "Infinity", "-Infinity", "1e999", "true", '"Infinity"', '"nan"', "[]", "{}", "null"]
)
def test_an_end_that_is_no_time_is_taken_for_an_hour(end: str) -> None:
    claims = base64.urlsafe_b64encode(f'{{"exp":{end}}}'.encode()).decode().rstrip("=")
    with billcenter({"token": reply({"access": f"e30.{claims}.x"})}) as (connected, fake, _):
        connected.provider.authorise()
        row = fake.tokens.read("billcenter")
        assert row is not None
        assert row.token["expires_at"] == pytest.approx(time.time() + 3600, abs=60)


def test_a_login_that_contradicts_itself_gives_no_token() -> None:
    body = b'{"access":"first","access":"second"}'
    with billcenter({"token": answer(200, body)}) as (connected, _, _), pytest.raises(LoginUnavailable):
        connected.provider.authorise()
