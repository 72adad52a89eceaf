"""One-time codes that a person's phone shows: RFC 6238 over HMAC-SHA-1, six digits, a new one every 30 s. Pure.

SHA-1 because it is what the apps know; as the key of an HMAC it is not broken.
"""

import base64
import hashlib
import hmac
import secrets
import struct
from urllib.parse import quote

STEP_S = 30
DIGITS = 6
_BYTES = 20
_AROUND = (0, -1, 1)  # a clock may be so many steps off


def new_secret() -> bytes:
    """160 random bits, as RFC 4226 recommends."""
    return secrets.token_bytes(_BYTES)


def code(secret: bytes, step: int) -> str:
    """The code of one step."""
    mac = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    place = mac[-1] & 15
    number = int.from_bytes(mac[place : place + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(secret: bytes, given: str, now_s: float) -> int | None:
    """The step that this code is of, now or one step around; None for a wrong one. Blanks in it do not matter."""
    digits = "".join(given.split()).encode("utf-8", "replace")
    now = int(now_s // STEP_S)
    fits = (now + around for around in _AROUND if hmac.compare_digest(code(secret, now + around).encode(), digits))
    return next(fits, None)


def uri(secret: bytes, name: str) -> str:
    """What an app takes, typed or as a picture."""
    return f"otpauth://totp/{quote(f'settlepipe:{name}')}?secret={text(secret)}&issuer=settlepipe"


def text(secret: bytes) -> str:
    """The secret as people type it."""
    return base64.b32encode(secret).decode().rstrip("=")
