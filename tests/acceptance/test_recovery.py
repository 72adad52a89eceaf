"""The drill: the database comes back older than the world, and nothing is paid twice."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support import intents, stack
from tests.support.python_path import PYTHONPATH
from tests.support.sandbox import SandboxClient
from tests.support.stack import Stack, wait_until

SOURCE = "drill"
TARGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "ubill": ("GEL", {"account_id": 170114}),
    "mtn": ("GHS", {"id_type": "Account Number", "id": "00700001", "customer_type": 2}),
}
WINDOWS = {f"{name}__SETTLE_WINDOW_S": "1.5" for name in ("UBILL", "MTN")}


def settle(provider: str, number: int) -> dict[str, Any]:
    if provider == "billcenter":
        return intents.settle(SOURCE, number)
    currency, target = TARGETS[provider]
    return {
        "intent_id": f"s{number}",
        "source": SOURCE,
        "provider": provider,
        "operation": "settle",
        "amount": f"{10 + number}.00",
        "currency": currency,
        "paid_at": "2026-11-21T03:24:12Z",
        "target": target,
    }


def told(up: Stack, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of the product's, as a person runs it."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *command],
        env={**up.environment, "PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ended(up: Stack, wanted: list[dict[str, Any]], timeout_s: float = 60) -> dict[str, dict[str, Any]]:
    """Every intent became a payment that is final or parked; the payments by intent id."""
    found: dict[str, dict[str, Any]] = {}

    def all_ended() -> bool:
        found.clear()
        rows = up.query("SELECT *, encode(body_sha256, 'hex') AS sha FROM payments WHERE source = %s", SOURCE)
        found.update({row["intent_id"]: row for row in rows})
        return all(
            intent["intent_id"] in found
            and found[intent["intent_id"]]["state"] in ("succeeded", "refused", "cancelled", "parked")
            for intent in wanted
        )

    try:
        wait_until(all_ended, "every payment ends", timeout_s, pause_s=0.5)
    except AssertionError:
        open_ = {i: (row["state"], row["detail"]) for i, row in found.items() if row["finished_at"] is None}
        missing = [intent["intent_id"] for intent in wanted if intent["intent_id"] not in found]
        raise AssertionError(f"never accepted: {missing}; open: {open_}") from None
    return found


def applied(sandbox: SandboxClient) -> Counter[tuple[str, str]]:
    """How often the provider applied each operation under each reference of ours."""
    return Counter((row["operation"], row["reference"]) for row in sandbox.ledger())


def kill(up: Stack) -> None:
    """Everything at once, as a machine that loses its power."""
    pids = list(up.pids.values())
    up.process.kill()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not up.left(), "nothing of it is left")
    up.process.communicate()


def test_a_cold_copy_of_the_database_is_noticed_held_and_recovered(tmp_path: Path, sandbox: SandboxClient) -> None:
    home = tmp_path / "home"
    up = stack.start_at(sandbox, home, **WINDOWS)
    known = [settle(provider, number) for number, provider in enumerate(["billcenter", "ubill", "mtn"] * 4)]
    up.submit(known)
    ended(up, known)
    assert up.stop() == 0
    shutil.copytree(home / "postgres", tmp_path / "copy", copy_function=shutil.copy2)
    _own(home / "postgres", tmp_path / "copy")

    up = stack.start_at(sandbox, home, **WINDOWS)
    sandbox.set_faults(
        *(
            {"provider": name, "operation": "settle", "fault": "error_500_after", "rate": 0.2, "seed": 7}
            for name in ("billcenter", "ubill", "mtn")
        )
    )
    lost = [settle(provider, 100 + number) for number, provider in enumerate(["billcenter", "ubill", "mtn"] * 5)]
    up.submit(lost)
    before = ended(up, lost)
    sandbox.clear_faults()
    paid = applied(sandbox)
    assert all(count == 1 for count in paid.values())
    upstream = {event["id"]: event for event in up.events()}
    kill(up)

    shutil.rmtree(home / "postgres")
    (tmp_path / "copy").rename(home / "postgres")
    up = stack.start_at(sandbox, home, **WINDOWS)
    try:
        wait_until(lambda: up.query("SELECT held_at FROM store")[0]["held_at"], "the store is held")
        up.submit(lost[:3])
        said = told(up, "doctor").stdout
        assert "settlepipe recover" in said
        assert applied(sandbox) == paid
        assert up.query("SELECT count(*) AS n FROM payments WHERE intent_id LIKE 's1__'")[0]["n"] == 0

        done = told(up, "recover", "--by", "somebody", "--json")
        assert done.returncode == 0, done.stderr
        outcome = json.loads(done.stdout)
        assert outcome["epoch"] == 1
        again = [dict(intent) for intent in known + lost]
        for intent in again[::10]:
            intent["paid_at"] = "2026-11-28T00:00:00Z"  # upstream dates it anew
        up.submit(again)
        after = ended(up, lost)
        assert applied(sandbox) == paid, "each is applied once, by the provider's own books"
        finals = {s: (before[s]["state"], after[s]["state"]) for s in after if s in before}
        assert all(new == old for old, new in finals.values() if old != "parked"), finals
        assert all(row["sent_reference"] == before[s]["sent_reference"] for s, row in after.items() if s in before)
        _check_events(upstream, {event["id"]: event for event in up.events()})
    finally:
        up.stop()


def _check_events(before: dict[str, Any], after: dict[str, Any]) -> None:
    """What upstream has seen stays as it was told, and nothing new contradicts it."""
    for name, event in before.items():
        assert after[name] == event, name
    last = {event["subject"]: event["data"]["state"] for event in before.values() if "state" in event["data"]}
    for name, event in after.items():
        if name in before or event["subject"] not in last or not event["type"].startswith("settlepipe.payment."):
            continue
        if last[event["subject"]] in ("succeeded", "refused", "cancelled"):
            assert event["data"]["state"] == last[event["subject"]], (name, event)


def _own(like: Path, folder: Path) -> None:
    owner = like.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
