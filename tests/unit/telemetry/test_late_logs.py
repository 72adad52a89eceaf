"""A command's logs: set up at the first warning, and then as a process's are."""

import json
import subprocess
import sys

import pytest

_COMMAND = """
import logging, sys, threading, warnings
from shared.telemetry import logs
log = logs.get_logger("ours")
logs.configure_at_the_first_warning()
SAID
print("structlog" in sys.modules)
"""


def lines(said: str) -> tuple[list[dict[str, object]], bool]:
    """What stands on stderr, and was structlog imported?"""
    code = _COMMAND.replace("SAID", said)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=400)
    return [json.loads(line) for line in done.stderr.splitlines()], done.stdout == "True\n"


def test_who_says_nothing_imports_nothing() -> None:
    assert lines("logging.getLogger('theirs').info('nothing')") == ([], False)


@pytest.mark.parametrize(
    ("said", "logger", "event"),
    [
        ("log.warning('one', password='made-up-word')", "ours", "one"),
        ("logging.getLogger('theirs').warning('password=%s', 'made-up-word')", "theirs", "password"),
        ("logging.warning('password=made-up-word')", "root", "password"),
        ("warnings.warn('password=made-up-word', stacklevel=1)", "py.warnings", "password"),
        (
            "thread = threading.Thread(target=lambda: int('password=made-up-word')); thread.start(); thread.join()",
            "shared.telemetry.logs",
            "a thread ends: an exception nobody caught",
        ),
    ],
)
def test_the_first_warning_is_a_line_as_any_other(said: str, logger: str, event: str) -> None:
    written, imported = lines(f"{said}\nlogging.getLogger('theirs').warning('two')\nlog.info('too little')")
    first, second = written
    assert imported
    assert first["logger"] == logger
    assert event in str(first["event"])
    assert "made-up-word" not in json.dumps(first)
    assert second == {"event": "two", "logger": "theirs", "level": "warning", "timestamp": second["timestamp"]}


def test_an_exception_that_nobody_caught_is_a_line() -> None:
    (line,), _ = lines("raise ValueError('password=made-up-word')")
    assert line["event"] == "the process ends: an exception nobody caught"
    assert "made-up-word" not in json.dumps(line)


def test_who_sets_it_up_after_all_gets_what_was_asked_for() -> None:
    (line,), _ = lines("logs.configure('INFO')\nlog.info('one')")
    assert line["event"] == "one"
