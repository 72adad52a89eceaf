"""The container's image without a container: its instructions, and what its build leaves, in a folder."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import ROOT

CONTAINERFILE = ROOT / "deploy" / "container" / "Containerfile"
_PLACES = ("/opt/settlepipe", "/srv/build", "/srv/home")
_STEP_S = 400


@dataclass(frozen=True, slots=True)
class Instruction:
    name: str
    rest: str


def stages(text: str) -> list[list[Instruction]]:
    """The instructions of each stage, in their order; its FROM first. What stands before them is left out."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[list[Instruction]] = []
    for name, rest in re.findall(r"^([A-Z]+) (.+)$", joined, re.MULTILINE):
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(name, rest))
    return found


def environment(instructions: list[Instruction]) -> dict[str, str]:
    """What a stage's ENV sets."""
    said = " ".join(one.rest for one in instructions if one.name == "ENV")
    return dict(pair.split("=", 1) for pair in said.split())


def build(folder: Path) -> Path:
    """Do what the first stage says, with the paths that it names under `folder`; the folder of what it installs.

    `python3` is the Python of this run, as it is the base image's there."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
    where = folder / "srv" / "build"
    where.mkdir(parents=True)
    (folder / "opt").mkdir()
    first = stages(CONTAINERFILE.read_text("utf-8"))[0]
    given = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SETTLEPIPE_"))}
    given |= environment(first) | {"PATH": f"{programs}:{os.environ['PATH']}"}
    for one in first:
        if one.name == "COPY":
            _copy(one.rest.split(), where)
        elif one.name == "RUN":
            _run(_moved(one.rest, folder), where, given)
    return folder / "opt" / "settlepipe"


def _copy(words: list[str], where: Path) -> None:
    *names, target = words
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, where / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, where)


def _run(step: str, where: Path, given: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-c", step], cwd=where, env=given, capture_output=True, text=True, timeout=_STEP_S, check=False
    )
    assert done.returncode == 0, (step, done.stdout[-3000:], done.stderr[-3000:])


def _moved(step: str, folder: Path) -> str:
    for place in _PLACES:
        step = step.replace(place, f"{folder}{place}")
    return step
