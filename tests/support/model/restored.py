"""The same game where the database is restored now and then."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from shared.domain.payment import Operation
from shared.messaging import tasks
from shared.recovery import recover as verbs
from tests.support.model.backup import Backup
from tests.support.model.calm import work
from tests.support.model.game import honest
from tests.support.model.lost import Lost
from tests.support.model.machine import MOST, Machine, a_bill, a_lane, a_refund, by, some_waits, which
from tests.support.model.provider import dedups

_KEPT = 2  # backups


def on_its_way(options: Sequence[Any], what: str) -> Any:
    """A call that comes as far as it can without the provider, and stands still there."""
    return what == "it stands still" or honest(options, what)


class Restored(Machine):
    """One game. old: it begins before the version that makes references."""

    game: Lost

    def __init__(self, game: Lost) -> None:
        super().__init__(game)
        self.backups: list[Backup] = []

    @initialize(
        first=st.lists(st.tuples(a_lane, a_bill, a_refund), min_size=2, max_size=4),
        old=st.sampled_from((False, False, True)),
    )
    def begin(self, first: list[tuple[str, str | None, str | None]], old: bool) -> None:
        if old:
            self.game.be_old()
        super().begin(first)
        self.game.relay()
        self.back_up()

    def _document(self, provider: str, **fields: Any) -> dict[str, Any]:
        """It was paid now."""
        paid_at = self.world.value("SELECT utc_text(clock())")
        return super()._document(provider, **fields) | {"paid_at": paid_at}

    def _again(self, n: int, *, other: bool) -> None:
        if self._known(self.documents[n % len(self.documents)]):
            super()._again(n, other=other)

    def _known(self, document: dict[str, Any]) -> bool:
        """Is its content known here? Upstreams do not change what they resend, but for its date."""
        given = document["source"], document["intent_id"]
        found = self.world.rows(
            "SELECT FROM intent_keys WHERE source = %s AND intent_id = %s AND digest IS NOT NULL", *given
        )
        return bool(found)

    def _rare(self, what: str, n: int, provider: str, data: st.DataObject) -> None:
        if what == "somebody steps the clock":  # the ledger goes by it
            self.game.relay(noted=n % 2 == 0)
        else:
            super()._rare(what, n, provider, data)

    @rule()
    def back_up(self) -> None:
        self.backups = [*self.backups[-_KEPT + 1 :], Backup.of(self.world)]

    def _dispatched(self, data: st.DataObject) -> None:
        if by(data)((False,) * 5 + (True,), "it is backed up"):
            self.back_up()

    @rule()
    def relay(self) -> None:
        self.game.relay()

    @precondition(lambda self: self.backups)
    @rule(n=which, data=st.data())
    def restore(self, n: int, data: st.DataObject) -> None:
        """What comes later comes when it may."""
        self._restore(self.backups[n % len(self.backups)], n, data)

    @rule(n=which, provider=st.sampled_from(("careful", "careful", "safe")), waits=some_waits, data=st.data())
    def lose_what_was_sent(self, n: int, provider: str, waits: list[float], data: st.DataObject) -> None:
        """A backup of just before a payment is dispatched, or sent: after the restore its message is still good while
        the store is held, or its request under way when the books are looked at."""
        choose = by(data)
        if len(self.documents) < MOST:
            self._settle(provider, None, None)
        if choose((True, True, False), "it is backed up before the dispatch"):
            self.back_up()
            found = self._messages(provider)
        else:
            found = self._messages(provider)
            self.back_up()
        for task, name in found:
            how = choose((on_its_way, on_its_way, choose, None), "it is delivered")
            if how is not None:
                self.game.begin(self.game.processes[n % 2], task, name, how)
        self._restore(self.backups[-1], n, data)
        self._work(waits, data)

    def _messages(self, provider: str) -> list[tuple[str, tasks.Name]]:
        return [(task, name) for task, names in self.world.batches(provider) for name in names]

    def _restore(self, backup: Backup, n: int, data: st.DataObject) -> None:
        """Messages and answers of before come while the store is held, and nothing goes out. Then all is looked at, it
        may be at once, and while requests of before are on the wire. What was backed up later is of a past that never
        was."""
        choose = by(data)
        self.game.restore(backup, choose)
        self.backups = self.backups[: self.backups.index(backup) + 1]
        claims = self.game.claims()
        for task, name in [*self.game.messages(), *self.messages]:
            self.game.begin(self.game.processes[0], task, name, choose)
        assert self.game.claims() == claims, "something is claimed while the store is held"
        if self.game.calls and choose((True, False), "one goes on"):
            runtime, call = self.game.calls.pop(n % len(self.game.calls))
            self.game.go(runtime, call, choose)
        self.game.stands_still()
        self.game.recover(choose)
        seconds = choose((None, 0.0, 31.0, 61.0), "the next look")
        if seconds is not None:
            self.game.pass_time(seconds, choose)
            work(self.game)
        self.game.outlive(choose)

    @precondition(lambda self: self.game.closes_s)
    @rule(n=which, dated=st.booleans(), waits=some_waits, data=st.data())
    def resend(self, n: int, dated: bool, waits: list[float], data: st.DataObject) -> None:
        """One intent comes again, perhaps with another date of the bank's."""
        document = self.documents[n % len(self.documents)]
        again = document | {"paid_at": self.world.value("SELECT utc_text(clock())")} if dated else document
        new = self.world.accept(again)
        name, subject = document["intent_id"], f"{document['source']}/{document['intent_id']}"
        operation = Operation(document["operation"])
        if new and dated and dedups(document["provider"], operation) and subject not in self.game.upstream.requests:
            self.game.people.wrong.add(
                name
            )  # nobody knows that it was another request: the provider's own check is left
        self._work(waits, data)

    @precondition(lambda self: self.game.closes_s)
    @rule()
    def close(self) -> None:
        """Every upstream has resent."""
        self.game.resend_all()
        verbs.close(self.world.runtime, "Ann")
