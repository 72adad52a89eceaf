"""What is secret or personal, by the name of its key and by its form."""

import re
from collections.abc import Callable
from functools import lru_cache

from shared.domain.cards import is_card_key

MASK = "***"

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
        "name_on_card",
        "cheque_number",
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
        "metadata",
        "payment_method",
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

_NAME = re.compile(r"(?<!\w)([A-Za-z_][\w-]{0,63})\\*[\"']?\s{0,4}(?:=>|=|:)\s{0,4}")
# A quote that stands behind more backslashes than any nesting of texts has is not looked for again: all is masked.
_VALUE = re.compile(
    r"(?:b|Secret\w{1,64}\()?(?P<quote>\\{0,15}[\"'])(?:\\.|[^\\])*?(?:(?P=quote)|\\?\Z)"
    r"|(?:b|Secret\w{1,64}\()?\\{16}.*"
    r"|[\[({][^\])}]*[\])}]?"
    r"|(?:(?:bearer|basic|token|digest|apikey)\s+)?[^\s\"'&)}\]]+",
    re.DOTALL | re.IGNORECASE,
)
_SCHEME = re.compile(r"(?i:\bbearer\s+)[^\s\"',;)}\]]{4,}|(?i:\bbasic\s+)(?=\S*[A-Z0-9=])[A-Za-z0-9+/]{6,}={0,2}")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,4}")
_USERINFO = re.compile(r"(?<![^\s\"'<>])(?>([^\s\"'<>]*?)://)[^\s\"'<>]*@")  # tried once for each word
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
# PostgreSQL tells the whole row that broke a constraint.
_ROW = re.compile(r"(Failing row contains )\((?:.*\)|.*)", re.DOTALL)  # to the end, where its own was cut off
# One cheap look at a text first: most hold nothing that any pattern could match.
_SUSPECT = re.compile(r"[=:@]|Failing row|eyJ|-----BEGIN|(?i:bearer|basic)|" + _DIGITS.pattern)


@lru_cache(maxsize=2048)
def is_sensitive(key: str) -> bool:
    """Does a key of this name hold a secret or personal data? Any spelling: apiKey, api-key, API_KEY."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").lower()
    if name in _HARMLESS or name.endswith(_HARMLESS_ENDINGS):
        return False
    if is_card_key(key) or name in _SENSITIVE or name.rstrip("0123456789").endswith(_SENSITIVE_ENDINGS):
        return True
    return any(word in _SENSITIVE_WORDS or word.removesuffix("s") in _SENSITIVE_WORDS for word in name.split("_"))


def mask_patterns(text: str, identifier: bool) -> str:
    """`text` with everything masked that looks like a secret or like personal data.

    identifier: the text is an id of ours; its digits are no phone's and no card's.
    """
    if not _SUSPECT.search(text):
        return text
    lowered = text.lower()
    if "bearer" in lowered or "basic" in lowered:
        text = _SCHEME.sub(MASK, text)
    if "-----BEGIN" in text:
        text = _PEM.sub(MASK, text)
    if "eyJ" in text:
        text = _JWT.sub(MASK, text)
    if "Failing row" in text:
        text = _ROW.sub(rf"\1({MASK})", text)
    if "@" in text:
        text = _EMAIL.sub(MASK, _USERINFO.sub(rf"\1://{MASK}@", text))
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
