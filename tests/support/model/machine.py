"""The flow's game, played by Hypothesis: people, processes, providers, the broker and the clocks do what they like, in
any order."""

import contextlib
import sys
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared import lanes
from shared.domain.codes import Code
from shared.domain.payment import HoldReason
from shared.domain.request import Hold, Refusal
from shared.messaging import tasks
from shared.payments.look import Unresolvable, look
from shared.payments.release import free_invoices, release_directory_holds, release_refunds
from shared.payments.resolve import cancel, resolve
from tests.support.model.calm import calm
from tests.support.model.game import Choose, Game
from tests.support.model.invariants import Row, rows
from tests.support.model.provider import LANES

WAITS_S = (6.0, 31.0, 61.0, 151.0, 212.0, 700.0, 4_000.0, 22_000.0, 90_000.0, 260_000.0)
JUMPS_S = (-4_000.0, -100.0, 100.0, 4_000.0, 3_500_000.0)
RARE = (
    "resume",
    "resume",
    "the same again",
    "the same id again",
    "cancel",
    "a refund of what may not be refunded",
    "a refund of what may not be refunded",
    "pause",
    "a claim's answer is lost",
    "a lost claim is ended",
    "a lost claim is ended",
    "somebody steps the clock",
)
MOST = 12  # payments in one game
which = st.integers(0, MOST - 1)  # one of what there is, counted round
a_lane = st.sampled_from(LANES)
a_bill = st.sampled_from((None, None, "A", "B"))  # a letter: a bill on which payments can't be told apart
a_refund = st.sampled_from((None, None, "60.00"))  # one that comes with its settle
a_wait = st.sampled_from((0.0, 0.0, *WAITS_S))
some_waits = st.lists(a_wait, max_size=2)
NEVER = Refusal("made up", Code.NOT_SUPPORTED)


def by(data: st.DataObject) -> Choose:
    """What Hypothesis chooses."""
    return lambda options, what: data.draw(st.sampled_from(options), what)


