"""No cell is a formula, wherever the file was written."""

import sys
import unicodedata

import pytest

from shared.domain.cells import RUNS, SKIPPED, harmless

RUN = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\nx", "|cmd' /C calc'!A0", "\uff1d1", "\uff0b1", "\uff0d1",
    "\uff201", "\uff5ccmd", "\ufe661", "\ufe621", "\ufe631", "\ufe6b1", "\u22121", " =1", "\u00a0=1", "\u3000\uff1d1",
    "\u200b=1", "\ufeff=1", "\u2060+1", "\u00ad-1", "\u2028=1", "\u202e=1", "\x0b=1", "\x0c@a", "\x01=1",
    " \u200b \u00a0|x", "'=1", "'", " 'a", " \t1", "=", "\U000e0020=1",
]  # fmt: skip
PLAIN = [
    "", " ", "\u200b", "mbank-app", "100.00", "a=b", " a", "\u00a0Дом", "Дом =1", "საბ", "{}", '{"a": "=1"}', "[1]",
    "(1)", "#1", "%", "/x", "1-2", "~", "\u00e9=", "\u0301=", "\U0001f600",
]  # fmt: skip


@pytest.mark.parametrize("text", RUN)
def test_a_spreadsheet_runs_no_cell(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_harmless_cells_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text
    assert harmless(None) is None
    assert harmless(-3) == -3


def test_every_blank_and_unseen_character_is_skipped() -> None:
    kinds = ("Cc", "Cf", "Zs", "Zl", "Zp")
    every = {chr(code) for code in range(1, sys.maxunicode + 1) if unicodedata.category(chr(code)) in kinds}
    assert every <= set(SKIPPED) | set(RUNS)
    assert not set(SKIPPED) & set(RUNS)
    assert not any(one.isprintable() and one != " " for one in SKIPPED)
