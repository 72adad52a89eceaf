"""forget: delete the lines that were compared long ago; what was found stays. Dying leaves the rest to the next run."""

from shared.reconciliation.store import nights
from shared.reconciliation.turn import turn
from shared.runtime import Runtime


def forget_lines(runtime: Runtime, provider: str) -> int:
    """Delete the lines of this provider's runs that are older than the setting; how many. Raises turn.Busy."""
    with turn(runtime.database, provider) as mine:
        return nights.forget_lines(mine.database, provider, runtime.settings.report.keep_lines_days)
