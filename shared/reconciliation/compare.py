"""compare: our payments beside the provider's lines, in SQL."""

from shared.domain.discrepancies import Reconciliation
from shared.flow.runtime import Runtime


class Unbalanced(Exception):  # noqa: N818 - says what is so
    """The parts do not add up to the whole: a defect. Nothing was kept; the run stays `fetched`."""


def compare(runtime: Runtime, run: Reconciliation) -> Reconciliation:
    """Compare a `fetched` run; findings, payments and totals are kept with the state `compared`, in one transaction.

    A run that was compared before (`compared`, `done`) is compared again, over the same lines; the caller decides
    whether to. Raises Unbalanced.
    """
    raise NotImplementedError
