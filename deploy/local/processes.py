"""The product's processes as `settlepipe up` runs them: a table of names and command lines.

What is secret goes through the environment: `ps` shows everybody what is on a command line.
"""

import base64
import http.client
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.local.children import Child
from deploy.local.embedded import Servers
from deploy.local.home import Kept
from shared import stopping
from shared.messaging.tasks import JOBS_QUEUE
from shared.settings import PREFIX, Settings

SINGLE_GRACE_S = stopping.SINGLE_S + stopping.KILL_S
WORKER_MARGIN_S = stopping.LANE_S + stopping.KILL_S  # beside the HTTP deadline
JOBS_AT_ONCE = 5  # two of them free for ticks and tokens while the books of three providers are compared
FLOWER_SAVE_INTERVAL_MS = 10_000
FLOWER_MAX_TASKS = 10_000
# What the sandbox takes, for each provider in it; each may be overridden.
SANDBOX_CREDENTIALS = {
    "billcenter": {"USERNAME": "sandbox", "PASSWORD": "sandbox", "BANK_CODE": "50004"},
    "ubill": {"API_KEY": "sandbox", "BRAND_ID": "1"},
    "mtn": {"CLIENT_ID": "sandbox", "CLIENT_SECRET": "sandbox", "COUNTRY_CODE": "GHA"},
}
# What follows the provider's prefix in its base URL.
SANDBOX_PATHS = {"ubill": "/v1", "mtn": "/v1"}


@dataclass(frozen=True, slots=True)
class Stack:
    """What is known when the servers are up: enough to say which processes to run and how.

    providers: those that are on. lanes: those of them that take payments; the others have look-ups only.
    """

    home: Path
    settings: Settings
    kept: Kept
    servers: Servers
    providers: tuple[str, ...]
    lanes: tuple[str, ...]
    sandbox: bool
    workers: int
    concurrency: int | None


Table = Callable[[Stack], Sequence[Child]]


def sandbox(stack: Stack) -> Sequence[Child]:
    """The sandbox, when it is asked for. It starts first: adapters may log in to it at once."""
    if not stack.sandbox:
        return ()
    command = _python("deploy.sandbox", "--port", str(stack.kept.sandbox_port))
    probe = partial(_http_answers, stack.kept.sandbox_port, "/control/ledger", {})
    return (Child("sandbox", command, environment(stack), stack.home, probe=probe, stop_stage=2, grace_s=5),)


def product(stack: Stack) -> Sequence[Child]:
    """Everything else: workers for each lane that is on, intake, dispatcher, relay, beat, Flower, the receiver of
    delivery callbacks where its key is set, and the metrics' exporter where its port is."""
    common = environment(stack)
    singles = {
        "intake": _python("worker.intake"),
        "dispatcher": _python("scheduler.dispatcher"),
        "relay": _python("scheduler.relay"),
        "beat": _python("celery", "-A", "scheduler.beat", "beat", "-s", str(stack.home / "beat-schedule")),
    }
    if stack.settings.ubill.callback_key is not None:
        singles["sms-callback"] = _python("worker.callback")
    if stack.settings.metrics_port is not None:
        singles["metrics"] = _python("scheduler.exporter")
    return (
        *(_worker(stack, common, lane, number) for lane in stack.lanes for number in range(1, stack.workers + 1)),
        # Prefork: a job that hangs is ended by killing its process.
        Child("worker-jobs", _jobs_worker(stack), common, stack.home, grace_s=SINGLE_GRACE_S, stop_stage=1),
        *(Child(name, command, common, stack.home, grace_s=SINGLE_GRACE_S) for name, command in singles.items()),
        _flower(stack, common),
    )


def environment(stack: Stack) -> dict[str, str]:
    """What the processes read their settings from: ours, with the embedded servers, keys and sandbox filled in."""
    found = dict(os.environ)
    found[f"{PREFIX}HOME"] = str(stack.home)
    found[f"{PREFIX}DATABASE_URL"] = stack.servers.database_url
    found[f"{PREFIX}BROKER_URL"] = stack.servers.broker_url
    if not stack.settings.secret_keys:
        found[f"{PREFIX}SECRET_KEYS"] = json.dumps([stack.kept.secret_key])
    if stack.settings.reference_key is None and stack.kept.reference_key is not None:
        found[f"{PREFIX}REFERENCE_KEY"] = stack.kept.reference_key
    for provider in stack.providers if stack.sandbox else ():
        for name, value in sandbox_settings(provider, stack.kept.sandbox_url).items():
            found[name] = found.get(name) or value
    for lane in stack.lanes if stack.concurrency is not None else ():
        found[f"{PREFIX}{lane.upper()}__CONCURRENCY"] = str(stack.concurrency)
    return found


def sandbox_settings(provider: str, url: str) -> Mapping[str, str]:
    """What points a provider at the sandbox at `url`: variable to value. Nothing for one that the sandbox lacks."""
    if importlib.util.find_spec(f"deploy.sandbox.{provider}") is None:
        return {}
    module = importlib.import_module(f"deploy.sandbox.{provider}")
    base_url = f"{url}/{provider}{SANDBOX_PATHS.get(provider, '')}"
    values = {"BASE_URL": base_url, **SANDBOX_CREDENTIALS.get(provider, {})}
    if hasattr(module, "DUPLICATE_PATTERN"):
        values["DUPLICATE_PATTERN"] = module.DUPLICATE_PATTERN
    return {f"{PREFIX}{provider.upper()}__{name}": value for name, value in values.items()}


def _worker(stack: Stack, common: Mapping[str, str], lane: str, number: int) -> Child:
    # `-E`: the events that Flower shows.
    command = _python("celery", "-A", "worker.app", "worker", "-Q", f"lane.{lane}", "-n", f"{lane}-{number}@%h")
    # A message carries one id while senders are idle, so there are as many message threads as senders; they are
    # made when they are needed, and with a backlog a few of them carry 25 ids each.
    concurrency = stack.concurrency or stack.settings.provider(lane).concurrency
    command += ("-P", "threads", "-c", str(concurrency), "-E", "--loglevel", stack.settings.log_level)
    grace_s = stack.settings.http.total_timeout_s + WORKER_MARGIN_S
    return Child(f"worker-{lane}-{number}", command, common, stack.home, grace_s=grace_s, stop_stage=1)


def _jobs_worker(stack: Stack) -> tuple[str, ...]:
    command = _python("celery", "-A", "scheduler.runner", "worker", "-Q", JOBS_QUEUE, "-n", "jobs@%h")
    return (*command, "-P", "prefork", "-c", str(JOBS_AT_ONCE), "-E", "--loglevel", stack.settings.log_level)


def _flower(stack: Stack, common: Mapping[str, str]) -> Child:
    user = f"settlepipe:{stack.kept.flower_password}"
    command = _python(
        "celery",
        *("-A", "worker.monitor", "flower", "--address=127.0.0.1", f"--port={stack.kept.flower_port}"),
        *("--persistent=True", f"--db={stack.home / 'flower'}", f"--state_save_interval={FLOWER_SAVE_INTERVAL_MS}"),
        # Operators act through the CLI, which keeps an audit record: Flower only shows.
        *(f"--max_tasks={FLOWER_MAX_TASKS}", "--read_only=True"),
    )
    headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}
    return Child(
        "flower",
        command,
        {**common, "FLOWER_BASIC_AUTH": user},
        stack.home,
        probe=partial(_http_answers, stack.kept.flower_port, "/healthcheck", headers),
        stop_stage=2,
        grace_s=5,
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _http_answers(port: int, path: str, headers: Mapping[str, str]) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path, headers=dict(headers))
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
