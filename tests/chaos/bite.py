"""Does the harness bite? Deliberate defects, kept as patches, that a short run has to find each.

A patch begins with a sentence that says what is wrong, `arguments:` of `make chaos`, a `strike:` for each fault that
should reveal it, and a `violation:` for each of the judge's sentences, or words of one, by which it may be found.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.stack import ROOT

FOLDER = Path(__file__).parent / "defects"
TREES = ("shared", "worker", "scheduler", "deploy", "tests")
LIMIT_S = 400


@dataclass(frozen=True, slots=True)
class Defect:
    """One patch. strikes: the plan's lines. violations: words of the sentences that say what it does."""

    path: Path
    title: str
    arguments: Sequence[str]
    strikes: Sequence[str]
    violations: Sequence[str]


def defects() -> list[Defect]:
    """All of them, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.patch"))]


def _read(path: Path) -> Defect:
    head = path.read_text().partition("--- a/")[0].splitlines()
    named = [line.partition(": ") for line in head[1:]]
    return Defect(
        path,
        head[0],
        [word for name, _, text in named if name == "arguments" for word in text.split()],
        [text for name, _, text in named if name == "strike"],
        [text for name, _, text in named if name == "violation"],
    )


def tree_with(defect: Defect, folder: Path) -> Path:
    """A copy of product and harness with this defect. Raises CalledProcessError when the patch does not apply."""
    for name in TREES:
        shutil.copytree(ROOT / name, folder / name)
    _patch(defect, folder)
    return folder


def try_on(defect: Defect, tree: Path) -> None:
    """Change nothing. Raises CalledProcessError, its stderr saying why, when the patch does not apply to the tree."""
    _patch(defect, tree, dry=True)


def _patch(defect: Defect, tree: Path, *, dry: bool = False) -> None:
    if shutil.which("git"):
        command = ["git", "apply", *(["--check"] if dry else []), str(defect.path)]
    else:
        options = ["--unified", "--strip=1", "--fuzz=0", "--batch", *(["--dry-run"] if dry else [])]
        command = ["patch", *options, f"--input={defect.path}"]
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(tree.parent)}  # no repository that the tree lies in
    subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True)


def found(defect: Defect, sentences: Sequence[str]) -> bool:
    """Do the judge's sentences tell of this defect? Any other violation is not the defect's own."""
    return any(words in sentence for words in defect.violations for sentence in sentences)


def searched(defect: Defect, folder: Path, seed: int) -> dict[str, Any]:
    """The result of a run with the defect, `folder` being a new one."""
    tree = tree_with(defect, folder / "tree")
    plan = folder / "plan"
    plan.write_text("\n".join(defect.strikes) + "\n")
    command = [sys.executable, "-m", "tests.chaos", "--seed", str(seed), "--lean", "--no-shrink", "--json"]
    command += ["--plan", str(plan), "--home", str(folder / "home"), *defect.arguments]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(
        command, cwd=tree, env=environment, timeout=LIMIT_S, stdout=subprocess.PIPE, text=True, check=False
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
    return result
