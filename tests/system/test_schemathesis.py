"""What Schemathesis makes of the HTTP door's OpenAPI document: whatever is asked, no answer is a 5xx, and none is
another one than the document says."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.door import carried, door, intent

PROGRAM = Path("/opt/settlepipe-tests/schemathesis/bin/schemathesis")
# By their schemas alone. Left out is what asks whether everything that its schema allows is accepted (an intent's can't
# say that: docs/contracts.md), and what rests on that.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
SEED, EXAMPLES, MOST_S = 7, 25, 60


def test_no_request_gets_what_the_document_does_not_say(database_url: str, broker_url: str, tmp_path: Path) -> None:
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is missing: tests/system/install installs it", pytrace=False)
    with door(database_url, broker_url, tmp_path, WEB__RATE_PER_S="100000") as opened:
        shop = opened.client("shop")
        shop.submit(*(intent(f"i{number}", metadata={"a": ["ü", None]}) for number in range(20)))
        shop.post("/v1/payments/shop/i3/cancel", {"reason": "not wanted"})
        carried(database_url)
        file = tmp_path / "openapi.json"
        document = shop.get("/openapi.json").told
        for path, methods in document["paths"].items():  # so that some of what is asked for is there
            for operation in methods.values():
                for one in operation.get("parameters", ()):
                    if path.startswith("/v1/payments/{") and one["in"] == "path":
                        one["examples"] = {"there": {"value": "shop" if one["name"] == "source" else "i3"}}
        file.write_text(json.dumps(document))
        done = subprocess.run(
            [
                *(str(PROGRAM), "run", str(file), "--url", f"http://127.0.0.1:{opened.port}"),
                *("--header", f"Authorization: Bearer {shop.key}", "--checks", ",".join(CHECKS)),
                *("--exclude-path", "/v1/events/stream"),  # it has no end
                *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", str(SEED)),
                *("--request-timeout", "20", "--suppress-health-check", "all", "--no-color"),
                *("--continue-on-failure", "--warnings", "off"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=10 * MOST_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
        assert opened.one.alive
        print(done.stdout[-3000:])
