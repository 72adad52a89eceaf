"""Numbers, money, dates and times as the reader writes them."""

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import NumberPattern, format_decimal

from shared.domain.money import places
from shared.languages import SOURCE, known
from shared.reconciliation.report.language import translations

FALLBACK = "en"
_VARIABLES = ("LC_ALL", "LC_TIME", "LANG")  # the first that is set counts, as for the C library


def reader_locale(name: str | None, environ: Mapping[str, str] = os.environ) -> Locale:
    """The locale called `name` (`de`, `ka_GE`, `mn-MN.UTF-8`); None: the environment's, English where it has none.

    Raises ValueError for a name that is not known. One that the environment names and nobody knows is English.
    """
    chosen = name if name is not None else next((environ[v] for v in _VARIABLES if environ.get(v)), FALLBACK)
    plain = chosen.split(".")[0].split("@")[0].replace("-", "_")
    try:
        if plain not in ("C", "POSIX"):
            return Locale.parse(plain)
    except (UnknownLocaleError, ValueError) as error:
        if name is not None:
            raise ValueError(f"locale {name!r} is not known: give one like en, de or ka_GE") from error
    return Locale.parse(FALLBACK)


def reader(zone: str, locale: str | None = None, language: str | None = None) -> "Reader":
    """Who reads. locale: of numbers and dates; None: the language's where one is asked for and the environment has
    another, else the environment's. Raises ValueError for one that is not known."""
    found, speaks = reader_locale(locale), known(language)
    if locale is None and language is not None and found.language != speaks:
        found = Locale.parse(speaks)
    return Reader(found, ZoneInfo(zone), speaks)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, and in which time zone the day is. speaks: the language of the texts; numbers and dates are the
    locale's."""

    locale: Locale
    zone: ZoneInfo
    speaks: str = SOURCE

    def say(self, text: str, **values: object) -> str:
        """A text of the catalogues in the reader's language, any other as it is; `%(name)s` in it is a value."""
        said = translations(self.speaks).gettext(text) if text else text
        return said % values if values else said

    def many(self, one: str, more: str, number: int, **values: object) -> str:
        """The same of a number of things. `%(count)s` is the number as the reader writes it, unless it is given."""
        said = translations(self.speaks).ngettext(one, more, number)
        return said % {"count": self.count(number), **values}

    @property
    def language(self) -> str:
        """What a page calls the locale's language."""
        return str(self.locale).replace("_", "-")

    def money(self, minor: int, currency: str | None) -> str:
        """With the currency's code behind it: a symbol like `$` is the sign of many. Without a currency: a dash."""
        return "–" if currency is None else f"{self.amount(minor, currency)}\N{NO-BREAK SPACE}{currency}"

    def amount(self, minor: int, currency: str | None) -> str:
        """Without the currency, for a column that says it."""
        if currency is None:
            return "–"
        digits = places(currency)  # ISO 4217's, as everywhere here, not what the locale is in the habit of
        return exactly(self.locale.decimal_formats[None], digits, Decimal(minor).scaleb(-digits), self.locale)

    def count(self, number: int) -> str:
        """A whole number."""
        return format_decimal(number, locale=self.locale)

    def share(self, part: int, whole: int) -> str:
        """A percentage with one decimal, never rounded up: 100 % means all of them."""
        ratio = (Decimal(part) / Decimal(whole or 1)).quantize(Decimal("0.001"), ROUND_DOWN)
        return exactly(self.locale.percent_formats[None], 1, ratio, self.locale)

    def day(self, day: date, form: Literal["full", "long", "medium", "short"] = "medium") -> str:
        """A date."""
        return format_date(day, form, locale=self.locale)

    def moment(self, at: datetime) -> str:
        """A date and a time in the zone, to the minute."""
        return format_datetime(at.astimezone(self.zone), self._minute, locale=self.locale)

    def time(self, at: datetime) -> str:
        """A time of day in the zone."""
        return format_time(at, "short", tzinfo=self.zone, locale=self.locale)

    @property
    def _minute(self) -> str:
        joined: str = self.locale.datetime_formats["medium"]
        date_part, time_part = self.locale.date_formats["medium"].pattern, self.locale.time_formats["short"].pattern
        return joined.replace("{1}", date_part).replace("{0}", time_part)


PLAIN = Reader(Locale.parse(FALLBACK), ZoneInfo("UTC"))  # what programs read


def exactly(pattern: NumberPattern, digits: int, value: Decimal, locale: Locale) -> str:
    """By the locale's pattern, with just so many decimal places."""
    exact = copy.copy(pattern)
    exact.frac_prec = (digits, digits)
    return str(exact.apply(value, locale))
