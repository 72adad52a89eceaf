"""oidc: somebody proves who they are at the company's OpenID Connect provider (the code flow, with PKCE).

It says who somebody is, and nothing of what they may do: that person has to be set up here, under the name that the
provider gives, and their role is the one that they have here.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from cryptography.fernet import InvalidToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared.people.passwords import cipher
from shared.providers.http import Http
from shared.providers.raw_answers import HttpFault
from shared.settings.sections import HttpSettings

BEGUN_S = 600  # in which somebody has to be back
_LIMITS = HttpSettings(connect_timeout_s=5, total_timeout_s=10, max_body_bytes=256 * 1024)
_KEPT_S = 300.0  # what the provider says of itself, and its keys
_LEEWAY_S = 60
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class NotProved(Exception):  # noqa: N818 - says what is so
    """The provider did not say who it is; the message says why, and holds nothing of what it said."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where somebody goes to prove who they are, and the cookie that they come back with."""

    url: str
    cookie: str = field(repr=False)


class Provider:
    """One, as it is set. Thread-safe.

    claim: what of its word is the person's name here. returns_to: our address that it sends people back to. keys:
    SECRET_KEYS, newest first.
    """

    def __init__(
        self, issuer: str, *, client_id: str, client_secret: str, claim: str, returns_to: str, keys: tuple[str, ...]
    ) -> None:
        self._issuer, self._client_id, self._secret = issuer, client_id, client_secret
        self._claim, self._returns_to, self._cipher = claim, returns_to, cipher(keys)
        self._lock = threading.Lock()
        self._known: tuple[Mapping[str, Any], KeySet] | None = None
        self._known_at = float("-inf")

    def begin(self) -> Begun:
        """Raises NotProved where the provider can't be reached."""
        about, _ = self._about()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        given = {"response_type": "code", "client_id": self._client_id, "redirect_uri": self._returns_to}
        given |= {"scope": "openid profile email", "state": state, "nonce": nonce}
        given |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        kept = json.dumps({"state": state, "nonce": nonce, "verifier": verifier})
        place = about["authorization_endpoint"]
        joined = "&" if urlsplit(place).query else "?"
        return Begun(f"{place}{joined}{urlencode(given)}", self._cipher.encrypt(kept.encode()).decode())

    def finish(self, code: str, state: str, cookie: str) -> str:
        """The name of whoever came back with this. Raises NotProved."""
        try:
            begun = json.loads(self._cipher.decrypt(cookie, ttl=BEGUN_S))
        except (InvalidToken, ValueError):
            raise NotProved("this log-in was not begun in this browser, or too long ago; begin it again") from None
        if not secrets.compare_digest(begun["state"].encode(), state.encode("utf-8", "replace")):
            raise NotProved("this log-in was not begun in this browser; begin it again")
        about, key_set = self._about()
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._returns_to}
        given |= {"code_verifier": begun["verifier"]}
        basic = base64.b64encode(f"{self._client_id}:{self._secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        answer = _asked("POST", about["token_endpoint"], headers, urlencode(given).encode())
        return self._name(answer.get("id_token"), key_set, begun["nonce"])

    def _name(self, token: object, key_set: KeySet, nonce: str) -> str:
        if not isinstance(token, str):
            raise NotProved("the OpenID Connect provider gave no id_token")
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = jwt.decode(token, key_set, algorithms=list(_ALGORITHMS)).claims
            registry.validate(claims)
        except (JoseError, ValueError, TypeError):
            with self._lock:
                self._known_at = float("-inf")  # its keys may be new
            raise NotProved("the OpenID Connect provider's word does not hold; begin the log-in again") from None
        if claims.get("azp", self._client_id) != self._client_id:
            raise NotProved("the OpenID Connect provider's word is for somebody else's client")
        if self._claim == "email" and claims.get("email_verified") is not True:
            raise NotProved("the OpenID Connect provider does not say that it verified this e-mail address")
        name = claims.get(self._claim)
        if not isinstance(name, str) or not name.strip():
            raise NotProved(f"the OpenID Connect provider says no {self._claim}; correct SETTLEPIPE_WEB__OIDC_CLAIM")
        return name.strip()

    def _about(self) -> tuple[Mapping[str, Any], KeySet]:
        with self._lock:
            if self._known is not None and time.monotonic() - self._known_at < _KEPT_S:
                return self._known
        about = _asked("GET", f"{self._issuer.rstrip('/')}/.well-known/openid-configuration", {}, None)
        if about.get("issuer") != self._issuer:
            raise NotProved("the OpenID Connect provider calls itself otherwise than SETTLEPIPE_WEB__OIDC_ISSUER says")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            place = about.get(name)
            if not isinstance(place, str) or urlsplit(place).scheme not in _schemes(self._issuer):
                raise NotProved(f"the OpenID Connect provider has no {name} that can be trusted")
        try:
            keys: Any = _asked("GET", about["jwks_uri"], {}, None)
            known = about, KeySet.import_key_set(keys)
        except (JoseError, ValueError, TypeError, KeyError):
            raise NotProved("the OpenID Connect provider's keys can't be read") from None
        with self._lock:
            self._known, self._known_at = known, time.monotonic()
        return known


def _schemes(issuer: str) -> tuple[str, ...]:
    """TLS alone; without it only where the provider itself is set so."""
    return ("https",) if urlsplit(issuer).scheme == "https" else ("https", "http")


def _asked(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Mapping[str, Any]:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    answer = Http(f"{parts.scheme}://{parts.netloc}", _LIMITS).call(method, path, headers=headers, body=body)
    if isinstance(answer, HttpFault):
        raise NotProved("the OpenID Connect provider does not answer; try again, or log in by your password")
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if answer.status != 200 or not isinstance(found, dict):
        raise NotProved(f"the OpenID Connect provider refuses: HTTP {answer.status}")
    return found
