"""Strikes on the network between two parts, by the links of `proxy`."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.chaos.plan import Draws, Strike
from tests.chaos.product import SINGLES
from tests.chaos.proxy import PASS
from tests.chaos.world import World

_ANYWHERE = ("slow", "cut", "hole", "deaf")
_TO_SANDBOX = (*_ANYWHERE, "early", "late")


@contextmanager
def link(world: World, strike: Strike) -> Iterator[None]:
    """The links whose names match behave so for a while. value: a mode of `proxy`."""
    world.links.set(strike.where, strike.value)
    try:
        yield
    finally:
        world.links.set(strike.where, PASS)


def _between(server: str, modes: Sequence[str]) -> Draws:
    def places(rng: random.Random, providers: Sequence[str]) -> tuple[str, str]:
        workers = [f"worker-{name}-*" for name in providers]
        parts = workers if server == "sandbox" else [*workers, *(f"{name}*" for name in SINGLES)]
        return f"{rng.choice(parts)}:{server}", rng.choice(modes)

    return Draws(places, 2, 5, keys=lambda where: (f"link {where}",), weight=2)


KINDS = {
    "link_postgres": (_between("postgres", _ANYWHERE), link),
    "link_broker": (_between("broker", _ANYWHERE), link),
    "link_sandbox": (_between("sandbox", _TO_SANDBOX), link),
}
