"""Parked payments decided by one command, against the sandbox: shown, done as shown, by two people, and paid once.

The sandbox's ledger is the witness.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from shared.domain.payment import State
from shared.payments.resolve import resolve
from shared.people.proposals import Approval, Proposal
from tests.integration.test_pairs import lines_of, people  # noqa: F401 - a fixture
from tests.integration.test_resolve_books import (  # noqa: F401 - fixtures
    Office,
    environment,
    office,
    weather,
)

WHY = ("--reason", "their gateway was down")
AMOUNTS = ("10.00", "20.00", "30.00")
ROOT = Path(__file__).parents[2]
Become = Callable[[str], None]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The breaker leaves the lane running."""
    monkeypatch.setenv("SETTLEPIPE_BREAKER__FAILURES", "100")


@pytest.fixture
def parked(office: Office, monkeypatch: pytest.MonkeyPatch) -> list[str]:  # noqa: F811
    """Three payments of mtn's that were never applied, and are parked; the oldest first."""
    monkeypatch.setenv("SETTLEPIPE_HTTP__TOTAL_TIMEOUT_S", "30")  # of whoever is at the command line
    office.pay("mtn", "first", "1.00")
    office.later(5)
    with weather(office, "mtn", "error_500_before"):
        for amount in AMOUNTS:
            office.pay("mtn", f"lost-{amount}", amount)
        for _ in range(8):
            office.later(30_000)
            office.work("mtn")
    names = [f"lost-{amount}" for amount in AMOUNTS]
    assert [office.state(name) for name in names] == ["parked"] * 3
    assert office.applied("mtn") == ["1.00"]
    return names


def many(answer: str, *given: str) -> tuple[str, ...]:
    return ("resolve", "--all", "--as", answer, *WHY, *given)


def shown(office: Office, answer: str, *given: str) -> dict[str, Any]:  # noqa: F811
    """What a dry run says it would come to."""
    status, out, err = office.run(*many(answer, *given), "--dry-run", "--json")
    assert (status, err) == (0, "")
    told: dict[str, Any] = json.loads(out)
    return told


def proposal(office: Office, answer: str, *given: str) -> str:  # noqa: F811
    digest = shown(office, answer, *given)["shown"]
    status, out, err = office.run(*many(answer, *given), "--shown", digest, "--json")
    assert (status, err) == (0, "")
    return str(json.loads(out)["proposal"])


def work_on(office: Office) -> None:  # noqa: F811
    for _ in range(4):
        office.later(30_000)
        office.work("mtn")


