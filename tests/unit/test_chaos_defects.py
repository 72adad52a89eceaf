"""The deliberate defects of chaos are defects of the product as it is now."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import plan as plans
from tests.chaos.bite import Defect, defects, found, try_on
from tests.chaos.kinds import KINDS
from tests.support.stack import ROOT


def test_there_are_twenty_defects_or_more() -> None:
    assert len(defects()) >= 20


@pytest.mark.parametrize("defect", defects(), ids=lambda defect: defect.path.stem)
def test_a_defect_applies_to_the_product_and_says_how_it_is_found(defect: Defect) -> None:
    """Where it does not, what it breaks was changed: the patch is to follow."""
    try:
        try_on(defect, ROOT)
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{defect.path.name}: {error.stdout}{error.stderr}")
    assert defect.title.endswith(".")
    assert defect.arguments
    assert defect.violations
    assert all(strike.kind in KINDS for strike in plans.read("\n".join(defect.strikes)))


@pytest.mark.parametrize("program", ["git", "patch"])
def test_a_defect_of_what_is_no_more_does_not_apply(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither program takes a line for another one."""
    there = shutil.which(program)
    if there is None:
        pytest.skip(f"{program} is not installed")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / program).symlink_to(there)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    patch = tmp_path / "one.patch"
    patch.write_text("One is two.\nviolation: two\n--- a/one\n+++ b/one\n@@ -1,2 +1,2 @@\n-1\n+2\n 3\n")
    defect = replace(defects()[0], path=patch)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "one").write_text("1\n3\n")
    try_on(defect, tree)
    assert (tree / "one").read_text() == "1\n3\n"
    (tree / "one").write_text("1\n4\n")
    with pytest.raises(subprocess.CalledProcessError):
        try_on(defect, tree)


def test_a_defect_is_found_by_its_own_violations_alone() -> None:
    defect = replace(defects()[0], violations=["was applied 2 times", "was sent again"])
    assert found(defect, ["the sums differ", "mtn/settle/abc was applied 2 times"])
    assert not found(defect, ["mtn/settle/abc was applied 3 times"])
    assert not found(defect, [])
