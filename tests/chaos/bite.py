"""Does the harness bite? Deliberate defects, kept as patches, that a short run has to find each.

A patch begins with a sentence that says what is wrong, `arguments:` of `make chaos`, and a `strike:` for each fault
that should reveal it.
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
    """One patch. strikes: the plan's lines."""

    path: Path
    title: str
    arguments: Sequence[str]
    strikes: Sequence[str]


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
    )


def tree_with(defect: Defect, folder: Path) -> Path:
    """A copy of product and harness with this defect. Raises CalledProcessError when the patch does not apply."""
    for name in TREES:
        shutil.copytree(ROOT / name, folder / name)
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    subprocess.run(["git", "apply", str(defect.path)], cwd=folder, env=environment, check=True)
    return folder


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
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
    return found
