"""A person's words beside what was decided: a reason, a name. Pure."""

MAX_REASON_CHARACTERS = 500
MAX_BY_CHARACTERS = 100
MAX_LINE_CHARACTERS = 100


def reason(given: str, what: str = "reason") -> str:
    """The reason without blanks around it. Raises ValueError, in a sentence about `what`."""
    return _text(what, given, MAX_REASON_CHARACTERS)


def by(given: str, what: str = "name of who decides") -> str:
    """The name of who decides, in the same way."""
    return _text(what, given, MAX_BY_CHARACTERS)


def line(given: str) -> str:
    """The provider's number of a line, in the same way."""
    return _text("number of the line", given, MAX_LINE_CHARACTERS)


def _text(what: str, given: str, limit: int) -> str:
    text = given.strip()
    if not 0 < len(text) <= limit or "\x00" in text:
        raise ValueError(f"the {what} must have 1 to {limit} characters")
    return text
