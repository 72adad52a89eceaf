"""adopt: the intent of a payment of which only the events stream told comes again.

After a database lost time, what upstream was told to be final is final here too, though its intent is gone. The first
intent that agrees with what was told is taken for it; any other one is in conflict with it.
"""

from shared.database.engine import Connection, Row
from shared.domain.intent import Intent
from shared.domain.payment import HoldReason, Payment
from shared.domain.request import Built, Hold, Request
from shared.payments.prepare import prepare, rule_of, unsent, with_settle
from shared.payments.store import lost_time as store
from shared.payments.store import release, send
from shared.payments.store.accept import NewPayment, column_values
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert

_COLUMNS = ("source", "intent_id", "target", "receipt", "notify", "metadata", "exclusive_key", "books_key")


def adopt(connection: Connection, runtime: Runtime, intent: Intent, payment_id: int) -> bool:
    """Take this intent for the payment's. False, and nothing is changed, when it can't be."""
    told = store.untold(connection, payment_id)
    if told is None or not _agrees(intent, told):
        return False
    payment = unsent(intent, told["sent_reference"], payment_id)
    built = _built(runtime, payment)
    row = NewPayment(intent, payment.sent_reference, rule_of(runtime, payment).resend_safe, built)
    columns = {name: value for name, value in column_values(row).items() if name in _COLUMNS}
    store.adopt(connection, intent, columns, _as_sent(built, told["request_sha256"]))
    store.came(connection, [(intent.source, intent.intent_id)])
    store.follow(connection, payment_id)
    return True


def complete(
    connection: Connection, runtime: Runtime, payment_id: int, request_sha256: str | None, settle_id: int | None
) -> None:
    """A payment that was here unbuilt has ended as the stream told. Its intent does not come as a new one again, so its
    request is built now; what it was sent as is known where this is that one.

    request_sha256: in hex, as it was told; None: it was never sent. settle_id: a refund's settle.
    """
    if request_sha256 is None:
        return
    payment = send.current(connection, payment_id)
    if payment.body is not None:
        return
    if settle_id is not None:
        payment = with_settle(payment, release.settle(connection, settle_id).payment)
    built = _built(runtime, payment)
    if isinstance(built, Request):
        store.complete(connection, payment_id, built, _as_sent(built, request_sha256))


def _as_sent(built: Built, request_sha256: str | None) -> Request | None:
    """What is built now, where it is what was sent."""
    return built if isinstance(built, Request) and built.sha256.hex() == request_sha256 else None


def _agrees(intent: Intent, told: Row) -> bool:
    said = (intent.provider, intent.operation.value, intent.amount_minor, intent.currency, intent.refund_of)
    known = (told["provider"], told["operation"], told["amount_minor"], told["currency"], told["refund_of"])
    return said == known and intent.paid_at == told["paid_at"]


def _built(runtime: Runtime, payment: Payment) -> Built:
    try:
        return prepare(runtime, payment)
    except Exception:  # it was sent long ago: nothing depends on it but later refunds, which wait
        alert(Alert.BUILD_FAILED, "an intent's request could not be built", provider=payment.provider)
        return Hold(HoldReason.SETTLE_PENDING, "it could not be built")
