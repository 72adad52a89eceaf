"""A payment reduced to what decides about it, and every event that can befall it: small enough to try them all.

The product's own pure rules say what an answer means (`next_state`, `leaves_doubt`); where a rule is SQL it is written
here a second time, beside the name of its statement, and tests/integration/rules/test_every_state_rules.py holds each
against the database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.domain.answers import Meaning, leaves_doubt, next_state
from shared.domain.payment import FINAL, State

MOST_ATTEMPTS = 3


class End(StrEnum):
    """How an attempt ended. LIVE, DEAD: it has no end, and its process lives or does not. NO: a refusal that is looked
    at, because the document does not describe it."""

    LIVE = "live"
    DEAD = "dead"
    NOT_SENT = "not_sent"
    REAUTH = "reauth"
    REFUSED = "refused"
    NO = "no"
    DOUBT = "doubt"
    SUCCEEDED = "succeeded"


OPEN = (End.LIVE, End.DEAD)
DOUBTFUL = (*OPEN, End.REFUSED, End.NO, End.DOUBT, End.SUCCEEDED)  # ever_doubtful()
SENT = (*DOUBTFUL, End.REAUTH)  # ever_sent()
MAY_BE_APPLIED = (*OPEN, End.NO, End.DOUBT)  # by what an answer means: a refusal says that this one was not


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """in_doubt, asked: the payment's when it was claimed. ruled_out: a look into the books has since shown that it was
    not applied, when nothing of it could be on its way any more; the product does not keep that. before: it has no end,
    and a time was lost since it was claimed."""

    end: End
    in_doubt: bool = False
    asked: bool = False
    ruled_out: bool = False
    before: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Abstract:
    """asked: a person asked for a resend; covered: in spite of what that person was shown. by_person: whether a person
    insisted on something that the books did not show; nobody else answers for that.

    lost: it may have been sent in a time that the database lost (its attempt 0); lost_out: a look has since shown that
    it was not applied then. persons: what the books do not show of that proves nothing (a refund; a reference that was
    drawn; another request)."""

    resend_safe: bool
    reads_first: bool
    state: State = State.ACCEPTED
    held: bool = False
    attempts: tuple[Attempt, ...] = ()
    in_doubt: bool = False
    possibly_sent: bool = False
    check_due: bool = False
    asked: bool = False
    covered: bool = False
    baseline: bool = False
    by_person: bool = False
    lost: bool = False
    lost_out: bool = False
    persons: bool = False

    @property
    def may_be_applied(self) -> bool:
        """May one of its attempts have been applied, as far as anybody knows?"""
        return (self.lost and not self.lost_out) or any(
            one.end in MAY_BE_APPLIED and not one.ruled_out for one in self.attempts
        )

    @property
    def number(self) -> int:
        """How many attempts it has, the one of a lost time with them."""
        return len(self.attempts) + self.lost

    @property
    def by_promise(self) -> bool:
        """Is it sent after a look, whatever that shows, because the same request is promised to be safe?"""
        return self.lost and self.resend_safe and not self.attempts and not self.persons

    @property
    def newest(self) -> Attempt:
        return self.attempts[-1]

    @property
    def sender_alive(self) -> bool:
        return any(one.end is End.LIVE for one in self.attempts)

    def ever(self, ends: Sequence[End], but: int = -1) -> bool:
        """ever_doubtful(), ever_sent(): attempt 0 never has an end."""
        return self.lost or any(one.end in ends for number, one in enumerate(self.attempts) if number != but)


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """what: its name. attempt: whose outcome it is, from 0. meaning: of its answer. no: that was an explicit no.
    sent: a byte was written, or may have been."""

    what: str
    attempt: int = 0
    meaning: Meaning | None = None
    no: bool = False
    sent: bool = True


# Without a person, a provider or a living worker: what the dispatcher does by the clock.
DISPATCHER = ("dispatch", "lease_lost")
PLAIN = (
    *("hold", "release", *DISPATCHER, "claim", "baseline", "die", "park_overdue", "cancel", "evidence", "lose_time"),
    *("check_applied", "check_absent", "check_unclear", "check_unread", "check_given_up"),
    *("person_succeeded", "person_refused", "person_insists_refused", "person_resend", "person_insists_resend"),
)


def events(payment: Abstract, meanings: Sequence[Meaning]) -> Iterator[Event]:
    """What can befall it, where the provider's table holds these meanings."""
    yield from map(Event, PLAIN)
    for number, attempt in enumerate(payment.attempts):
        if attempt.end is not End.LIVE:
            continue
        yield Event("outcome", number, Meaning.NOT_SENT, sent=False)
        if payment.reads_first and not payment.baseline:
            continue  # nothing is sent before the books were read
        for meaning in meanings:
            yield Event("outcome", number, meaning, no=meaning is Meaning.REFUSED)
        yield Event("outcome", number, Meaning.CHECK, no=True)


