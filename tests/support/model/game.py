"""What a game of the model consists of, and the moves in it; `machine` plays it by chance.

The pipeline's part is the real one, on a real database. A provider's answers are chosen as freely as an honest one's
may be; its ledger says what it really did. The database's clock and the machine's own stand still between two moves, so
a game is the same whenever it is played.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.database import session
from shared.database.store import Seen
from shared.domain.answers import Answer, CheckResult, Meaning, Verdict
from shared.domain.payment import FINAL
from shared.messaging import tasks
from shared.payments.check import check
from shared.payments.send import send
from shared.payments.store import dispatch as dispatch_store
from shared.payments.store import send as store
from shared.runtime import ClaimGate, Runtime
from shared.unclaim import LostClaims
from tests.support.flow import World, running_world
from tests.support.model import invariants
from tests.support.model.calls import Call, Question
from tests.support.model.invariants import People, Row, rows
from tests.support.model.provider import ANSWERS, BASELINES, LOGINS, NOTHING_DONE, Asked, Ledger, Sent, dedups, verdicts

Choose = Callable[[Sequence[Any], str], Any]
VERBS: dict[str, Callable[..., object]] = {tasks.SEND: send, tasks.CHECK: check}
WINDOW_S, LEASE_S = 150.0, 60.0  # the settings' defaults
STALE_S, EVIDENCE_FRESH_S = 5.0, 10.0  # what docs/payments.md promises
STANDS = (False,) * 8 + (True,)


@dataclass(frozen=True)
class Life:
    """A process's sign of life, on a session that outlives the process: it ends at once."""

    key: int
    lives: "psycopg.Connection[Any]"

    def end(self) -> None:
        self.lives.execute("SELECT pg_advisory_unlock(%s)", (self.key,))


def honest(options: Sequence[Any], _what: str) -> Any:
    """The best that can happen stands first."""
    return options[0]


