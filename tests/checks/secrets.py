"""`python -m tests.checks.secrets`: what in any file looks like a secret, and isn't known to be made up.

.secrets.baseline has the digests of what is known (detect-secrets' own format, without line numbers: a line may move),
the forms that are looked for, and the values that are made up wherever they stand. `--keep` writes it anew, for whoever
has looked at each finding. Nobody is asked whether a secret is good: what is found stays on this machine.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detect_secrets.core import baseline
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

from tests.checks import unchanged

BASELINE = Path(".secrets.baseline")
RESTS_ON = (Path(__file__), BASELINE, Path("requirements.lock"))


def found_in(files: Sequence[Path], settings: dict[str, Any]) -> SecretsCollection:
    """What looks like a secret in these files, whether it is known or not."""
    found = SecretsCollection()
    with transient_settings(settings):
        if files:
            found.scan_files(*map(str, files))
    return found


def secrets(files: Sequence[Path]) -> list[str]:
    """A sentence for each secret that isn't known, and for each that is known and no longer there."""
    settings = baseline.load_from_file(str(BASELINE))
    known = SecretsCollection.load_from_baseline(settings)
    found = found_in(files, settings)
    told = [
        _sentence(name, one) for name in sorted(found.files) for one in sorted(found[name] - known[name], key=_line)
    ]
    looked_at = {str(path) for path in files}
    gone = [
        name
        for name in sorted(known.files)
        if known[name] and (known[name] - found[name] if name in looked_at else not Path(name).exists())
    ]
    return told + [f"{name}: {BASELINE} knows a secret that is no longer there; run {_KEEP}" for name in gone]


_KEEP = "`.venv/bin/python -m tests.checks.secrets --keep`"


def _sentence(name: str, found: PotentialSecret) -> str:
    return f"{name}:{found.line_number}: {found.type}; if it is made up, run {_KEEP}"


def _line(found: PotentialSecret) -> int:
    return found.line_number


def keep(files: Sequence[Path]) -> None:
    """Write the baseline anew: all that is found now is known from now on."""
    settings = baseline.load_from_file(str(BASELINE))
    found = found_in(files, settings).json()
    for entries in found.values():
        for entry in entries:
            del entry["line_number"], entry["is_verified"]
        entries.sort(key=lambda entry: (entry["type"], entry["hashed_secret"]))
    BASELINE.write_text(json.dumps(settings | {"results": dict(sorted(found.items()))}, indent=1) + "\n")


if __name__ == "__main__":
    everything = [path for path in unchanged.files(Path()) if path != BASELINE]
    if sys.argv[1:] == ["--keep"]:
        keep(everything)
    else:
        sys.exit(unchanged.look("secrets", everything, RESTS_ON, secrets))
