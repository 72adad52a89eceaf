"""Three days of periodic jobs on a fast clock, with kills. A month of them is in tests/proof."""

from pathlib import Path

import pytest

from tests.support.month import each_slot_is_completed_once


@pytest.mark.timeout(1800)
def test_each_slot_of_three_days_is_completed_once(tmp_path: Path) -> None:
    each_slot_is_completed_once(tmp_path, days=3, kills=4)
