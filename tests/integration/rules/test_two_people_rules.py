"""What takes two people: proposed by one, looked at again and done when another one agrees, once."""

import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from shared import audit
from shared.database.engine import Connection
from shared.decide.approve import approve, reject
from shared.domain.answers import MAX_SHOWN, CheckResult, Verdict
from shared.domain.roles import Role
from shared.payments import views
from shared.payments.look import Look, look
from shared.payments.resolve import NotDecided, resolve_follow_up
from shared.people import change, proposals
from shared.people.proposals import Proposal
from shared.people.prove import NotAllowed
from shared.providers.base import LoginUnavailable
from shared.settings.sections import PeopleSettings
from tests.support.decided import kept
from tests.support.flow import ABSENT, APPLIED, LOOK, UNCLEAR, World, running_world, together
from tests.support.two_people import approved, asked, proposed, set_up, state_of

LINE = {"number": "P-7", "amount": "100.00 MNT", "date": "2026-11-21", "reference": None}
UNEXPLAINED = CheckResult(
    Verdict.INCONCLUSIVE, "not listed, but a line is not explained", {"lines": 1}, doubts=("a line",), shown=(LINE,)
)


@pytest.fixture(autouse=True)
def _people(world: World) -> None:
    set_up(world)


def parked(world: World, **fields: Any) -> int:
    payment_id = world.settled("careful", LOOK, **fields)
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL WHERE id = %s", payment_id)
    world.advance(1000)
    return payment_id


def as_it_is(world: World, payment_id: int) -> list[Any]:
    tables = ("SELECT * FROM payments WHERE id = %s", "SELECT * FROM checks WHERE payment_id = %s")
    return [world.rows(statement, payment_id) for statement in tables] + [kept(world, payment_id)]


@pytest.mark.parametrize(
    ("answer", "books", "state"),
    [
        ("succeeded", UNCLEAR, "succeeded"),
        ("refused", ABSENT, "refused"),
        ("resend", ABSENT, "unknown"),
    ],
)
def test_one_person_asks_and_another_one_agrees(world: World, answer: str, books: CheckResult, state: str) -> None:
    payment_id = parked(world)
    before = as_it_is(world, payment_id)
    made = proposed(world, payment_id, answer, books)
    assert as_it_is(world, payment_id) == before, "nothing else is changed"
    with pytest.raises(NotAllowed, match="another person"):
        approved(world, replace(made), books, by="Ann")
    assert approved(world, made, books).proposal.id == made.id
    assert (world.state(payment_id), state_of(world, made)) == (state, "approved")
    row = kept(world, payment_id)[-1]
    assert (row["by_whom"], row["approved_by"], row["action"]) == ("Ann", "Bob", answer)
    with world.runtime.database.connection() as connection:
        told = views.payment(connection, payment_id)["history"]
        assert [e["approved_by"] for e in told if e["what"] == "resolution"] == ["Bob"]
        assert audit.verify(connection).wrong is None


def test_what_is_covered_by_although_takes_two_and_the_worker_sends_once(world: World) -> None:
    payment_id = parked(world)
    with pytest.raises(NotDecided, match="--although"):
        asked(world, payment_id, "resend", UNEXPLAINED)
    made = proposed(world, payment_id, "resend", UNEXPLAINED, although="P-7 is a cash desk's")
    world.careful.verdicts.append(UNEXPLAINED)
    world.run("careful")
    assert len(world.careful.sent) == 1, "nobody agreed yet"
    world.careful.verdicts.clear()
    approved(world, made, UNEXPLAINED)
    world.careful.verdicts.append(UNEXPLAINED)
    world.run("careful")
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 2)


def test_a_resend_below_a_sum_is_one_persons(rules_url: str) -> None:
    alone = PeopleSettings(resend_alone={"MNT": Decimal(100)})
    with running_world(rules_url, people=alone) as world:
        set_up(world)
        small, large = parked(world, amount="100.00"), parked(world, amount="100.01")
        assert asked(world, small, "resend", ABSENT) == "unknown"
        assert isinstance(asked(world, large, "resend", ABSENT), Proposal)
        with pytest.raises(NotDecided):
            asked(world, parked(world, amount="1.00"), "resend", UNEXPLAINED)


