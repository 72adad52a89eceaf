"""A failing plan, made as short as it gets: halves of its faults are left out, then quarters, then single ones."""

import time
from collections.abc import Callable, Sequence

from tests.chaos.plan import Plan, Strike, with_strikes

TRIES = 2  # a plan that passes this often counts as one that does not fail: processes are never twice the same


def shrink(
    plan: Plan, fails: Callable[[Plan], bool], limit_s: float, tell: Callable[[str], None], tries: int = TRIES
) -> Plan:
    """The plan with the fewest faults found within `limit_s` that fails; plan itself where none is shorter.

    What is left out one by one is needed for certain only as far as `tries` tell.
    """
    end, strikes, size = time.monotonic() + limit_s, plan.strikes, max(1, len(plan.strikes) // 2)

    def breaks(some: Sequence[Strike]) -> bool:
        for _ in range(tries):
            if time.monotonic() > end:
                return False
            if fails(with_strikes(plan, some)):
                return True
        return False

    if strikes and breaks(()):
        return with_strikes(plan, ())
    while strikes:
        for start in range(0, len(strikes), size):
            rest = (*strikes[:start], *strikes[start + size :])
            if rest and breaks(rest):
                tell(f"shrinking: {len(rest)} of {len(plan.strikes)} faults still break it")
                strikes = rest
                break
        else:
            if size == 1:
                break
            size = max(1, size // 2)
            continue
        size = min(size, max(1, len(strikes) // 2))
    return with_strikes(plan, strikes)
