"""The product's processes as `settlepipe up` runs them: which, with what environment, and in which order they stop.

Their command lines are in `commands`. What is secret goes through the environment.
"""

import http.client
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from deploy.local import commands
from deploy.local.children import Child
from deploy.local.embedded import Servers
from deploy.local.kept import Kept
from shared import stopping
from shared.settings import PREFIX, Settings, in_files

SINGLE_GRACE_S = stopping.SINGLE_S + stopping.KILL_S
WORKER_MARGIN_S = stopping.LANE_S + stopping.KILL_S  # beside the HTTP deadline
# What the sandbox takes and says, for each provider in it; each may be overridden.
SANDBOX_CREDENTIALS = {
    "billcenter": {
        "USERNAME": "sandbox",
        "PASSWORD": "sandbox",
        "BANK_CODE": "50004",
        "DUPLICATE_PATTERN": r"payment_id .+ already exists",
    },
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
    """The sandbox, when it is asked for. It is up first: adapters may log in to it at once."""
    if not stack.sandbox:
        return ()
    command = (sys.executable, "-m", "deploy.sandbox", "--port", str(stack.kept.sandbox_port))
    probe = partial(_http_answers, stack.kept.sandbox_port, "/control/ledger")
    return (Child("sandbox", command, environment(stack), stack.home, probe=probe, stop_stage=2, grace_s=5),)


def product(stack: Stack) -> Sequence[Child]:
    """Everything else: workers for each lane that is on, intake, dispatcher, relay, beat, the HTTP door, Flower, the
    receiver of delivery callbacks where its key is set, and the metrics' exporter where its port is."""
    common = environment(stack)
    names = ["intake", "dispatcher", "relay", "beat"]
    if stack.settings.ubill.callback_key is not None:
        names.append("sms-callback")
    if stack.settings.metrics_port is not None:
        names.append("metrics")

    def child(name: str, shown: str | None = None, *, grace_s: float = SINGLE_GRACE_S, stop_stage: int = 0) -> Child:
        command = commands.command(name, stack.settings, stack.home)
        return Child(shown or name, command, common, stack.home, grace_s=grace_s, stop_stage=stop_stage)

    return (
        *(_worker(stack, common, lane, number) for lane in stack.lanes for number in range(1, stack.workers + 1)),
        child("jobs", "worker-jobs", stop_stage=1),
        *map(child, names),
        replace(child("web"), environment={**common, **_web(stack)}),
        replace(child("flower", grace_s=5, stop_stage=2), environment={**common, **_flower(stack)}),
    )


def environment(stack: Stack) -> dict[str, str]:
    """What the processes read their settings from: ours, with the embedded servers, keys and sandbox filled in."""
    found = dict(os.environ)
    found.pop(f"{PREFIX}HEALTH_PORT", None)  # `up` watches them itself, and they can't share a port
    filled = {
        "HOME": str(stack.home),
        "DATABASE_URL": stack.servers.database_url,
        "BROKER_URL": stack.servers.broker_url,
    }
    if not stack.settings.secret_keys:
        filled["SECRET_KEYS"] = json.dumps([stack.kept.secret_key])
    if stack.settings.reference_key is None and stack.kept.reference_key is not None:
        filled["REFERENCE_KEY"] = stack.kept.reference_key
    for lane in stack.lanes if stack.concurrency is not None else ():
        filled[f"{lane.upper()}__CONCURRENCY"] = str(stack.concurrency)
    found |= _not_in_files({f"{PREFIX}{name}": value for name, value in filled.items()})
    for provider in stack.providers if stack.sandbox else ():
        for name, value in _not_in_files(sandbox_settings(provider, stack.kept.sandbox_url)).items():
            found[name] = found.get(name) or value
    found.pop(f"{PREFIX}DATABASE_OWNER_URL", None)  # the migrations' alone
    found.pop(f"{PREFIX}DATABASE_OWNER_URL_FILE", None)
    return found


def _not_in_files(values: Mapping[str, str]) -> dict[str, str]:
    """Those that stand in no file: the processes read that themselves, and given twice it would be a mistake."""
    files = in_files()
    return {name: value for name, value in values.items() if name not in files}


def sandbox_settings(provider: str, url: str) -> Mapping[str, str]:
    """What points a provider at the sandbox at `url`: variable to value. Nothing for one that the sandbox lacks."""
    if importlib.util.find_spec(f"deploy.sandbox.{provider}") is None:
        return {}
    base_url = f"{url}/{provider}{SANDBOX_PATHS.get(provider, '')}"
    values = {"BASE_URL": base_url, **SANDBOX_CREDENTIALS.get(provider, {})}
    return {f"{PREFIX}{provider.upper()}__{name}": value for name, value in values.items()}


def _worker(stack: Stack, common: Mapping[str, str], lane: str, number: int) -> Child:
    command = commands.lane_worker(lane, number, stack.settings, stack.concurrency)
    grace_s = stack.settings.http.total_timeout_s + WORKER_MARGIN_S
    return Child(f"worker-{lane}-{number}", command, common, stack.home, grace_s=grace_s, stop_stage=1)


def _flower(stack: Stack) -> Mapping[str, str]:
    """Its address, port and password are HOME's own."""
    return _not_in_files(
        {
            f"{PREFIX}FLOWER_ADDRESS": "127.0.0.1",
            f"{PREFIX}FLOWER_PORT": str(stack.kept.flower_port),
            f"{PREFIX}FLOWER_PASSWORD": stack.kept.flower_password,
        }
    )


def _web(stack: Stack) -> Mapping[str, str]:
    """Its address and port are HOME's own; the control room's password too, where none is set."""
    own = {f"{PREFIX}WEB__ADDRESS": "127.0.0.1", f"{PREFIX}WEB__PORT": str(stack.kept.web_port)}
    if stack.settings.web.local_password is None and stack.kept.web_password is not None:
        own[f"{PREFIX}WEB__LOCAL_PASSWORD"] = stack.kept.web_password
    return _not_in_files(own)


def _http_answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
