"""billcenter's checks: what an invoice's running total proves, and what it doesn't."""

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import CheckResult, Verdict
from shared.domain.payment import Operation, Payment
from shared.providers.base import Doubt
from tests.support.billcenter import INVOICE, billcenter, page
from tests.support.memory import SETTLE, MemoryBooks
from tests.support.raw_server import answer

KEY = "billcenter:900000001"
KNOWN = "payment_id sp-1 already exists"
LOWERS = ("billcenter", "refund_lowers_amount_paid")
BASELINE = {"amount_paid": "300.00", "updated_at": "u1", "status": "PAID"}
REFUND = replace(
    SETTLE, id=2, operation=Operation.REFUND, sent_reference="sp-2", settled=SETTLE, target={}, baseline=BASELINE
)


def check(
    payment: Payment = SETTLE,
    *rows: dict[str, Any],
    net: int = 0,
    refusal: str | None = None,
    passed: bool = True,
    facts: set[tuple[str, str]] | None = None,
    answered: bytes | None = None,
) -> CheckResult:
    routes = {"invoices": answered or page(*rows)}
    with billcenter(routes, total_timeout_s=5, duplicate_pattern="already exists") as (connected, _, _server):
        books = MemoryBooks({KEY: net}, facts or set())
        auth = connected.provider.authorise()
        return connected.provider.check(Doubt(payment, KEY, refusal, passed), books, auth)


def invoice(amount_paid: str, **changes: Any) -> dict[str, Any]:
    return {**INVOICE, "amount_paid": amount_paid, **changes}


@pytest.mark.parametrize(
    ("paid", "net", "refusal", "expected"),
    [
        # NOT_APPLIED when our own net sum <= amount_paid < that sum plus this payment
        ("0.00", 0, None, Verdict.NOT_APPLIED),
        ("99.99", 0, None, Verdict.NOT_APPLIED),
        ("500.00", 50_000, None, Verdict.NOT_APPLIED),
        ("0.00", 0, "no such invoice", Verdict.NOT_APPLIED),
        # enough money, but other banks pay too
        ("100.00", 0, None, Verdict.INCONCLUSIVE),
        ("100.00", 0, "no such invoice", Verdict.INCONCLUSIVE),
        # enough money, and the provider knows the id
        ("100.00", 0, KNOWN, Verdict.APPLIED),
        ("900.00", 0, KNOWN, Verdict.APPLIED),
        # a refusal that names the id is never NOT_APPLIED
        ("0.00", 0, KNOWN, Verdict.INCONCLUSIVE),
        # less than is ours: the books can't be read
        ("0.00", 50_000, None, Verdict.INCONCLUSIVE),
        ("0.00", 50_000, KNOWN, Verdict.INCONCLUSIVE),
        ("599.99", 50_000, KNOWN, Verdict.INCONCLUSIVE),
        ("600.00", 50_000, KNOWN, Verdict.APPLIED),
    ],
)
def test_what_an_invoice_proves_of_a_settle(paid: str, net: int, refusal: str | None, expected: Verdict) -> None:
    assert check(SETTLE, invoice(paid), net=net, refusal=refusal).verdict is expected


def test_within_the_settle_window_nothing_is_not_applied() -> None:
    assert check(SETTLE, invoice("0.00"), passed=False).verdict is Verdict.INCONCLUSIVE
    assert check(SETTLE, invoice("100.00"), refusal=KNOWN, passed=False).verdict is Verdict.APPLIED


def test_the_evidence_is_kept() -> None:
    result = check(SETTLE, invoice("100.00", status="PAID"), net=5, refusal=KNOWN)
    assert result.evidence == {
        "amount_paid": "100.00",
        "status": "PAID",
        "updated_at": INVOICE["updated_at"],
        "our_net_minor": 5,
        "duplicate_refusal": True,
    }


@pytest.mark.parametrize(
    "answered",
    [
        page(),
        page(invoice("0.00"), invoice("0.00", id=8)),
        page(invoice("0.00"), count=2),
        page(invoice("0.00", invoice_code="900000002")),
        page(invoice("0.00", bs_customer_code="300002")),
        page(invoice("")),
        page(invoice("0.005")),
        page({**INVOICE, "amount_paid": 0.0}),
        page({**INVOICE, "amount_paid": None}),
        page({**INVOICE, "amount_paid": "100.00" + "0" * 28 + "1"}),
        page({**INVOICE, "amount_paid": "1E+2"}),
        page({k: v for k, v in INVOICE.items() if k != "amount_paid"}),
        answer(200),
        answer(200, b"<html>"),
        answer(200, b"[]"),
        answer(200, b'{"count": 1, "results": [{'),
        answer(400, b'{"detail": "x"}'),
        answer(403),
        answer(404),
        answer(500),
    ],
)
def test_an_invoice_that_cannot_be_told_is_inconclusive(answered: bytes) -> None:
    """Several invoices, none, a filter that was not applied, an amount that is none: never a guess."""
    for payment in (SETTLE, REFUND):
        result = check(payment, answered=answered, refusal=KNOWN, facts={LOWERS})
        assert (result.verdict, result.provider_down) == (Verdict.INCONCLUSIVE, False)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_check_tells_that_the_provider_is_down(status: int) -> None:
    result = check(answered=answer(status))
    assert (result.verdict, result.provider_down) == (Verdict.INCONCLUSIVE, True)