def step(payment: Abstract, event: Event) -> Abstract | None:
    """The payment after this event; None where it can't happen, or changes nothing."""
    after = _outcome(payment, event) if event.what == "outcome" else _STEPS[event.what](payment)
    return None if after == payment else after


def claims(before: Abstract, after: Abstract) -> bool:
    """Was it claimed for sending?"""
    return len(after.attempts) > len(before.attempts)


def accepted_in_a_window(start: Abstract) -> Iterator[Abstract]:
    """As `accept` leaves it while a window after a lost time is open."""
    lost = replace(start, lost=True, in_doubt=True, possibly_sent=True)
    yield replace(lost, persons=True)
    if not start.reads_first:
        yield lost


def _hold(p: Abstract) -> Abstract | None:
    return replace(p, held=True) if p.state is State.ACCEPTED else None


def _release(p: Abstract) -> Abstract | None:
    return replace(p, held=False) if p.held else None


def _dispatch(p: Abstract) -> Abstract | None:
    """claim_due"""
    if p.held or p.state not in (State.ACCEPTED, State.WAITING, State.UNKNOWN, State.DISPATCHED):
        return None
    unknown = p.state is State.UNKNOWN
    before = p.possibly_sent if not p.attempts else not p.resend_safe and p.ever(DOUBTFUL)
    looks = unknown or before
    state = State.UNKNOWN if looks else State.DISPATCHED
    return replace(p, state=state, in_doubt=p.in_doubt or (looks and not unknown), check_due=looks)


def _claim(p: Abstract) -> Abstract | None:
    """_CLAIM"""
    if p.state is not State.DISPATCHED or (not p.attempts and p.possibly_sent):
        return None
    if not p.resend_safe and p.ever(DOUBTFUL):
        return None
    return _claimed(p, Attempt(End.LIVE, p.in_doubt), baseline=p.baseline and p.in_doubt)


def _claimed(p: Abstract, attempt: Attempt, *, baseline: bool) -> Abstract | None:
    if len(p.attempts) == MOST_ATTEMPTS:  # the model ends here
        return None
    return replace(p, state=State.SENDING, attempts=(*p.attempts, attempt), baseline=baseline)


def _baseline(p: Abstract) -> Abstract | None:
    """save_baseline"""
    reads = p.state is State.SENDING and p.reads_first and p.newest.end is End.LIVE
    return replace(p, baseline=True) if reads else None


def _lease_lost(p: Abstract) -> Abstract | None:
    """recover"""
    if p.state is not State.SENDING:
        return None
    unsent = p.reads_first and not p.baseline
    looks = not p.resend_safe and (not unsent or p.ever(DOUBTFUL, len(p.attempts) - 1))
    newest = replace(p.newest, end=End.NOT_SENT) if unsent else p.newest
    return replace(
        p,
        state=State.UNKNOWN if looks else State.WAITING,
        attempts=(*p.attempts[:-1], newest),
        in_doubt=p.in_doubt or looks or not unsent,
        possibly_sent=p.possibly_sent or not unsent,
    )


