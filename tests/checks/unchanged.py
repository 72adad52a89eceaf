"""Files that have passed a check before, as they are, need not be looked at again.

For checks that look at one file at a time: what a file is told depends on its bytes and on what the check itself
consists of, nothing else. Both are in its digest; what passed is kept in .venv, which `make clean` removes.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

# Nobody commits these, and each is some tool's own.
_SKIPPED = (".git", ".venv", ".settlepipe", ".hypothesis", ".*_cache", "__pycache__", "build", "dist", "*.egg-info")
KEPT = Path(".venv")

Look = Callable[[Sequence[Path]], Sequence[str]]


def files(root: Path) -> Iterator[Path]:
    """Every file under a folder that may be committed, hidden ones too; relative to it, in order."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not any(fnmatch(name, form) for form in _SKIPPED))
        yield from (Path(folder, name).relative_to(root) for name in sorted(names) if name not in _SKIPPED)


def look(name: str, found: Iterable[Path], rests_on: Iterable[Path], findings: Look, kept: Path = KEPT) -> int:
    """Looks at those of the files that have not passed yet, and says what was found: an exit status.

    name: of the check. rests_on: what it consists of; a change to any has all looked at again. findings: a sentence for
    each. Nothing is remembered while there is one.
    """
    passed = kept / f".passed-{name}"
    base = hashlib.sha256(b"".join(path.read_bytes() for path in (Path(__file__), *rests_on))).digest()
    digests = {path: _digest(base, path) for path in found}
    known = frozenset(passed.read_text().split()) if passed.exists() else frozenset()
    told = findings([path for path, digest in digests.items() if digest not in known])
    if told:
        sys.stderr.write("\n".join(told) + "\n")
        return 1
    if not known.issuperset(digests.values()):
        fresh = passed.with_suffix(f".{os.getpid()}")
        fresh.write_text("\n".join(digests.values()))
        fresh.replace(passed)
    return 0


def _digest(base: bytes, path: Path) -> str:
    return hashlib.sha256(b"\0".join((base, str(path).encode(), path.read_bytes()))).hexdigest()