@pytest.mark.parametrize("sums", [{"MNT": "0"}, {"MNT": "-1"}, {"MNT": "1.001"}, {"XXX": "1"}, {"MNT": "NaN"}])
def test_a_sum_that_is_none_is_no_setting(sums: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PeopleSettings(resend_alone=sums)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (ABSENT, "books show something else"),
        (replace(UNEXPLAINED, shown=()), "books show something else"),
        (replace(UNEXPLAINED, shown=(LINE, LINE)), "books show something else"),
        (replace(UNEXPLAINED, doubts=("a line", "another")), "books show something else"),
    ],
)
def test_other_books_void_it(world: World, now: CheckResult, why: str) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, "succeeded", UNEXPLAINED, line="P-7")
    before = as_it_is(world, payment_id)
    with pytest.raises(NotAllowed, match=f"void: .*{why}"):
        approved(world, made, now)
    assert (as_it_is(world, payment_id), state_of(world, made)) == (before, "void")
    with pytest.raises(NotAllowed, match="is void"):
        approved(world, made, UNEXPLAINED)


def test_what_one_proposed_who_was_revoked_and_is_back_is_void(world: World) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, "refused", ABSENT)
    world.advance(1)
    with world.runtime.database.transaction() as connection:
        change.revoke(connection, "Ann", by="Cat")
        change.add(connection, "Ann", Role.VIEWER, by="Cat")
    with pytest.raises(NotAllowed, match="is void: Ann, who proposed it"):
        approved(world, made, ABSENT)
    assert (world.state(payment_id), state_of(world, made)) == ("parked", "void")


def test_who_proposed_it_is_revoked_before_or_after_it_is_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = proposed(world, parked(world), "refused", ABSENT)
    true_done, waited = proposals.done, []

    def done(connection: Connection, *given: Any) -> None:
        world.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            world.execute("UPDATE people SET revoked_at = clock(), revoked_by = 'Cat' WHERE name = 'Ann'")
        world.execute("RESET lock_timeout")
        waited.append(made.id)
        true_done(connection, *given)

    monkeypatch.setattr(proposals, "done", done)
    approved(world, made, ABSENT)
    assert waited == [made.id]


@pytest.mark.parametrize("answer", ["succeeded", "resend"])
def test_what_the_books_show_needs_nobody(world: World, answer: str) -> None:
    payment_id = parked(world)
    assert asked(world, payment_id, answer, APPLIED) == "succeeded"
    assert world.state(payment_id) == "succeeded"
    assert world.value("SELECT count(*) FROM proposals") == 0
    assert [(row["by_whom"], row["action"], row["approved_by"]) for row in kept(world, payment_id)] == [
        ("Ann", answer, None)
    ]


@pytest.mark.parametrize(("answer", "books"), [("succeeded", UNCLEAR), ("refused", ABSENT)])
def test_what_the_look_for_an_approval_shows_is_written(world: World, answer: str, books: CheckResult) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, answer, books)
    with pytest.raises(NotAllowed, match="another person"):
        approved(world, made, APPLIED, by="Ann")
    assert (world.state(payment_id), state_of(world, made)) == ("parked", "open")
    with pytest.raises(NotAllowed, match=r"is void: .* as applied now; as the books show, shop/ord-\d+ succeeded"):
        approved(world, made, APPLIED)
    assert (world.state(payment_id), state_of(world, made)) == ("succeeded", "void")
    assert [(row["by_whom"], row["action"], row["approved_by"]) for row in kept(world, payment_id)] == [
        ("Bob", "succeeded", None)
    ]


def test_books_that_can_not_be_read_now_leave_it_open(world: World) -> None:
    made = proposed(world, parked(world), "succeeded", UNEXPLAINED, line="P-7")
    with pytest.raises(NotAllowed, match="it stays proposed"):
        approved(world, made, LoginUnavailable("no answer"))
    assert state_of(world, made) == "open"
    approved(world, made, UNEXPLAINED)
    assert state_of(world, made) == "approved"


def test_why_nobody_could_look_does_not_void_it(world: World) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, "succeeded", LoginUnavailable("time out"))
    approved(world, made, LoginUnavailable("no route"))
    assert (world.state(payment_id), state_of(world, made)) == ("succeeded", "approved")


def test_a_look_at_the_same_moment_leaves_it_open(world: World) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, "refused", ABSENT)

    def meanwhile() -> CheckResult:
        with pytest.raises(NotDecided):
            asked(world, payment_id, "refused", UNEXPLAINED)
        return ABSENT

    with pytest.raises(NotAllowed, match="somebody else looked"):
        approved(world, made, meanwhile)
    assert (world.state(payment_id), state_of(world, made)) == ("parked", "open")
    approved(world, made, ABSENT)
    assert (world.state(payment_id), state_of(world, made)) == ("refused", "approved")