def _die(p: Abstract) -> Abstract:
    ended = (replace(one, end=End.DEAD, before=False) if one.end is End.LIVE else one for one in p.attempts)
    return replace(p, attempts=tuple(ended))


def _park_overdue(p: Abstract) -> Abstract | None:
    return replace(p, state=State.PARKED) if p.state is State.WAITING else None


def _cancel(p: Abstract) -> Abstract | None:
    """resolve.cancel, finish"""
    allowed = p.state in (State.ACCEPTED, State.DISPATCHED, State.WAITING) and not p.possibly_sent
    return replace(p, state=State.CANCELLED, held=False, asked=False) if allowed else None


def _lose_time(p: Abstract) -> Abstract | None:
    """open_window; what was known of an earlier lost time stays known. Only refunds read first."""
    if p.state in FINAL:
        return None
    persons = p.persons or p.reads_first
    attempts = tuple(replace(one, before=one.end is End.LIVE) for one in p.attempts)
    return replace(p, lost=True, lost_out=False, persons=persons, in_doubt=True, possibly_sent=True, attempts=attempts)


def _evidence(p: Abstract) -> Abstract | None:
    """A night's books show it, whatever state it is in."""
    return None if p.state in FINAL else replace(p, state=State.SUCCEEDED, in_doubt=False, held=False)


def _checked(p: Abstract) -> Abstract | None:
    """A claimed check: store/check.py, _CLAIM"""
    return replace(p, check_due=False) if p.state is State.UNKNOWN and p.check_due else None


def _check_applied(p: Abstract) -> Abstract | None:
    """_APPLIED"""
    found = _checked(p)
    return found and replace(found, state=State.SUCCEEDED, in_doubt=False)


def _check_absent(p: Abstract) -> Abstract | None:
    """NOT_APPLIED after the settle window: _REFUSED, _RESEND; it is not believed while a sender lives"""
    found = _checked(p)
    if found is not None and found.persons:
        return _persons(p)
    if found is None or found.sender_alive:
        return found
    found = _ruled_out(found)
    if p.attempts and p.newest.end in (End.REFUSED, End.NO) and not p.asked and not p.by_promise:
        return replace(found, state=State.REFUSED, in_doubt=False)
    resent = replace(found, in_doubt=False, asked=False)
    return _claimed(resent, Attempt(End.LIVE, in_doubt=False, asked=p.asked), baseline=p.baseline)


def _check_unclear(p: Abstract) -> Abstract | None:
    """It can't be told, as a person who insisted was shown: _RESEND; else _INCONCLUSIVE, with a rung to climb to"""
    found = _checked(p)
    if found is not None and found.by_promise:
        return _promised(found)
    if found is not None and found.persons:
        return _persons(p)
    if found is None or not p.asked or p.sender_alive:
        return found
    if not p.covered:
        return _check_given_up(p)
    resent = replace(found, in_doubt=True, asked=False, by_person=True)
    return _claimed(resent, Attempt(End.LIVE, in_doubt=True, asked=True), baseline=p.baseline)


def _check_unread(p: Abstract) -> Abstract | None:
    """_INCONCLUSIVE, of books that could not be read"""
    return _checked(p)


def _check_given_up(p: Abstract) -> Abstract | None:
    """_INCONCLUSIVE on the last rung, past the deadline, or where only a person can say"""
    found = _checked(p)
    if found is not None and found.by_promise:
        return _promised(found)
    if found is not None and found.persons:
        return _persons(p)
    return found and replace(found, state=State.PARKED, asked=False)


def _persons(p: Abstract) -> Abstract | None:
    """lost_time.ruled: only a person can settle it; one who asked for a resend waits for a living sender first."""
    found = _checked(p)
    if found is None or (p.asked and p.sender_alive):
        return found
    return replace(found, state=State.PARKED, asked=False)


