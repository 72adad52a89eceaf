"""A jobs' worker whose only job hangs the first time: `celery -A tests.support.hanging_jobs`."""

import os
import time
from datetime import datetime

from scheduler import runner
from scheduler.schedule import CatchUp, Job
from scheduler.slots import Every
from shared.runtime import Runtime

FIRST = os.environ["HANGING_JOB_FILE"]
DEADLINE_S = float(os.environ.get("HANGING_JOB_DEADLINE_S", "1"))


def hang_once(_runtime: Runtime, _slot: datetime) -> str:
    """Hangs for an hour, unless it was started before."""
    try:
        os.close(os.open(FIRST, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "the second time it worked"
    time.sleep(3600)
    return "never"


app = runner.app
TABLE = (Job("hangs", Every(86_400), "a test", CatchUp.LATEST, DEADLINE_S, hang_once),)
runner.table = lambda: TABLE
