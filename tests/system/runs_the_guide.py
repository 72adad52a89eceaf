"""The guide's blocks of commands, typed on its machines one after the other, while payments are made.

`test_guide.py` runs it in namespaces, first where the package index can be reached, then on a network of its own:
python -m tests.system.runs_the_guide FOLDER install|follow. The machines are pay1 and pay2, which have processes, and
db, which has PostgreSQL; pay2 has the broker and the standby, too. Providers, and their faults, are the sandbox's.
"""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.support.guide import PAGES, Block, blocks
from tests.support.guide_machines import LANES, PASSWORD, Place
from tests.support.stack import wait_until

# By a word behind `sh`: why no machine here can run it.
NOT_RUN: Mapping[str, str] = {
    "docker": "there is no Docker; test_compose.py does what deploy/compose says in namespaces",
    "kubernetes": "there is no cluster; tests/unit/deploy holds the manifests against the API's schemas",
}
OPERATING, PROCESSES, DATABASE = "docs/operating.md", "docs/processes.md", "docs/database.md"
TWICE = f"{PASSWORD}\n{PASSWORD}\n"
BY_HAND = "settlepipe run "
Step = tuple[str, str] | Callable[[Place], object]


def keys(at: Place) -> None:
    """What the reader has read and done by now: the servers, the keys, the settings."""
    at.keys = at.said.split()
    assert len(at.keys) == 2
    at.fill_in()


def passwords(at: Place) -> None:
    """ "And the other two"."""
    for role in ("settlepipe_runtime", "settlepipe_reader"):
        at.typed("pay1", f'psql --dbname settlepipe --command "\\password {role}"', TWICE)


def put(*lanes: str, parts: tuple[int, ...]) -> Callable[[Place], None]:
    def step(at: Place) -> None:
        for part in parts:
            at.put(lanes, part)

    return step


def held(at: Place) -> None:
    """Nothing goes on before `recover`."""
    doctor = at.machines["pay1"].run("settlepipe doctor", timeout_s=300)
    assert (doctor.returncode, "held" in doctor.stdout) == (1, True), doctor


def lost(at: Place) -> None:
    """`db` loses its power while payments are made."""
    at.put(LANES[:2], 7)
    wait_until(lambda: at.answered() > at.seen, "payments are being made", 30, pause_s=0.02)
    at.machines["db"].lose_power()
    at.machines["pay1"].given["PGHOST"] = "pay2"


PLAN: tuple[Step, ...] = (
    (OPERATING, "python3 -m venv /opt/settlepipe"),
    Place.boot,
    (OPERATING, "while IFS= read"),
    (OPERATING, "python3 -c 'import base64"),
    keys,
    (DATABASE, "settlepipe db grants"),
    passwords,
    (OPERATING, "settlepipe db upgrade"),
    (PROCESSES, "SETTLEPIPE_DATABASE_OWNER_URL="),
    (PROCESSES, "install -m 644 deploy/systemd"),
    put(*LANES[:2], parts=(0, 1)),
    (OPERATING, "echo SETTLEPIPE_METRICS_PORT"),
    (OPERATING, "systemctl enable --now settlepipe@dispatcher"),
    (OPERATING, "install -m 644 deploy/systemd"),
    (OPERATING, "settlepipe doctor"),
    (OPERATING, "settlepipe inbox"),
    (OPERATING, "psql --dbname settlepipe --quiet"),
    Place.pooler,
    (DATABASE, 'SETTLEPIPE_DATABASE_OWNER_URL="$OWNER_URL" settlepipe db upgrade               # as ever'),
    Place.no_pooler,
    put(*LANES[:2], parts=(2, 3)),
    (OPERATING, "runuser -u postgres -- pg_basebackup --pgdata"),
    (OPERATING, "pg_dump"),
    put(*LANES[:2], parts=(4, 5)),
    Place.wait_settled,
    (OPERATING, "systemctl stop settlepipe.target"),
    (OPERATING, "systemctl stop postgresql"),
    (OPERATING, "systemctl start settlepipe.target"),
    held,
    (OPERATING, "settlepipe recover --by"),
    Place.resend,
    Place.wait_settled,
    (OPERATING, "settlepipe payments --state parked"),
    (OPERATING, "settlepipe recover --close"),
    (OPERATING, "runuser -u postgres -- pg_basebackup --dbname"),
    (OPERATING, 'runuser -u postgres -- psql --command "ALTER SYSTEM'),
    Place.synchronous,
    lost,
    (OPERATING, 'runuser -u postgres -- psql --command "SELECT pg_promote'),
    put(*LANES[:2], parts=(6,)),
    Place.resend,
    Place.wait_settled,
    (OPERATING, "settlepipe recover --close"),
    (OPERATING, "settlepipe db current"),
    (OPERATING, 'SETTLEPIPE_DATABASE_OWNER_URL="$OWNER_URL" settlepipe db upgrade --pre'),
    (OPERATING, "systemctl restart settlepipe.target"),
    put(*LANES[:2], parts=(8,)),
    (OPERATING, 'SETTLEPIPE_DATABASE_OWNER_URL="$OWNER_URL" settlepipe db upgrade --post'),
    (DATABASE, "export SETTLEPIPE_DATABASE_OWNER_URL"),
    Place.another_key,
    put(LANES[2], parts=tuple(range(10))),
    (OPERATING, "systemctl restart settlepipe.target"),
    (OPERATING, "systemctl enable --now settlepipe@worker-ubill-1"),
    (OPERATING, "settlepipe lanes"),
    put(*LANES[:2], parts=(9,)),
    Place.wait_settled,
)


def chosen(plan: tuple[Step, ...]) -> tuple[list[Block | Callable[[Place], object]], list[Block]]:
    """The plan with its blocks, each the first of its page that begins so and was not taken; and the blocks left."""
    left = [block for page in PAGES for block in blocks(page)]
    found: list[Block | Callable[[Place], object]] = []
    for step in plan:
        if callable(step):
            found.append(step)
            continue
        page, beginning = step
        block = next((one for one in left if one.page == page and one.text.startswith(beginning)), None)
        if block is None:
            raise LookupError(f"{page} has no more block that begins with {beginning}")
        left.remove(block)
        found.append(block)
    return found, left


def run(at: Place, block: Block) -> None:
    """Type it on its machines. Commands that stay in the foreground are each ended when they were up."""
    before, by_hand, after = block.text.partition(BY_HAND)
    answers = TWICE if "\\password" in block.text else ""
    for name in block.words or ("pay1",):
        at.said = at.typed(name, before, answers)
        for line in f"{by_hand}{after}".splitlines():
            assert line.startswith(BY_HAND), f"{block}: what stays comes last"
            at.stays(name, line)


def main(folder: Path, what: str) -> None:
    steps, left = chosen(PLAN)
    assert not [str(block) for block in left if not NOT_RUN.keys() & {*block.words}]
    began = time.monotonic()
    first = steps.pop(0)
    assert isinstance(first, Block)
    with ExitStack() as ending:
        at = Place(folder, ending)
        if what == "install":
            at.prepare()
            at.install(first)
            print(f"{time.monotonic() - began:6.1f} s {first}", flush=True)
            return
        for step in steps:
            if isinstance(step, Block):
                run(at, step)
            else:
                step(at)
            name = str(step) if isinstance(step, Block) else step.__name__
            print(f"{time.monotonic() - began:6.1f} s {name}", flush=True)
        print(f"{at.judge()} payments settled once in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
