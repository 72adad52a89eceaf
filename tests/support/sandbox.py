"""A small client of the sandbox's control interface, for tests."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

TIMEOUT_S = 120


@dataclass(frozen=True)
class SandboxClient:
    """Talks to `/control/` of the sandbox at url. Raises urllib.error.HTTPError for what the sandbox refuses."""

    url: str

    @property
    def billcenter_url(self) -> str:
        """What SETTLEPIPE_BILLCENTER__BASE_URL must be."""
        return f"{self.url}/billcenter"

    @property
    def ubill_url(self) -> str:
        """What SETTLEPIPE_UBILL__BASE_URL must be."""
        return f"{self.url}/ubill/v1"

    @property
    def mtn_url(self) -> str:
        """What SETTLEPIPE_MTN__BASE_URL must be."""
        return f"{self.url}/mtn/v1"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One control request, e.g. `call("POST", "billcenter/revoke")`."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/control/{path}", data=data, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - our own server
            return json.load(response)

    def set_faults(self, *faults: dict[str, Any]) -> list[dict[str, Any]]:
        """Set exactly these faults; the provider is billcenter where none is given."""
        self.clear_faults()
        return [self.call("POST", "faults", {"provider": "billcenter"} | fault) for fault in faults]

    def clear_faults(self) -> None:
        self.call("DELETE", "faults")

    def ledger(self) -> list[dict[str, Any]]:
        """Everything applied, oldest first."""
        applied: list[dict[str, Any]] = self.call("GET", "ledger")["applied"]
        return applied

    def by_reference(self) -> dict[str, dict[str, dict[str, Any]]]:
        """{reference: {operation: {"applied", "requests", "sha256", "amount"}}}."""
        answer: dict[str, dict[str, dict[str, Any]]] = self.call("GET", "ledger?by=reference")
        return answer

    def requests(self, **filters: str) -> list[dict[str, Any]]:
        """The request log; filters: reference, operation."""
        rows: list[dict[str, Any]] = self.call("GET", f"requests?{urlencode(filters)}")["requests"]
        return rows

    def options(self, **options: Any) -> dict[str, Any]:
        """Change Billcenter's behaviour, e.g. duplicate_answer=400."""
        answer: dict[str, Any] = self.call("POST", "billcenter/options", options)
        return answer

    def reset(self) -> None:
        """As if just started."""
        self.call("POST", "reset", {})
