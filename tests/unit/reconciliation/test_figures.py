"""Numbers, money and dates are written as the reader writes them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from shared.reconciliation.report.figures import Reader, reader_locale

AT = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)


def reader(name: str, zone: str = "Asia/Ulaanbaatar") -> Reader:
    return Reader(reader_locale(name), ZoneInfo(zone))


def plain(text: str) -> str:
    """With ordinary spaces, whichever the locale has."""
    return " ".join(text.split()).replace("\u202f", " ")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("en", ("-1,234,567.89 MNT", "1,234,567", "99.9%", "November 21, 2026", "Nov 21, 2026, 9:05 PM")),
        ("de", ("-1.234.567,89 MNT", "1.234.567", "99,9 %", "21. November 2026", "21.11.2026, 21:05")),
        ("ka_GE", ("-1 234 567,89 MNT", "1 234 567", "99,9%", "21 ნოემბერი, 2026", "21 ნოე. 2026, 21:05")),
        ("tr-TR", ("-1.234.567,89 MNT", "1.234.567", "%99,9", "21 Kasım 2026", "21 Kas 2026 21:05")),
        ("hi_IN.UTF-8", ("-12,34,567.89 MNT", "12,34,567", "99.9%", "21 नवंबर 2026", "21 नव॰ 2026, 9:05 pm")),
    ],
)
def test_each_locale_has_its_own_way(name: str, written: tuple[str, ...]) -> None:
    who = reader(name)
    texts = (
        who.money(-123_456_789, "MNT"),
        who.count(1_234_567),
        who.share(99_999, 100_000),
        who.day(date(2026, 11, 21), "long"),
        who.moment(AT),
    )
    assert tuple(map(plain, texts)) == written


@pytest.mark.parametrize(("currency", "text"), [("JPY", "12,345"), ("MNT", "123.45"), ("BHD", "12.345")])
def test_money_has_the_places_of_its_currency(currency: str, text: str) -> None:
    assert reader("en").amount(12_345, currency) == text


def test_a_hundred_percent_means_all_of_them() -> None:
    assert reader("en").share(1_000_000 - 1, 1_000_000) == "99.9%"
    assert reader("en").share(5, 5) == "100.0%"
    assert reader("en").share(0, 0) == "0.0%"


def test_an_unknown_locale_is_named() -> None:
    with pytest.raises(ValueError, match="'xx_YY' is not known"):
        reader_locale("xx_YY")


@pytest.mark.parametrize(
    ("environment", "locale"),
    [
        ({"LANG": "de_DE.UTF-8"}, "de_DE"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "mn_MN"}, "mn_MN"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "nonsense"}, "en"),
        ({}, "en"),
    ],
)
def test_without_a_name_the_environment_says(environment: dict[str, str], locale: str) -> None:
    assert str(reader_locale(None, environment)) == locale
