"""A game whose database may come back older than the world: the provider's ledger, the events stream, the messages and
late answers stay as they are. The product's own code notices it, holds the store and recovers it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from scheduler import relay
from shared.database import leases, locks, store
from shared.database.store import HeldError, Store
from shared.domain.payment import Operation, Payment
from shared.domain.reference import fingerprint, reference
from shared.domain.request import Built, Request
from shared.events import outbox
from shared.messaging import events_stream, tasks
from shared.providers.ours import Directory
from shared.recovery import recover as verbs
from shared.recovery.beat import beat
from shared.settings.sections import RecoverySettings
from shared.witness import Remembered, Witnesses
from tests.support.model.backup import Backup
from tests.support.model.game import Choose, Game
from tests.support.model.invariants import Row, rows
from tests.support.model.provider import ABSENT, LANES, UNSURE, Asked, dedups, verdicts
from tests.support.model.upstream import Upstream

OPEN_S = 100_000.0  # how long a window stays open


class Memory(Witnesses):
    """A witness that remembers the store in this process."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), None)
        self._kept: list[Remembered] = []

    def read(self, installation: str) -> list[Remembered]:
        return self._kept

    def write(self, store: Store) -> None:
        self._kept = [Remembered(store.here, store.fingerprint, store.derived_since)]


class Dated(Asked):
    """Where a repeated request is promised to do nothing, it bears the bank's date: dated anew it is another one."""

    def build(self, payment: Payment, directory: Directory) -> Built:
        built = super().build(payment, directory)
        if isinstance(built, Request) and dedups(self.name, payment.operation):
            return Request(built.path, built.body + payment.paid_at.isoformat().encode(), built.exclusive_key)
        return built