def killed(place: str, *command: str) -> None:
    """Run a command in a process that kills itself there: before or after the n-th call of a function of `many`."""
    program = f"""
import os, signal, sys
from shared.payments import many
from deploy.cli.main import main
when, name, turn = {place.split()!r}
true, calls = getattr(many, name), []
def dying(*given, **named):
    calls.append(1)
    if when == "before" and len(calls) == int(turn):
        os.kill(os.getpid(), signal.SIGKILL)
    done = true(*given, **named)
    if when == "after" and len(calls) == int(turn):
        os.kill(os.getpid(), signal.SIGKILL)
    return done
setattr(many, name, dying)
main({list(command)!r})
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ, capture_output=True, check=False)
    assert done.returncode == -SIGKILL, done.stderr


PLACES = ("before look 5", "after resolve 1", "after resolve 2", "after resolve 3")


def test_many_are_shown_proposed_and_sent_again_once(
    office: Office,  # noqa: F811
    parked: list[str],
    people: Become,  # noqa: F811
) -> None:
    people("Ann")
    status, out, err = office.run(*many("resend", "--provider", "mtn"), "--dry-run")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert all(f"shop/{name}" in out for name in parked)
    assert "3 to be sent again: 60.00 GHS; 0 left out" in out
    found = re.search(r"--shown ([0-9a-f]{12}) does it", out)
    assert found is not None
    assert [office.state(name) for name in parked] == ["parked"] * 3, "a dry run changes nothing"
    assert office.sql("SELECT * FROM proposals WHERE kind = 'many'") == []
    status, out, _ = office.run(*many("resend", "--provider", "mtn"), "--shown", found[1], "--json")
    made = json.loads(out)
    assert (status, made["done"], made["sums"], made["outcomes"]) == (0, False, {"GHS": "60.00"}, [])
    number = str(made["proposal"])
    assert "3 of them" in office.run("proposals")[1]
    assert "60.00 GHS" in office.run("proposals")[1]
    assert office.run("approve", number)[0] == 1, "it is her own"
    people("Bob")
    status, out, err = office.run("approve", number)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "3 of 3 payments decided"
    assert out.count("is looked up at its provider by a worker") == 3
    status, _, err = office.run("approve", number)
    assert (status, "is approved by Bob" in err) == (1, True)
    work_on(office)
    assert sorted(office.applied("mtn")) == sorted(["1.00", *AMOUNTS])
    assert [office.state(name) for name in parked] == ["succeeded"] * 3
    assert office.run("approve", number)[0] == 1
    assert office.run("audit", "verify")[0] == 0
    kept = office.sql("SELECT by_whom, approved_by FROM resolutions WHERE action = 'resend'")
    assert kept == [{"by_whom": "Ann", "approved_by": "Bob"}] * 3
    assert office.applied("mtn").count("10.00") == 1


def test_what_is_chosen_is_what_was_shown(office: Office, parked: list[str]) -> None:  # noqa: F811
    by = ("--by", "Ann")
    told = shown(office, "resend", "--at-least", "20", "--older-than", "1h", *by)
    assert [one["payment"] for one in told["payments"]] == ["shop/lost-20.00", "shop/lost-30.00"]
    assert {one["verdict"] for one in told["payments"]} == {"not_applied"}
    [one] = shown(office, "resend", "--limit", "1", *by)["payments"]
    assert (one["payment"], one["becomes"]) == ("shop/lost-10.00", "resend")
    for nobody in (("--source", "other"), ("--provider", "ubill"), ("--code", "decided"), ("--at-least", "31")):
        assert office.run(*many("resend", *nobody, *by), "--dry-run")[0] == 1
    code = office.sql("SELECT code FROM payments WHERE intent_id = 'lost-10.00'")[0]["code"]
    assert len(shown(office, "resend", "--code", code, *by)["payments"]) == 3
    for wrong in (
        (),
        ("--dry-run", "--shown", told["shown"]),
        ("--dry-run", "--at-least", "x"),
        ("--dry-run", "--line", "1"),
    ):
        assert office.run(*many("resend", *by), *wrong)[0] == 2
    assert office.run("resolve", "shop/lost-10.00", "--as", "resend", *WHY, *by, "--code", code)[0] == 2
    status, _, err = office.run(*many("resend", *by), "--shown", told["shown"])
    assert (status, "look again with --dry-run" in err) == (1, True), "it is of two of the three"
    assert [office.state(name) for name in parked] == ["parked"] * 3
    chosen = ("--at-least", "20", "--older-than", "1h", *by)
    status, out, _ = office.run(*many("resend", *chosen), "--shown", told["shown"])
    assert (status, len(out.splitlines())) == (0, 2)
    work_on(office)
    assert sorted(office.applied("mtn")) == ["1.00", "20.00", "30.00"]
    assert office.state("lost-10.00") == "parked"


@pytest.mark.parametrize("place", [*PLACES, "before _end 1", "after _end 1"])
def test_an_approval_killed_in_the_middle_goes_on_and_pays_once(
    office: Office,  # noqa: F811
    parked: list[str],
    people: Become,  # noqa: F811
    place: str,
) -> None:
    people("Ann")
    number = proposal(office, "resend")
    people("Bob")
    killed(place.replace("look 5", "look 2"), "approve", number)
    office.work("mtn")  # what it decided goes out
    status, out, _ = office.run("approve", number)
    ended = place == "after _end 1"
    assert status == (1 if ended else 0), out
    assert ended or out.splitlines()[-1] == "3 of 3 payments decided"
    work_on(office)
    people("Cat")
    assert office.run("approve", number)[0] == 1, "it is approved"
    work_on(office)
    assert sorted(office.applied("mtn")) == sorted(["1.00", *AMOUNTS])
    assert [office.state(name) for name in parked] == ["succeeded"] * 3
    assert office.sql("SELECT state FROM proposals WHERE id = %s", int(number)) == [{"state": "approved"}]
    assert office.sql("SELECT count(*) AS n FROM resolutions WHERE action = 'resend'") == [{"n": 3}]


@pytest.mark.parametrize("place", PLACES)
def test_one_that_is_killed_in_the_middle_is_run_again_and_pays_once(
    office: Office,  # noqa: F811
    parked: list[str],
    place: str,
) -> None:
    by = ("--by", "Ann")
    digest = shown(office, "resend", *by)["shown"]
    killed(place, *many("resend", *by), "--shown", digest)
    assert office.run(*many("resend", *by), "--shown", digest)[0] == 1, "fewer are parked now"
    if place != "after resolve 3":
        digest = shown(office, "resend", *by)["shown"]
        assert office.run(*many("resend", *by), "--shown", digest)[0] == 0
    work_on(office)
    assert sorted(office.applied("mtn")) == sorted(["1.00", *AMOUNTS])
    assert [office.state(name) for name in parked] == ["succeeded"] * 3


def test_two_who_approve_at_once_leave_it_approved(
    office: Office,  # noqa: F811
    parked: list[str],
    people: Become,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cat goes through them, too, and is ahead of Bob by an instant at each; he comes to the end first."""
    people("Ann")
    number = proposal(office, "resend")
    people("Bob")

    def overtaken(*given: Any, approval: Approval, **words: Any) -> State | Proposal:
        resolve(*given, **words, approval=Approval(approval.number, "Cat"))
        return resolve(*given, **words, approval=approval)

    with monkeypatch.context() as patched:
        patched.setattr("shared.payments.many.resolve", overtaken)
        status, out, _ = office.run("approve", number)
    assert (status, out.count("was decided before, approved by Cat")) == (0, 3), out
    assert office.sql("SELECT state FROM proposals WHERE id = %s", int(number)) == [{"state": "approved"}]
    told = lines_of(office.run("audit", "--json")[1])
    assert [one["by"] for one in told if one["action"] == "proposal.approved"][-1] == "Bob"
    assert sum(one["action"] == "payment.resend" for one in told) == 3
    work_on(office)
    assert sorted(office.applied("mtn")) == sorted(["1.00", *AMOUNTS])


