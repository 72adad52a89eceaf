"""prepare: the frozen request of a payment, or why there is none yet, or never."""

import dataclasses

from shared.domain.codes import Code
from shared.domain.intent import Intent
from shared.domain.payment import HoldReason, Operation, Payment
from shared.domain.request import Built, Hold, Refusal
from shared.payments.valid import misfit
from shared.providers.base import OperationRule
from shared.runtime import Runtime


def prepare(runtime: Runtime, payment: Payment) -> Built:
    """Build the payment's request. A refund is held until its settle is found (then `payment.settled` is set)."""
    impossible = unsupported(runtime, payment)
    if impossible is not None:
        return impossible
    if payment.operation is Operation.REFUND and payment.settled is None:
        return Hold(HoldReason.SETTLE_PENDING, f"waits for its settle {payment.refund_of} to be final")
    return runtime.provider(payment.provider).build(payment, runtime.directories[payment.provider])


def with_settle(refund: Payment, settle: Payment, refunded_minor: int = 0) -> Payment:
    """A refund with the settle that it is of. refunded_minor: what that one's other refunds hold already."""
    return dataclasses.replace(refund, settled=settle, target=settle.target, refunded_minor=refunded_minor)


def unsent(intent: Intent, sent_reference: str, payment_id: int = 0) -> Payment:
    """What an intent asks for, as a payment that nothing is known of but this. 0: it has no id yet."""
    return Payment(
        id=payment_id,
        source=intent.source,
        intent_id=intent.intent_id,
        provider=intent.provider,
        operation=intent.operation,
        amount_minor=intent.amount_minor,
        currency=intent.currency,
        paid_at=intent.paid_at,
        target=intent.target,
        sent_reference=sent_reference,
        receipt=intent.receipt,
        refund_of=intent.refund_of,
    )


def unsupported(runtime: Runtime, payment: Payment) -> Refusal | None:
    """Why this payment can never be sent: its provider is off, or takes no such operation or currency."""
    connected = runtime.connected.get(payment.provider)
    registration = runtime.registrations[payment.provider]
    found = misfit(registration, payment.operation, payment.currency, on=connected is not None)
    if found is None or found.code is not Code.NOT_SUPPORTED or connected is None or connected.examine is None:
        return found
    # Refused in any case; where the provider's lists show more that is wrong, that is said too.
    mistakes = connected.examine(payment, runtime.directories[payment.provider])
    return Refusal("; ".join((found.detail, *mistakes)), Code.NOT_SUPPORTED)


def rule_of(runtime: Runtime, payment: Payment) -> OperationRule:
    """What the provider's document says of this operation; where it has none, the strictest rule."""
    rules = runtime.registrations[payment.provider].operations
    return rules.get(payment.operation, OperationRule(resend_safe=False))
