"""Tokens at rest: encrypted, readable with any of the keys, shared by version."""

import time
from typing import Any

from cryptography.fernet import Fernet

from shared.database.tokens import StoredTokens
from shared.providers.credentials import Grant, TokenSource
from tests.support.flow import World

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
TOKEN = {"access": "made-up-token", "expires_at": 2_000_000_000.0, "refresh": None, "refresh_expires_at": None}


def store(world: World, *keys: str) -> StoredTokens:
    return StoredTokens(world.runtime.database, keys)


def test_a_token_is_kept_encrypted(world: World) -> None:
    store(world, OLD).save("billcenter", TOKEN, after_refusal=False)
    kept = bytes(world.value("SELECT token FROM tokens"))
    assert b"made-up-token" not in kept
    row = store(world, OLD).read("billcenter")
    assert row is not None
    assert (row.token, row.version) == (TOKEN, 1)


def test_keys_are_rotated_without_a_log_in(world: World) -> None:
    store(world, OLD).save("billcenter", TOKEN, after_refusal=False)
    both = store(world, NEW, OLD)
    assert both.read("billcenter") is not None, "the older key still reads"
    both.save("billcenter", TOKEN, after_refusal=False)
    row = store(world, NEW).read("billcenter")
    assert row is not None, "what is saved anew needs the newest key alone"
    assert row.version == 2


def test_a_token_that_no_key_reads_is_asked_for_anew_and_does_no_harm(world: World) -> None:
    store(world, OLD).save("billcenter", TOKEN, after_refusal=False)
    assert store(world, OTHER).read("billcenter") is None


def test_an_older_versions_refusal_leaves_the_newer_token_alone(world: World) -> None:
    tokens = store(world, OLD)
    tokens.save("billcenter", TOKEN, after_refusal=False)
    tokens.save("billcenter", TOKEN, after_refusal=True)
    tokens.invalidate("billcenter", 1)
    row = tokens.read("billcenter")
    assert row is not None
    assert (row.refused, row.after_refusal) == (False, True)
    tokens.prove("billcenter", 2)
    tokens.invalidate("billcenter", 2)
    row = tokens.read("billcenter")
    assert row is not None
    assert (row.refused, row.after_refusal) == (True, False)


def test_one_who_logged_in_last_and_wrote_last_halts_no_lane(world: World) -> None:
    """Its log-in took longer than its lease: the provider takes its token alone, the fleet has the other's."""
    key = Fernet.generate_key().decode()
    slow, quick = store(world, key), store(world, key)
    valid: list[str] = []

    def grant(name: str) -> Grant:
        valid[:] = [name]  # a log-in ends what the one before it gave
        return Grant(name, time.time() + 3600)

    other = TokenSource("safe", quick, lambda _: grant("the other's"), wait_s=1)

    def frozen(_: object) -> Grant:
        world.execute("UPDATE leases SET until = clock()")
        other.authorise()
        return grant("the slow one's")

    old: dict[str, Any] = {"access": "old", "expires_at": time.time() + 3600, "refresh": None}
    first = slow.save("safe", old | {"refresh_expires_at": None}, False)
    slow.invalidate("safe", first.version)
    source = TokenSource("safe", slow, frozen, wait_s=1)
    auth = source.authorise()
    assert valid == ["the slow one's"]
    assert not source.forget(auth), "its 401 says nothing of the credentials"
    assert not other.forget(other.authorise())