def test_what_nobody_could_read_is_not_the_same(world: World) -> None:
    many = replace(UNEXPLAINED, shown=tuple(LINE | {"number": f"P-{place}"} for place in range(MAX_SHOWN + 1)))
    made = proposed(world, parked(world), "succeeded", many, line="P-7")
    with pytest.raises(NotAllowed, match=r"void: .*books show something else"):
        approved(world, made, many)


def test_another_state_voids_it(world: World) -> None:
    payment_id = parked(world)
    made, other = (proposed(world, payment_id, answer, ABSENT) for answer in ("refused", "resend"))
    approved(world, made, ABSENT)
    with pytest.raises(NotAllowed, match=r"void: .* is refused"):
        approved(world, other)
    assert (world.state(payment_id), state_of(world, other)) == ("refused", "void")


def test_a_new_attempt_voids_it(world: World) -> None:
    payment_id = parked(world)
    made, other = (proposed(world, payment_id, answer, ABSENT) for answer in ("resend", "refused"))
    approved(world, made, ABSENT)
    world.careful.answers.append(LOOK)
    world.careful.verdicts.append(ABSENT)
    world.run("careful")
    assert len(world.careful.sent) == 2
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL")
    world.advance(1000)
    with pytest.raises(NotAllowed, match=r"void: .* was claimed for sending since"):
        approved(world, other, ABSENT)
    assert world.state(payment_id) == "parked"


def test_a_receipt_that_was_asked_for_since_voids_it(world: World) -> None:
    world.safe.receipts.extend([LOOK, LOOK])
    payment = world.payment(world.settled("safe", receipt={"register": "", "email": "a@example.com"}))
    world.run()
    named = (world.runtime.database, payment["source"], payment["intent_id"], "receipt")
    words: dict[str, Any] = {"reason": "asked at the biller", "by": "Ann"}
    made = resolve_follow_up(*named, "refused", **words)
    assert isinstance(made, Proposal)
    assert resolve_follow_up(*named, "resend", **words) is None
    world.run()
    assert world.value("SELECT state FROM follow_ups") == "parked"
    with pytest.raises(NotAllowed, match=r"void: the receipt of .* was asked for since"):
        approve(world.runtime, made.id, "Bob")
    assert world.value("SELECT state FROM follow_ups") == "parked"
    made = resolve_follow_up(*named, "refused", **words)
    assert isinstance(made, Proposal)
    approve(world.runtime, made.id, "Bob")
    assert world.value("SELECT state FROM follow_ups") == "refused"


def test_a_day_voids_it(world: World) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, "refused", ABSENT)
    world.advance(86_400)
    with pytest.raises(NotAllowed, match="void: more than a day"):
        approved(world, made)
    assert (world.state(payment_id), state_of(world, made)) == ("parked", "void")
    assert world.careful.doubts, "it was looked at when it was proposed"
    with world.runtime.database.connection() as connection:
        assert proposals.listed(connection) == []
        assert [one.state for one in proposals.listed(connection, everything=True)] == ["void"]


