"""Which faults there are, which are set, and which request one strikes.

A fault that needs the request to be applied strikes only what is applied (or answered as if): where the provider
itself refuses, the caller gets that refusal. A request without valid credentials meets no fault.

Which requests a fault with a rate below 1 strikes depends on its seed, the reference and how often that reference
was asked for, and on nothing else: concurrency changes nothing.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MAX_FAULTS = 1_000
MAX_DELAY_S = 3_600.0

KINDS: Mapping[str, str] = {
    "error_500_before": "500 with a detail; not applied",
    "error_500_after": "applied, then 500 with a detail",
    "error_502": "502 with a gateway's HTML page; not applied",
    "error_503": "503, Retry-After delay_s when given; not applied",
    "error_504_after": "applied, then 504 with a gateway's HTML page",
    "error_429": "429, Retry-After delay_s when given; not applied",
    "error_401": "401; not applied, the token stays valid",
    "error_403": "403; not applied",
    "error_404": "404; not applied",
    "revoked_token": "401, and the token is dead from now on; not applied",
    "refuse_400": "400 with a detail; not applied",
    "refuse_400_without_detail": "400 with an empty JSON object; not applied",
    "refuse": "the provider's own undocumented no; not applied",
    "duplicate_400": "400 as for an id that was applied before; not applied",
    "redirect_302": "302 to another path; not applied",
    "hang_before": "no answer for delay_s (default: until the client goes), then closed; not applied",
    "hang_after": "applied, then no answer for delay_s (default: until the client goes), then closed",
    "reset_before": "TCP reset; not applied",
    "reset_after": "applied, then TCP reset",
    "close_after": "applied, then closed without an answer",
    "truncated_200": "applied; half of the body, then closed",
    "not_json_200": "applied; 200 with an HTML page",
    "empty_200": "applied; 200 with an empty body",
    "wrong_content_type": "applied; the right body as text/plain",
    "big_body": "applied; 200 with 64 MiB of JSON",
    "drip": "applied; the body comes one byte each delay_s (default 1)",
    "drip_headers": "applied; the whole answer comes one byte each delay_s (default 1)",
    "applied_late": "500 now, applied delay_s later (default 1)",
    "slow": "applied and answered after delay_s (default 1)",
}


class FaultSpec(BaseModel):
    """What `POST /control/faults` takes. seed: chosen and told where none is given."""

    model_config = ConfigDict(extra="forbid", strict=True)

    provider: str
    operation: str = "*"
    fault: str
    rate: float = Field(1.0, ge=0, le=1, strict=False)
    count: int | None = Field(None, ge=0, le=10**9)
    delay_s: float | None = Field(None, ge=0, le=MAX_DELAY_S, strict=False, allow_inf_nan=False)
    seed: int | str | None = None


@dataclass(slots=True)
class Fault:
    """A fault that is set. struck: how many requests it hit."""

    number: int
    spec: FaultSpec
    seed: int | str
    struck: int = 0

    def described(self) -> dict[str, Any]:
        """As the control answers show it."""
        return {"id": self.number, **self.spec.model_dump(), "seed": self.seed, "struck": self.struck}

    def strikes(self, provider: str, operation: str, reference: str, nth: int) -> bool:
        """Is this request one of the fault's own? nth: 1 for the reference's first request."""
        spec = self.spec
        if spec.provider not in (provider, "*") or spec.operation not in (operation, "*"):
            return False
        if spec.count is not None and self.struck >= spec.count:
            return False
        return spec.rate >= 1 or self._draw(provider, operation, reference, nth) < spec.rate

    def _draw(self, provider: str, operation: str, reference: str, nth: int) -> float:
        # The kind is part of it: two faults with one seed must not always choose the same requests.
        key = "\0".join((str(self.seed), self.spec.fault, provider, operation, reference, str(nth)))
        return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "big") / 2**56


class Faults:
    """The faults that are set, in the order in which they were; the first that strikes wins."""

    def __init__(self, operations: Mapping[str, frozenset[str]]) -> None:
        self._operations = operations
        self._set: list[Fault] = []
        self._number = 0

    def add(self, data: Any) -> Fault:
        """Set one. Raises ValueError (pydantic's included) that says what is wrong."""
        spec = FaultSpec.model_validate(data)
        if spec.provider != "*" and spec.provider not in self._operations:
            raise ValueError(f"provider {spec.provider!r} is not one of {', '.join(self._operations)} or *")
        known = frozenset[str]().union(
            *(names for provider, names in self._operations.items() if spec.provider in (provider, "*"))
        )
        if spec.operation != "*" and spec.operation not in known:
            raise ValueError(f"operation {spec.operation!r} is not one of {', '.join(sorted(known))} or *")
        if spec.fault not in KINDS:
            raise ValueError(f"fault {spec.fault!r} is not one of {', '.join(KINDS)}")
        if len(self._set) >= MAX_FAULTS:
            raise ValueError(f"{MAX_FAULTS} faults are set; DELETE /control/faults first")
        self._number += 1
        fault = Fault(self._number, spec, secrets.randbits(32) if spec.seed is None else spec.seed)
        self._set.append(fault)
        return fault

    def remove(self, number: int) -> None:
        """Take one away. Raises LookupError where it is not set."""
        kept = [fault for fault in self._set if fault.number != number]
        if len(kept) == len(self._set):
            raise LookupError(number)
        self._set = kept

    def clear(self) -> None:
        self._set = []

    def described(self) -> list[dict[str, Any]]:
        return [fault.described() for fault in self._set]

    def pick(self, provider: str, operation: str, reference: str, nth: int) -> Fault | None:
        """The fault that strikes this request; counted."""
        for fault in self._set:
            if fault.strikes(provider, operation, reference, nth):
                fault.struck += 1
                return fault
        return None
