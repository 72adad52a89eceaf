"""replay: what stands in quarantine is put on the intake queue again, once what was wrong is mended.

Each goes there before the note that it did is committed: a process that dies in between has it there twice, which is
one payment. It is locked meanwhile, and the note has the time from before: what comes back at once comes after it, and
waits again; and nobody dismisses what goes.
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
    connection: Connection,
    client: "redis.Redis",
    ids: list[int] | None,
    *,
    by: str,
    reason: str | None = None,
    dismissed: bool = False,
) -> Replayed:
    """Put these on the queue again; None: all that did not leave quarantine since.

    What somebody dismissed may have been paid back by hand: of these it goes only where `dismissed` says so, and of
    all never. Bytes that held card data were kept redacted, and of what was too long only the beginning was kept: they
    are no intent any more, and stay. Raises what the broker raises.
    """
    count, redacted, cut, away = 0, 0, 0, 0
    for page in quarantine.kept(connection, ids):
        with connection.transaction():
            batch = quarantine.locked(connection, page, waiting=ids is None, dismissed=dismissed)
            whole = [entry for entry in batch if entry["whole_bytes"] is None]
            clean = [entry for entry in whole if not is_redacted(bytes(entry["raw"]))]
            for entry in clean:
                intake_stream.submit(client, entry["stream"], [bytes(entry["raw"])])
            quarantine.replayed(connection, [entry["id"] for entry in clean], by=by, reason=reason)
        count, redacted, cut = count + len(clean), redacted + len(whole) - len(clean), cut + len(batch) - len(whole)
        away += 0 if ids is None else len(page) - len(batch)
    anew = "their upstream has to send them anew"
    left = "".join(
        f"; {why}: {what}"
        for number, why, what in (
            (redacted, f"{redacted} held card data, kept redacted", f"{anew}, without it"),
            (cut, f"{counted(cut, 'was', 'were')} too long, only the beginning was kept", f"{anew}, within the limit"),
            (
                away,
                f"{counted(away, 'was', 'were')} dismissed",
                "`quarantine list --all` says why, --dismissed does it",
            ),
        )
        if number
    )
    return Replayed(count, left)
