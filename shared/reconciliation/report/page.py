"""The pages as text. Everything that is put into a template is escaped there: autoescape is on for all of them."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.domain.discrepancies import Category, short
from shared.reconciliation.report import charts
from shared.reconciliation.report.evidence import pairs, totals
from shared.reconciliation.report.figures import Reader
from shared.reconciliation.report.language import translations
from shared.reconciliation.report.picture import ROWS, STATES, Picture
from shared.reconciliation.report.reasons import reason
from shared.reconciliation.report.words import CODES, IN_HOUR, WORDS, Weight, here, weight, words
from shared.reconciliation.report.words import STATES as STATE_WORDS
from shared.reconciliation.store.signatures import SignedDay

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _pages(language: str) -> Environment:
    """The templates with a language's texts. In them `_` and `ngettext` give texts of ours, whose values are escaped;
    `say` one that is escaped itself where it is put."""
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    said = translations(language)
    pages.install_gettext_callables(said.gettext, said.ngettext, newstyle=True)  # type: ignore[attr-defined]
    pages.globals["say"] = said.gettext
    pages.filters["short"] = lambda books: short(books or "")
    pages.filters["larger"] = lambda total: max(abs(total.local_minor), abs(total.provider_minor))
    return pages


def page(picture: Picture, reader: Reader, written_at: datetime, signed: SignedDay) -> str:
    """report.html: self-contained, without a script. signed: who had signed the day when it was written."""
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
        in_hour=IN_HOUR,
        states=STATES,
        words=words,
        here=here,
        absent=[reader.say(WORDS[c].title) for c in Category if c is not Category.MATCHED and not picture.count(c)],
        length=charts.length,
        bar=charts.bar,
        pairs=pairs,
        weight=weight,
        totals=totals,
        signed=signed,
        rows=ROWS,
        written_at=written_at,
    )


def render(template: str, reader: Reader, **given: Any) -> str:
    """One of the templates, filled."""
    shared: Mapping[str, Any] = {"r": reader, "left": charts.LEFT, "width": charts.WIDTH, "height": charts.HEIGHT}
    return (
        _pages(reader.speaks)
        .get_template(template)
        .render(**shared, reason=_why, codes=CODES, moment=datetime.fromisoformat, **given)
    )


def _why(row: Any, reader: Reader) -> str | None:
    return reason(row.resolved_by, row.resolved_reason, reader)
