"""The drill at full size: a base backup and its log, restored to a moment in the middle of what was paid.

`make test-large MOMENTS=20 T=tests/acceptance/test_recovery_moment.py` does it for twenty drawn moments.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from tests.support import cluster, intents, size, stack
from tests.support.drill import PROVIDERS, SOURCE, WINDOWS, applied, begun, drill, kill, settle
from tests.support.sandbox import SandboxClient
from tests.support.stack import Stack, wait_until

pytestmark = [pytest.mark.large, pytest.mark.only_large]
MOVED = 201  # a service with one account, which changes in the lost time
LATE = 900  # the number of the first intent that comes after the moment


def moved(number: int) -> dict[str, Any]:
    """A settle of the service whose account changes."""
    return intents.settle(SOURCE, number, service=MOVED)


def asked(count: int) -> list[dict[str, Any]]:
    """Intents of all three providers; some are refused, some wait for a settle that never comes."""
    some = [settle(PROVIDERS[number % 3], 100 + number) for number in range(count - 20)]
    refused = [intents.settle(SOURCE, 600 + number, currency="GEL") for number in range(10)]
    return [*some, *refused, *(moved(700 + number) for number in range(10))]


def pass_the_moment(up: Stack, server: cluster.Server, sandbox: SandboxClient) -> tuple[str, list[dict[str, Any]]]:
    """The moment on the server's clock; after it an account changes, payments go to the new one, others are cancelled.

    With the intents that were put on the queue after it.
    """
    moment = server.asked("SELECT clock_timestamp()::text")
    sandbox.call("POST", "billcenter/accounts", {"change": [{"account": "9002010001", "to": "9002019999"}]})
    command(up, "refresh", "bank-accounts")
    orphans = [intents.refund(SOURCE, LATE + number) for number in range(5)]
    more = [*(moved(LATE + 50 + number) for number in range(10)), *orphans]
    up.submit(more)
    names = [orphan["intent_id"] for orphan in orphans]
    held = "SELECT count(*) AS n FROM payments WHERE intent_id = ANY(%s) AND hold_reason = 'settle_pending'"
    wait_until(lambda: up.query(held, names)[0]["n"] == len(names), "they wait for their settles", 60)
    for orphan in orphans:
        command(up, "cancel", f"{SOURCE}/{orphan['intent_id']}", "--reason", "a drill", "--by", "somebody")
    return moment, more


def command(up: Stack, *words: str) -> None:
    done = up.command(*words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seed", range(size.MOMENTS))
def test_a_base_backup_and_its_log_until_a_moment_in_the_middle(
    tmp_path: Path, sandbox: SandboxClient, seed: int
) -> None:
    home, settings = tmp_path / "home", WINDOWS | {"BILLCENTER__CONFIRM_CHANGED_ACCOUNTS": "false"}
    with cluster.primary(**cluster.ARCHIVED) as server:
        up = stack.start_at(sandbox, home, DATABASE_URL=server.url, **settings)
        known = begun(up, 20)
        base = server.copy("base")
        moments: list[str] = []

        def midway() -> list[dict[str, Any]]:
            moment, more = pass_the_moment(up, server, sandbox)
            moments.append(moment)
            return more

        wanted, drawn = asked(200), random.Random(seed)
        drawn.shuffle(wanted)
        done = drill(up, sandbox, wanted, refunded=20, midway=midway, share=drawn.uniform(0.05, 0.9))
        kill(up)
        server.archived()
        server.kill()
        base.restore(moments[0])
        up = stack.start_at(sandbox, home, DATABASE_URL=base.url, **settings)
        try:
            open_then = up.query("SELECT count(*) AS n FROM payments WHERE finished_at IS NULL")[0]["n"]
            assert 0 < open_then < len(done.lost), "the moment lies in the middle"
            done.held(up, sandbox)
            assert done.recovered(up, sandbox, known)["unbroken"]
            assert applied(sandbox) == done.paid
        finally:
            up.stop()
