"""settlepipe at ubill, which promises nothing about a request that is sent again: each payment is claimed and recorded
by itself."""

import json
from collections.abc import Mapping

from tests.bench import neighbour
from tests.bench.contenders import Settlepipe
from tests.bench.world import BenchStack


class AtUbill(Settlepipe):
    """The whole product, both lanes on; nothing is due in the other one."""

    name = "at ubill"

    def environment(self, world: BenchStack) -> Mapping[str, str]:
        return {**super().environment(world), **neighbour.settings(world)}

    def feed(self, world: BenchStack, run: str, count: int) -> None:
        self._lines = [json.dumps(neighbour.intent(run, f"bench-{run}", number)) for number in range(count)]
