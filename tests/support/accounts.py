"""The accounts of deploy/broker/*.acl, with passwords of the tests'."""

import re
from pathlib import Path

from tests.support.stack import ROOT

FILE = ROOT / "deploy/broker/users.acl"
UNDER_PREFIX = ROOT / "deploy/broker/users-with-prefix.acl"  # shop-a: is the prefix in it


def password_of(name: str) -> str:
    return f"made-up-{name}"


def lines(file: Path = FILE) -> list[str]:
    """The file's lines, each with a password that is one."""
    found = []
    for line in file.read_text().splitlines():
        name = line.split()[1]
        found.append(re.sub(r">\S+", f">{password_of(name)}", line))
    return found


def rules(file: Path = FILE) -> dict[str, list[str]]:
    """Each account's words behind its name, without `default`, which the file turns off."""
    return {line.split()[1]: line.split()[2:] for line in lines(file) if line.split()[1] != "default"}


def under(prefix: str) -> dict[str, list[str]]:
    """The same of the accounts under this prefix of keys."""
    return {name: [word.replace("shop-a:", prefix) for word in words] for name, words in rules(UNDER_PREFIX).items()}
