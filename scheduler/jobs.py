"""What the periodic jobs do. Each returns one sentence for `settlepipe jobs`, and may be run again at any time."""

import random
from collections.abc import Callable

from shared.flow import release
from shared.flow.runtime import Runtime
from shared.flow.send import alert_halt
from shared.providers.base import LoginRefused
from shared.store import lanes


def renew(provider: str, ahead_s: float) -> Callable[[Runtime], str]:
    """See that the fleet's token does not end soon. Raises LoginRefused (the lane is halted), LoginUnavailable."""

    def do(runtime: Runtime) -> str:
        fetch = runtime.connected[provider].renew
        if fetch is None:
            return "it needs no token"
        try:
            # Spread, so that nobody logs in at the same moment for ever.
            return "renewed" if fetch(ahead_s * random.uniform(0.75, 1)) else "good for now"  # noqa: S311
        except LoginRefused as error:
            with runtime.database.connection() as connection:
                lanes.halt(connection, provider, str(error))
            alert_halt(provider, str(error))
            raise

    return do


def refresh(provider: str, kind: str) -> Callable[[Runtime], str]:
    """Fetch one of a provider's lists, whole or not at all. Raises RefreshFailed."""

    def do(runtime: Runtime) -> str:
        opened, closed = release.refresh(runtime, provider, kind)
        return f"{opened} new or changed, {closed} closed"

    return do
