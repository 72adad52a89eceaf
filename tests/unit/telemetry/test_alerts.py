"""Every alert can be raised, and what it tells people to type is there."""

import re
import shlex
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from deploy import docs
from deploy.cli.main import app
from shared.telemetry.alerts import Alert
from tests.unit.deploy.test_docs import PACKAGES

SOURCE = "\n".join(
    path.read_text("utf-8")
    for package in PACKAGES
    for path in sorted((docs.ROOT / package).rglob("*.py"))
    if path.name != "alerts.py"
)
# Named by what is at hand: a follow-up's kind, a discrepancy's category.
COMPUTED = {
    Alert.RECEIPT_PARKED: '"receipt"',
    Alert.SMS_PARKED: '"sms"',
    Alert.PAID_THERE_FAILED_HERE: '"paid_there_failed_here"',
    Alert.DUPLICATE_AT_PROVIDER: '"duplicate_at_provider"',
}


@pytest.mark.parametrize("alert", Alert)
def test_an_alert_is_raised_somewhere(alert: Alert) -> None:
    """Directly, or by what is judged to stand."""
    raises = re.escape(COMPUTED[alert]) if alert in COMPUTED else rf"[(\[]\s*Alert\.{alert.name},"
    assert re.search(raises, SOURCE)


@pytest.mark.parametrize("alert", Alert)
def test_its_name_is_its_members_and_its_texts_are_sentences(alert: Alert) -> None:
    assert alert.value == alert.name.lower()
    for text in (alert.meaning, alert.action):
        assert text[0].isupper() or text[0] == "`"
        assert text.endswith(".")


@pytest.mark.parametrize("alert", Alert)
def test_the_commands_that_it_names_are_there(alert: Alert) -> None:
    for typed in re.findall(r"`settlepipe ([^`]+)`", alert.meaning + alert.action):
        command: Any = typer.main.get_command(app)
        for word in shlex.split(typed):
            if isinstance(command, TyperGroup) and word in command.commands:
                command = command.commands[word]
            elif word.startswith("-"):
                assert word in {name for parameter in command.params for name in parameter.opts}, typed
        assert command.name != typer.main.get_command(app).name, typed
