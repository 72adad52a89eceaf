"""What all contenders share: the servers, the sandbox, and payments to settle."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from deploy.sandbox.running import running_sandbox
from tests.bench.servers import own_servers

TIMEOUT_S = 600
PROVIDER = "billcenter"  # its name, and its prefix in the sandbox
SERVICE = 140  # the sandbox's ordinary service, with one account
ACCOUNT = "9001400001"
CUSTOMER = "543210"


@dataclass(frozen=True, slots=True)
class BenchStack:
    """Where everything is. processes: worker processes of each contender; threads: in each of them."""

    home: Path
    database_url: str
    broker_url: str
    sandbox_url: str
    token: str
    processes: int
    threads: int

    @property
    def provider_url(self) -> str:
        """The provider's base URL."""
        return f"{self.sandbox_url}/{PROVIDER}"

    def requests(self) -> int:
        """How many requests the sandbox's providers have had."""
        return int(self._control("", None)["requests"])

    def open_requests(self, provider: str) -> int:
        """How many requests this provider is being asked and has not answered."""
        found: dict[str, int] = post(f"{self.sandbox_url}/control/", None)["open"]
        return found[provider]

    def applied(self) -> int:
        """How many payments the provider has applied, by its own ledger."""
        with urlopen(f"{self.sandbox_url}/control/ledger?format=jsonl", timeout=30) as answer:  # noqa: S310
            return sum(1 for line in answer if line.strip())

    def settled(self) -> Iterator[tuple[str, str]]:
        """(provider, reference) of each payment that a provider has applied, by its own ledger; oldest first."""
        with urlopen(f"{self.sandbox_url}/control/ledger?format=jsonl", timeout=30) as answer:  # noqa: S310
            for line in answer:
                if line.strip():
                    row = json.loads(line)
                    yield row["provider"], row["reference"]

    def applied_at(self) -> list[float]:
        """When the provider applied each payment, by its own ledger: Unix time, oldest first."""
        with urlopen(f"{self.sandbox_url}/control/ledger?format=jsonl", timeout=30) as answer:  # noqa: S310
            return [_unix_s(json.loads(line)["at"]) for line in answer if line.strip()]

    def arrived(self) -> dict[str, float]:
        """When the first request for each invoice was read, among the last 100,000: Unix time by code, oldest first."""
        found: dict[str, float] = {}
        url = f"{self.sandbox_url}/control/requests?operation=settle&format=jsonl"
        with urlopen(url, timeout=30) as answer:  # noqa: S310
            for line in answer:
                if line.strip():
                    row = json.loads(line)
                    found.setdefault(json.loads(row["body"])["invoice_code"], _unix_s(row["at"]))
        return found

    def answer_after(self, latency_s: float) -> None:
        """From now on a provider takes this long for each answer, and has forgotten all payments."""
        self._control("reset", {})
        for provider in (PROVIDER, "ubill"):
            self._control(f"{provider}/options", {"latency_s": latency_s})

    def _control(self, path: str, body: object) -> dict[str, Any]:
        return post(f"{self.sandbox_url}/control/{path}", body)


def _unix_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def sizes(processes: int, threads: int) -> str:
    """Of the contenders' workers and of the machine, for people."""
    return f"{processes} processes of {threads} threads, {os.cpu_count()} cores, {platform.machine()}"


@contextmanager
def running(processes: int, threads: int, postgres_options: Sequence[str] = ()) -> Iterator[BenchStack]:
    """Servers with data in a temporary folder (durable, as by default) and a sandbox, until the block ends."""
    with own_servers(postgres_options) as (servers, home), running_sandbox() as sandbox_url:
        token = post(f"{sandbox_url}/{PROVIDER}/api/token/", {"username": "sandbox", "password": "sandbox"})["access"]
        yield BenchStack(home, servers.database_url, servers.broker_url, sandbox_url, str(token), processes, threads)


def post(url: str, body: object, method: str | None = None) -> dict[str, Any]:
    """POST JSON (GET when there is none) and read JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - our own sandbox
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
        return found


def intent(run: str, number: int) -> dict[str, object]:
    """A made-up payment of its own invoice. run: distinguishes rounds."""
    return {
        "intent_id": f"{run}-{number}",
        "source": f"bench-{run}",
        "provider": PROVIDER,
        "operation": "settle",
        "amount": "100.00",
        "currency": "MNT",
        "paid_at": "2026-11-21T03:24:12.133606Z",
        "target": {
            "invoice_code": f"{run}-{number}",
            "bs_customer_code": CUSTOMER,
            "biller_service_id": SERVICE,
            "bank_code": "50004",
        },
    }


def wire_body(run: str, number: int) -> dict[str, str]:
    """The same payment as the provider wants it: what the two Celery apps send."""
    return {
        "bank_code": "50004",
        "bank_account": ACCOUNT,
        "invoice_code": f"{run}-{number}",
        "bs_customer_code": CUSTOMER,
        "paid_amount": "100.00",
        "paid_date": "2026-11-21 03:24:12.133606+00",
        "payment_id": f"{run}-{number}",
    }
