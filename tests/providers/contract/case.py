"""What the contract suite has to be told of a provider: made-up payments, and what its document answers to them.

Each provider has a module of its own in `cases`, named like it, with one `CASE`. One with look-ups only needs none.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from shared.domain.answers import Verdict
from shared.domain.payment import Operation, Payment
from shared.providers.base import Connected, Registration
from shared.settings import Settings
from tests.support.memory import MemoryDirectory, MemoryTokens, jwt

Body = tuple[int, bytes]
MAX_BODY_BYTES = 100_000
LOGIN = {  # lets in at every provider
    "access": jwt(3600),
    "refresh": jwt(7200),
    "access_token": "made-up",
    "token_type": "Bearer",
    "expires_in": 3600,
}
GIVEN: Mapping[type, Any] = {str: "1", int: 1, bool: True, float: 1.0}  # where the case gives none


@dataclass(frozen=True)
class Shown:
    """What the provider's books answer to every read of a check, and the refusal that came before it, if one did."""

    body: bytes
    last_refusal: str | None = None


@dataclass(frozen=True)
class Documented:
    """An operation or a follow-up. successes, refusals: status and body of each documented yes and no.

    shows: for an operation, books that prove each verdict, where everything else that a check needs is known.
    """

    payment: Payment
    successes: Sequence[Body]
    refusals: Sequence[Body] = ()
    shows: Mapping[Verdict, Shown] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """settings: of the provider's section. documented: by operation and by the name of a follow-up.

    latest: a success of ours that a check can read back. given: arguments of look-ups, by the name of the parameter,
    where not every text or number will do. apart: look-ups that do not fail as a whole, with tests of their own.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    directory: MemoryDirectory = field(default_factory=MemoryDirectory)
    documented: Mapping[Operation | str, Documented] = field(default_factory=dict)
    latest: Payment | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    apart: Set[str] = frozenset()


def case_of(provider: str) -> Case:
    """The provider's case; an empty one where it has none."""
    module = f"tests.providers.contract.cases.{provider}"
    case: Case = import_module(module).CASE if find_spec(module) else Case()
    return case


def on(registration: Registration, url: str, total_timeout_s: float = 10) -> Connected:
    """The provider, connected to a server of the test's with the case's settings."""
    limits = {"connect_timeout_s": 5, "total_timeout_s": total_timeout_s, "max_body_bytes": MAX_BODY_BYTES}
    section = {**case_of(registration.name).settings, "base_url": url}
    settings = Settings.model_validate({registration.name: section, "http": limits})
    return registration.connect(settings, settings.provider(registration.name), MemoryTokens())


def required(connected: Connected, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for what a look-up requires, of these where they are given."""
    parameters = connected.lookups[name].parameters
    return {key: given.get(key, GIVEN[of]) for key, (of, needed, _) in parameters.items() if needed}
