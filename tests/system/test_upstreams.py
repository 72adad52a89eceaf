"""What the README tells upstream teams to run, run by the real programs."""

import subprocess
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support.programs import path_of
from tests.support.readme import TIMEOUT_S, accepted, environment, snippet
from tests.support.stack import Stack


def _redis_cli(up: Stack, **changed: str) -> "subprocess.CompletedProcess[str]":
    path_of("redis-cli")
    return _run(["bash", "-euc", snippet("sh", "XADD")], environment(up, **changed))


def _node(up: Stack, **changed: str) -> "subprocess.CompletedProcess[str]":
    return _run([path_of("node"), "-e", snippet("js")], environment(up, **changed))


def _run(command: list[str], variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=variables, check=False, timeout=TIMEOUT_S, capture_output=True, text=True)


ENQUEUE = {"redis-cli": (_redis_cli, "ord-1002"), "node": (_node, "ord-1003")}


@pytest.mark.parametrize("program", ENQUEUE)
def test_an_upstream_enqueues(up: Stack, program: str) -> None:
    enqueue, intent_id = ENQUEUE[program]
    done = enqueue(up)
    assert done.returncode == 0, done.stdout + done.stderr
    accepted(up, intent_id)


def _with(url: str, **changes: str) -> str:
    parts = urlsplit(url)
    given = {"user": parts.username or "", "password": parts.password or "", "port": str(parts.port), **changes}
    return urlunsplit(parts._replace(netloc=f"{given['user']}:{given['password']}@{parts.hostname}:{given['port']}"))


@pytest.mark.parametrize("program", ENQUEUE)
@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"user": "nobody"}, {"port": "9"}], ids=str)
def test_an_upstream_that_is_not_let_in_is_told_and_ends_with_a_failure(
    up: Stack, program: str, wrong: dict[str, str]
) -> None:
    """An intent that nobody has must not look like one that was put on the queue."""
    enqueue, _ = ENQUEUE[program]
    before = up.query("SELECT count(*) AS n FROM payments")
    done = enqueue(up, BROKER_URL=_with(up.told["broker_url"], **wrong))
    assert done.returncode != 0
    assert done.stdout + done.stderr != ""
    assert up.query("SELECT count(*) AS n FROM payments") == before


def test_a_stream_that_refuses_the_entry_is_told(up: Stack) -> None:
    """The password is right, and the broker takes nothing."""
    with up.broker() as broker:
        broker.execute_command("ACL", "SETUSER", "reader", "on", ">reader", "~*", "+@read", "+@connection")
        try:
            url = _with(up.told["broker_url"], user="reader", password="reader")
            for enqueue, _ in ENQUEUE.values():
                done = enqueue(up, BROKER_URL=url)
                assert done.returncode != 0
                assert "NOPERM" in done.stdout + done.stderr
        finally:
            broker.execute_command("ACL", "DELUSER", "reader")


def test_the_url_that_is_told_is_taken_by_redis_cli_without_a_word(up: Stack) -> None:
    done = _run([path_of("redis-cli"), "-u", up.told["broker_url"], "PING"], environment(up))
    assert (done.stdout, done.returncode) == ("PONG\n", 0)
