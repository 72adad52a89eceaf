"""A client of Redis or Valkey that puts an installation's prefix before each key, and takes it off where one is told.

So two installations can share a database. Everybody else names keys as `shared.domain.broker_keys` has them. Celery's
own keys get the same prefix from kombu (`links`).
"""

from collections.abc import Sequence
from typing import Any

import redis
from redis.client import Pipeline

# Where a command's keys stand. One that is in no list is refused under a prefix: it might touch another's keys.
FIRST = frozenset(
    (
        *(
            "GET",
            "SET",
            "LPUSH",
            "LRANGE",
            "LTRIM",
            "XACK",
            "XADD",
            "XCLAIM",
            "XDEL",
            "XLEN",
            "XPENDING",
            "XRANGE",
            "XREVRANGE",
        ),
        *("XTRIM", "XGROUP CREATE", "XINFO GROUPS", "XINFO STREAM"),
    )
)
ALL = frozenset(("DEL", "EXISTS", "WATCH"))
ALL_BUT_LAST = frozenset(("BRPOP",))
COUNTED = frozenset(("EVAL", "EVALSHA"))  # behind their number
STREAMS = frozenset(("XREAD", "XREADGROUP"))  # behind a word, as many as ids
NONE = frozenset(("INFO", "PING", "TIME", "SCRIPT EXISTS", "SCRIPT LOAD", "UNWATCH"))
_NAMING = (*STREAMS, *ALL_BUT_LAST)  # the answers that tell keys


class _Prefixed:
    """What a client and its pipelines have in common. key_prefix: empty, and it is redis-py's own in all it does."""

    key_prefix = ""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Raises NotImplementedError, under a prefix, for a command that has no line above."""
        made: Any = super()
        return made.execute_command(*(placed(self.key_prefix, args) if self.key_prefix else args), **options)

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        """The answer, its keys without the prefix."""
        made: Any = super()
        answer = made.parse_response(connection, command_name, **options)
        if not (self.key_prefix and answer and command_name in _NAMING):
            return answer
        return _without(len(self.key_prefix), command_name, answer)


class PrefixedPipeline(_Prefixed, Pipeline):
    """Several commands at once; it watches the keys that it names. No answer within a MULTI tells keys."""


class Client(_Prefixed, redis.Redis):
    """The client. Under a prefix it has no `pubsub`: what it listened to would have none."""

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> PrefixedPipeline:
        """Of the same prefix."""
        made: Any = PrefixedPipeline
        found: PrefixedPipeline = made(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        found.key_prefix = self.key_prefix
        return found

    def pubsub(self, **options: Any) -> Any:
        """Raises NotImplementedError under a prefix."""
        if self.key_prefix:
            raise NotImplementedError("channels have no prefix here; Celery's have kombu's")
        made: Any = super()
        return made.pubsub(**options)


def placed(prefix: str, command: Sequence[Any]) -> list[Any]:
    """The command with its keys under the prefix. Raises NotImplementedError where it is not known which those are."""
    name, *given = command
    first, last = _keys(name, given)
    return [name, *given[:first], *(_under(prefix, key) for key in given[first:last]), *given[last:]]


def _keys(name: str, given: Sequence[Any]) -> tuple[int, int]:
    """From which argument on, and up to which one, there are keys."""
    if name in FIRST:
        return 0, 1
    if name in ALL:
        return 0, len(given)
    if name in ALL_BUT_LAST:
        return 0, len(given) - 1
    if name in COUNTED:
        return 2, 2 + int(given[1])
    if name in STREAMS:
        behind = given.index(b"STREAMS") + 1  # as redis-py writes the word; a group of that name is given as text
        return behind, behind + (len(given) - behind) // 2
    if name in NONE:
        return 0, 0
    raise NotImplementedError(f"where the keys of {name} stand is not said in {__name__}")


def _under(prefix: str, key: Any) -> str | bytes:
    return prefix.encode() + key if isinstance(key, bytes) else f"{prefix}{key}"


def _without(length: int, name: str, answer: Any) -> Any:
    if name in ALL_BUT_LAST:
        key, value = answer
        return key[length:], value
    if isinstance(answer, dict):
        return {key[length:]: rows for key, rows in answer.items()}
    return [[key[length:], *rows] for key, *rows in answer]
