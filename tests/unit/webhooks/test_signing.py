"""Signatures as the specification's own code reads them, and secrets that are kept encrypted."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from standardwebhooks import Webhook

from shared.webhooks.sign import Vault, headers, new_secret

BODY = '{"id": "12-1", "name": "Ünal"}'.encode()


def test_a_signature_is_that_of_the_specification() -> None:
    """By hand once: HMAC-SHA256 of id.timestamp.body with the bytes behind whsec_."""
    raw = bytes(range(24))
    secret = "whsec_" + base64.b64encode(raw).decode()
    given = headers("12-1", BODY, [secret], datetime(2026, 11, 21, 3, 24, 12, 900_000, tzinfo=UTC))
    signed = hmac.new(raw, b"12-1.1795231452." + BODY, hashlib.sha256).digest()
    assert given == {
        "webhook-id": "12-1",
        "webhook-timestamp": "1795231452",
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def test_each_of_two_secrets_reads_it_and_no_third() -> None:
    old, new, other = new_secret(), new_secret(), new_secret()
    given = dict(headers("12-1", BODY, [new, old], datetime.now(UTC)))
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, given)["id"] == "12-1"
    with pytest.raises(Exception, match="No matching"):
        Webhook(other).verify(BODY, given)
    with pytest.raises(Exception, match="No matching"):
        Webhook(new).verify(BODY + b" ", given)


def test_a_secret_is_of_256_random_bits_and_is_read_with_the_keys_it_was_kept_under() -> None:
    secret = new_secret()
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    one, two = (SecretStr(Fernet.generate_key().decode()) for _ in range(2))
    kept = Vault([one]).locked(secret)
    assert secret.encode() not in kept
    assert Vault([two, one]).opened(kept) == secret, "newest first, older ones still decrypt"
    with pytest.raises(ValueError, match="rotate"):
        Vault([two]).opened(kept)
    with pytest.raises(ValueError, match=r"Fernet|keys"):
        Vault([])
