"""sign: secrets of webhooks, and what they sign, by Standard Webhooks (standardwebhooks.com)."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr
from standardwebhooks import Webhook

_PREFIX = "whsec_"
_BYTES = 32  # 256 random bits; the specification asks for 24 to 64 bytes


def new_secret() -> str:
    """As a receiver writes it into its settings."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


class Vault:
    """Secrets as the database keeps them: encrypted with SECRET_KEYS, newest first; older ones still decrypt."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """Raises ValueError for keys that are none, and for no key at all."""
        self._cipher = MultiFernet([Fernet(key.get_secret_value()) for key in keys])

    def locked(self, secret: str) -> bytes:
        return self._cipher.encrypt(secret.encode())

    def opened(self, kept: bytes) -> str:
        """Raises ValueError where none of our keys is the one."""
        try:
            return self._cipher.decrypt(bytes(kept)).decode()
        except InvalidToken:
            raise ValueError(
                "its secret can't be read with SETTLEPIPE_SECRET_KEYS; set the list that it was made with, or"
                " `settlepipe webhooks rotate`"
            ) from None


def headers(event_id: str, body: bytes, secrets_: Sequence[str], at: datetime) -> Mapping[str, str]:
    """What is sent beside the body: a signature by each of the secrets, so that a receiver with either reads it. at: of
    this attempt, UTC; receivers refuse what is old."""
    text = body.decode()
    signed = (Webhook(secret).sign(event_id, at, text) for secret in secrets_)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.astimezone(UTC).timestamp())),
        "webhook-signature": " ".join(signed),
    }
