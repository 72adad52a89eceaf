"""A made-up bank that talks to the sandbox's Billcenter over real sockets, for the sandbox's own tests."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import requests

from tests.support.sandbox import SandboxClient

TIMEOUT_S = 60
API = "/billcenter/api/third_party"
SETTLE, REFUND, RECEIPT = f"{API}/settle_payment/", f"{API}/refund_payment/", f"{API}/nuat_paid_invoice/"


def payment(payment_id: str = "p-1", **changed: str) -> bytes:
    """A settle's body that the sandbox takes, with some fields changed."""
    fields = {
        "bank_code": "50004",
        "bank_account": "9001400001",
        "invoice_code": "inv-1",
        "payment_invoice_code": payment_id,
        "bs_customer_code": "543210",
        "paid_amount": "100.00",
        "paid_date": "2026-11-09 03:24:12.133606+00",
        "payment_id": payment_id,
    }
    return json.dumps(fields | changed).encode()


class Bank:
    """A logged-in caller. `raw` speaks over a plain socket, to see what really comes."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self.sandbox = sandbox
        self.log_in()

    def log_in(self) -> dict[str, Any]:
        answer = requests.post(
            f"{self.sandbox.billcenter_url}/api/token/",
            json={"username": "sandbox", "password": "sandbox"},
            timeout=TIMEOUT_S,
        )
        tokens: dict[str, Any] = answer.json()
        self.token = tokens["access"]
        return tokens

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def post(self, path: str, body: bytes) -> requests.Response:
        return requests.post(
            f"{self.sandbox.url}{path}", body, headers=self.headers, timeout=TIMEOUT_S, allow_redirects=False
        )

    def get(self, path: str, **query: Any) -> requests.Response:
        return requests.get(f"{self.sandbox.url}{API}/{path}/", query, headers=self.headers, timeout=TIMEOUT_S)

    def connect(self, path: str, body: bytes) -> socket.socket:
        """A connection on which the request was written and nothing was read."""
        host, _, port = self.sandbox.url.removeprefix("http://").partition(":")
        connection = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.token}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return connection

    def raw(self, path: str, body: bytes) -> bytes:
        """Everything until the server closes. Raises ConnectionResetError for a reset."""
        with self.connect(path, body) as connection:
            return read_to_end(connection)

    def strike(self, fault: str, **more: Any) -> requests.Response:
        """A settle that meets this fault."""
        self.sandbox.set_faults({"fault": fault, "operation": "settle", "delay_s": 0.01, "count": 1} | more)
        return self.post(SETTLE, payment())

    def paid(self, invoice_code: str = "inv-1") -> str:
        return str(self.get("invoices", invoice_code=invoice_code).json()["results"][0]["amount_paid"])

    def applied(self, operation: str = "settle", reference: str = "p-1") -> int:
        """How often, after making sure that the ledger agrees with its compact form."""
        wanted = (operation, reference)
        listed = [row for row in self.sandbox.ledger() if (row["operation"], row["reference"]) == wanted]
        compact = self.sandbox.by_reference().get(reference, {}).get(operation, {"applied": 0})
        assert compact["applied"] == len(listed)
        return len(listed)


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def until(what: Callable[[], Any], reached: Any) -> None:
    """Ask until the answer is `reached`; fails after TIMEOUT_S."""
    end = time.monotonic() + TIMEOUT_S
    while (now := what()) != reached:
        assert time.monotonic() < end, f"still {now!r}, not {reached!r}"
        time.sleep(0.01)
