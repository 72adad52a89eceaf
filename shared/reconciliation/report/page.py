"""The pages as text. Everything that is put into a template is escaped there: autoescape is on for all of them."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.domain.discrepancies import Category
from shared.reconciliation.report import charts
from shared.reconciliation.report.evidence import pairs, totals
from shared.reconciliation.report.figures import Reader
from shared.reconciliation.report.picture import ROWS, STATES, Picture
from shared.reconciliation.report.words import STATES as STATE_WORDS
from shared.reconciliation.report.words import WORDS, Weight, here, weight, words

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_PAGES.filters["larger"] = lambda total: max(abs(total.local_minor), abs(total.provider_minor))


def page(picture: Picture, locale: Locale, written_at: datetime) -> str:
    """report.html: self-contained, without a script."""
    reader = Reader(locale, ZoneInfo(picture.zone))
    weighed = picture.weighed()
    counts = {str(weight): weighed[weight] for weight in Weight}
    return render(
        "report.html",
        reader,
        picture=picture,
        run=picture.run,
        weighed=counts,
        everything=sum(counts.values()),
        agreement=charts.bar(counts, max(sum(counts.values()), 1)),
        day=charts.day(picture.hours),
        starts=list(picture.starts()),
        state_words=STATE_WORDS,
        states=STATES,
        words=words,
        here=here,
        absent=[WORDS[c].title for c in Category if c is not Category.MATCHED and not picture.count(c)],
        length=charts.length,
        bar=charts.bar,
        pairs=pairs,
        weight=weight,
        totals=totals,
        rows=ROWS,
        written_at=written_at,
    )


def render(template: str, reader: Reader, **given: Any) -> str:
    """One of the templates, filled."""
    shared: Mapping[str, Any] = {"r": reader, "left": charts.LEFT, "width": charts.WIDTH, "height": charts.HEIGHT}
    return _PAGES.get_template(template).render(**shared, **given)
