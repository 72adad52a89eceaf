"""Follow submitted intents by the events stream, as an upstream does: resend until any is its, read until decided.

A line is matched to its events by the `source/intent_id` it holds, and by its SHA-256 where it is quarantined (of
what is kept of it, where it holds card data). An event of a payment says nothing about a line that only shares its id:
so a line whose payment was there before (or whose id an earlier line of the same file has) is sent once more when that
payment is decided. The same content gets the last event again, other content goes to quarantine.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.cards import names_card_data
from shared.domain.intent import MAX_INTENT_BYTES
from shared.domain.kept import keep
from shared.events.types import EventType

if TYPE_CHECKING:
    import redis

RESEND_AFTER_S = 10.0
_AWAY_S = 0.5
_READ = 1000
_BLOCK_MS = 500
_DECIDED = ("succeeded", "refused", "cancelled", "parked")


@dataclass(slots=True)
class Line:
    """One distinct line. count: how often it was submitted. raw is dropped when nothing has to be sent any more.

    own: its payment began with it, so that payment's events are its own. asked: it was sent once more after its
    payment was decided.
    """

    digest: bytes
    raw: bytes | None
    subject: str | None
    count: int = 1
    sent_at: float = 0.0
    accepted: bool = False
    own: bool = False
    asked: bool = False
    outcome: str | None = None
    detail: str | None = None


class Followed:
    """Every line that was submitted, and what is known of it. Not thread-safe."""

    def __init__(self) -> None:
        self._lines: dict[bytes, Line] = {}
        self._of_subject: dict[str, list[Line]] = {}
        self._redacted: dict[bytes, list[Line]] = {}  # by the digest of what quarantine keeps of them
        self._counts: Counter[str] = Counter()
        self._unanswered: dict[bytes, Line] = {}
        self._again: list[Line] = []
        self._answered_at = 0.0
        self.news = 0  # grows with whatever is learnt

    def add(self, raw: bytes) -> None:
        """A line that is about to be submitted for the first time."""
        digest = hashlib.sha256(raw).digest()
        known = self._lines.get(digest)
        if known is not None:
            known.count += 1
            self._counts[known.outcome or "undecided"] += 1
            return
        line = Line(digest, raw, subject_of(raw), sent_at=time.monotonic())
        self._lines[digest] = self._unanswered[digest] = line
        self._counts["undecided"] += 1
        if line.subject is not None:
            self._of_subject.setdefault(line.subject, []).append(line)
        if names_card_data(raw[:MAX_INTENT_BYTES]):
            for kept in {keep(raw, subject).sha256 for subject in (line.subject, None)} - {digest}:
                self._redacted.setdefault(kept, []).append(line)

    def saw(self, event: dict[str, Any]) -> None:
        """Learn from one event."""
        data = event.get("data") or {}
        if event.get("type") == EventType.INTAKE_QUARANTINED:
            digest = bytes.fromhex(data["sha256"])
            whole = self._lines.get(digest)
            likely = [line for line in self._redacted.get(digest, ()) if not line.accepted]
            for line in [whole] if whole else likely:
                self._decide(line, "quarantined", data["reason"])
        elif str(event.get("type")).startswith("settlepipe.payment."):
            self._saw_payment(event, data)

    def to_resend(self) -> Iterator[bytes]:
        """Lines to put on the queue again now: to be asked about, or not accepted after RESEND_AFTER_S.

        While others are still being accepted the queue is only long: nothing is late then.
        """
        now = time.monotonic()
        asked, self._again = self._again, []
        if now - self._answered_at >= RESEND_AFTER_S:
            late = [line for line in self._unanswered.values() if now - line.sent_at >= RESEND_AFTER_S]
        else:
            late = []
        for line in {id(line): line for line in (*asked, *late)}.values():
            if line.outcome is None and line.raw is not None:
                line.sent_at = now
                yield line.raw

    def sent_nothing(self, lines: Iterable[bytes]) -> None:
        """The broker did not take these: they are due again at once."""
        for raw in lines:
            line = self._lines[hashlib.sha256(raw).digest()]
            line.sent_at = 0.0
            if line.asked:
                self._again.append(line)

    def lines(self) -> Iterator[Line]:
        """Every distinct line, in the order of submission."""
        yield from self._lines.values()

    def counts(self) -> Counter[str]:
        """How many submitted lines have each outcome; `undecided` have none yet."""
        return +self._counts

    def summary(self) -> dict[str, Any]:
        """For programs: the counts, and what did not succeed, with the reasons."""
        others = [
            {"subject": line.subject, "outcome": line.outcome or "undecided", "detail": line.detail}
            for line in self._lines.values()
            if line.outcome != "succeeded"
        ]
        return {"submitted": self._counts.total(), **self.counts(), "not_succeeded": others}

    @property
    def done(self) -> bool:
        """Has every line its outcome?"""
        return not self._counts["undecided"]

    def _saw_payment(self, event: dict[str, Any], data: dict[str, Any]) -> None:
        lines = self._of_subject.get(str(event.get("subject")), [])
        line = next((line for line in lines if line.outcome is None), None)
        if line is None:
            return
        if line is lines[0] and not line.accepted:
            line.accepted, line.own = True, event["type"].endswith(".accepted")
            self._answer(line)
        if data.get("state") not in _DECIDED:
            return
        if line.own or line.asked:
            self._decide(line, data["state"], data.get("detail"))
            following = next((other for other in lines if other.outcome is None), None)
            if following is not None:
                self._ask(following)
        else:
            self._ask(line)

    def _ask(self, line: Line) -> None:
        line.asked = True
        self._unanswered[line.digest] = line
        self._again.append(line)

    def _answer(self, line: Line) -> None:
        self._unanswered.pop(line.digest, None)
        self._answered_at = time.monotonic()
        self.news += 1

    def _decide(self, line: Line, outcome: str, detail: str | None) -> None:
        if line.outcome != outcome:
            self._counts[line.outcome or "undecided"] -= line.count
            self._counts[outcome] += line.count
            self._answer(line)
        line.outcome, line.detail, line.raw = outcome, detail, None


def subject_of(raw: bytes) -> str | None:
    """`source/intent_id` of a line, when both can be read. One that is too long for an intent is not looked at."""
    if len(raw) > MAX_INTENT_BYTES:
        return None
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    source, intent_id = document.get("source"), document.get("intent_id")
    return f"{source}/{intent_id}" if isinstance(source, str) and isinstance(intent_id, str) else None


def follow(
    client: "redis.Redis",
    stream: str,
    followed: Followed,
    batches: Iterable[list[bytes]],
    *,
    timeout_s: float,
    show: Callable[[str], None],
) -> None:
    """Submit the batches, then read events until every line is decided, or `timeout_s` pass without news.

    A broker that is away is waited for: what it lost or did not take is sent again.
    """
    import redis

    from shared.messaging import events_stream

    position = events_stream.newest(client)
    for batch in batches:
        for raw in batch:
            followed.add(raw)
        _send(client, stream, followed, batch)
        show(_line(followed))
    news, heard_at = followed.news, time.monotonic()
    while not followed.done and time.monotonic() - heard_at < timeout_s:
        try:
            for position, event in events_stream.events_after(client, position, _READ, _BLOCK_MS):  # noqa: B007, B020
                followed.saw(json.loads(event))
        except redis.RedisError:
            time.sleep(_AWAY_S)
        again = list(followed.to_resend())
        for start in range(0, len(again), _READ):
            _send(client, stream, followed, again[start : start + _READ])
        if followed.news != news:
            news, heard_at = followed.news, time.monotonic()
        show(_line(followed))


def _send(client: "redis.Redis", stream: str, followed: Followed, lines: list[bytes]) -> None:
    import redis

    from shared.messaging import intake_stream

    try:
        intake_stream.submit(client, stream, lines)
    except redis.RedisError:
        followed.sent_nothing(lines)
        time.sleep(_AWAY_S)


def _line(followed: Followed) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(followed.counts().items()))
