"""The demo's bad weather: the faults of the sandbox, and settings under which waits take seconds."""

import json
import urllib.request
from collections import Counter
from collections.abc import Mapping
from typing import Any

from deploy.cli.demo.comparison import TIMEOUT_S

# Everything that waits, waits seconds where the product's defaults wait minutes. The ladder of checks is longer than
# any doubt lasts here, on a busy machine too: its end would be a payment for a person.
QUICK: Mapping[str, str] = {
    "HTTP__TOTAL_TIMEOUT_S": "3",
    "RETRY__BASE_S": "0.2",
    "RETRY__CAP_S": "1",
    "CHECK__LADDER_S": "[0, 1, 1, 1, 2, 2, 4, 4]",
    "LEASE__MARGIN_S": "2",
    "BREAKER__FAILURES": "100000",
    "BILLCENTER__SETTLE_WINDOW_S": "1",
    "UBILL__SETTLE_WINDOW_S": "1",
    "MTN__SETTLE_WINDOW_S": "1",
}

LATE_S = 0.5  # what is applied late comes within the settle window
_Rates = Mapping[str, float]
# Fault to rate, by operation: of every request, about a third.
_BILLCENTER: Mapping[str, _Rates] = {
    "settle": {
        "error_500_after": 0.08,
        "error_500_before": 0.07,
        "reset_after": 0.05,
        "error_504_after": 0.04,
        "not_json_200": 0.04,
        "hang_after": 0.03,
        "truncated_200": 0.03,
        "applied_late": 0.03,
        "error_429": 0.03,
    },
    "refund": {"error_500_after": 0.12, "error_500_before": 0.12, "reset_after": 0.06, "applied_late": 0.05},
}
# Where a request may not be repeated: after each of these but the 429 the books are read first.
_CAREFUL: Mapping[str, _Rates] = {
    "settle": {
        "error_500_after": 0.07,
        "error_500_before": 0.06,
        "error_504_after": 0.04,
        "reset_after": 0.04,
        "reset_before": 0.03,
        "not_json_200": 0.04,
        "truncated_200": 0.03,
        "hang_after": 0.02,
        "applied_late": 0.03,
        "error_429": 0.03,
    },
}
FAULTS: Mapping[str, Mapping[str, _Rates]] = {"billcenter": _BILLCENTER, "ubill": _CAREFUL, "mtn": _CAREFUL}


def set_faults(sandbox_url: str, seed: int) -> None:
    """Let the sandbox fail from now on. Raises OSError."""
    faults = [
        {"provider": provider, "operation": operation, "fault": fault, "rate": rate, "seed": seed}
        | ({"delay_s": LATE_S} if fault == "applied_late" else {})
        for provider, operations in FAULTS.items()
        for operation, rates in operations.items()
        for fault, rate in rates.items()
    ]
    request = urllib.request.Request(f"{sandbox_url}/control/faults", json.dumps(faults).encode())  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
        pass


def struck(sandbox_url: str) -> Counter[str]:
    """How many requests of each provider a fault hit. Raises OSError."""
    with urllib.request.urlopen(f"{sandbox_url}/control/faults", timeout=TIMEOUT_S) as answer:  # noqa: S310
        faults: list[dict[str, Any]] = json.load(answer)["faults"]
    counted: Counter[str] = Counter()
    for fault in faults:
        counted[fault["provider"]] += fault["struck"]
    return counted
