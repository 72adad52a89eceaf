"""When the broker counts as nearly full, whichever dispatcher looks."""

from typing import Any

import pytest

from scheduler.broker_state import Looking


class Server:
    """A broker that has used so much of a hundred megabytes."""

    def __init__(self, used: int) -> None:
        self.used = used

    def info(self, _section: str) -> dict[str, int]:
        return {"used_memory": self.used * 2**20, "maxmemory": 100 * 2**20}


@pytest.mark.parametrize(("used", "stood", "stands"), [(79, False, False), (80, False, True), (75, True, True)])
def test_it_is_judged_by_what_stands_and_not_by_what_this_process_saw(used: int, stood: bool, stands: bool) -> None:
    server: Any = Server(used)
    looking = Looking(server, [])
    assert (looking.look(stood).full is not None) is stands
    server.used = 74
    assert looking.look(True).full is None, "there is room again"
