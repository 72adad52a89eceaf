"""Ask a process of ours how it is, as `settlepipe health` does."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 5


def ask(url: str, process: str) -> tuple[bool, str]:
    """Is it well? With one sentence. Waits five seconds at most for a word; raises nothing."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read(65_536))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return False, f"{process} does not answer on {url} ({type(error).__name__})"
    finally:
        connection.close()
    if told.get("process") != process:
        return False, f"{url} is answered by {told.get('process')}, not by {process}"
    wrong = [f"{name}: {_why(part)}" for name, part in told.items() if isinstance(part, dict) and not part.get("ok")]
    if answer.status != http.HTTPStatus.OK:
        return False, f"{process} is not well: {'; '.join(wrong) or _main(told)}"
    turn = f", its turn is {told['turn']}" if "turn" in told else ""
    return True, f"{process} is well{turn}"


def _why(part: dict[str, Any]) -> str:
    return str(part.get("reason") or f"{part.get('version')}, and {part.get('needed')} is needed")


def _main(told: dict[str, Any]) -> str:
    if "live" in told:
        return f"its loop has not turned for {told.get('turned_s')} s"
    return "it has not started yet"
