"""Where the prefix of keys is put, command by command; and that nobody else names a key, or makes a client."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.domain import broker_keys
from shared.messaging import prefixed
from shared.messaging.prefixed import placed

ROOT = Path(__file__).resolve().parents[3]
SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
    for package in ("shared", "worker", "scheduler", "deploy")
    for path in (ROOT / package).rglob("*.py")
}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (("GET", "k"), ["GET", "p:k"]),
        (("XADD", "k", "*", b"intent", b"k"), ["XADD", "p:k", "*", b"intent", b"k"]),
        (("XINFO STREAM", "k"), ["XINFO STREAM", "p:k"]),
        (("XGROUP CREATE", "k", "g", "0", "MKSTREAM"), ["XGROUP CREATE", "p:k", "g", "0", "MKSTREAM"]),
        (("DEL", "k", b"l"), ["DEL", "p:k", b"p:l"]),
        (("WATCH", "k", "l"), ["WATCH", "p:k", "p:l"]),
        (("BRPOP", "k", "l", 2.5), ["BRPOP", "p:k", "p:l", 2.5]),
        (("EVALSHA", "sha", 2, "k", "l", "m"), ["EVALSHA", "sha", 2, "p:k", "p:l", "m"]),
        (("EVAL", "return 1", "0", "m"), ["EVAL", "return 1", "0", "m"]),
        (("XREAD", b"COUNT", 1, b"STREAMS", "k", "0"), ["XREAD", b"COUNT", 1, b"STREAMS", "p:k", "0"]),
        (
            ("XREADGROUP", b"GROUP", "STREAMS", "me", b"STREAMS", "k", "l", ">", ">"),
            ["XREADGROUP", b"GROUP", "STREAMS", "me", b"STREAMS", "p:k", "p:l", ">", ">"],
        ),
        (("INFO", "memory"), ["INFO", "memory"]),
    ],
)
def test_each_key_is_put_under_the_prefix_and_nothing_else(given: tuple[Any, ...], sent: list[Any]) -> None:
    assert placed("p:", given) == sent


@pytest.mark.parametrize("command", ["KEYS", "FLUSHDB", "RENAME", "XREAD"])
def test_a_command_whose_keys_are_not_known_is_never_sent(command: str) -> None:
    with pytest.raises((NotImplementedError, ValueError)):
        placed("p:", (command, "k"))


# redis-py's methods that are called otherwise than their commands.
COMMANDS = {"delete": "DEL", "xpending_range": "XPENDING", "register_script": "EVALSHA"}
CLIENTS = re.compile(r"(?i)_?(client|pipeline|pipe)")
NO_COMMAND = {"pipeline", "execute", "multi", "close", "set_response_callback"}


def called() -> Iterator[tuple[str, str]]:
    """(file, method) of each call of a client's."""
    for name, tree in SOURCES.items():
        if "redis" not in ast.dump(tree):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                of = node.func.value
                owner = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
                if CLIENTS.fullmatch(owner) and hasattr(prefixed.PrefixedPipeline, node.func.attr):
                    yield name, node.func.attr


def test_every_command_that_the_product_sends_has_its_line() -> None:
    known = prefixed.FIRST | prefixed.ALL | prefixed.ALL_BUT_LAST | prefixed.COUNTED | prefixed.STREAMS | prefixed.NONE
    found = {pair for pair in called() if pair[1] not in NO_COMMAND and not pair[0].startswith("shared/messaging/tr")}
    commands = {COMMANDS.get(method, method.upper()): (name, method) for name, method in found}
    assert len(commands) > 15
    # LLEN: of kombu's own client, which has its own table.
    missing = {c: at for c, at in commands.items() if not {c, c.replace("_", " ")} & known and c != "LLEN"}
    assert missing == {}


def texts(tree: ast.Module) -> Iterator[str]:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in prose:
            yield node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")


KEYS = re.compile(r"settlepipe:[a-z]|_kombu|unacked|celeryev|pidbox")


def test_no_module_writes_the_name_of_a_key_but_the_one_that_has_them_all() -> None:
    found = {name for name, tree in SOURCES.items() if any(KEYS.match(text) for text in texts(tree))}
    assert found == {"shared/domain/broker_keys.py"}
    named = [value for name, value in vars(broker_keys).items() if name.isupper() and isinstance(value, str)]
    assert len(named) == len(set(named)) == 5


# Who may know the prefix: the setting, what hands it to clients, and what tells people of it.
KNOWERS = {
    "shared/settings/__init__.py",
    "shared/process.py",
    "shared/messaging/links.py",
    "shared/messaging/prefixed.py",
    "shared/messaging/transport.py",  # whether there is one
    "worker/web/__main__.py",  # for its AsyncAPI
    "worker/web/app.py",
    "worker/web/door.py",
    "deploy/cli/schema.py",
    "deploy/local/brokers.py",  # doctor
}
PREFIX = {"key_prefix", "broker_key_prefix", "global_keyprefix"}
MAKERS = {"Redis", "StrictRedis", "from_url", "Sentinel", "ConnectionPool", "Client"}


def names(tree: ast.Module) -> set[str]:
    return {
        word
        for node in ast.walk(tree)
        for word in (
            getattr(node, "attr", None),
            getattr(node, "id", None),
            getattr(node, "arg", None),
            getattr(node, "value", None) if isinstance(node, ast.Constant) else None,
        )
        if isinstance(word, str)
    }


def test_nobody_else_puts_a_prefix_on() -> None:
    assert {name for name, tree in SOURCES.items() if names(tree) & PREFIX} == KNOWERS


def test_clients_of_the_broker_are_made_in_one_place() -> None:
    makers = set()
    for name, tree in SOURCES.items():
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        made = {getattr(call, "attr", getattr(call, "id", "")) for call in calls}
        if made & MAKERS and "import redis" in (ROOT / name).read_text("utf-8"):
            makers.add(name)
    # The embedded one is asked whether it is up.
    assert makers == {"shared/messaging/links.py", "deploy/local/valkey.py"}
