"""The same game where the database is restored now and then."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from shared.domain.payment import Operation
from shared.recovery import recover as verbs
from tests.support.model.backup import Backup
from tests.support.model.lost import Lost
from tests.support.model.machine import Machine, a_bill, a_lane, a_refund, by, some_waits, which
from tests.support.model.provider import dedups

_KEPT = 2  # backups


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
        """Messages and answers of before come while the store is held, and nothing goes out. What comes later comes
        when it may."""
        choose = by(data)
        self.game.restore(self.backups[n % len(self.backups)], choose)
        for task, name in [*self.game.messages(), *self.messages]:
            self.game.begin(self.game.processes[0], task, name, choose)
        if self.game.calls:
            runtime, call = self.game.calls.pop(n % len(self.game.calls))
            self.game.go(runtime, call, choose)
        self.game.stands_still()
        self.game.recover(choose)

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
