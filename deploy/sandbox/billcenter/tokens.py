"""Billcenter's JWTs, signed with HMAC-SHA256.

Two traps are kept as documented: `expires_at`, inside the access token too, is the end of the *refresh* token; and
the `iat` of a refreshed access token is the refresh token's.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

MAX_REMEMBERED = 100_000
_HEAD = {"alg": "HS256", "typ": "JWT"}


class Tokens:
    """Issues and checks tokens. Needs no memory of them: a restarted sandbox knows the tokens of the one before."""

    def __init__(self) -> None:
        self._generation = 0
        self._checked: dict[str, float] = {}  # the access tokens that were found valid, to their end
        self._revoked: dict[str, None] = {}  # in order, so that the oldest is forgotten first

    def login(self, access_ttl_s: int, refresh_ttl_s: int) -> dict[str, str]:
        """Both tokens, as `POST /api/token/` answers them."""
        now = int(time.time())
        refresh_end = now + refresh_ttl_s
        return {
            "refresh": self._sign(_claims("refresh", refresh_end, now, refresh_end)),
            "access": self._sign(_claims("access", now + access_ttl_s, now, refresh_end)),
            "type": "Third_Party",
            "expires_at": str(refresh_end),
        }

    def refresh(self, token: str, access_ttl_s: int) -> dict[str, str] | None:
        """A new access token; None when the refresh token is not valid."""
        claims = self._valid(token, "refresh")
        if claims is None:
            return None
        end = int(time.time()) + access_ttl_s
        return {"access": self._sign(_claims("access", end, claims["iat"], claims["expires_at"]))}

    def admits(self, token: str) -> bool:
        """Is this an access token that is valid now?"""
        end = self._checked.get(token)
        if end is None:
            claims = self._valid(token, "access")
            if claims is None:
                return False
            end = float(claims["exp"])
            _remember(self._checked, token, end)
        return end > time.time()

    def revoke(self, token: str) -> None:
        """This token is dead from now on."""
        self._checked.pop(token, None)
        _remember(self._revoked, token, None)

    def revoke_all(self) -> None:
        """Every token issued until now is dead, refresh tokens too."""
        self._generation += 1
        self._checked.clear()

    def _valid(self, token: str, kind: str) -> dict[str, Any] | None:
        signed, _, signature = token.rpartition(".")
        if token in self._revoked or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        claims: dict[str, Any] = json.loads(_decoded(signed.partition(".")[2]))
        return claims if claims["token_type"] == kind and claims["exp"] > time.time() else None

    def _sign(self, claims: dict[str, Any]) -> str:
        signed = f"{_encoded(json.dumps(_HEAD).encode())}.{_encoded(json.dumps(claims).encode())}"
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, signed: str) -> str:
        # No secret: the sandbox guards nothing, and the key must outlive the process.
        key = f"sandbox {self._generation}".encode()
        return _encoded(hmac.new(key, signed.encode(), hashlib.sha256).digest())


def _claims(kind: str, end: int, issued: int, refresh_end: int) -> dict[str, Any]:
    return {
        "token_type": kind,
        "exp": end,
        "iat": issued,
        "jti": secrets.token_hex(16),
        "user_id": 2,
        "type": "Third_Party",
        "expires_at": refresh_end,
        "id": 2,
    }


def _remember(memory: dict[str, Any], token: str, value: Any) -> None:
    memory[token] = value
    if len(memory) > MAX_REMEMBERED:
        del memory[next(iter(memory))]


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
