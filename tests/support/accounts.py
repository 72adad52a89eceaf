"""The accounts of deploy/broker/users.acl, with passwords of the tests'."""

import re

from tests.support.stack import ROOT

FILE = ROOT / "deploy/broker/users.acl"


def password_of(name: str) -> str:
    return f"made-up-{name}"


def lines() -> list[str]:
    """The file's lines, each with a password that is one."""
    found = []
    for line in FILE.read_text().splitlines():
        name = line.split()[1]
        found.append(re.sub(r">\S+", f">{password_of(name)}", line))
    return found


def rules() -> dict[str, list[str]]:
    """Each account's words behind its name, without `default`, which the file turns off."""
    return {line.split()[1]: line.split()[2:] for line in lines() if line.split()[1] != "default"}
