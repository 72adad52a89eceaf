"""Tokens at rest: encrypted, readable with any of the keys, shared by version."""

from cryptography.fernet import Fernet

from shared.database.tokens import StoredTokens
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
