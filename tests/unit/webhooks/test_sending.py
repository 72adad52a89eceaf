"""A batch on its way: each payment's events in order, and what stops it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.domain.webhooks import ILL_AFTER, Attempt, Verdict
from shared.settings.webhooks import WebhookSettings
from shared.webhooks.deliver import Deliverer
from shared.webhooks.sending import Batch, Outcome

YES, NO = Attempt(Verdict.DELIVERED, "yes"), Attempt(Verdict.FAILED, "no")


class NoHttp:
    def end(self) -> None:
        pass


@dataclass
class Receiver:
    """Answers by an event's id."""

    answers: Mapping[str, Attempt | Exception] = field(default_factory=dict)
    otherwise: Attempt = YES
    got: list[str] = field(default_factory=list)
    http: NoHttp = field(default_factory=NoHttp)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def post(self, event_id: str, _body: bytes, _secrets: object) -> Attempt:
        with self.lock:
            self.got.append(event_id)
        found = self.answers.get(event_id, self.otherwise)
        if isinstance(found, Exception):
            raise found
        return found


def group(*names: str) -> list[dict[str, Any]]:
    return [
        {
            "id": int(name[1:]),
            "event_id": name,
            "type": "settlepipe.payment.accepted",
            "subject": f"shop/{name[0]}",
            "created_at": datetime(2026, 11, 21, tzinfo=UTC),
            "data": "{}",
        }
        for name in names
    ]


def sent(
    receiver: Any,
    *groups: list[dict[str, Any]],
    failures: int = 0,
    tries: Mapping[int, int] | None = None,
    ended: Callable[[], bool] = lambda: False,
    concurrency: int = 1,
) -> Outcome:
    return Batch(receiver, [], failures, ended).sent(groups, concurrency, tries or {})


def test_all_are_delivered_each_payments_in_order() -> None:
    receiver = Receiver()
    outcome = sent(receiver, group("a1", "a3", "a5"), group("b2", "b4"), concurrency=4)
    assert sorted(outcome.delivered) == [1, 2, 3, 4, 5]
    assert [name for name in receiver.got if name[0] == "a"] == ["a1", "a3", "a5"]


def test_behind_a_failure_nothing_of_its_payment_goes_out_and_others_do() -> None:
    receiver = Receiver({"a1": NO})
    outcome = sent(receiver, group("a1", "a3"), group("b2"))
    assert (receiver.got, outcome.delivered, outcome.failed, outcome.failures) == (["a1", "b2"], [2], {1: NO}, 0)


def test_after_three_payments_in_a_row_no_other_is_tried() -> None:
    receiver = Receiver(otherwise=NO)
    outcome = sent(receiver, *(group(f"{name}{n}") for n, name in enumerate("abcdefgh")))
    assert (len(receiver.got), outcome.failures) == (ILL_AFTER, ILL_AFTER)


def test_what_was_refused_before_does_not_count_again_until_the_receiver_seems_ill() -> None:
    receiver = Receiver(otherwise=NO)
    groups = [group(f"{name}{n}") for n, name in enumerate("abcdefgh")]
    tried = dict.fromkeys(range(8), 3)
    assert sent(receiver, *groups, failures=1, tries=tried).failures == 1
    assert len(receiver.got) == 8
    assert sent(receiver, group("a1"), failures=ILL_AFTER, tries={1: 3}).failures == ILL_AFTER + 1


def test_who_wants_time_or_is_gone_is_asked_no_more() -> None:
    for verdict in (Verdict.BUSY, Verdict.GONE):
        receiver = Receiver({"a1": Attempt(verdict, "later", 60)})
        outcome = sent(receiver, group("a1"), group("b2"))
        assert (receiver.got, outcome.gone) == (["a1"], verdict is Verdict.GONE)


def test_once_the_turn_is_over_nothing_more_goes_out() -> None:
    receiver = Receiver()
    outcome = sent(receiver, group("a1", "a2"), group("b3"), ended=lambda: len(receiver.got) >= 1)
    assert (receiver.got, outcome.delivered, outcome.failed) == (["a1"], [1], {})


def test_a_mistake_of_ours_is_a_failure_of_that_event() -> None:
    receiver = Receiver({"a1": ValueError("made up")})
    outcome = sent(receiver, group("a1"), group("b2"))
    assert outcome.delivered == [2]
    assert "ValueError" in outcome.failed[1].said


def test_once_it_leaves_what_is_under_way_is_not_waited_for_and_changes_nothing() -> None:
    class Hangs(Receiver):
        def post(self, event_id: str, body: bytes, secrets: object) -> Attempt:
            if event_id == "a1":
                begun.set()
                answers.wait(60)
            return super().post(event_id, body, secrets)

    begun, answers = threading.Event(), threading.Event()
    receiver: Any = Hangs()
    batch = Batch(receiver, [], 0, begun.is_set, begun.is_set)
    outcome = batch.sent([group("a1", "a2")], 1, {})
    assert (outcome.delivered, outcome.failed) == ([], {})
    answers.set()
    for thread in threading.enumerate():
        if thread.name == "delivers":
            thread.join()
    assert (receiver.got, outcome.delivered, outcome.failed) == (["a1"], [], {})


def test_the_threads_of_a_process_are_shared_by_its_webhooks_and_each_has_one() -> None:
    nothing: Any = None
    deliverer = Deliverer(nothing, nothing, nothing, WebhookSettings(senders=8, concurrency=4), nothing)
    shares = []
    for number in range(1, 13):
        deliverer.turns.add(number)
        shares.append(deliverer.senders())
    assert shares == [4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]