@pytest.mark.parametrize("answer", ["resend", "refused"])
def test_what_changed_since_it_was_proposed_is_not_decided(
    office: Office,  # noqa: F811
    parked: list[str],
    people: Become,  # noqa: F811
    answer: str,
) -> None:
    """The first was decided, the second applied late without our reference. Each is told of, the third is done."""
    people("Ann")
    number = proposal(office, answer)
    first, late, third = parked
    assert office.run("resolve", f"shop/{first}", "--as", "refused", "--reason", "their letter")[0] == 0
    [single] = [one for one in lines_of(office.run("proposals", "--json")[1]) if one["kind"] == "resolve"]
    people("Cat")
    assert office.run("approve", str(single["id"]))[0] == 0
    office.sandbox.call("POST", "mtn/pay", {"id": "00700001", "amount": "20.00", "unit": "GHS"})
    status, out, err = office.run("approve", number)
    assert status == 1
    told = dict(line.split("  ", 1) for line in out.splitlines() if "  " in line)
    assert "only a parked payment is resolved" in told[f"shop/{first}"]
    assert "show something else for" in told[f"shop/{late}"]
    assert ("not decided" in told[f"shop/{third}"]) is False
    assert "2 of 3 were not decided" in err
    work_on(office)
    assert office.state(first) == "refused"
    assert office.state(late) == "parked"
    assert office.state(third) == ("succeeded" if answer == "resend" else "refused")
    assert sorted(office.applied("mtn")) == ["1.00"] + (["30.00"] if answer == "resend" else [])
    assert office.run("approve", number)[0] == 1


