"""Every kind of strike: how it is drawn, and what it does. A kind's name is the first word of a plan's line."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from tests.chaos import disk, messages, network, processes, provider, restored, servers
from tests.chaos.plan import Draws, Strike
from tests.chaos.world import World

Does = Callable[[World, Strike], AbstractContextManager[None]]

GROUPS: Mapping[str, Mapping[str, tuple[Draws, Does]]] = {
    "processes": processes.KINDS,
    "postgres": servers.POSTGRES,
    "broker": servers.BROKER,
    "sandbox": provider.KINDS,
    "network": network.KINDS,
    "messages": messages.KINDS,
    "disk": disk.KINDS,
    "past": restored.KINDS,
}
KINDS: Mapping[str, tuple[Draws, Does]] = {name: kind for group in GROUPS.values() for name, kind in group.items()}


def chosen(names: str, *, lean: bool = False) -> Mapping[str, Draws]:
    """The draws of these kinds or groups, with commas between them; empty: all. Raises LookupError.

    lean: without those that need a process that a lean product has not.
    """
    found: dict[str, Draws] = {}
    for name in filter(None, names.split(",")):
        wanted = GROUPS.get(name) or {name: KINDS[name]}
        found |= {kind: draws for kind, (draws, _) in wanted.items()}
    found = found or {kind: draws for kind, (draws, _) in KINDS.items()}
    return {kind: draws for kind, draws in found.items() if not (lean and kind in processes.NOT_LEAN)}
