"""The metrics, as Prometheus' own program judges them."""

import subprocess

from scheduler.exporter import page
from shared.metrics.families import FAMILIES, Sample
from tests.support.programs import path_of

EVERY: list[Sample] = [(name, tuple(family.labels), 1.5) for name, family in FAMILIES.items()]


def _judged(text: bytes) -> tuple[int, str]:
    done = subprocess.run(
        [path_of("promtool"), "check", "metrics"], input=text, capture_output=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def test_promtool_finds_nothing_to_say_about_any_family() -> None:
    assert _judged(page(EVERY)) == (0, "")


def test_promtool_would_say_so() -> None:
    status, said = _judged(page(EVERY).replace(b"_oldest_seconds", b"_oldest_minutes_total"))
    assert status != 0
    assert "_total" in said
