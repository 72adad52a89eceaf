"""A Celery process that is told to stop while it gets ready ends, also when it was ready at that moment."""

import subprocess
import sys

from tests.support.stack import ROOT

TOLD_MEANWHILE = """
import os, signal
from celery import Celery, signals
from shared import celery_process
from shared.settings import Settings

def begin():
    os.kill(os.getpid(), signal.SIGTERM)
    return "ready"

celery_process.prepare(Celery("made-up"), "worker", Settings(), begin)
signals.worker_init.send(sender=None)
print("it goes on")
"""


def test_a_stop_that_comes_while_it_connects_is_not_forgotten() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOLD_MEANWHILE], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
