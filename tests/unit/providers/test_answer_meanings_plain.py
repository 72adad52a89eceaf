"""A provider's words as people are shown them."""

import pytest

from shared.providers.answer_meanings import plain


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("no\r\nsuch\x00invoice", "no such invoice"),
        ("soft\xadhyphen", "soft hyphen"),
        ("\u202eright to left\u200b", "right to left"),
        ("tags \U000e0041 and \ud800 halves \ufffd", "tags   and   halves"),
        ("Төлбөр амжилттай", "Төлбөр амжилттай"),
        ("\xad", None),
        ("x" * 600, "x" * 500),
        (7, None),
    ],
)
def test_only_what_is_seen_is_shown(given: object, shown: str | None) -> None:
    assert plain(given) == shown