def test_a_read_that_was_let_in_proves_a_fresh_token() -> None:
    with billcenter({"invoices": page(invoice("300.00"))}) as (connected, _, _server):
        provider = connected.provider
        provider.forget(provider.authorise())
        fresh = provider.authorise()
        assert fresh.fresh_after_refusal
        provider.baseline(REFUND, fresh)
        assert not provider.authorise().fresh_after_refusal


def test_a_401_at_a_read_forgets_the_token() -> None:
    with billcenter({"invoices": answer(401)}) as (connected, fake, _):
        auth = connected.provider.authorise()
        result = connected.provider.check(Doubt(SETTLE, KEY, None, True), MemoryBooks(), auth)
        assert result.verdict is Verdict.INCONCLUSIVE
        assert connected.provider.authorise().version == 2
        assert [path for path in fake.paths if "invoices" in path] == [
            "/api/third_party/invoices/?invoice_code=900000001&bs_customer_code=300001"
        ]


@pytest.mark.parametrize(
    ("paid", "updated_at", "passed", "facts", "refusal", "expected"),
    [
        ("200.00", "u2", True, set(), None, Verdict.APPLIED),
        ("200.00", "u2", False, set(), None, Verdict.APPLIED),
        ("300.00", "u1", True, {LOWERS}, None, Verdict.NOT_APPLIED),
        ("300.00", "u1", True, set(), None, Verdict.INCONCLUSIVE),  # a refund may not show at all
        ("300.00", "u1", False, {LOWERS}, None, Verdict.INCONCLUSIVE),  # it may still be on its way
        ("300.00", "u2", True, {LOWERS}, None, Verdict.INCONCLUSIVE),  # somebody moved it and back
        ("300.00", "u1", True, {LOWERS}, KNOWN, Verdict.INCONCLUSIVE),  # the id is known
        ("199.99", "u2", True, {LOWERS}, None, Verdict.INCONCLUSIVE),  # not exactly this amount
        ("250.00", "u2", True, {LOWERS}, None, Verdict.INCONCLUSIVE),
        ("400.00", "u2", True, {LOWERS}, None, Verdict.INCONCLUSIVE),  # another bank paid
    ],
)
def test_what_an_invoice_proves_of_a_refund(
    *, paid: str, updated_at: str, passed: bool, facts: set[tuple[str, str]], refusal: str | None, expected: Verdict
) -> None:
    result = check(REFUND, invoice(paid, updated_at=updated_at), passed=passed, facts=facts, refusal=refusal)
    assert result.verdict is expected


@pytest.mark.parametrize("baseline", [None, {}, {"amount_paid": None}])
def test_a_refund_without_a_baseline_is_inconclusive(baseline: dict[str, Any] | None) -> None:
    assert check(replace(REFUND, baseline=baseline), invoice("200.00"), facts={LOWERS}).verdict is Verdict.INCONCLUSIVE


def test_the_baseline_is_what_the_invoice_says() -> None:
    with billcenter({"invoices": page(invoice("300.00", updated_at="u1", status="PAID"))}) as (connected, _, _server):
        provider = connected.provider
        assert provider.baseline(replace(REFUND, baseline=None), provider.authorise()) == BASELINE


def test_a_baseline_that_cannot_be_read_is_none() -> None:
    with billcenter({"invoices": answer(500)}) as (connected, _, _server):
        assert connected.provider.baseline(REFUND, connected.provider.authorise()) is None


@pytest.mark.parametrize(("paid", "learnt"), [("200.00", {LOWERS}), ("300.00", set()), ("150.00", set())])
def test_an_explicit_refund_teaches_whether_amount_paid_falls(paid: str, learnt: set[tuple[str, str]]) -> None:
    with billcenter({"invoices": page(invoice(paid))}) as (connected, fake, _):
        books = MemoryBooks()
        assert connected.learn is not None
        connected.learn(REFUND, books, connected.provider.authorise())
        assert books.facts == learnt
        asked = len(fake.paths)
        connected.learn(SETTLE, books, connected.provider.authorise())
        assert len(fake.paths) == asked


def test_a_person_is_shown_the_total_and_what_of_it_is_ours() -> None:
    for passed in (True, False):  # the same, whatever the verdict: what differs later has changed
        shown = check(SETTLE, invoice("70.00", id=7, updated_at="u2"), net=5_000, passed=passed).shown
        assert [(line["number"], line["amount_paid"], line["of_ours"], line["before"]) for line in shown] == [
            ("7", "70.00", "50.00", None)
        ]
    [line] = check(REFUND, invoice("70.00", updated_at="u2")).shown
    assert (line["before"], line["updated_at"], line["currency"]) == ("300.00", "u2", "MNT")
