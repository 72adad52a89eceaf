"""billcenter's verbs. What requests and answers look like is in `wire`, why in the README beside this file."""

import re
from collections.abc import Mapping
from typing import Any

from shared.domain.answers import Answer, CheckResult, Verdict
from shared.domain.codes import Code
from shared.domain.money import format_amount
from shared.domain.payment import HoldReason, Operation, Payment
from shared.domain.request import Built, Hold, Refusal, Request
from shared.providers import answer_meanings
from shared.providers.answer_meanings import Unread
from shared.providers.base import Auth, Doubt
from shared.providers.billcenter import bodies, wire
from shared.providers.billcenter.account_choice import account_choice
from shared.providers.billcenter.lookups import Lookups
from shared.providers.billcenter.records import Invoice
from shared.providers.credentials import TokenSource
from shared.providers.http import Http
from shared.providers.ours import Books, Directory
from shared.providers.raw_answers import HttpAnswer
from shared.settings.sections import BillcenterSettings

REFUND_LOWERS = "refund_lowers_amount_paid"  # learnt from an explicit refund; a check may then believe "unchanged"


class Billcenter:
    """The verbs of `Provider`, and of the receipt that follows a payment."""

    def __init__(self, settings: BillcenterSettings, http: Http, tokens: TokenSource, lookups: Lookups) -> None:
        self._settings, self._http, self._tokens, self._lookups = settings, http, tokens, lookups
        self._duplicate = re.compile(settings.duplicate_pattern) if settings.duplicate_pattern else None

    def build(self, payment: Payment, directory: Directory) -> Built:
        if payment.operation is Operation.REFUND:
            return self._build_refund(payment)
        target = bodies.Target.model_validate(dict(payment.target))
        bank_code = target.bank_code or self._settings.bank_code
        if not bank_code:
            return Refusal(
                "no bank code: name it in target.bank_code or set SETTLEPIPE_BILLCENTER__BANK_CODE",
                Code.BANK_CODE_MISSING,
            )
        listed = directory.rows("bank_accounts", str(target.biller_service_id))
        account = account_choice(target, listed, confirm_changed=self._settings.confirm_changed_accounts)
        if isinstance(account, Hold):
            return account
        body = bodies.settle_body(
            target,
            bank_code=bank_code,
            bank_account=account,
            amount_minor=payment.amount_minor,
            paid_at=payment.paid_at,
            payment_id=payment.sent_reference,
        )
        return Request(bodies.PATHS[Operation.SETTLE], body, _exclusive_key(target.invoice_code))

    def authorise(self) -> Auth:
        return self._tokens.authorise()

    def forget(self, auth: Auth) -> bool:
        return self._tokens.forget(auth)

    def send(self, payment: Payment, auth: Auth) -> Answer:
        if payment.path is None or payment.body is None:
            raise ValueError(f"payment {payment.id} has no frozen request; build it before sending")
        return self._post(payment.operation, payment.path, payment.body, auth)

    def baseline(self, payment: Payment, auth: Auth) -> Mapping[str, Any] | None:
        invoice = self._lookups.invoice(_target(payment), auth)
        return None if isinstance(invoice, Unread) else invoice.evidence()

    def check(self, doubt: Doubt, books: Books, auth: Auth) -> CheckResult:
        payment = doubt.payment
        target = _target(payment)
        net = books.net_minor(doubt.exclusive_key or _exclusive_key(target.invoice_code))
        invoice = self._lookups.invoice(target, auth)
        if isinstance(invoice, Unread):
            return invoice.result
        known_id = bool(self._duplicate and doubt.last_refusal and self._duplicate.search(doubt.last_refusal))
        if books.lost_time(doubt.exclusive_key or _exclusive_key(target.invoice_code)):
            verdict, detail = (
                Verdict.INCONCLUSIVE,
                "what we paid on this invoice is not known since the database lost time",
            )
        else:
            judge = _judge_refund if payment.operation is Operation.REFUND else _judge_settle
            verdict, detail = judge(doubt, invoice.paid_minor, invoice, net, known_id, books)
        evidence = {**invoice.evidence(), "our_net_minor": net, "duplicate_refusal": known_id}
        return CheckResult(verdict, detail, evidence, shown=(_shown(payment, invoice, net, known_id),))

    def learn(self, payment: Payment, books: Books, auth: Auth) -> None:
        """After an explicit refund: did it lower the invoice's amount_paid, as a check would have to rely on?"""
        before = bodies.minor((payment.baseline or {}).get("amount_paid"))
        if payment.operation is not Operation.REFUND or before is None or books.knows("billcenter", REFUND_LOWERS):
            return
        invoice = self._lookups.invoice(_target(payment), auth)
        if not isinstance(invoice, Unread) and invoice.paid_minor == before - payment.amount_minor:
            books.learn("billcenter", REFUND_LOWERS)

    def build_receipt(self, payment: Payment, directory: Directory) -> Built:
        if payment.body is None:
            return Refusal(
                "the settle was never sent by us, so there is no request to make a receipt from",
                Code.RECEIPT_NOT_POSSIBLE,
            )
        services = directory.rows("services", str(payment.target["biller_service_id"]))
        if not services:
            return Hold(HoldReason.NO_ACCOUNT, "the list of services does not have this service (yet)")
        if services[0].get("with_noat") is not True:
            return Refusal(
                "this service gives no VAT receipts (with_noat is not true in the list of services)",
                Code.RECEIPT_NOT_POSSIBLE,
            )
        receipt = payment.receipt or {}
        body = bodies.receipt_body(payment.body, receipt.get("register") or "", receipt.get("email") or "")
        return Request(bodies.PATHS[bodies.RECEIPT], body)

    def send_receipt(self, request: Request, auth: Auth) -> Answer:
        return self._post(bodies.RECEIPT, request.path, request.body, auth)

    def _post(self, operation: Operation | str, path: str, body: bytes, auth: Auth) -> Answer:
        outcome = self._http.call("POST", path, headers=auth.headers, body=body)
        if isinstance(outcome, HttpAnswer) and outcome.status in (200, 400):  # past the door
            self._tokens.worked(auth)
        answer = wire.read(operation, outcome, self._duplicate)
        if answer_meanings.explicit(answer):
            self._http.keep(outcome)
        return answer

    def _build_refund(self, payment: Payment) -> Built:
        settle = payment.settled
        if settle is None or settle.body is None:
            return Refusal(
                "the settle that it names was never sent by us, so its account is not known", Code.SETTLE_NOT_SENT
            )
        if payment.amount_minor != settle.amount_minor and not self._settings.partial_refunds:
            return Refusal(
                "billcenter does not state partial refunds; refund the whole amount"
                " or set SETTLEPIPE_BILLCENTER__PARTIAL_REFUNDS=true",
                Code.REFUND_NOT_WHOLE,
            )
        own = self._settings.refund_id == "own"
        if payment.refunded_minor and not own:
            return Refusal(
                "its settle has a refund already, and a second one would carry the same payment_id;"
                " set SETTLEPIPE_BILLCENTER__REFUND_ID=own if billcenter takes refunds under ids of their own",
                Code.REFUND_TOO_MUCH,
            )
        payment_id = payment.sent_reference if own else settle.sent_reference
        body = bodies.refund_body(settle.body, payment.amount_minor, payment_id)
        return Request(bodies.PATHS[Operation.REFUND], body, _exclusive_key(_target(payment).invoice_code))


