"""Settings that stand in files, so that no secret need stand in the environment, which a process's children inherit.

`SETTLEPIPE_X__Y_FILE=/path` names the file of one setting; `SETTLEPIPE_SECRETS_DIR` a folder with a file for each, as
Docker (`/run/secrets`) and Kubernetes mount them: its files are called as the variables are, in any case, others are
nobody's. What a file holds is the value, less one line's end. No message ever tells any of it.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

MAX_BYTES = 64 * 1024
_SUFFIX = "_FILE"


class Unreadable(Exception):  # noqa: N818 - says what is
    """Settings in files that can't be used; `mistakes` are sentences, one for each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def read(environment: Mapping[str, str], prefix: str, known: Callable[[str], bool]) -> dict[str, str]:
    """What stands in files: variable to value. known: is a variable, without the prefix and in lower case, a setting?

    Raises Unreadable, which names every mistake: one given twice, or in a file that can't be read, is too large or
    holds no text.
    """
    values: dict[str, str] = {}
    mistakes: list[str] = []
    for name, said, path in _named(environment, prefix, known, mistakes):
        if name in values or environment.get(name):
            mistakes.append(f"{name} is given twice, {said} being one; keep one of them")
            continue
        try:
            values[name] = _text(path)
        except ValueError as error:
            mistakes.append(f"{name}, {said}, has no value: the file {error}")
        except OSError as error:
            mistakes.append(f"{name}, {said}, has no value: the file can't be read ({type(error).__name__})")
    if mistakes:
        raise Unreadable(mistakes)
    return values


def file_of(name: str, prefix: str, known: Callable[[str], bool]) -> str | None:
    """The variable whose file this variable names, if it names one."""
    base = name.removesuffix(_SUFFIX)
    if base == name or known(name[len(prefix) :].lower()) or not known(base[len(prefix) :].lower()):
        return None
    return base


def _named(
    environment: Mapping[str, str], prefix: str, known: Callable[[str], bool], mistakes: list[str]
) -> Iterator[tuple[str, str, Path]]:
    """Variable, how it is given, and its file."""
    # Where the files are can't be told by a file, and children are given HOME in the environment.
    elsewhere = {f"{prefix}HOME", f"{prefix}SECRETS_DIR"}
    for variable in sorted(environment):
        name = file_of(variable, prefix, known) if variable.startswith(prefix) and environment[variable] else None
        if name in elsewhere:
            mistakes.append(f"{name} can't stand in a file; set it in the environment")
        elif name is not None:
            yield name, f"by {variable}", Path(environment[variable])
    folder = environment.get(f"{prefix}SECRETS_DIR")
    if not folder:
        return
    try:
        files = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        mistakes.append(f"{prefix}SECRETS_DIR can't be read ({type(error).__name__})")
        return
    for entry in files:
        name = entry.name.upper()
        if not name.startswith(prefix):
            continue  # of somebody else's
        if name in elsewhere or not known(name[len(prefix) :].lower()):
            mistakes.append(f"{name}, a file in {prefix}SECRETS_DIR, is not a setting that can stand in a file")
        else:
            yield name, f"by a file in {prefix}SECRETS_DIR", Path(entry.path)


def _text(path: Path) -> str:
    """What the file holds. Raises ValueError with the end of a sentence, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe keeps nobody waiting
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is no file")
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"holds more than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:  # its message would tell what is in it
        raise ValueError("holds no text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\0" in text:
        raise ValueError("is empty" if not text else "holds a NUL")
    return text
