"""The Containerfile, read: who runs in it, what is in it, what is not."""

import re

from deploy.docs import ROOT
from shared.settings import PREFIX, Settings
from tests.support.image import CONTAINERFILE, environment, stages

TEXT = CONTAINERFILE.read_text("utf-8")
BUILD, LAST = stages(TEXT)
LOCKED = (ROOT / "requirements.lock").read_text("utf-8")
IN_IMAGE = (ROOT / "deploy" / "container" / "requirements.lock").read_text("utf-8")


def _parts(lock: str) -> dict[str, list[str]]:
    """What is locked: a package's name, and its version and hashes. For which systems it is, each lock says itself."""
    found = re.findall(r"^([a-z0-9.-]+)==((?:.|\n(?= ))+)", lock, re.MULTILINE)
    return {name: [part.split()[0], *re.findall(r"--hash=\S+", part)] for name, part in found}


def test_it_runs_as_nobody_that_is_root() -> None:
    (user,) = [one.rest for one in LAST if one.name == "USER"]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user), "a number: Kubernetes can't see whether a name is root"


def test_nothing_is_installed_whose_hash_is_not_locked() -> None:
    (installs, ours) = [one.rest for one in BUILD if " pip install " in one.rest]
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(installs.split())
    assert ours.endswith("--no-deps --no-build-isolation .")
    parts = _parts(IN_IMAGE)
    assert len(parts) > 40
    assert all(len(part) > 1 for part in parts.values())


def test_what_is_in_it_is_what_is_tested() -> None:
    assert [name for name, part in _parts(IN_IMAGE).items() if _parts(LOCKED).get(name) != part] == []
    assert {"pytest", "mypy", "kubernetes-validate"} & set(_parts(IN_IMAGE)) == set()


def test_it_holds_no_setting_but_where_its_folder_is() -> None:
    said = {name: value for name, value in environment(LAST).items() if name.startswith(PREFIX)}
    assert said == {"SETTLEPIPE_HOME": "/var/lib/settlepipe"}
    assert "home" in Settings.model_fields
    assert [one.rest for one in (*BUILD, *LAST) if one.name in ("ARG", "ADD", "EXPOSE")] == []


def test_only_what_it_needs_is_sent_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {word for one in BUILD if one.name == "COPY" for word in one.rest.split()[:-1]}
    assert {name.split("/")[0] for name in copied} == let_in