def _exclusive_key(invoice_code: str) -> str:
    return f"billcenter:{invoice_code}"


def _shown(payment: Payment, invoice: Invoice, net: int, known_id: bool) -> dict[str, str | None]:
    """The total that the books have in place of lines, and what it is to be compared with."""
    before = bodies.minor((payment.baseline or {}).get("amount_paid"))
    return {
        "number": str(invoice.id),
        "amount_paid": format_amount(invoice.paid_minor, bodies.CURRENCY),
        "of_ours": format_amount(net, bodies.CURRENCY),  # our payments less our refunds, this one left out
        "before": None if before is None else format_amount(before, bodies.CURRENCY),
        "currency": bodies.CURRENCY,
        "status": invoice.status,
        "updated_at": invoice.updated_at,
        "id_known": "yes" if known_id else None,  # by a refusal as one that billcenter has already
    }


def _target(payment: Payment) -> bodies.Target:
    return bodies.Target.model_validate(dict((payment.settled or payment).target))


def _judge_settle(
    doubt: Doubt, paid: int, _invoice: Invoice, net: int, known_id: bool, _books: Books
) -> tuple[Verdict, str]:
    amount = doubt.payment.amount_minor
    if paid >= net + amount and known_id:
        return Verdict.APPLIED, "the invoice holds this payment and billcenter knows its id"
    if not net <= paid < net + amount:
        return Verdict.INCONCLUSIVE, "the invoice's amount_paid does not tell whose money it holds"
    if known_id:
        return Verdict.INCONCLUSIVE, "billcenter knows the id, but the invoice does not hold the amount"
    if not doubt.window_passed:
        return Verdict.INCONCLUSIVE, "the invoice does not hold this payment yet; it may still be on its way"
    return Verdict.NOT_APPLIED, "the invoice's amount_paid has no room for this payment"


def _judge_refund(
    doubt: Doubt, paid: int, invoice: Invoice, _net: int, known_id: bool, books: Books
) -> tuple[Verdict, str]:
    before = bodies.minor((doubt.payment.baseline or {}).get("amount_paid"))
    if before is None:
        return Verdict.INCONCLUSIVE, "the invoice was not read before the refund"
    if paid == before - doubt.payment.amount_minor:
        return Verdict.APPLIED, "the invoice's amount_paid fell by exactly this amount"
    changed_at = (doubt.payment.baseline or {}).get("updated_at")  # without it the same sum proves nothing
    unchanged = paid == before and changed_at is not None and invoice.updated_at == changed_at
    if unchanged and doubt.window_passed and not known_id and books.knows("billcenter", REFUND_LOWERS):
        return Verdict.NOT_APPLIED, "the invoice is unchanged, and refunds are known to lower its amount_paid"
    return Verdict.INCONCLUSIVE, "the invoice does not tell whether the refund was made"