def test_who_looks_when_another_one_has_agreed_is_told_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that it was not done, and is to be proposed anew: that it was done would be told to nobody."""
    payment_id = parked(world)
    made = proposed(world, payment_id, "succeeded", UNCLEAR)

    def overtaken(*given: Any) -> Look:
        monkeypatch.setattr("shared.decide.approve.look", look)
        approved(world, made, UNCLEAR, by="Cat")
        return look(*given)

    monkeypatch.setattr("shared.decide.approve.look", overtaken)
    with pytest.raises(NotAllowed, match=rf"^proposal {made.id} is approved by Cat; nothing was changed$"):
        approve(world.runtime, made.id, "Bob")
    assert (world.state(payment_id), state_of(world, made)) == ("succeeded", "approved")


def test_approving_twice_does_it_once(world: World) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, "resend", ABSENT)
    world.careful.verdicts.extend([ABSENT, ABSENT])

    def agree(by: str) -> str:
        try:
            return approve(world.runtime, made.id, by).sentence
        except NotAllowed as error:
            return str(error)

    said = together(lambda: agree("Bob"), lambda: agree("Cat"))
    assert sum("is looked up" in one for one in said) == 1
    world.careful.verdicts.clear()
    world.careful.verdicts.append(ABSENT)
    world.run("careful")
    assert len(world.careful.sent) == 2
    assert [row["action"] for row in kept(world, payment_id)] == ["resend"]
    with pytest.raises(NotAllowed, match="is approved by"):
        approve(world.runtime, made.id, "Cat")


def test_a_death_before_the_commit_changes_nothing_and_after_it_all_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, "refused", ABSENT)
    before = as_it_is(world, payment_id)
    true_done = proposals.done

    def killed(connection: Connection, *given: Any) -> None:
        true_done(connection, *given)
        pid = connection.info.backend_pid
        world.rows("SELECT pg_terminate_backend(%s, 5000)", pid)

    with monkeypatch.context() as dying:
        dying.setattr(proposals, "done", killed)
        with pytest.raises(psycopg.OperationalError):
            approved(world, made, ABSENT)
    assert (as_it_is(world, payment_id), state_of(world, made)) == (before, "open")
    approved(world, made, ABSENT)
    with pytest.raises(NotAllowed, match="is approved"):
        approved(world, made, ABSENT)
    assert (world.state(payment_id), len(kept(world, payment_id))) == ("refused", 1)


def test_who_was_revoked_meanwhile_does_not_agree(world: World) -> None:
    made = proposed(world, parked(world), "refused", ABSENT)
    with world.runtime.database.transaction() as connection:
        change.revoke(connection, "Bob", by="Cat")
    with pytest.raises(NotAllowed, match="may not approve any more"):
        approved(world, made, ABSENT)
    assert state_of(world, made) == "open"


def test_what_one_proposed_who_was_revoked_since_is_void(world: World) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, "refused", ABSENT)
    with world.runtime.database.transaction() as connection:
        change.revoke(connection, "Ann", by="Cat")
    with pytest.raises(NotAllowed, match="is void: Ann, who proposed it"):
        approved(world, made, ABSENT)
    assert (world.state(payment_id), state_of(world, made)) == ("parked", "void")


def test_the_database_itself_refuses_one_person_alone(world: World) -> None:
    made = proposed(world, parked(world), "refused", ABSENT)
    ended = "UPDATE proposals SET state = 'approved', ended_at = clock(), ended_by = "
    for value in ("'Ann'", "NULL"):
        with pytest.raises(psycopg.errors.CheckViolation):
            world.execute(ended + value)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        world.execute(ended + "'ann'")
    for change_ in ("asked = '{}'", "proposed_by = 'Bob'", "ends_at = ends_at + interval '1 day'", "seen = '{}'"):
        with pytest.raises(psycopg.errors.CheckViolation, match="may not change"):
            world.execute(f"UPDATE proposals SET {change_}")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.execute("DELETE FROM proposals")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.execute("INSERT INTO resolutions (payment_id, action, from_state, reason, by_whom, approved_by)"
                      " SELECT id, 'refused', 'parked', 'r', 'Ann', 'Ann' FROM payments")  # fmt: skip
    reject(world.runtime.database, made.id, by="Bob", reason="no")
    with pytest.raises(psycopg.errors.CheckViolation, match="may not change"):
        world.execute("UPDATE proposals SET state = 'open', ended_at = NULL, ended_by = NULL, ended_why = NULL")


def test_what_is_rejected_is_not_done(world: World) -> None:
    payment_id = parked(world)
    made = proposed(world, payment_id, "refused", ABSENT)
    assert reject(world.runtime.database, made.id, by="Ann", reason="a mistake").ended_why == "a mistake"
    with pytest.raises(NotAllowed, match="is rejected by Ann: a mistake"):
        approved(world, made)
    with pytest.raises(NotAllowed, match="is rejected"):
        reject(world.runtime.database, made.id, by="Bob", reason="no")
    assert world.state(payment_id) == "parked"


def test_a_third_approver_takes_two(world: World) -> None:
    with world.runtime.database.transaction() as connection:
        made = change.ask(connection, "Dan", Role.APPROVER, by="Bob")
    assert isinstance(made, Proposal)
    assert world.value("SELECT count(*) FROM people") == 3
    with pytest.raises(NotAllowed, match="another person"):
        approve(world.runtime, made.id, "Bob")
    done = approve(world.runtime, made.id, "Cat")
    assert done.token
    with world.runtime.database.connection() as connection:
        told = [(row["by_whom"], row["action"]) for row in audit.records(connection)][-3:]
        assert audit.verify(connection).wrong is None
    assert told == [("Bob", "proposal.made"), ("Bob", "person.added"), ("Cat", "proposal.approved")]


def test_nobody_waits_for_another_forever(world: World) -> None:
    """Many propose and agree at the same time; the audit's lock is taken last, so none waits in a circle."""
    made = [proposed(world, parked(world), "refused", ABSENT) for _ in range(4)]
    world.careful.verdicts.extend([ABSENT] * 4)
    done = threading.Lock()
    told: list[str] = []

    def agree(one: Proposal) -> None:
        approve(world.runtime, one.id, "Bob")
        with done:
            told.append(state_of(world, one))

    together(*(lambda one=one: agree(one) for one in made))
    assert told == ["approved"] * 4
