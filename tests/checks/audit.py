"""`python -m tests.checks.audit`: has an advisory been published on anything that requirements.lock names?

pip-audit asks, by name and version, the service that PIP_AUDIT_VULNERABILITY_SERVICE says. A known vulnerability fails.
No answer doesn't, for this machine may be off line, or see a mirror without advisories; a line says so. One package is
asked about first, to know that within seconds. A clean answer about the same lock file is good for a day.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.checks.unchanged import KEPT

LOCK = Path("requirements.lock")
GOOD_FOR_S = 86_400
SILENCE_LIMIT_S = 3
FIRST_LIMIT_S = 10  # the start of the program takes two of them
LIMIT_S = 120
_UNHEARD = re.compile(
    r"^(requests\.exceptions|urllib3\.exceptions|pip_audit\._service)\.|Could not connect", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Told:
    """What the service said. vulnerable: a sentence for each that is; unknown: names that it has nothing about."""

    vulnerable: tuple[str, ...]
    unknown: tuple[str, ...]


def audit(lock: Path, kept: Path = KEPT) -> int:
    """Says what was found: an exit status. Raises RuntimeError where pip-audit itself, or the lock file, is wrong."""
    named = lock.read_text("utf-8")
    mark, audited = hashlib.sha256(named.encode()).hexdigest(), kept / ".audited"
    if audited.exists() and audited.read_text() == mark and 0 <= time.time() - audited.stat().st_mtime < GOOD_FOR_S:
        return 0
    told = asked(_first(named), kept, FIRST_LIMIT_S)
    told = asked(named, kept, LIMIT_S) if told and not told.unknown else None
    if told is None:
        print(f"{lock}: not audited, for no service that has advisories answers")
        return 0
    if told.unknown:
        print(f"{lock}: the service has nothing about {', '.join(told.unknown)}")
    if told.vulnerable:
        sys.stderr.write("".join(f"{lock}: {one}\n" for one in told.vulnerable))
        return 1
    audited.write_text(mark)
    return 0


def asked(requirements: str, kept: Path, limit_s: float) -> Told | None:
    """What the service says about these; None where it doesn't answer in time, or not in its own words."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(requirements)
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "--requirement", file.name, "--require-hashes", "--disable-pip"]
        command += ["--format", "json", "--progress-spinner", "off", "--timeout", str(SILENCE_LIMIT_S)]
        command += ["--cache-dir", str(kept / ".audit-cache")]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False, env=_plain())
        except subprocess.TimeoutExpired:
            return None
    if done.stdout.strip():
        return _told(json.loads(done.stdout)["dependencies"])
    if _UNHEARD.search(done.stderr):
        return None
    raise RuntimeError(f"pip-audit: {done.stderr.strip()}")


def _told(packages: Sequence[Mapping[str, Any]]) -> Told:
    vulnerable = tuple(
        f"{one['name']} {one['version']} has {found['id']}; mended in: {', '.join(found['fix_versions'])}"
        for one in packages
        for found in one.get("vulns", ())
    )
    return Told(vulnerable, tuple(one["name"] for one in packages if "skip_reason" in one))


def _first(named: str) -> str:
    """The first package of a lock file, with its hashes; of those that every machine installs."""
    packages: list[str] = re.findall(r"^\S.*\\\n(?:    .*\n?)+", named, re.MULTILINE)
    return next(package for package in packages if ";" not in package)


def _plain() -> dict[str, str]:
    """The environment, without what would put pip-audit's answer elsewhere or into another form."""
    return {name: value for name, value in os.environ.items() if name not in ("PIP_AUDIT_OUTPUT", "PIP_AUDIT_FORMAT")}


if __name__ == "__main__":
    sys.exit(audit(LOCK))