class Game:
    """url: of a migrated database with `invariants.WATCHED` that nobody else uses meanwhile. now_s: what the database's
    clock has moved; boot_s: the machine's own, which nobody steps. lost: claims whose answer no process ever got."""

    MAKE: type[Asked] = Asked
    SETTINGS: Mapping[str, Any] = {}

    def __init__(self, url: str) -> None:
        self.now_s, self.boot_s = 0.0, 0.0
        self.stack = ExitStack()
        self.world: World = self.stack.enter_context(running_world(url, self.MAKE, **self.SETTINGS))
        self.documents: list[dict[str, Any]] = []  # every intent that an upstream has put on the queue
        patch = self.patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        for module in ("send", "check"):
            patch.setattr(f"shared.payments.{module}.boot_time_s", self._boot_time_s)
        # Waits that are drawn at random would play the same game in another way the next time.
        drawn = dispatch_store._SQL["recover"]
        assert drawn.count("random()") == 1
        patch.setattr(dispatch_store, "_SQL", {**dispatch_store._SQL, "recover": drawn.replace("random()", "0.5")})
        patch.setattr("shared.domain.backoff.full_jitter", lambda attempt, base_s, *_: base_s * attempt)
        self.ledger, self.people, self.seen = Ledger(), People(), invariants.Seen()
        self._lives = self.stack.enter_context(session.connect(url, "test"))
        self.processes = [self._process(), self._process()]
        self.calls: list[tuple[Runtime, Call]] = []
        self.doubtful: set[str] = set()  # intents of which some attempt may have been applied, then
        self.lost: list[tuple[Runtime, int, UUID]] = []

    def _boot_time_s(self) -> float:
        return self.boot_s

    def close(self) -> None:
        """End whatever still stands somewhere."""
        for _, call in self.calls:
            call.end()
        self.stack.close()

    def must_hold(self) -> None:
        """Raises AssertionError for what must never be so."""
        invariants.must_hold(self.world, self.ledger, self.people, self._on_the_wire(), self.seen)

    # a worker's call

    def begin(self, runtime: Runtime, task: str, name: tasks.Name, choose: Choose) -> None:
        """A message is delivered: what comes of it is chosen; it may come to stand still."""
        call = Call(VERBS[task], runtime, name)
        call.begin()
        self._arrived(call)
        self.go(runtime, call, choose)

    def go(self, runtime: Runtime, call: Call, choose: Choose) -> None:
        """Run a call on, until it ends or is chosen to stand still: before its question is answered (the process is
        frozen), or after it (the answer comes late)."""
        while (question := call.at) is not None:
            late = False
            if not call.said:
                call.said = (self._said(call, question, choose),)
                late = choose(STANDS, "its answer is late")
            if not late:
                if question.what == "baseline":  # reading it renews the claim
                    call.good_since_s = self.boot_s
                call.go_on()
                self._arrived(call)
            if call.ended:
                self._must_be_kept(call)
            elif late or choose(STANDS, "it stands still"):
                self.calls.append((runtime, call))
                return

    def _arrived(self, call: Call) -> None:
        if call.at is not None and call.at.what == "login":  # it has just been claimed
            call.claimed_s, call.good_since_s = self.now_s, self.boot_s
        if call.at is not None and call.at.what == "books":
            call.looked_s = self.boot_s
        if call.at is not None and call.at.what == "request":
            self._may_be_sent(call)

    def _may_be_sent(self, call: Call) -> None:
        """Nothing is sent on an old claim; where the provider does not know a request again, nothing that was applied
        or may be yet; and what ever was in doubt not without a look that is at most 10 seconds old."""
        assert self.boot_s - call.good_since_s <= STALE_S, f"payment {call.payment_id} is sent on an old claim"
        assert call.at is not None
        assert call.at.payment is not None
        if dedups(call.at.payment.provider, call.at.payment.operation):
            return
        assert self.harmless(call.intent_id), f"payment {call.payment_id} is sent, and may be applied by then"
        if call.intent_id in self.doubtful:
            fresh = call.looked_s is not None and self.boot_s - call.looked_s <= EVIDENCE_FRESH_S
            assert fresh, f"payment {call.payment_id} was in doubt, and is sent without a fresh look"

    def _said(self, call: Call, question: Question, choose: Choose) -> Any:
        match question.what:
            case "login":
                return choose(LOGINS, "log-in")
            case "baseline":
                return choose(BASELINES, "baseline")
            case "books":
                return choose(self.books(rows(self.world)[call.payment_id]), "the books show")
        assert question.payment is not None
        sent = Sent.of(question.payment)
        answer = choose(ANSWERS[sent.provider, sent.operation], "answer")
        meaning = answer.meaning if isinstance(answer, Answer) else Meaning.CHECK
        if meaning is Meaning.SUCCEEDED:
            self.effect(sent, "now")
        elif meaning not in NOTHING_DONE:
            self.doubtful.add(sent.intent_id)
            self.effect(sent, choose(("never", "now", "later"), "effect"), call.claimed_s)
        return answer

    def books(self, row: Row) -> Sequence[Any]:
        """What a look at this payment may come to."""
        return verdicts(self.ledger.times(row["intent_id"]) > 0)

    def effect(self, sent: Sent, when: str, claimed_s: float | None = None) -> None:
        """What became of a whole request. `later`: within the settle window of whatever the claim left."""
        if when == "now":
            self.ledger.apply(sent, self.now_s)
        elif when == "later":
            claimed_s = self.now_s if claimed_s is None else claimed_s
            until_s = min(self.now_s, claimed_s + LEASE_S) + WINDOW_S
            if until_s > self.now_s:
                self.ledger.late.append((sent, until_s))

    def _must_be_kept(self, call: Call) -> None:
        """What proves that it was applied ends a payment, or is disputed where it is final."""
        went = call.went
        proves = (isinstance(went, Answer) and went.meaning is Meaning.SUCCEEDED) or (
            isinstance(went, CheckResult) and went.verdict is Verdict.APPLIED
        )
        row = rows(self.world).get(call.payment_id)  # none, or another's: the database lost it, and will look
        if proves and row and row["intent_id"] == call.intent_id and row["state"] != "succeeded":
            found = self.world.rows("SELECT FROM discrepancies WHERE payment_id = %s", call.payment_id)
            assert found, f"payment {call.payment_id} was shown to be applied, and nobody is told"
            assert row["state"] in FINAL

    def fits(self, _row: Row) -> bool:
        """Would this refund leave the sum within its settle, by all that the biller knows?"""
        return True

    def come_to_rest(self) -> None:
        """Before everybody does their best."""

    def harmless(self, intent_id: str) -> bool:
        """Nothing was applied, and nothing that is on its way may be."""
        applied = self.ledger.times(intent_id) > 0
        return not applied and not self.ledger.is_late(intent_id) and intent_id not in self._on_the_wire()

    def _on_the_wire(self) -> set[str]:
        standing = [call for _, call in self.calls if call.at is not None and call.at.what == "request"]
        return {call.intent_id for call in standing if not call.said}

    # processes, time

    def kill(self, place: int, choose: Choose) -> None:
        """End a process, and begin another one in its place. What was being written may be whole at the provider."""
        runtime = self.processes[place]
        mine = [call for one, call in self.calls if one is runtime]
        for call in mine:
            self.cut(call, choose)
        self.doubtful |= {call.intent_id for call in mine if call.at is not None and call.at.what == "request"}
        for call in mine:
            call.end()
        assert runtime.life is not None
        runtime.life.end()
        self.calls = [pair for pair in self.calls if pair[0] is not runtime]
        self.lost = [one for one in self.lost if one[0] is not runtime]
        self.processes[place] = self._process()

    def cut(self, call: Call, choose: Choose) -> None:
        """Its connection ends: a request that was being written is whole at the provider, or is not."""
        if call.at is not None and call.at.what == "request" and not call.said:
            assert call.at.payment is not None
            self.effect(Sent.of(call.at.payment), choose(("never", "now", "later"), "effect"), call.claimed_s)

    def _process(self) -> Runtime:
        life: Any = Life(secrets.randbits(63), self._lives)
        self._lives.execute("SELECT pg_advisory_lock(%s)", (life.key,))
        return replace(self.world.runtime, life=life, gate=ClaimGate(), lost=LostClaims(), seen=Seen())

    def lose_a_claim(self, runtime: Runtime, name: tuple[int, str]) -> None:
        """It is committed, and PostgreSQL's answer does not come."""
        token, (payment_id, reference), key = uuid4(), name, runtime.worker_key
        with runtime.database.connection() as connection:
            if store.claim(connection, payment_id, key, runtime.limits, token, seen=runtime.seen, reference=reference):
                self.lost.append((runtime, payment_id, token))

    def end_a_lost_claim(self, place: int) -> None:
        """PostgreSQL answers again."""
        runtime, payment_id, token = self.lost.pop(place)
        with runtime.database.connection() as connection:
            assert store.unclaim(connection, payment_id, token, runtime.limits)

    def pass_time(self, seconds: float, choose: Choose, *, boot: bool = True) -> None:
        """Move the clocks; boot: the machine's own as well, else somebody stepped the database's. What a provider is
        still working on comes into effect, or never does, before its time is over."""
        self.now_s += seconds
        self.boot_s += seconds if boot else 0.0
        if seconds < 0:
            self.ledger.late = [(one, until_s + seconds) for one, until_s in self.ledger.late]
        over = [one for one in self.ledger.late if one[1] <= self.now_s]
        self.ledger.late = [one for one in self.ledger.late if one[1] > self.now_s]
        for sent, _ in over:
            self.come(sent, applied=choose((False, True), "late effect"))
        self.world.advance(seconds)

    def come(self, sent: Sent, *, applied: bool) -> None:
        """What a provider was still working on is done, or dropped."""
        if applied:
            self.effect(sent, "now")
