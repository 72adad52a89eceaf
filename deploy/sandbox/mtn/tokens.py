"""OAuth2 client credentials (RFC 6749, 4.4) and what an access token is worth.

Tokens are opaque and signed with HMAC-SHA256; the sandbox needs no memory of them.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

from deploy.sandbox.wire import JSON, Reply, Seen, as_json

MAX_REMEMBERED = 100_000
MAX_FORM_FIELDS = 20
_NO_STORE = b"Cache-Control: no-store\r\nPragma: no-cache\r\n"
_FORM = "application/x-www-form-urlencoded"


class BadForm(Exception):  # noqa: N818 - says what happened
    """A token request that is refused: the `error` code of RFC 6749, 5.2, and a description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


class Tokens:
    """Issues and checks tokens."""

    def __init__(self) -> None:
        self._generation = 0
        self._revoked: dict[str, None] = {}  # in order, so that the oldest is forgotten first

    def answer(self, seen: Seen, clients: Mapping[str, str], ttl_s: int) -> Reply:
        """What the token endpoint says: a token, or an error with the code that RFC 6749 gives it."""
        try:
            client, secret = _credentials(seen)
        except BadForm as problem:
            return _refused(400, problem.error, str(problem))
        if secret is None or clients.get(client) != secret:
            challenge = b'WWW-Authenticate: Basic realm="mtn"\r\n' if "Authorization" in seen.headers else b""
            return _refused(401, "invalid_client", "client authentication failed", challenge)
        token = {"access_token": self._issue(ttl_s), "token_type": "Bearer", "expires_in": ttl_s}
        return Reply(200, as_json(token).body, JSON, _NO_STORE)

    def admits(self, token: str) -> bool:
        """Is it valid now?"""
        signed, _, signature = token.rpartition(".")
        if token in self._revoked or not hmac.compare_digest(_raw(signature), _raw(self._signature(signed))):
            return False
        return float(signed.partition(".")[0]) > time.time()

    def revoke(self, token: str) -> None:
        """This token is dead from now on."""
        self._revoked[token] = None
        if len(self._revoked) > MAX_REMEMBERED:
            del self._revoked[next(iter(self._revoked))]

    def revoke_all(self) -> None:
        """Every token issued until now is dead."""
        self._generation += 1

    def _issue(self, ttl_s: int) -> str:
        signed = f"{int(time.time()) + ttl_s}.{secrets.token_hex(16)}"
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, signed: str) -> str:
        # No secret: the sandbox guards nothing, and the key must outlive the process.
        key = f"sandbox mtn {self._generation}".encode()
        return hmac.new(key, _raw(signed), hashlib.sha256).hexdigest()


def _raw(text: str) -> bytes:
    """Headers that are no UTF-8 come with surrogates, which have to be wrong, not an error."""
    return text.encode(errors="surrogateescape")


def _credentials(seen: Seen) -> tuple[str, str | None]:
    """Client id and secret, of HTTP Basic or of the form, never both. Raises BadForm."""
    if seen.headers.get("Content-Type", "").partition(";")[0].strip().lower() != _FORM:
        raise BadForm("invalid_request", f"the body must be {_FORM}")
    try:
        pairs = parse_qsl(
            seen.body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_FORM_FIELDS
        )
    except ValueError as error:
        raise BadForm("invalid_request", "the body is no form") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise BadForm("invalid_request", "a parameter stands twice")
    if "grant_type" not in form:
        raise BadForm("invalid_request", "grant_type is missing")
    if form["grant_type"] != "client_credentials":
        raise BadForm("unsupported_grant_type", "grant_type must be client_credentials")
    authorization = seen.headers.get("Authorization")
    if authorization is None:
        return form.get("client_id", ""), form.get("client_secret")
    if "client_secret" in form:
        raise BadForm("invalid_request", "the client authenticates in two ways")
    return _basic(authorization)


def _basic(authorization: str) -> tuple[str, str | None]:
    """RFC 6749, 2.3.1: both are form-encoded before they are joined."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", None
    try:
        client, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", None
    return unquote_plus(client), unquote_plus(secret) if colon else None


def _refused(status: int, error: str, description: str, challenge: bytes = b"") -> Reply:
    body = as_json({"error": error, "error_description": description}).body
    return Reply(status, body, JSON, _NO_STORE + challenge)
