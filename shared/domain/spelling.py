"""One spelling for what another system takes for an identifier: an invoice, an account, a customer. Pure.

Systems trim, fold and drop characters each in its own way, so two spellings of one account can be two accounts to us
and one to the provider, or the other way round. A text that could be read in two ways is refused, never rewritten:
which one was meant only its writer knows. Letters of every script are welcome.
"""

import unicodedata
from collections.abc import Iterator
from typing import Any

MAX_CHARACTERS = 1024

_REFUSED = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
# Nothing is seen of these either, though Unicode calls them letters, marks or symbols.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}


def mistake(text: str) -> str | None:
    """Why this is not the only spelling of itself, in words that hold nothing of it; None where it is."""
    if len(text) > MAX_CHARACTERS:
        return f"it has more than {MAX_CHARACTERS} characters"
    if text.isascii() and text.isprintable():
        return _blanks(text)
    odd = next(filter(None, map(_odd, text)), None)
    if odd is not None:
        return f"it holds {odd}"
    if not unicodedata.is_normalized("NFKC", text):
        return "it is not in Unicode's normal form NFKC (wide, joined or taken-apart characters)"
    return _blanks(text)


def mistakes(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """(where, why) for each text in a JSON value, names in it too. path: where the value itself stands."""
    if isinstance(value, str):
        why = mistake(value)
        if why is not None:
            yield path, why
    elif isinstance(value, dict):
        for name, item in value.items():
            if mistake(name) is None:
                yield from mistakes(item, f"{path}.{name}")
            else:
                yield path, f"a name in it: {mistake(name)}"
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from mistakes(item, f"{path}.{place}")


def _blanks(text: str) -> str | None:
    return "it has blanks around it, or two in a row" if text != text.strip(" ") or "  " in text else None


def _odd(one: str) -> str | None:
    category = unicodedata.category(one)
    if category in _REFUSED or one in _UNSEEN:
        return "a control, format or other character that is not seen"
    if category == "Zs" and one != " ":
        return "a blank other than the plain one"
    if category == "Nd" and not one.isascii() and unicodedata.normalize("NFKC", one) == one:
        return "digits other than 0 to 9"
    return None
