"""All paying providers answer oddly two times of three: in the end nothing succeeded that no provider applied."""

import random
import secrets
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.answers import Meaning, Verdict
from shared.domain.payment import Operation, Payment
from shared.domain.request import Request
from shared.providers.base import Auth, Doubt, Provider
from shared.providers.registry import REGISTRATIONS
from tests.providers.contract.case import case_of, on
from tests.providers.contract.cases.ubill import row
from tests.providers.contract.test_checks_contract import Learnt
from tests.support.hostile import Billcenter, Hostile, Listing
from tests.support.mtn import bill, paid
from tests.support.raw_server import raw_server
from tests.support.references import new_reference

PAYMENTS = 50
AUTH = Auth({"Authorization": "Bearer made-up"})
SENT_AT = datetime(2026, 11, 21, 8, tzinfo=UTC)
DONE = {"resultCode": "0000", "resultDescription": "done"}


def ubill() -> Listing:
    return Listing(
        success=lambda number, _: {"statusID": 0, "message": "Success", "data": {"id": number}},
        no=(200, b'{"statusID": 40, "message": "made up"}'),
        listed=lambda _, markers: {
            "statusID": 0,
            "message": "Success",
            "data": [row(marker, "100") for marker in markers],
        },
        marker=lambda sent: str(sent["comment"]),
        account=lambda path, sent: str(sent["accountID"]) if sent else path.rsplit("/", 1)[1],
    )


def mtn() -> Listing:
    error = b'{"timestamp": "t", "status": "400", "error": "made up", "message": "made up", "path": "/"}'
    return Listing(
        success=lambda number, marker: {
            **DONE, "transactionId": number, "data": {"paymentRef": [{"referenceId": marker}]},
        },
        no=(400, error),
        listed=lambda account, markers: {**DONE, "data": bill(*map(paid, markers), id=account)},
        marker=lambda sent: str(sent["payment"][0]["referenceId"]),
        account=lambda path, _: path.split("?")[0].rsplit("/", 1)[1],
    )  # fmt: skip


WORLDS = {"billcenter": Billcenter, "ubill": ubill, "mtn": mtn}
TARGETS = {"billcenter": ("invoice_code", str), "ubill": ("account_id", int), "mtn": ("id", str)}


@dataclass
class Ended:
    payment: Payment
    state: str
    reference: str | None = None


def made(provider: str, number: int) -> Payment:
    """A payment of its own account."""
    payment = case_of(provider).documented[Operation.SETTLE].payment
    name, form = TARGETS[provider]
    target = {**payment.target, name: form(str(700_000 + number))}
    return replace(payment, id=number, sent_reference=new_reference(), target=target)


def settled(verbs: Provider, payment: Payment, books: Learnt) -> Ended:
    """As the flow does it: sent again where that is safe, looked up where it is not, a no after a doubt looked up."""
    built = verbs.build(payment, case_of(payment.provider).directory)
    assert isinstance(built, Request)
    payment = replace(payment, path=built.path, body=built.body)
    in_doubt, refusal = False, None
    for _ in range(6):
        answer = verbs.send(payment, AUTH)
        refusal = answer.detail if answer.refusal else refusal
        if answer.meaning is Meaning.SUCCEEDED:
            return Ended(payment, "succeeded", answer.provider_reference)
        if answer.meaning is Meaning.REFUSED and not in_doubt:
            return Ended(payment, "refused")
        if answer.meaning in (Meaning.NOT_SENT, Meaning.REAUTH):
            continue
        in_doubt = True
        if answer.meaning is Meaning.RESEND:
            continue
        doubt = Doubt(payment, None, refusal, window_passed=True, first_sent_at=SENT_AT)
        for _ in range(3):
            result = verbs.check(doubt, books, AUTH)
            if result.verdict is not Verdict.INCONCLUSIVE:
                break
        if result.verdict is Verdict.APPLIED:
            return Ended(payment, "succeeded by a look", result.provider_reference)
        if result.verdict is Verdict.INCONCLUSIVE:
            return Ended(payment, "unknown")
        in_doubt = False
    return Ended(payment, "unknown")


@pytest.mark.parametrize("seed", [1, pytest.param(None, id="random")])
@pytest.mark.parametrize("name", WORLDS)
def test_what_succeeded_was_applied_and_nothing_has_a_strangers_reference(name: str, seed: int | None) -> None:
    seed = secrets.randbits(32) if seed is None else seed
    print(f"seed {seed}")
    make: Any = WORLDS[name]
    world = make()
    latest = made(name, 0)
    world.applied[latest.sent_reference] = "A-0"
    if isinstance(world, Listing):
        world.accounts[str(latest.target[TARGETS[name][0]])] = [latest.sent_reference]
    hostile = Hostile(world, random.Random(seed))
    with raw_server(hostile) as server:
        verbs = on(REGISTRATIONS[name], server.url, total_timeout_s=5).provider
        assert verbs is not None
        ended = [settled(verbs, made(name, number), Learnt(latest=latest)) for number in range(1, PAYMENTS + 1)]
    applied = world.applied
    states = Counter(one.state for one in ended)
    context = (seed, states, hostile.played)
    for one in ended:
        is_applied = one.payment.sent_reference in applied
        assert is_applied or not one.state.startswith("succeeded"), context
        assert not is_applied or one.state != "refused", context
        if one.state == "succeeded":
            assert one.reference == applied[one.payment.sent_reference], context
    # What would make the run prove nothing.
    assert states["succeeded"] >= 3, context
    assert len(hostile.played) >= 15, context
    assert server.connections < len(server.requests), context
