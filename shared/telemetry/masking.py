"""Secrets and personal data never reach a log: they are masked by the name of their key and by their form.

Guaranteed for every value of a log event, at any depth, and for every text in it, tracebacks included. What can't
be told from an ordinary number (a local phone number without its country code, an account number in free text) is
masked only under its key: do not put such values into event texts.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

MASK = "***"
MAX_CHARACTERS = 2_000  # of one value; what is longer is cut
MAX_ITEMS = 50  # of one list or mapping
MAX_DEPTH = 6
# Texts are masked before they are cut, with this much more, so that no secret is halved out of recognition.
_MARGIN = 400

# Keys are compared in lower snake case: these names exactly …
_SENSITIVE = frozenset(
    {
        "access",
        "refresh",
        "key",
        "sms",
        "register",
        "account",
        "bank_account",
        "account_name",
        "account_id",
        "account_number",
        "first_name",
        "last_name",
        "full_name",
        "customer_name",
        "subscriber_name",
        "jwt",
        "auth",
        "cookie",
        "set_cookie",
        "iban",
        "pin",
        "pan",
        "bearer",
        "receipt",
        "notify",
        "target",
        "input_value",
    }
)
# … and names that hold one of these words, in singular or plural, or end like that.
_SENSITIVE_WORDS = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "authorization",
        "cvv",
        "cvc",
        "phone",
        "email",
        "mobile",
        "msisdn",
        "apikey",
        "credential",
        "cardnumber",
        "phonenumber",
    }
)
_SENSITIVE_ENDINGS = ("api_key", "api_keys", "private_key", "card_number", "access_key", "_register", "subscriber_no")
# A fencing token is an attempt's number; a secret's version, count or age is no secret.
_HARMLESS = frozenset({"fencing_token"})
_HARMLESS_ENDINGS = ("_version", "_count", "_s")
# Our own ids, digests and amounts: digits that may look like a card's or a phone's and are not.
_IDENTIFIERS = frozenset(
    {
        "id",
        "ids",
        "payment_id",
        "payment_ids",
        "intent_id",
        "task_id",
        "event_id",
        "entry_id",
        "attempt",
        "sent_reference",
        "provider_reference",
        "invoice_code",
        "exclusive_key",
        "sha256",
        "request_sha256",
        "digest",
        "amount",
        "amount_minor",
        "timestamp",
        "level",
        "logger",
        "state",
        "operation",
        "provider",
        "source",
        "lane",
        "kind",
        "pid",
        "alert",
    }
)

_NAME = re.compile(r"(?<!\w)([A-Za-z_][\w-]{0,63})\\*[\"']?\s{0,4}(?:=>|=|:)\s{0,4}")
_VALUE = re.compile(
    r"(?:b|Secret\w+\()?(?P<quote>\\*[\"'])(?:\\.|[^\\])*?(?:(?P=quote)|\\?\Z)"
    r"|[\[({][^\])}]*[\])}]?"
    r"|(?:(?:bearer|basic|token|digest|apikey)\s+)?[^\s\"'&)}\]]+",
    re.DOTALL | re.IGNORECASE,
)
_SCHEME = re.compile(r"(?i:\bbearer\s+)[^\s\"',;)}\]]{4,}|(?i:\bbasic\s+)(?=\S*[A-Z0-9=])[A-Za-z0-9+/]{6,}={0,2}")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,4}")
_USERINFO = re.compile(r"://[^\s\"'<>]*@")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_REGISTER = re.compile(r"(?<!\w)[А-ЯЁӨҮа-яёөү]{2}\s?\d{8}(?!\d)")  # a Mongolian citizen's register number
_PHONE = re.compile(r"(?<![\w+])\+\(?\d(?:[ ()./-]{0,2}\d){7,14}(?!\d)")
# International numbers written bare, as SMS gateways want them: the providers' countries, with their lengths.
_BARE_PHONE = re.compile(
    r"(?<![0-9A-Za-z+])(?<!\d[.,-])(?:00)?"
    r"(?:976[5-9]\d{7}|9955\d{8}|905\d{9}|998\d{9}|2(?:7\d{9}|11\d{9}|24\d{9}|25\d{9}|29\d{8,10}|31\d{9}|33\d{9}"
    r"|34\d{10}|37\d{9}|42\d{9}|45\d{7,9}|50\d{9}|56\d{9}|60\d{9}|68\d{8}))(?![0-9A-Za-z])(?![.-]\d)"
)
_CARD = re.compile(
    r"(?<![0-9A-Za-z])(?<!\d[.,])"
    r"(?:[2-689]\d{12,18}|[2-689]\d{3}(?:[ .-]\d{4}){3}|3\d{3}[ .-]\d{6}[ .-]\d{5})(?![0-9A-Za-z])(?!\.\d)"
)
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![0-9A-Za-z])")
_DIGITS = re.compile(r"\d[ ./()-]{0,2}\d{2,}[ ./()-]{0,2}\d{2}")  # enough in a row for a card, a phone or an account
# One cheap look at a text first: most hold nothing that any pattern could match.
_SUSPECT = re.compile(r"[=:@]|eyJ|(?i:bearer|basic)|" + _DIGITS.pattern)


def mask_event(_logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """A structlog processor: the event as plain JSON data without secrets and personal data, within the limits."""
    return {_name_of(key): _mask(key, value, 0) for key, value in event.items()}


def mask_text(text: str, *, identifier: bool = False, keep_end: bool = False) -> str:
    """`text` without secrets, at most MAX_CHARACTERS long; identifier: its digits are an id's.

    keep_end: what is too long loses its beginning (of a traceback the end says what happened).
    """
    if len(text) > MAX_CHARACTERS + _MARGIN:
        text = text[-MAX_CHARACTERS - _MARGIN :] if keep_end else text[: MAX_CHARACTERS + _MARGIN]
    if _SUSPECT.search(text):
        text = _mask_suspect(text, identifier)
    if len(text) > MAX_CHARACTERS:
        text = "…" + text[-MAX_CHARACTERS:] if keep_end else text[:MAX_CHARACTERS] + "…"
    return text


@lru_cache(maxsize=2048)
def is_sensitive(key: str) -> bool:
    """Does a key of this name hold a secret or personal data? Any spelling: apiKey, api-key, API_KEY."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").lower()
    if name in _HARMLESS or name.endswith(_HARMLESS_ENDINGS):
        return False
    if name in _SENSITIVE or name.rstrip("0123456789").endswith(_SENSITIVE_ENDINGS):
        return True
    return any(word in _SENSITIVE_WORDS or word.removesuffix("s") in _SENSITIVE_WORDS for word in name.split("_"))


