"""A connected provider that takes payments, as a type: its verbs are there."""

from dataclasses import dataclass, fields

from shared.providers.base import Connected, Provider


@dataclass(frozen=True)
class Paying(Connected):
    """`Connected` where the document has a settle."""

    provider: Provider


def paying(connected: Connected) -> Paying:
    """The same, known to have verbs; fails where there are none."""
    assert connected.provider is not None
    return Paying(**{field.name: getattr(connected, field.name) for field in fields(connected)})
