"""What the periodic jobs do. Each returns one sentence for `settlepipe jobs`, and may be run again at any time."""

from collections.abc import Callable

from shared.flow import release
from shared.flow.runtime import Runtime


def refresh(provider: str, kind: str) -> Callable[[Runtime], str]:
    """Fetch one of a provider's lists, whole or not at all. Raises RefreshFailed."""

    def do(runtime: Runtime) -> str:
        opened, closed = release.refresh(runtime, provider, kind)
        return f"{opened} new or changed, {closed} closed"

    return do
