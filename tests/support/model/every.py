"""Every state that a payment can come to, with every event in it, and what must be so of each step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.domain.answers import Meaning
from shared.domain.payment import FINAL, TRANSITIONS, Operation, State
from shared.providers.registry import REGISTRATIONS
from tests.support.model import abstract
from tests.support.model.abstract import DISPATCHER, MAY_BE_APPLIED, Abstract, Attempt, End, Event, claims, events, step

Graph = Mapping[Abstract, Sequence[tuple[Event, Abstract]]]


@dataclass(frozen=True)
class Operated:
    """An operation of a provider's: what is promised of a resend, and the meanings that its table holds."""

    provider: str
    operation: Operation
    start: Abstract
    meanings: tuple[Meaning, ...]


def operated() -> Iterator[Operated]:
    """Each of every registered provider. What an adapter can't read is CHECK, what was never sent NOT_SENT, and a
    second 401 in a row HALT, whatever the table says."""
    for registration in REGISTRATIONS.values():
        for operation, rule in registration.operations.items():
            table = {meaning for (of, _), meaning in registration.answers.items() if of == operation}
            meanings = tuple(sorted(table | {Meaning.CHECK, Meaning.NOT_SENT, Meaning.HALT}))
            yield Operated(registration.name, operation, Abstract(rule.resend_safe, rule.reads_first), meanings)


def graph(start: Abstract, meanings: Sequence[Meaning], most_attempts: int) -> Graph:
    """Every state that can be reached with so many attempts, with each event that changes it and what it becomes; also
    of one that is accepted in the window after a lost time."""
    found: dict[Abstract, list[tuple[Event, Abstract]]] = {}
    left = [start, *abstract.accepted_in_a_window(start)]
    while left:
        payment = left.pop()
        if payment in found:
            continue
        found[payment] = []
        for event in events(payment, meanings):
            after = step(payment, event)
            if after is not None and after.number <= most_attempts:
                found[payment].append((event, after))
                left.append(after)
    return found


def wrong(before: Abstract, event: Event, after: Abstract) -> str | None:
    """What this step does that may never be; None: nothing."""
    moved, to = before.state is not after.state, after.state
    alone = moved and not after.by_person  # nobody but us answers for it
    proven = event.what in ("check_applied", "evidence") or event.meaning is Meaning.SUCCEEDED
    never_sent = not after.lost and all(one.end is End.NOT_SENT for one in after.attempts)
    mistakes = {
        "a final state is left": moved and before.state in FINAL,
        "a transition that is not in the table": moved and to not in TRANSITIONS[before.state],
        "what may have been applied is sent again": claims(before, after) and not _may_be_sent(before, event, after),
        "what may have been applied is refused": alone and to is State.REFUSED and after.may_be_applied,
        "what may have been sent is cancelled": alone and to is State.CANCELLED and not never_sent,
        "it succeeds without evidence": alone and to is State.SUCCEEDED and not proven,
    }
    return next((why for why, made in mistakes.items() if made), None)


def _may_be_sent(before: Abstract, event: Event, after: Abstract) -> bool:
    """Where the document promises it; where no attempt may have been applied; where a look, just now, has ruled it out
    and nobody can be on the wire, or showed what a person had insisted on. What an earlier look said is old by now."""
    looked = event.what.startswith("check_")
    if before.lost and not before.attempts and not (looked and (before.resend_safe or not before.persons)):
        return False
    if before.resend_safe:  # it is the same request, as far as is known
        return not before.persons
    if not before.lost and not any(one.end in MAY_BE_APPLIED for one in before.attempts):
        return True
    covered = event.what == "check_unclear" and after.by_person
    return (event.what == "check_absent" or covered) and not before.sender_alive


def without_a_way_on(found: Graph) -> Iterator[Abstract]:
    """States that are not final and from which no end can be reached."""
    back: dict[Abstract, list[Abstract]] = {}
    for before, steps in found.items():
        for _, after in steps:
            back.setdefault(after, []).append(before)
    left = [one for one in found if one.state in FINAL]
    ending = set(left)
    while left:
        new = [one for one in back.get(left.pop(), ()) if one not in ending]
        ending.update(new)
        left += new
    return (one for one in found if one not in ending)


def goes_on_by_itself(payment: Abstract) -> bool:
    """Does the dispatcher alone take it up some time, with every worker dead? What is held waits for what it names,
    what is parked for a person."""
    if payment.state in FINAL or payment.held or payment.state is State.PARKED:
        return True
    return any(step(payment, Event(what)) is not None for what in DISPATCHER) or payment.check_due or _again(payment)


def _again(payment: Abstract) -> bool:
    """Dispatched once more, under a new lease, it looks as it did."""
    return payment.state is State.DISPATCHED


def pairs(most_attempts: int) -> list[tuple[Abstract, Event, Abstract]]:
    """Every state that the database can tell from the others, with every event, those that change nothing as well.

    Of a final state one for each way in which its attempts can stand: nothing else of it is looked at any more.
    """
    found: dict[tuple[Abstract, Event], Abstract] = {}
    ended: dict[tuple[object, ...], Abstract] = {}
    for one in operated():
        for payment in graph(one.start, one.meanings, most_attempts):
            plain = _plain(payment)
            if plain.state in FINAL:
                ends = tuple(attempt.end for attempt in plain.attempts)
                plain = ended.setdefault((plain.resend_safe, plain.reads_first, plain.state, ends), plain)
            for event in events(plain, one.meanings):
                after = step(plain, event)
                if after is None or after.number <= most_attempts:
                    found[plain, event] = after or plain
    return [(payment, event, after) for (payment, event), after in found.items()]


def _plain(payment: Abstract) -> Abstract:
    """Without what the database does not keep. What an attempt was claimed with matters to its own worker, until it has
    ended; what a person was shown, while that person's resend is to be made."""
    attempts = tuple(one if one.end is End.LIVE else Attempt(one.end) for one in payment.attempts)
    covered = payment.asked and payment.covered
    return replace(payment, by_person=False, lost_out=False, covered=covered, attempts=attempts)
