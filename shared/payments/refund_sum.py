"""refund_sum: what a refund may take back of its settle. Pure; the settle's row is locked meanwhile (see release).

Its other refunds count in every state but refused and cancelled, pending and unknown ones too: `store/release.py`.
"""

from shared.domain.codes import Code
from shared.domain.money import format_amount
from shared.domain.payment import Operation, Payment
from shared.domain.request import Refusal


def refund_fits(settle: Payment, refund: Payment, refunded_minor: int) -> Refusal | None:
    """Why a refund can't be of this settle; `refunded_minor` is what its other refunds hold already."""
    if settle.operation is not Operation.SETTLE:
        return Refusal("it names a payment that is not a settle", Code.REFUND_OF_NO_SETTLE)
    if (settle.provider, settle.currency) != (refund.provider, refund.currency):
        return Refusal("its provider or currency differs from its settle's", Code.REFUND_MISMATCH)
    left_minor = max(settle.amount_minor - refunded_minor, 0)
    if refund.amount_minor > left_minor:
        left = format_amount(left_minor, settle.currency)
        return Refusal(
            f"it is more than what is left to refund of its settle ({left} {settle.currency})", Code.REFUND_TOO_MUCH
        )
    return None
