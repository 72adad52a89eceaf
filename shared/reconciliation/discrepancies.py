"""discrepancies: the living list of what is open, carried on by each run."""

from shared.domain.discrepancies import Reconciliation
from shared.flow.runtime import Runtime


def update(runtime: Runtime, run: Reconciliation) -> int:
    """Open, keep or close discrepancies by what a compared run found; how many are open that this run opened.

    The same finding on two nights is one row. What this run looked at and did not find again is closed by the books.
    Safe to repeat: with the same result.
    """
    raise NotImplementedError
