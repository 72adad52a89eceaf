"""A month of periodic jobs on a fast clock, with kills."""

from pathlib import Path

import pytest

from tests.support.month import each_slot_is_completed_once


@pytest.mark.timeout(3600)
def test_each_slot_of_a_month_is_completed_once(tmp_path: Path) -> None:
    each_slot_is_completed_once(tmp_path, days=30, kills=12)
