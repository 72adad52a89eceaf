"""What lets a call in at mtn: `X-API-Key`, an OAuth2 token (client credentials, RFC 6749 section 4.4), or both."""

import base64
import time
from collections.abc import Mapping
from urllib.parse import quote_plus

from pydantic import SecretStr

from shared.providers import grants
from shared.providers.base import Auth, LoginRefused, LoginUnavailable, Renew
from shared.providers.credentials import Grant, Login, TokenSource
from shared.providers.http import Http
from shared.providers.ours import TokenStore
from shared.providers.raw_answers import HttpFault
from shared.settings.sections import MtnSettings

TOKEN_PATH = "/oauth/access_token"  # noqa: S105 - a path
_ASSUMED_LIFE_S = 3600.0  # our reading: of a token that does not say how long it lives; a 401 corrects it


class Door:
    """Authorises calls with what is configured. Thread-safe.

    The document's key and token are alternatives. Where both are set both are sent: each lets a call in by itself,
    and a gateway that wants the key beside the token is content too.
    """

    def __init__(self, http: Http, settings: MtnSettings, store: TokenStore, wait_s: float) -> None:
        key = settings.api_key.get_secret_value() if settings.api_key else None
        self._key: Mapping[str, str] = {"X-API-Key": key} if key else {}
        self._tokens: TokenSource | None = None
        if settings.client_id and settings.client_secret:
            login = log_in(http, settings.client_id, settings.client_secret)
            self._tokens = TokenSource("mtn", store, login, wait_s=wait_s, headers=self._headers)

    @property
    def key_alone(self) -> bool:
        """A 401 can't be mended by a new token."""
        return self._tokens is None

    @property
    def renew(self) -> Renew | None:
        """Fetches a new token for the fleet; None where there is only a key."""
        return self._tokens.renew if self._tokens else None

    def authorise(self) -> Auth:
        """Raises LoginRefused (also where nothing is configured), LoginUnavailable."""
        if self._tokens is not None:
            return self._tokens.authorise()
        if not self._key:
            raise LoginRefused(
                "mtn has no credentials; set SETTLEPIPE_MTN__API_KEY,"
                " or SETTLEPIPE_MTN__CLIENT_ID and SETTLEPIPE_MTN__CLIENT_SECRET"
            )
        return Auth(self._key)

    def forget(self, auth: Auth) -> bool:
        """This auth got a 401; True when the credentials themselves are wrong, as a refused key always is."""
        return self._tokens.forget(auth) if self._tokens else True

    def worked(self, auth: Auth) -> None:
        """A call was let in with it."""
        if self._tokens:
            self._tokens.worked(auth)

    def _headers(self, access: str) -> Mapping[str, str]:
        return {**self._key, "Authorization": f"Bearer {access}"}


def log_in(http: Http, client_id: str, client_secret: SecretStr) -> Login:
    """A login for `TokenSource`. The document names the token's URL and the flow and no more: all else is the RFC's.

    The client authenticates with HTTP Basic, which every server has to support (section 2.3.1). `expires_in` is
    seconds, as a number or as digits in a text. `token_type` is not looked at: gateways have names of their own for
    Bearer.
    """
    # section 2.3.1: both are form-encoded first, so that a colon in them separates nothing
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret.get_secret_value())}"
    headers = {
        "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }

    def login(_last: Grant | None) -> Grant:
        outcome = http.read("POST", TOKEN_PATH, headers=headers, body=b"grant_type=client_credentials")
        if isinstance(outcome, HttpFault):
            raise LoginUnavailable(f"mtn: the login got no answer ({outcome.kind})")
        if outcome.status in (400, 401, 403):
            raise LoginRefused(
                f"mtn refused the login (HTTP {outcome.status});"
                " check SETTLEPIPE_MTN__CLIENT_ID and SETTLEPIPE_MTN__CLIENT_SECRET"
            )
        answer = grants.document(outcome)
        if answer is None:
            raise LoginUnavailable(f"mtn: the login's answer can't be used (HTTP {outcome.status})")
        access = grants.token(answer.get("access_token"))
        if access is None:
            raise LoginUnavailable("mtn: the login's answer holds no access token")
        life_s = grants.seconds(answer.get("expires_in")) or _ASSUMED_LIFE_S
        return Grant(access, time.time() + min(life_s, grants.MAX_LIFE_S))

    return login
