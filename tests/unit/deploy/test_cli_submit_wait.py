"""What an upstream may conclude from the events stream about the lines that it submitted."""

import hashlib
import json
from typing import Any

import pytest

from deploy.cli import submit_wait
from deploy.cli.submit_wait import Followed, subject_of


def _intent(intent_id: str = "i1", amount: str = "1.00") -> bytes:
    return json.dumps({"source": "shop", "intent_id": intent_id, "amount": amount}).encode()


def _event(state: str, number: str = "1-1", intent_id: str = "i1") -> dict[str, Any]:
    kind = f"settlepipe.payment.{state}"
    return {"id": number, "type": kind, "subject": f"shop/{intent_id}", "data": {"state": state, "detail": None}}


def _quarantined(raw: bytes) -> dict[str, Any]:
    data = {"sha256": hashlib.sha256(raw).hexdigest(), "reason": "it is bad"}
    return {"id": "q1-1", "type": "settlepipe.intake.quarantined", "subject": "-", "data": data}


def _followed(*lines: bytes) -> Followed:
    followed = Followed()
    for line in lines:
        followed.add(line)
    return followed


@pytest.mark.parametrize("state", ["succeeded", "refused", "cancelled", "parked"])
def test_a_new_payment_is_followed_to_its_outcome(state: str) -> None:
    followed, done = _followed(_intent()), list[bool]()
    for event in (_event("accepted"), _event("unknown", "1-2"), _event(state, "1-3")):
        followed.saw(event)
        done.append(followed.done)
    assert done == [False, False, True]
    assert followed.counts() == {state: 1}


def test_what_cannot_be_read_is_matched_by_its_digest() -> None:
    followed = _followed(b"nonsense", _intent())
    followed.saw(_quarantined(b"nonsense"))
    assert followed.counts() == {"quarantined": 1, "undecided": 1}


def test_a_repeated_line_shares_its_outcome() -> None:
    followed = _followed(_intent(), _intent())
    followed.saw(_event("accepted"))
    followed.saw(_event("succeeded", "1-2"))
    assert followed.counts() == {"succeeded": 2}


def test_the_outcome_of_a_payment_that_was_there_before_is_asked_for_once_more() -> None:
    """Its content may differ from this line's: then this line is in quarantine, not succeeded."""
    line = _intent()
    followed = _followed(line)
    followed.saw(_event("succeeded", "1-2"))
    assert not followed.done
    assert list(followed.to_resend()) == [line]
    assert list(followed.to_resend()) == []
    followed.saw(_event("succeeded", "1-2"))
    assert followed.counts() == {"succeeded": 1}


def test_a_conflict_in_the_same_file_is_not_taken_for_a_success() -> None:
    first, second = _intent(), _intent(amount="2.00")
    followed = _followed(first, second)
    followed.saw(_event("accepted"))
    followed.saw(_event("succeeded", "1-2"))
    assert followed.counts() == {"succeeded": 1, "undecided": 1}
    assert list(followed.to_resend()) == [second]
    followed.saw(_quarantined(second))
    assert followed.counts() == {"succeeded": 1, "quarantined": 1}


def test_the_same_content_written_differently_succeeds_after_it_was_asked_for() -> None:
    first, second = _intent(), _intent(amount="1")
    followed = _followed(first, second)
    followed.saw(_event("accepted"))
    followed.saw(_event("succeeded", "1-2"))
    assert list(followed.to_resend()) == [second]
    followed.saw(_event("succeeded", "1-2"))
    assert followed.counts() == {"succeeded": 2}


def test_only_what_was_not_accepted_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    followed = _followed(_intent("i1"), _intent("i2"), b"nonsense")
    followed.saw(_event("accepted", "1-1", "i1"))
    assert list(followed.to_resend()) == []
    monkeypatch.setattr(submit_wait, "RESEND_AFTER_S", 0.0)
    assert list(followed.to_resend()) == [_intent("i2"), b"nonsense"]
    followed.saw(_quarantined(b"nonsense"))
    assert list(followed.to_resend()) == [_intent("i2")]


def test_what_the_broker_did_not_take_is_due_at_once() -> None:
    followed = _followed(_intent())
    assert list(followed.to_resend()) == []
    followed.sent_nothing([_intent()])
    assert list(followed.to_resend()) == [_intent()]


def test_events_of_others_and_receipts_change_nothing() -> None:
    followed = _followed(_intent())
    followed.saw(_event("succeeded", "9-2", "another"))
    followed.saw(_quarantined(b"another"))
    followed.saw({"type": "settlepipe.receipt.refused", "subject": "shop/i1", "data": {"state": "refused"}})
    assert followed.counts() == {"undecided": 1}


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b"\xff", b'{"source": "a"}', b'{"source": 1, "intent_id": "b"}', b"[" * 9999]
)
def test_a_line_without_both_ids_has_no_subject(raw: bytes) -> None:
    assert subject_of(raw) is None