class Machine(RuleBasedStateMachine):
    """One game."""

    def __init__(self, game: Game) -> None:
        super().__init__()
        self.game = game
        self.world = self.game.world
        self.messages: list[tuple[str, tasks.Name]] = []
        self.documents = game.documents
        self.promised: list[str] = []  # settles that a refund named before they came

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # else it has failed, or was given up
                calm(self.game)
        finally:
            self.game.close()

    @invariant()
    def holds(self) -> None:
        self.game.must_hold()

    # what upstreams do

    @initialize(first=st.lists(st.tuples(a_lane, a_bill, a_refund), min_size=3, max_size=5))
    def begin(self, first: list[tuple[str, str | None, str | None]]) -> None:
        for provider, bill, refunded in first:
            self._settle(provider, bill, refunded)

    @precondition(lambda self: len(self.documents) < MOST)
    @rule(
        provider=a_lane,
        bill=a_bill,
        built=st.sampled_from((None, None, None, Hold(HoldReason.NO_ACCOUNT, "no account"), NEVER)),
        waits=some_waits,
        data=st.data(),
    )
    def settle(
        self, provider: str, bill: str | None, built: Hold | Refusal | None, waits: list[float], data: st.DataObject
    ) -> None:
        if built:
            self.world.providers[provider].builds.append(built)
        self._settle(provider, bill, None)
        self._work(waits, data)

    @precondition(lambda self: any(row["state"] == "succeeded" for row in rows(self.world).values()))
    @rule(n=which, amount=st.sampled_from(("40.00", "60.00", "100.00")), waits=some_waits, data=st.data())
    def refund(self, n: int, amount: str, waits: list[float], data: st.DataObject) -> None:
        found = [
            row for row in rows(self.world).values() if (row["state"], row["operation"]) == ("succeeded", "settle")
        ]
        if found and len(self.documents) < MOST:
            row = found[n % len(found)]
            self._accept(self._document(row["provider"], refund_of=row["intent_id"], amount=amount))
            self._work(waits, data)

    def _odd_refund(self, n: int, provider: str) -> None:
        """Of a settle in whatever state, of a refund, of a settle that has not come yet; or of more than there was."""
        if len(self.documents) < MOST:
            name = self.documents[n % len(self.documents)]["intent_id"]
            if n % 3 == 0:
                name = f"to-come-{len(self.documents)}"
                self.promised.append(name)
            amount = "100.01" if n % 3 == 1 else "50.00"
            self._accept(self._document(provider, refund_of=name, amount=amount))

    def _again(self, n: int, *, other: bool) -> None:
        """The same intent changes nothing; with other content it goes to quarantine as well."""
        document = self.documents[n % len(self.documents)]
        assert self.world.accept(document | ({"amount": "7.00"} if other else {})) == 0
        found = self.world.rows("SELECT subject FROM quarantine WHERE conflict_of = %s", self.world.id_of(document))
        assert found or not other

    def _settle(self, provider: str, bill: str | None, refunded: str | None) -> None:
        fields: dict[str, Any] = {"intent_id": self.promised.pop()} if self.promised else {}
        if bill:
            fields["target"] = {"invoice": bill, "shared": True}
        document = self._document(provider, **fields)
        self._accept(document)
        if refunded:
            self._accept(self._document(provider, refund_of=document["intent_id"], amount=refunded))

    def _document(self, provider: str, **fields: Any) -> dict[str, Any]:
        return self.world.document(provider, **fields)

    def _accept(self, document: dict[str, Any]) -> None:
        assert self.world.accept(document) == 1
        self.documents.append(document)

    # what the dispatcher, the broker and the workers do

    @rule(waits=st.lists(a_wait, min_size=1, max_size=4), data=st.data())
    def work(self, waits: list[float], data: st.DataObject) -> None:
        self._work(waits, data)

    def _work(self, waits: Sequence[float], data: st.DataObject) -> None:
        """What is due after each wait is dispatched and delivered at once."""
        for seconds in waits:
            self.holds()
            self.game.pass_time(seconds, by(data))
            self._release()
            for provider in LANES:
                batches = self.world.batches(provider)
                self._dispatched(data)
                for task, names in batches:
                    for name in names:
                        self.game.begin(self.game.processes[0], task, name, by(data))

    def _dispatched(self, data: st.DataObject) -> None:
        """Between the dispatcher's commit and the first message."""

    @rule(provider=a_lane, seconds=a_wait, data=st.data())
    def dispatch(self, provider: str, seconds: float, data: st.DataObject) -> None:
        if seconds:
            self.game.pass_time(seconds, by(data))
        for task, names in self.world.batches(provider):
            self.messages += [(task, name) for name in names]

    @precondition(lambda self: self.messages)
    @rule(n=which, process=st.integers(0, 1), again=st.booleans(), data=st.data())
    def deliver(self, n: int, process: int, again: bool, data: st.DataObject) -> None:
        """One of the messages, in any order, perhaps not for the last time; one that is never chosen is lost."""
        place = n % len(self.messages)
        task, name = self.messages[place] if again else self.messages.pop(place)
        self.game.begin(self.game.processes[process], task, name, by(data))

    @precondition(lambda self: self.game.calls)
    @rule(n=which, waits=some_waits, data=st.data())
    def go_on(self, n: int, waits: list[float], data: st.DataObject) -> None:
        runtime, call = self.game.calls.pop(n % len(self.game.calls))
        self.game.go(runtime, call, by(data))
        self._work(waits, data)

    @precondition(lambda self: self.game.calls)
    @rule(process=st.integers(0, 1), waits=some_waits, data=st.data())
    def kill(self, process: int, waits: list[float], data: st.DataObject) -> None:
        self.game.kill(process, by(data))
        self._work(waits, data)

    def _lose_a_claim(self, n: int) -> None:
        sends = [name for task, name in self.messages if task == tasks.SEND and not isinstance(name, int)]
        if sends:
            self.game.lose_a_claim(self.game.processes[n % 2], sends[n % len(sends)])

    def _release(self) -> None:
        release_refunds(self.world.runtime)
        free_invoices(self.world.runtime)
        for provider in LANES:
            release_directory_holds(self.world.runtime, provider)

    # what the provider and the clocks do

    @precondition(lambda self: self.game.ledger.late)
    @rule(n=which, applied=st.booleans())
    def catch_up(self, n: int, applied: bool) -> None:
        late = self.game.ledger.late
        sent, _ = late.pop(n % len(late))
        self.game.come(sent, applied=applied)

    @rule(what=st.sampled_from(RARE), n=which, provider=a_lane, waits=some_waits, data=st.data())
    def now_and_then(self, what: str, n: int, provider: str, waits: list[float], data: st.DataObject) -> None:
        """What happens less often than all else."""
        self._rare(what, n, provider, data)
        self._work(waits, data)

    def _rare(self, what: str, n: int, provider: str, data: st.DataObject) -> None:
        match what:
            case "the same again" | "the same id again":
                self._again(n, other=what == "the same id again")
            case "a refund of what may not be refunded":
                self._odd_refund(n, provider)
            case "cancel":
                self._cancel(n)
            case "pause" | "resume":
                self._stop(provider, stops=what == "pause")
            case "a claim's answer is lost":
                self._lose_a_claim(n)
            case "a lost claim is ended" if self.game.lost:
                self.game.end_a_lost_claim(n % len(self.game.lost))
            case "somebody steps the clock":  # the database's alone
                self.game.pass_time(JUMPS_S[n % len(JUMPS_S)], by(data), boot=False)

    # what people do

    def _stop(self, provider: str, *, stops: bool) -> None:
        with self.world.runtime.database.connection() as connection:
            if stops:
                lanes.pause(connection, provider, "Ann")
            else:
                lanes.resume(connection, provider)

    def _cancel(self, n: int) -> None:
        document = self.documents[n % len(self.documents)]
        with contextlib.suppress(Unresolvable):
            cancel(self.world.runtime.database, document["source"], document["intent_id"], reason="asked to", by="Ann")

    @precondition(lambda self: self._parked())
    @rule(
        n=which,
        answer=st.sampled_from(("resend", "refused", "succeeded")),
        although=st.booleans(),
        by_whom=st.sampled_from(("Ann", "Ann", "Bob")),
        data=st.data(),
    )
    def decide(self, n: int, answer: str, although: bool, by_whom: str, data: st.DataObject) -> None:
        """A person looks and decides. Who insists on sending again has asked at the biller; who insists on a refusal
        may be mistaken, and that is kept as such."""
        parked = self._parked()
        row = parked[n % len(parked)]
        harmless = self.game.harmless(row["intent_id"])
        if although and answer == "resend" and not (harmless and self.game.fits(row)):
            return
        script = self.world.providers[row["provider"]].verdicts
        script.append(by(data)(self.game.books(row), "the books show"))
        why = "asked at the biller" if although else None
        with contextlib.suppress(Unresolvable):
            looked = look(self.world.runtime, row["source"], row["intent_id"])
            state = resolve(self.world.runtime, looked, answer, reason="looked", by=by_whom, although=why)
            if state == "succeeded":
                self.game.people.said.add(row["intent_id"])
            if state == "refused" and although and not harmless:
                self.game.people.wrong.add(row["intent_id"])
        script.clear()
        self._work((0.0,), data)

    def _parked(self) -> list[Row]:
        return [row for row in rows(self.world).values() if row["state"] == "parked"]
