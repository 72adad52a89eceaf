"""billcenter's tokens: `POST /api/token/` with the user's name and password, `/api/token/refresh/` for a new access."""

import json
import time
from collections.abc import Mapping
from typing import Any

from shared.providers import grants
from shared.providers.base import LoginRefused, LoginUnavailable
from shared.providers.credentials import Grant, Login
from shared.providers.http import Http
from shared.providers.raw_answers import HttpFault
from shared.settings.sections import BillcenterSettings

_ASSUMED_LIFE_S = 3600.0  # our reading: of a token that does not say when it ends; a 401 corrects it
_REFRESH_MARGIN_S = 300.0
_RENEWAL_RESTS_S = 60.0  # a renewal that gave nothing is not tried again for so long


def login(http: Http, settings: BillcenterSettings, *, total_s: float) -> Login:
    """A login for `TokenSource`: renews with a refresh token that is alive; where that gives no token, for whatever
    reason, it logs in. Both take `total_s` at most.

    An access token's end is the `exp` of its JWT. `expires_at`, in the answer and in the claims, is the refresh
    token's end (and a string): it is never read.

    Called by one thread at a time.
    """
    rests_until = float("-inf")

    def log_in(last: Grant | None) -> Grant:
        nonlocal rests_until
        begun = time.monotonic()
        if last is not None and _renewable(last) and begun >= rests_until:
            renewed = _renew(http, last, total_s / 2)
            if renewed is not None:
                return renewed
            rests_until = time.monotonic() + _RENEWAL_RESTS_S
        credentials = {"username": settings.username, "password": settings.password.get_secret_value()}
        answer = _post(http, "/api/token/", credentials, total_s - (time.monotonic() - begun))
        access, refresh = grants.token(answer.get("access")), grants.token(answer.get("refresh"))
        if access is None:
            raise LoginUnavailable("billcenter: the login's answer holds no access token")
        now = time.time()
        ends_at = min(grants.ends_at(access) or now + _ASSUMED_LIFE_S, now + grants.MAX_LIFE_S)
        return Grant(access, ends_at, refresh, grants.ends_at(refresh) if refresh else None)

    return log_in


def _renewable(last: Grant) -> bool:
    return last.refresh is not None and (last.refresh_expires_at or 0) >= time.time() + _REFRESH_MARGIN_S


def _renew(http: Http, last: Grant, limit_s: float) -> Grant | None:
    """A new access token for the refresh token of `last`; None where there is no other, or it ends before the last."""
    try:
        access = grants.token(_post(http, "/api/token/refresh/", {"refresh": str(last.refresh)}, limit_s).get("access"))
    except (LoginRefused, LoginUnavailable):
        return None
    now, ends_at = time.time(), grants.ends_at(access) if access else None
    if access in (None, last.access) or ends_at is None or ends_at <= now or ends_at < last.expires_at:
        return None
    return Grant(access, min(ends_at, now + grants.MAX_LIFE_S), last.refresh, last.refresh_expires_at)


def _post(http: Http, path: str, fields: Mapping[str, str], limit_s: float) -> dict[str, Any]:
    outcome = http.read("POST", path, body=json.dumps(fields).encode(), deadline_s=limit_s)
    if isinstance(outcome, HttpFault):
        raise LoginUnavailable(f"billcenter: the login got no answer ({outcome.kind})")
    if outcome.status in (400, 401, 403):
        raise LoginRefused(
            f"billcenter refused the login (HTTP {outcome.status});"
            " check SETTLEPIPE_BILLCENTER__USERNAME and SETTLEPIPE_BILLCENTER__PASSWORD"
        )
    answer = grants.document(outcome)
    if answer is None:
        raise LoginUnavailable(f"billcenter: the login's answer can't be used (HTTP {outcome.status})")
    return answer