@pytest.mark.parametrize("answer", ["resend", "refused"])
def test_what_arrives_late_between_the_decision_and_the_send_is_not_paid_again(
    office: Office,  # noqa: F811
    parked: list[str],
    people: Become,  # noqa: F811
    answer: str,
) -> None:
    people("Ann")
    number = proposal(office, answer, "--limit", "1")
    people("Bob")
    assert office.run("approve", number)[0] == 0
    office.sandbox.call("POST", "mtn/pay", {"id": "00700001", "amount": "10.00", "unit": "GHS"})
    work_on(office)
    assert office.applied("mtn") == ["1.00"], "the late one was the customer's one payment"
    assert office.state(parked[0]) == ("parked" if answer == "resend" else "refused")


def test_what_nobody_can_look_for_stays_parked_and_proposed(
    office: Office,  # noqa: F811
    parked: list[str],
    people: Become,  # noqa: F811
) -> None:
    people("Ann")
    number = proposal(office, "resend")
    office.sandbox.set_faults({"provider": "mtn", "operation": "*", "fault": "error_500_before"})
    status, out, _ = office.run(*many("resend"), "--dry-run")
    assert (status, out.count("left out")) == (1, 4)
    people("Bob")
    status, out, err = office.run("approve", number)
    assert (status, out.count("is not decided: nobody could look")) == (1, 3)
    assert "approve it again" in err
    office.sandbox.set_faults()
    assert office.run("approve", number)[0] == 0
    work_on(office)
    assert sorted(office.applied("mtn")) == sorted(["1.00", *AMOUNTS])


def test_what_the_books_show_succeeds_whatever_is_asked(
    office: Office,  # noqa: F811
    parked: list[str],
    people: Become,  # noqa: F811
) -> None:
    """One was applied after all, and bears our reference; another one may have been. The first needs nobody else."""
    people("Ann")
    seen, doubtful, _ = parked
    [row] = office.sql("SELECT sent_reference FROM payments WHERE intent_id = %s", seen)
    paid = {"id": "00700001", "amount": "10.00", "unit": "GHS", "reference": row["sent_reference"]}
    office.sandbox.call("POST", "mtn/pay", paid)
    office.sandbox.call("POST", "mtn/pay", {"id": "00700001", "amount": "20.00", "unit": "GHS"})
    status, out, _ = office.run(*many("refused"), "--dry-run")
    assert status == 0
    assert "1 to be refused: 30.00 GHS; 1 left out" in out
    assert "1 succeed whatever is asked: the books show them" in out
    told = shown(office, "refused")
    assert [one["payment"] for one in told["left_out"]] == [f"shop/{doubtful}"]
    status, out, _ = office.run(*many("refused"), "--shown", told["shown"], "--json")
    made = json.loads(out)
    assert [(one["payment"], one["state"]) for one in made["outcomes"]] == [(f"shop/{seen}", "succeeded")]
    assert [office.state(name) for name in parked] == ["succeeded", "parked", "parked"]
    people("Bob")
    assert office.run("approve", str(made["proposal"]))[0] == 0
    work_on(office)
    assert [office.state(name) for name in parked] == ["succeeded", "parked", "refused"]
    assert office.applied("mtn") == ["1.00"]


@pytest.mark.parametrize("two", [True, False])
def test_many_can_be_refused_and_none_that_was_paid(
    office: Office,  # noqa: F811
    parked: list[str],
    people: Become,  # noqa: F811
    two: bool,
) -> None:
    by = () if two else ("--by", "Ann")
    if two:
        people("Ann")
    digest = shown(office, "refused", *by)["shown"]
    status, out, _ = office.run(*many("refused", *by), "--shown", digest, "--json")
    assert status == 0
    if two:
        people("Cat")
        assert office.run("approve", str(json.loads(out)["proposal"]))[0] == 0
    work_on(office)
    assert {office.state(name) for name in parked} == {"refused"}
    assert office.applied("mtn") == ["1.00"]
