"""replay: what stands in quarantine is put on the intake queue again, once what was wrong is mended.

Each goes there before the note that it did: a process that dies in between has it there twice, which is one payment.
"""

from dataclasses import dataclass

import redis

from shared.database.engine import Connection
from shared.domain.cards import is_redacted
from shared.domain.words import counted
from shared.messaging import intake_stream
from shared.payments import quarantine


@dataclass(frozen=True, slots=True)
class Replayed:
    """count: of those that went. left: what stays and why, behind a sentence; empty: nothing does."""

    count: int
    left: str


def replay(
    connection: Connection, client: "redis.Redis", ids: list[int] | None, *, by: str, reason: str | None = None
) -> Replayed:
    """Put these on the queue again; None: all that did not leave quarantine since.

    Bytes that held card data were kept redacted, and of what was too long only the beginning was kept: they are no
    intent any more, and stay. Raises what the broker raises.
    """
    count, redacted, cut = 0, 0, 0
    for batch in quarantine.kept(connection, ids):
        whole = [entry for entry in batch if entry["whole_bytes"] is None]
        clean = [entry for entry in whole if not is_redacted(bytes(entry["raw"]))]
        for entry in clean:
            intake_stream.submit(client, entry["stream"], [bytes(entry["raw"])])
        quarantine.replayed(connection, [entry["id"] for entry in clean], by=by, reason=reason)
        count, redacted, cut = count + len(clean), redacted + len(whole) - len(clean), cut + len(batch) - len(whole)
    left = "".join(
        f"; {why}: their upstream has to send them anew, {how}"
        for number, why, how in (
            (redacted, f"{redacted} held card data, kept redacted", "without it"),
            (cut, f"{counted(cut, 'was', 'were')} too long, only the beginning was kept", "within the limit"),
        )
        if number
    )
    return Replayed(count, left)
