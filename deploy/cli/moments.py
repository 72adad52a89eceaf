"""Times, as people type them and as programs are told them."""

import re
from datetime import date, datetime

from deploy.cli import output
from deploy.cli.failures import WrongUse

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def given(text: str) -> datetime:
    """The time that somebody typed (RFC 3339). Raises WrongUse for what is none, or has no offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise WrongUse(f"{output.safe(text)} is no time with an offset; write it like 2026-11-21T03:24:12Z")
    return moment


def day(text: str) -> date:
    """The day that somebody typed. Raises WrongUse for what is none."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise WrongUse(f"{output.safe(text)} is no day; write it like 2026-11-21") from None
    if not 1970 <= found.year <= 9998:  # what lies outside has no begin and end in every zone
        raise WrongUse(f"{output.safe(text)} must lie between 1970-01-01 and 9998-12-31")
    return found


def length_s(text: str) -> float:
    """Seconds of a length that somebody typed: 90s, 30m, 2h, 3d. Raises WrongUse."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text, re.ASCII)
    if found is None:
        raise WrongUse(f"{output.safe(text)} is no length of time; write it like 30m, 2h or 3d")
    return float(found[1]) * _SECONDS[found[2]]


def utc(moment: datetime) -> str:
    """A time in UTC with its microseconds: 2026-11-21T03:24:12.000000Z."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def utc_or_none(moment: datetime | None) -> str | None:
    """The same where there may be none."""
    return None if moment is None else utc(moment)