def _promised(p: Abstract) -> Abstract | None:
    """lost_time.ruled: the same request is promised to be safe"""
    return _claimed(
        replace(p, in_doubt=True, asked=False), Attempt(End.LIVE, in_doubt=True, asked=p.asked), baseline=False
    )


def _ruled_out(p: Abstract) -> Abstract:
    return replace(p, attempts=tuple(replace(one, ruled_out=True) for one in p.attempts), lost_out=p.lost)


def _person_succeeded(p: Abstract) -> Abstract | None:
    ends = p.state is State.PARKED
    return replace(p, state=State.SUCCEEDED, in_doubt=False, asked=False, by_person=True) if ends else None


def _person_refused(p: Abstract) -> Abstract | None:
    """The look says NOT_APPLIED"""
    if p.state is not State.PARKED or p.sender_alive or p.persons:
        return None
    return replace(_ruled_out(p), state=State.REFUSED, asked=False)


def _person_insists_refused(p: Abstract) -> Abstract | None:
    return replace(p, state=State.REFUSED, asked=False, by_person=True) if p.state is State.PARKED else None


def _person_resend(p: Abstract) -> Abstract | None:
    """resend"""
    return replace(p, state=State.UNKNOWN, asked=True, covered=False) if p.state is State.PARKED else None


def _person_insists_resend(p: Abstract) -> Abstract | None:
    asks = p.state is State.PARKED and not p.persons
    return replace(p, state=State.UNKNOWN, asked=True, covered=True) if asks else None


def _outcome(p: Abstract, event: Event) -> Abstract:
    """_RECORD, with what send._outcome decides before"""
    mine, meaning, place = p.attempts[event.attempt], event.meaning, event.attempt
    assert meaning is not None
    ended = replace(mine, end=_end(meaning, no=event.no), before=False)
    after = replace(p, attempts=(*p.attempts[:place], ended, *p.attempts[place + 1 :]))
    to = next_state(meaning, resend_safe=p.resend_safe, in_doubt=mine.in_doubt) if event.sent else State.WAITING
    unsent, newest = meaning is Meaning.NOT_SENT, place == len(p.attempts) - 1
    proves_nothing = meaning in (Meaning.NOT_SENT, Meaning.REAUTH)
    if p.state in FINAL or not (to is State.SUCCEEDED or newest or unsent):
        return after  # its own attempt's end, and nothing else
    doubtful, sent_else = p.ever(DOUBTFUL, place), p.ever(SENT, place)
    moves = (
        to is State.SUCCEEDED
        or (p.state is State.SENDING and newest)
        or (to is State.REFUSED and p.state is State.UNKNOWN and newest)
        or (unsent and p.state is State.UNKNOWN and not doubtful)
    )
    # another attempt may have been applied in the lost time
    before = to is State.REFUSED and mine.before
    moves = moves and not before
    in_doubt = to is not State.SUCCEEDED and (before or mine.in_doubt or (event.sent and leaves_doubt(meaning)))
    if proves_nothing:
        in_doubt = doubtful if newest else p.in_doubt and doubtful
    possibly = p.possibly_sent and sent_else if unsent else p.possibly_sent or event.sent
    after = replace(after, in_doubt=in_doubt, possibly_sent=possibly)
    if not moves:
        return after
    looks = to is State.WAITING and doubtful and not p.resend_safe
    asked = mine.asked and unsent and doubtful and not p.resend_safe
    return replace(after, state=State.UNKNOWN if looks else to, check_due=False, asked=asked, held=False)


def _end(meaning: Meaning, *, no: bool) -> End:
    match meaning:
        case Meaning.SUCCEEDED | Meaning.REFUSED | Meaning.NOT_SENT | Meaning.REAUTH:
            return End(meaning.value)
    return End.NO if no and meaning is not Meaning.HALT else End.DOUBT


_STEPS = {name: globals()[f"_{name}"] for name in PLAIN}
