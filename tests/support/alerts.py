"""What a test's own process said."""

import re

import pytest


def raised(capsys: pytest.CaptureFixture[str], name: str) -> int:
    """How often this alert was raised since the last look, however logs are set up by then."""
    said = "".join(capsys.readouterr())
    return len(re.findall(r'alert(?:=|":")' + re.escape(name) + r"\b", said))
