"""billcenter's tokens: `POST /api/token/` with the user's name and password, `/api/token/refresh/` for a new access."""

import base64
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from shared.providers import kinds
from shared.providers.base import LoginRefused, LoginUnavailable
from shared.providers.credentials import Grant, Login
from shared.providers.http import Http
from shared.providers.outcomes import HttpFault
from shared.settings import BillcenterSettings

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")  # goes into a header
_ASSUMED_LIFE_S = 3600.0  # our reading: of a token that does not say when it ends; a 401 corrects it
_REFRESH_MARGIN_S = 300.0


def login(http: Http, settings: BillcenterSettings) -> Login:
    """A login for `TokenSource`: renews with a refresh token that is alive, else logs in.

    An access token's end is the `exp` of its JWT. `expires_at`, in the answer and in the claims, is the refresh
    token's end (and a string): it is never read.
    """

    def log_in(last: Grant | None) -> Grant:
        renewed = _renew(http, last)
        if renewed is not None:
            return renewed
        credentials = {"username": settings.username, "password": settings.password.get_secret_value()}
        answer = _post(http, "/api/token/", credentials)
        refresh = answer.get("refresh")
        if not isinstance(refresh, str) or not _TOKEN.fullmatch(refresh):
            refresh = None
        return _grant(answer, refresh, _expiry(refresh) if refresh else None)

    return log_in


def _renew(http: Http, last: Grant | None) -> Grant | None:
    """A new access token for the refresh token of `last`; None when only a login helps."""
    if last is None or last.refresh is None or (last.refresh_expires_at or 0) < time.time() + _REFRESH_MARGIN_S:
        return None
    try:
        answer = _post(http, "/api/token/refresh/", {"refresh": last.refresh})
    except LoginRefused:
        return None
    return _grant(answer, last.refresh, last.refresh_expires_at)


def _post(http: Http, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
    outcome = http.read("POST", path, body=json.dumps(fields).encode())
    if isinstance(outcome, HttpFault):
        raise LoginUnavailable(f"billcenter: the login got no answer ({outcome.kind})")
    if outcome.status in (400, 401, 403):
        raise LoginRefused(
            f"billcenter refused the login (HTTP {outcome.status});"
            " check SETTLEPIPE_BILLCENTER__USERNAME and SETTLEPIPE_BILLCENTER__PASSWORD"
        )
    answer = kinds.document(outcome) if outcome.status == 200 else None
    if not isinstance(answer, dict):
        raise LoginUnavailable(f"billcenter: the login's answer can't be used (HTTP {outcome.status})")
    return answer


def _grant(answer: Mapping[str, Any], refresh: str | None, refresh_expires_at: float | None) -> Grant:
    access = answer.get("access")
    if not isinstance(access, str) or not _TOKEN.fullmatch(access):
        raise LoginUnavailable("billcenter: the login's answer holds no access token")
    return Grant(access, _expiry(access) or time.time() + _ASSUMED_LIFE_S, refresh, refresh_expires_at)


def _expiry(token: str) -> float | None:
    """`exp` of a JWT, read without verifying it: it is the issuer's word to us, and only says when to renew."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError, OverflowError):
        return None
