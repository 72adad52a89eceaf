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
_RATE = 0.4
_BOOKS: Mapping[str, str] = {"billcenter": "invoices", "ubill": "account_payments", "mtn": "bill"}
_BOOKS_FAULTS = ("error_500_before", "hang_before", "reset_before", "error_429", "not_json_200", "truncated_200")
MIXED = "mixed"


@contextmanager
def sandbox(world: World, strike: Strike) -> Iterator[None]:
    """One kind of fault, or all of them, at one provider. value: the kind, and the rate behind an `@`."""
    kind, _, rate = strike.value.partition("@")
    kinds = sorted(FAULTS) if kind == MIXED else [kind]
    share = float(rate) if kind != MIXED else float(rate) / len(kinds)
    faults = [_fault(world, strike.where, operation, one, share) for operation in ("settle", "refund") for one in kinds]
    faults = [one for one in faults if one["operation"] == "settle" or strike.where == "billcenter"]
    with world.fault(strike, *faults):
        yield


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
    kind = rng.choice(sorted(FAULTS))
    return rng.choice(providers), f"{kind}@{_RARE.get(kind, _RATE)}"


def _mixed(rng: random.Random, providers: Sequence[str]) -> tuple[str, str]:
    return rng.choice(providers), f"{MIXED}@0.6"


def _any_books(rng: random.Random, providers: Sequence[str]) -> tuple[str, str]:
    return rng.choice(providers), f"{rng.choice(_BOOKS_FAULTS)}@0.5"


KINDS = {
    "sandbox": (Draws(_any, 3, 7, keys=lambda where: (f"sandbox {where}", f"late {where}")), sandbox),
    "sandbox_mixed": (Draws(_mixed, 3, 7, keys=lambda where: (f"sandbox {where}", f"late {where}")), sandbox),
    "books": (Draws(_any_books, 2, 5, keys=lambda where: (f"books {where}",)), books),
}