@lru_cache(maxsize=2048)
def _name_of(key: str) -> str:
    return mask_text(key)


def _mask(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if is_sensitive(key):
        return MASK
    if isinstance(value, str):
        return mask_text(str(value), identifier=key in _IDENTIFIERS, keep_end=key == "exception")
    if isinstance(value, int | float):
        return _mask_number(key, value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _mask_container(key, value, depth + 1) if depth < MAX_DEPTH else "…"
    return _mask_object(key, value)


def _mask_container(key: str, value: Mapping[Any, Any] | Collection[Any], depth: int) -> Any:
    first = list(islice(value, MAX_ITEMS))
    more = f"{len(value) - MAX_ITEMS} more" if len(value) > MAX_ITEMS else ""
    if not isinstance(value, Mapping):
        return [*(_mask(key, item, depth) for item in first), *([f"… {more}"] if more else [])]
    shown = {mask_text(_text_of(name)): _mask(_text_of(name), value[name], depth) for name in first}
    return shown | {"…": more} if more else shown


def _mask_number(key: str, value: int | float) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    if -(10**9) < value < 10**9 or isinstance(value, float) or key in _IDENTIFIERS:
        return value
    return value if mask_text(str(value)) == str(value) else MASK


def _mask_object(key: str, value: object) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID | timedelta):
        return str(value)
    if hasattr(value, "get_secret_value"):
        return MASK
    if isinstance(value, bytes | bytearray | memoryview) and key in _IDENTIFIERS:
        return bytes(value).hex()
    return mask_text(_text_of(value))


def _text_of(value: object) -> str:
    """A text for anything: never raises, not even when its `__repr__` does."""
    try:
        if isinstance(value, str):
            return str(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value[: MAX_CHARACTERS + _MARGIN]).decode("utf-8", "backslashreplace")
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return str(value) if isinstance(value, PurePath) else repr(value)
    except Exception as error:
        return f"<{type(value).__name__} that can't be shown: {type(error).__name__}>"


def _mask_suspect(text: str, identifier: bool) -> str:
    lowered = text.lower()
    if "bearer" in lowered or "basic" in lowered:
        text = _SCHEME.sub(MASK, text)
    if "eyJ" in text:
        text = _JWT.sub(MASK, text)
    if "@" in text:
        text = _EMAIL.sub(MASK, _USERINFO.sub(f"://{MASK}@", text))
    if "=" in text or ":" in text:
        text = _mask_pairs(text)
    if not identifier and _DIGITS.search(text):
        text = _REGISTER.sub(MASK, text)
        text = _CARD.sub(_mask_if(_is_card), text)
        text = _IBAN.sub(_mask_if(_is_iban), text)
        text = _BARE_PHONE.sub(MASK, _PHONE.sub(MASK, text) if "+" in text else text)
    return text


def _mask_pairs(text: str) -> str:
    """Mask the values of sensitive names in `name=value`, `name: value`, `'name': 'value'`, `?name=value&…`."""
    parts: list[str] = []
    done = 0
    for name in _NAME.finditer(text):
        if name.start() < done or not is_sensitive(name.group(1)):
            continue
        value = _VALUE.match(text, name.end())
        if value is not None:
            parts += (text[done : name.end()], MASK)
            done = value.end()
    return "".join(parts) + text[done:]


def _mask_if(judge: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
    return lambda match: MASK if judge(match.group()) else match.group()


def _is_card(text: str) -> bool:
    """The Luhn check (ISO/IEC 7812-1)."""
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    return sum(digits[0::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


def _is_iban(text: str) -> bool:
    """The check digits (ISO 13616: mod 97)."""
    compact = text.replace(" ", "")
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1
