"""The product's processes: their names and command lines, the same for `settlepipe up` and `settlepipe run`.

What is secret goes through the environment: `ps` shows everybody what is on a command line.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from shared.messaging.queues import JOBS_QUEUE, lane_queue
from shared.settings import Settings

JOBS_AT_ONCE = 5  # two of them free for ticks and tokens while the books of three providers are compared
WORKER = "worker"

Command = tuple[str, ...]


def singles() -> Mapping[str, Callable[[Settings, Path], Command]]:
    """Every process but the lanes' workers, by name."""
    return {
        "intake": lambda *_: _python("worker.intake"),
        "dispatcher": lambda *_: _python("scheduler.dispatcher"),
        "relay": lambda *_: _python("scheduler.relay"),
        "beat": _beat,
        "jobs": _jobs,
        "sms-callback": lambda *_: _python("worker.callback"),
        "web": lambda *_: _python("worker.web"),
        "metrics": lambda *_: _python("scheduler.exporter"),
        "flower": lambda *_: _python("worker.flower_process"),
    }


def command(name: str, settings: Settings, home: Path) -> Command:
    """How to run this process. home: an absolute path that is there. Raises KeyError for a name that is none."""
    return singles()[name](settings, home)


def lane_worker(lane: str, number: int, settings: Settings, concurrency: int | None = None) -> Command:
    """How to run a worker of this lane. number: another one for each on the same machine. concurrency: its sender
    threads, where not the lane's."""
    found = _celery_worker("worker.app", lane_queue(lane), f"{lane}-{number}@%h")
    # A message carries one id while senders are idle, so there are as many message threads as senders; they are
    # made when they are needed, and with a backlog a few of them carry 25 ids each.
    threads = concurrency or settings.provider(lane).concurrency
    return (*found, "-P", "threads", "-c", str(threads), "--loglevel", settings.log_level)


def _beat(_: Settings, home: Path) -> Command:
    return _python("celery", "-A", "scheduler.beat", "beat", "-s", str(home / "beat-schedule"))


def _jobs(settings: Settings, _: Path) -> Command:
    # Prefork: a job that hangs is ended by killing its process.
    found = _celery_worker("scheduler.runner", JOBS_QUEUE, "jobs@%h")
    return (*found, "-P", "prefork", "-c", str(JOBS_AT_ONCE), "--loglevel", settings.log_level)


def _celery_worker(app: str, queue: str, name: str) -> Command:
    # `-E`: the events that Flower shows. Mingle would ask the other workers which tasks were revoked (none ever is: a
    # lane is paused in the database), and wait a second for that at each start and when the broker comes back.
    return _python("celery", "-A", app, "worker", "-Q", queue, "-n", name, "-E", "--without-mingle")


def _python(module: str, *arguments: str) -> Command:
    return (sys.executable, "-m", module, *arguments)
