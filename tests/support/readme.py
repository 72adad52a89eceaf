"""The README's snippets, and how its tests run them."""

import os
import re

from tests.support.stack import ROOT, Stack, wait_until

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
TIMEOUT_S = 400


def snippet(language: str, holding: str = "") -> str:
    """The one block in this language that holds this text."""
    (found,) = [block for lang, block in BLOCKS if lang == language and holding in block]
    return found


def accepted(up: Stack, intent_id: str) -> None:
    """Wait until this intent is a payment."""
    rows = wait_until(lambda: up.query("SELECT state FROM payments WHERE intent_id = %s", intent_id), intent_id)
    assert len(rows) == 1


def environment(up: Stack, **changed: str) -> dict[str, str]:
    """What a reader of the README has set."""
    return {**os.environ, **up.environment, "BROKER_URL": up.told["broker_url"], **changed}
