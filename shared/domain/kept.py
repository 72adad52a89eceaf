"""What quarantine keeps of an entry of the intake stream. Pure.

An entry above the limit of an intent is cut before anything looks at it: its first bytes are kept, and the digest of
the whole. No card data is kept, nor a digest of it: the few digits of a cvv could be guessed.
"""

import hashlib
import re
from dataclasses import dataclass

from shared.domain.cards import blanked, names_card_data, redacted
from shared.domain.intent import MAX_INTENT_BYTES

KEPT_BYTES = 4096  # of an entry that is cut

_DIGIT = re.compile(rb"\d")


@dataclass(frozen=True, slots=True)
class Kept:
    """raw: free of card data. sha256: of the entry as it came where nothing was redacted, else of what is kept.

    whole_bytes: how long the entry was; None where `raw` is all of it.
    """

    raw: bytes
    sha256: bytes
    whole_bytes: int | None = None


def keep(raw: bytes, subject: str | None = None) -> Kept:
    """What is kept of these bytes. subject: of the intent in them, where it could be read."""
    if len(raw) > MAX_INTENT_BYTES:
        return keep_unread(raw)
    kept = redacted(raw)
    told = kept
    if subject is not None and kept != raw and _DIGIT.search(kept) is None:
        told += b"\n" + subject.encode()  # without its digits an intent can look like another
    return Kept(kept, hashlib.sha256(told).digest())


def keep_unread(raw: bytes) -> Kept:
    """The same for bytes that nobody may parse: where they name card data no digit is kept."""
    cut = len(raw) > MAX_INTENT_BYTES
    head = raw[:KEPT_BYTES] if cut else raw
    # What is named may stand behind its digits, and behind the cut.
    kept = blanked(head) if names_card_data(raw[:MAX_INTENT_BYTES]) else head
    return Kept(kept, hashlib.sha256(raw if kept is head else kept).digest(), len(raw) if cut else None)
