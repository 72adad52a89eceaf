"""References of payments that others made, or that nobody accepted."""

import secrets

from shared.domain.reference import reference


def new_reference() -> str:
    """One of our form that no intent of a test has."""
    return reference(b"a key of nobody's", "nobody", secrets.token_hex(16))
