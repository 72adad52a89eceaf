"""`settlepipe up` with real servers and small stand-ins for the product's processes: fake_stack.py HOME [WORKERS].

The stand-ins are real processes that announce themselves as the real ones do. Its environment varies it:
FAKE_BROKEN names one that dies at once, FAKE_STUBBORN one that ignores SIGTERM, FAKE_SANDBOX asks for the (real)
sandbox, FAKE_ORDER is a file to which each adds its name when it is told to stop.
"""

import os
import sys
import types
from collections.abc import Sequence
from pathlib import Path

from deploy.local import processes
from deploy.local.children import Child
from deploy.local.processes import Stack

STAND_IN = """
import os, signal, sys
from shared.telemetry.ready import announce_ready
name = sys.argv[1]
if os.environ.get("FAKE_BROKEN") == name:
    sys.exit("this one can't start")
def stop(*_):
    with open(os.environ["FAKE_ORDER"], "a") as order:
        order.write(name + "\\n")
    if os.environ.get("FAKE_STUBBORN") != name:
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
announce_ready()
while True:
    signal.pause()
"""


def table(stack: Stack) -> Sequence[Child]:
    """The real table's names, environment, stages and graces with stand-ins in place of the programs."""
    command = (sys.executable, "-c", STAND_IN)
    return [
        Child(
            real.name,
            (*command, real.name),
            real.environment,
            real.home,
            grace_s=2 if os.environ.get("FAKE_STUBBORN") == real.name else real.grace_s,
            stop_stage=real.stop_stage,
        )
        for real in processes.product(stack)
    ]


if __name__ == "__main__":
    # One lane, whatever providers there are.
    pays = types.SimpleNamespace(operations={"settle": None})
    one = types.SimpleNamespace(REGISTRATIONS={"billcenter": pays})
    sys.modules["shared.providers.registry"] = one  # type: ignore[assignment]
    from deploy.local.up import up
    from shared.settings import load_settings

    os.environ["SETTLEPIPE_HOME"] = str(Path(sys.argv[1]))
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    sys.exit(up(load_settings(), sandbox="FAKE_SANDBOX" in os.environ, workers=workers, concurrency=7, table=table))
