"""The fixtures of the other folders: the running product, and a world for the rules."""

from tests.acceptance.conftest import _running, source, up
from tests.integration.rules.conftest import _waits, rules_url, world

__all__ = ["_running", "_waits", "rules_url", "source", "up", "world"]
