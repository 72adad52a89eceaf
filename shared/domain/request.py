"""The outcome of building a payment's request: the frozen bytes, or why there are none."""

import hashlib
from dataclasses import dataclass, field

from shared.domain.codes import Code
from shared.domain.payment import HoldReason


@dataclass(frozen=True, slots=True)
class Request:
    """A request frozen before its first send: every resend sends these very bytes.

    exclusive_key: payments with the same key can't be told apart in the provider's books, so at most one of
    them may be at the provider at a time; None where they can.
    books_key: payments with the same key stand in the same list of the provider's books (an account's payments).
    """

    path: str
    body: bytes = field(repr=False)  # holds account numbers
    exclusive_key: str | None = None
    books_key: str | None = None

    @property
    def sha256(self) -> bytes:
        """32 bytes that prove that a resend is the same request."""
        return hashlib.sha256(self.body).digest()


@dataclass(frozen=True, slots=True)
class Hold:
    """The request can't be built yet."""

    reason: HoldReason
    detail: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The request can never be built: the payment is refused with this reason, before anything is sent."""

    detail: str
    code: Code


Built = Request | Hold | Refusal
