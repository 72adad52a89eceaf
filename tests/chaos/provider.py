"""Strikes of the providers: every fault of the sandbox, alone and all mixed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from deploy.sandbox.faults import KINDS as FAULTS
from tests.chaos.plan import Draws, Strike
from tests.chaos.world import World

LATE_S = 1.2  # what is applied late is so within the settle window, with as much again for a busy machine
_DELAYS: Mapping[str, float] = {
    "error_503": 1,
    "error_429": 1,
    "drip": 0.1,
    "drip_headers": 0.1,
    "applied_late": LATE_S,
    "slow": 1,
}
# How often each strikes: those that stop a whole lane are rare, or nothing else would happen.
_RARE: Mapping[str, float] = {
    **dict.fromkeys(("error_401", "revoked_token", "error_403", "error_404", "redirect_302"), 0.05),
    "big_body": 0.03,
}
_RATE = 0.5
_BOOKS: Mapping[str, str] = {"billcenter": "invoices", "ubill": "account_payments", "mtn": "bill"}
_BOOKS_FAULTS = ("error_500_before", "hang_before", "reset_before", "error_429", "not_json_200", "truncated_200")
MIXED = "mixed"


@contextmanager
def sandbox(world: World, strike: Strike) -> Iterator[None]:
    """Some kinds of fault, or all of them, at one provider (at provider/operation: of that one alone). value:
    kind@rate, with commas between them."""
    name, _, only = strike.where.partition("/")
    rates: dict[str, float] = {}
    for one in strike.value.split(","):
        kind, _, rate = one.partition("@")
        kinds = _kinds([name]) if kind == MIXED else [kind]
        rates |= dict.fromkeys(kinds, float(rate) / len(kinds))
    operations = (only,) if only else ("settle", "refund") if name == "billcenter" else ("settle",)
    with world.fault(strike, *(_fault(world, name, o, *rate) for o in operations for rate in rates.items())):
        yield


@contextmanager
def latency(world: World, strike: Strike) -> Iterator[None]:
    """Every request takes so long. value: in seconds."""
    change = f"{strike.where}/options"
    world.stack.sandbox.call("POST", change, {"latency_s": float(strike.value)})
    try:
        yield
    finally:
        world.stack.sandbox.call("POST", change, {"latency_s": 0})


def _kinds(providers: Sequence[str]) -> list[str]:
    """Which faults one of these may have: ubill's one key would stay dead when it is revoked."""
    return sorted(kind for kind in FAULTS if not (kind == "revoked_token" and "ubill" in providers))


@contextmanager
def books(world: World, strike: Strike) -> Iterator[None]:
    """The provider's books can't be read, or not always."""
    kind, _, rate = strike.value.partition("@")
    with world.fault(strike, _fault(world, strike.where, _BOOKS[strike.where], kind, float(rate))):
        yield


def _fault(world: World, provider: str, operation: str, kind: str, rate: float) -> dict[str, object]:
    found: dict[str, object] = {
        "provider": provider,
        "operation": operation,
        "fault": kind,
        "rate": rate,
        "seed": world.plan.seed,
    }
    return found | ({"delay_s": _DELAYS[kind]} if kind in _DELAYS else {})


def _any(rng: random.Random, providers: Sequence[str]) -> tuple[str, str]:
    provider = rng.choice(providers)
    kind = rng.choice(_kinds([provider]))
    return provider, f"{kind}@{_RARE.get(kind, _RATE)}"


def _any_latency(rng: random.Random, providers: Sequence[str]) -> tuple[str, str]:
    return rng.choice(providers), str(rng.choice((0.3, 1.0, 2.0)))


def _mixed(rng: random.Random, providers: Sequence[str]) -> tuple[str, str]:
    return rng.choice(providers), f"{MIXED}@0.6"


def _any_books(rng: random.Random, providers: Sequence[str]) -> tuple[str, str]:
    return rng.choice(providers), f"{rng.choice(_BOOKS_FAULTS)}@0.5"


KINDS = {
    "sandbox": (Draws(_any, 3, 7, keys=lambda where: (f"sandbox {where}", f"late {where}"), weight=5), sandbox),
    "sandbox_mixed": (Draws(_mixed, 3, 7, keys=lambda where: (f"sandbox {where}", f"late {where}"), weight=5), sandbox),
    "latency": (Draws(_any_latency, 2, 5, keys=lambda where: (f"latency {where}",)), latency),
    "books": (Draws(_any_books, 2, 5, keys=lambda where: (f"books {where}",), weight=3), books),
}
