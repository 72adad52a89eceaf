"""deliver: one webhook's turn. Events go out at least once, those of a payment in their order; what fails waits aside,
and other payments go past it.

A turn is this process's under the webhook's lease, and works in batches: read, sent, noted in one transaction that
commits under that lease alone. Dying, or losing the database, between an answer and the note: that batch is sent again,
with the same ids. A process that was frozen sends nothing more once it finds its lease old, and notes nothing once
another one has it.
"""

import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from shared.database import leases, locks
from shared.database import store as whole
from shared.database.engine import Connection, Database, Row
from shared.database.leases import Fenced, Lease
from shared.database.store import HeldError, Seen
from shared.domain import webhooks
from shared.domain.webhooks import ILL_AFTER, Attempt, Verdict
from shared.events import feed
from shared.providers.addresses import now_s
from shared.settings.webhooks import WebhookSettings
from shared.telemetry.logs import get_logger
from shared.webhooks import send
from shared.webhooks.send import Receiver
from shared.webhooks.sending import Batch, Outcome
from shared.webhooks.sign import Vault
from shared.webhooks.store import deliver as store
from shared.webhooks.store.deliver import Due, Failure, Hook, Note

log = get_logger(__name__)

TURN_S = 20.0  # of one webhook; then it is another one's
LEAVES_S = 1.5  # what is under way may take so long once the process is to stop
_BUSY_S = 1.0  # a receiver that asks for less than that, again and again, would be asked without a pause
_FAR = 1000  # so many events of others are gone past before that is noted
_SAY_EVERY_S = 60.0  # of one webhook
_USED_UP = 0.8  # of a lease that could not be renewed: from then on nothing is sent
_SLEPT_S = 1.0  # of a machine that was suspended: its lease is older than it seems