class Lost(Game):
    """client: of a broker that nobody else uses. old: references are still drawn, as the version before did."""

    MAKE = Dated
    SETTINGS: Mapping[str, Any] = {"recovery": RecoverySettings(window_s=OPEN_S)}

    def __init__(self, url: str, client: "redis.Redis") -> None:
        super().__init__(url)
        client.delete(events_stream.EVENTS)
        self.client, self.witnesses, self.upstream = client, Memory(), Upstream()
        self.old, self.closes_s, self._drawn = False, 0.0, 0
        self._whose: dict[int, str] = {}
        self.patch.setattr("shared.payments.admit.reference", self._reference)
        self._derives = store.derives
        self.patch.setattr("shared.payments.admit.whole.derives", self._derived)
        self.world.execute(
            "UPDATE store SET beat_at = clock(), key_fingerprint = %s, derived_since = '2020-01-01'",
            fingerprint(self.world.runtime.reference_key),
        )
        self._beat()

    def be_old(self) -> None:
        """Before the first payment: the version of now is not installed yet."""
        self.old = True
        self.world.execute("UPDATE store SET key_fingerprint = NULL, derived_since = NULL")

    def _reference(self, key: bytes, source: str, intent_id: str) -> str:
        if not self.old:
            return reference(key, source, intent_id)
        self._drawn += 1
        return reference(b"drawn", source, str(self._drawn))

    def _derived(self, *given: Any) -> None:
        if not self.old:
            self._derives(*given)

    # what must hold

    def must_hold(self) -> None:
        super().must_hold()
        for payment_id, row in rows(self.world).items():
            whose = self._whose.setdefault(payment_id, row["intent_id"])
            assert whose == row["intent_id"], f"the id {payment_id} was given to two payments"
        for document in self.documents:
            times = self.ledger.times(document["intent_id"])
            assert times <= 1 or document["intent_id"] in self.people.wrong, f"{document} is applied {times} times"
            assert self._refunded(document["intent_id"]) <= _hundredths(document), f"more than {document} is refunded"

    def _refunded(self, settle: str) -> int:
        """In effect, by the biller's books."""
        refunds = (one for one in self.documents if one.get("refund_of") == settle)
        return sum(_hundredths(one) * self.ledger.times(one["intent_id"]) for one in refunds)

    def fits(self, row: Row) -> bool:
        (document,) = (one for one in self.documents if one["intent_id"] == row["intent_id"])
        settles = [one for one in self.documents if one["intent_id"] == document.get("refund_of")]
        return all(self._refunded(one["intent_id"]) + row["amount_minor"] <= _hundredths(one) for one in settles)

    def books(self, row: Row) -> Sequence[Any]:
        """A marker shows where it stands, of the time that is asked for. A total is nothing to go by once others may
        have changed it: a settle's adapter says so, and of a refund anything may be said."""
        settles = row["operation"] == Operation.SETTLE
        if settles and not dedups(row["provider"], Operation.SETTLE):
            since_s = row["first_sent_s"]
            return verdicts(self.ledger.shows(row["sent_reference"], self.now_s if since_s is None else since_s))
        key = row["exclusive_key"]
        if not row["lost"] and not (key and self.world.runtime.books.lost_time(key)):
            return super().books(row)
        return UNSURE if settles else (ABSENT, *UNSURE)

    # time, events

    def pass_time(self, seconds: float, choose: Choose, *, boot: bool = True) -> None:
        """What upstreams were asked for they have done before the window closes."""
        if self.closes_s and self.now_s + seconds >= self.closes_s:
            self.resend_all()
        super().pass_time(seconds, choose, boot=boot)
        self._beat()

    def _beat(self) -> None:
        assert beat(self.world.runtime, self.witnesses), "the store is held, and has lost nothing"
        highest = self.world.runtime.seen.highest
        assert highest is not None
        for process in self.processes:
            process.seen.saw(highest)

    def relay(self, *, noted: bool = True) -> None:
        """Have what is pending told. noted: else the relay ends before it has noted that."""
        with self.world.runtime.database.connection() as connection:
            batch = outbox.pending(connection, 10_000)
            if batch:
                entry_id = events_stream.publish(self.client, batch, 604_800)
                assert entry_id is not None
                if noted:
                    outbox.carried(connection, batch, entry_id)
        self.upstream.read(self.client)

    # a restore

    def restore(self, backup: Backup, choose: Choose) -> None:
        """The database is as it was; what is under way at the provider ends there, and who is not stopped tells of it
        some time. Then the loss is noticed."""
        self.pass_time(2.0, choose)  # one beat at least is lost
        told = choose(("all", "all", "all, unnoted", "nothing"), "what was told before")
        if told != "nothing":
            self.relay(noted=told == "all")
        for place in range(len(self.processes)):
            if choose((False, True), "a process is stopped"):
                self.kill(place, choose)
        self.outlive(choose, (True, False))
        self._end_what_is_not_sent()
        backup.put_back(self.world)
        self._forget()
        if choose((False,) * 4 + (True,), "the stream is lost"):
            self.upstream.forget(self.client)
        super().pass_time(choose((5.0, 120.0, 4000.0), "until it runs again"), choose)
        self._must_be_noticed(choose((False, True), "by the relay"))

    def outlive(self, choose: Choose, ends: Sequence[bool] = (True,)) -> None:
        """What a process that was not stopped has sent is answered: by now, or ends says otherwise."""
        for _, call in self.calls:
            if call.at is not None and call.at.what == "request" and not call.said and choose(ends, "it is answered"):
                call.said = (self._said(call, call.at, choose),)

    def _end_what_is_not_sent(self) -> None:
        """It never will be."""
        for _, call in self.calls:
            if call.at is not None and call.at.what != "request":
                call.end()
        self.calls = [(runtime, call) for runtime, call in self.calls if not call.ended]

    def _forget(self) -> None:
        """What rests on the database having gone on alone."""
        for provider in self.world.providers.values():
            provider.sent.clear()
        self.seen.numbers.clear()
        self.lost.clear()
        self.old = False
        self.doubtful |= {document["intent_id"] for document in self.documents}

    def _must_be_noticed(self, by_relay: bool) -> None:
        runtime = self.world.runtime
        if by_relay:
            try:
                with runtime.database.connection() as connection:
                    above = max(outbox.newest_turn(connection), events_stream.newest_turn(self.client))
                    lease = leases.take(connection, locks.RELAY, above=above)
                    assert lease is not None
                    try:
                        relay._begin(connection, lease, self.client, runtime.settings)
                    finally:
                        leases.give_back(connection, lease)
            except HeldError:
                return
        assert not beat(runtime, self.witnesses), "the database lost time, and nobody noticed"

    def sent(self) -> int:
        """How many requests went out since the last restore."""
        return sum(len(provider.sent) for provider in self.world.providers.values())

    def messages(self) -> list[tuple[str, tasks.Name]]:
        """Those of before about what is on its way in the restored database: the broker may repeat each."""
        under_way = {"dispatched": tasks.SEND, "unknown": tasks.CHECK}
        found = [row for row in rows(self.world).values() if row["state"] in under_way]
        return [(under_way[row["state"]], (row["id"], row["sent_reference"])) for row in found]

    def claims(self) -> dict[int, tuple[int, int]]:
        """How often each payment was claimed, to be sent and to be looked up."""
        return {payment_id: (row["attempts"], row["checks"]) for payment_id, row in rows(self.world).items()}

    def stands_still(self) -> None:
        """Raises AssertionError where a held store goes on."""
        assert not self.sent(), "something is sent while the store is held"
        assert all(self.world.batches(provider) == [] for provider in LANES)
        with pytest.raises(HeldError):
            self.world.accept(self.world.document())

    def recover(self, choose: Choose) -> None:
        """A person has looked, and lets it go on: from the moment that it knows, or from an earlier one."""
        runtime, before_s = self.world.runtime, choose((None, None, 60.0, 5000.0), "since")
        known = self.world.value("SELECT beat_at FROM store")
        since = None if before_s is None else known - timedelta(seconds=before_s)
        verbs.recover(runtime, self.witnesses, verbs.plan(runtime, self.client, since), "Ann")
        self.closes_s = self.now_s + OPEN_S

    def resend_all(self) -> None:
        """Every intent is put on the queue again, as it was."""
        for document in self.documents:
            self.world.accept(document)
        self.closes_s = 0.0

    def close(self) -> None:
        self.client.delete(events_stream.EVENTS)
        super().close()

    def come_to_rest(self) -> None:
        self.resend_all()
        verbs.close(self.world.runtime, "Ann")
        self.relay()
        known = {row["intent_id"] for row in rows(self.world).values()}
        assert known == {document["intent_id"] for document in self.documents}


def _hundredths(document: Mapping[str, Any]) -> int:
    return int(document["amount"].replace(".", ""))