@dataclass(slots=True)
class Deliverer:
    """One process's share. horizon: up to which event all are there; asked again and again."""

    database: Database
    seen: Seen
    vault: Vault
    settings: WebhookSettings
    horizon: Callable[[Connection], int]
    receivers: dict[int, tuple[str, Receiver]] = field(default_factory=dict)
    say_at: dict[int, float] = field(default_factory=dict)
    scanned: dict[int, int] = field(default_factory=dict)  # by webhook: up to here there is nothing of its source
    turns: set[int] = field(default_factory=set)  # the webhooks that are delivered to now

    def due(self, but: Collection[int] = ()) -> list[int]:
        """The webhooks that have something to be delivered now, without these. Raises HeldError while the store is
        held."""
        with self.database.connection() as connection:
            try:
                whole.require(connection, self.seen)
            except HeldError:
                self.scanned.clear()  # what comes back may be older
                raise
            due = store.due(connection, self.settings.cap_s, self.settings.aside, but)
            horizon = self.horizon(connection) if due else 0
            return [one.number for one in due if one.waits or self._comes(connection, one, horizon)]

    def withdrawn(self, numbers: Collection[int]) -> set[int]:
        """Those of them that somebody has disabled or removed."""
        with self.database.connection() as connection:
            return set(numbers) - store.enabled(connection, numbers)

    def _comes(self, connection: Connection, one: Due, horizon: int) -> bool:
        """Is there an event of its source that nobody has looked at?"""
        after = max(one.position, self.scanned.get(one.number, 0))
        if one.full or horizon <= after:
            return False
        page = feed.page(connection, one.source, after, horizon, 1)
        if not page.events:
            self.scanned[one.number] = page.position
        return bool(page.events) or page.position - one.position >= _FAR

    def turn(self, number: int, stop: Callable[[], bool], withdrawn: Callable[[], bool] = lambda: False) -> int:
        """Deliver to one webhook what is due, for TURN_S at most; how many events were. 0 also where somebody else has
        it. Raises what the database raises, LeaseLost and HeldError among it; nothing for what the receiver does.

        stop: nothing more is sent, and what is under way has LEAVES_S. withdrawn: nothing more is sent.
        """
        with self.database.connection() as connection:
            lease = leases.take(connection, locks.webhook(number), leases.LENGTH_S)
        if lease is None:
            return 0
        count, ends_s, asleep_s = 0, time.monotonic() + TURN_S, _asleep_s()
        leaves = _Leaves(stop)

        def ended() -> bool:
            old = time.monotonic() - lease.renewed_s > _USED_UP * leases.LENGTH_S
            slept = _asleep_s() - asleep_s > _SLEPT_S
            return lease.lost or old or slept or stop() or withdrawn() or time.monotonic() > ends_s

        self.turns.add(number)
        try:
            with leases.kept(self.database, lease):
                while not ended():
                    done = self._batch(number, lease, ended, leaves)
                    if done is None:
                        break
                    count += done
        finally:
            self.turns.discard(number)
        return count

    def senders(self) -> int:
        """How many threads a webhook has now: its share of the process's, and one at least."""
        return max(1, min(self.settings.concurrency, self.settings.senders // max(1, len(self.turns))))

    def _batch(self, number: int, lease: Lease, ended: Callable[[], bool], leaves: Callable[[], bool]) -> int | None:
        """None: there is nothing more to do now."""
        with self.database.connection() as connection:
            whole.require(connection, self.seen)
            hook = store.hook(connection, number, self.settings.cap_s)
            plan = None if hook is None else self._plan(connection, hook)
            kept = store.secrets(connection, number) if plan else []
        if hook is None or plan is None:
            return None
        if not (plan.groups or plan.aside or plan.gone or plan.moves):
            return None
        try:
            secrets = [self.vault.opened(secret) for secret in kept]
            receiver = self._receiver(hook)
        except ValueError as error:
            outcome = Outcome.nothing_sent(plan.groups, hook.failures, Attempt(Verdict.FAILED, str(error)))
        else:
            batch = Batch(receiver, secrets, hook.failures, ended, leaves)
            outcome = batch.sent(plan.groups, self.senders(), plan.tries)
        goes_on = self._note(hook, lease, plan, outcome)
        return len(outcome.delivered) if goes_on else None

    def _receiver(self, hook: Hook) -> Receiver:
        known = self.receivers.get(hook.number)
        if known is None or known[0] != hook.url:
            known = self.receivers[hook.number] = (hook.url, send.receiver(hook.url, self.settings))
        return known[1]

    def _plan(self, connection: Connection, hook: Hook) -> "_Plan":
        """What goes out now. At a receiver that seems ill one event, best one that was never tried: else an event that
        is refused for ever would keep a receiver that is well from being known as such."""
        settings = self.settings
        waiting = store.waiting(connection, hook.number, settings.cap_s)
        ill = hook.failures >= ILL_AFTER
        if ill:
            one = webhooks.probe(waiting, untried=True)
            groups = [] if one is None else [[one]]
        else:
            groups = webhooks.due_groups(waiting, settings.batch)
        taken = {event for group in groups for event in group}
        room = min((1 if ill else settings.batch) - len(taken), settings.aside - len(waiting))
        plan = _Plan(position=hook.position, replay=hook.replay)
        if room > 0:
            plan.read(connection, hook, self.horizon(connection), room)
        found = store.events(connection, [event for group in groups for event in group])
        plan.gone = [event for event in taken if event not in found]
        there = ([found[event] for event in group if event in found] for group in groups)
        plan.groups = [group for group in there if group]
        subjects = {one.subject for one in waiting if one.event not in taken}
        plan.add(subjects, {one.event for one in waiting}, {one.event: one.tries for one in waiting})
        if ill and not plan.groups and (one := webhooks.probe(waiting, untried=False)) is not None:
            found = store.events(connection, [one])
            plan.groups, plan.gone = [[found[one]]] if one in found else [], [one] if one not in found else plan.gone
        return plan

    def _note(self, hook: Hook, lease: Lease, plan: "_Plan", outcome: Outcome) -> bool:
        settings = self.settings
        busy_s = self._asked_for_s(outcome)
        failed = [
            Failure(event, 0, busy_s or 0.0, attempt.said)
            if attempt.verdict is Verdict.BUSY
            else Failure(event, 1, self._wait_s(plan.tries.get(event, 0) + 1), attempt.said)
            for event, attempt in outcome.failed.items()
        ]
        # What waited stands aside already, unless a person has left it out meanwhile.
        known = {*outcome.delivered, *plan.gone, *plan.tries}
        aside = [(e["id"], e["subject"]) for group in plan.groups for e in group if e["id"] not in known] + plan.aside
        ill, tried = outcome.failures >= ILL_AFTER, bool(outcome.delivered or outcome.failed)
        refused = any(attempt.verdict is not Verdict.BUSY for attempt in outcome.failed.values())
        # A receiver that says when to come again is asked then, also where its steps would be longer by now.
        wait_s = self._wait_s(outcome.failures - ILL_AFTER + 1) if ill and tried and (refused or not busy_s) else None
        if busy_s is not None:
            wait_s = max(wait_s or 0.0, busy_s)
        note = Note(
            delivered=outcome.delivered,
            gone=plan.gone,
            failed=failed,
            aside=aside,
            position=plan.position,
            replay=plan.replay,
            failures=outcome.failures,
            said=outcome.said,
            tried=tried,
            wait_s=wait_s,
            recovered=hook.failures >= ILL_AFTER and not ill,
        )
        with Fenced(self.database, lease).transaction() as connection:
            whole.require(connection, self.seen)  # a database that is older meanwhile has its own position
            goes_on = store.note(connection, hook, note, settings.give_up_s)
            if outcome.gone:
                store.give_up(connection, hook.number, outcome.said or "gone")
                goes_on = False
        if outcome.failed and time.monotonic() >= self.say_at.get(hook.number, 0.0):
            self.say_at[hook.number] = time.monotonic() + _SAY_EVERY_S
            log.warning(
                "a webhook's receiver did not take an event",
                webhook=hook.number,
                source=hook.source,
                reason=outcome.said,
                events=len(outcome.failed),
                goes_on=goes_on,
            )
        return goes_on and wait_s is None

    def _asked_for_s(self, outcome: Outcome) -> float | None:
        """How long the receiver asks to be left alone, within bounds: a second at least, CAP_S at most."""
        asked = [a.retry_after_s for a in outcome.failed.values() if a.retry_after_s is not None]
        return min(max(*asked, _BUSY_S), self.settings.cap_s) if asked else None

    def _wait_s(self, failures: int) -> float:
        return webhooks.wait_s(failures, self.settings.base_s, self.settings.cap_s, random.random())  # noqa: S311


class _Leaves:
    """Since LEAVES_S a turn was to stop."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop, self._since_s = stop, float("inf")

    def __call__(self) -> bool:
        if self._stop() and self._since_s == float("inf"):
            self._since_s = time.monotonic()
        return time.monotonic() - self._since_s >= LEAVES_S


def _asleep_s() -> float:
    """How long this machine was suspended, but for something that does not change."""
    return now_s() - time.monotonic()


@dataclass(slots=True)
class _Plan:
    """groups: events to be sent, each group a payment's, in order. aside: those that wait behind others of theirs.
    position, replay: how far has been read once this is noted. gone: events that went to the archive."""

    position: int
    replay: tuple[int, int] | None
    groups: list[list[Row]] = field(default_factory=list)
    aside: list[tuple[int, str]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    fresh: Sequence[Row] = ()
    tries: dict[int, int] = field(default_factory=dict)
    moves: bool = False

    def read(self, connection: Connection, hook: Hook, horizon: int, limit: int) -> None:
        """What comes next, a replay first."""
        if hook.replay is not None:
            after, last = hook.replay
            page = feed.page(connection, hook.source, after, min(last, horizon), limit)
            # The relay may be at them, too: then they are not told before it has carried them once more.
            self.replay = None if page.position >= last else (page.position, last)
            self.fresh, self.moves = page.events, self.replay != hook.replay
            return
        page = feed.page(connection, hook.source, hook.position, horizon, limit)
        self.position, self.fresh = page.position, page.events
        self.moves = page.more or page.position - hook.position >= _FAR

    def add(self, behind: set[str], known: set[int], tries: dict[int, int]) -> None:
        """Sort what was read among what waits. behind: the payments whose turn it isn't. known: events that wait."""
        self.tries = tries
        groups = {group[0]["subject"]: group for group in self.groups}
        for event in self.fresh:
            if event["id"] in known:  # a replay of what was not delivered yet
                continue
            subject = event["subject"]
            if subject in behind:
                self.aside.append((event["id"], subject))
            elif subject in groups:
                groups[subject].append(event)
            else:
                groups[subject] = [event]
                self.groups.append(groups[subject])
        for group in self.groups:
            group.sort(key=lambda event: int(event["id"]))  # a replay's stand before those that waited
