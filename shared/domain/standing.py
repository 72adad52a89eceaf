"""How far the database has come, as it says itself and as others remember it: is it older than the world? Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a database has come.

    epoch: grows with each recovery. beat: grows each second within it; at: when it last did, by the database's clock.
    lives_at: the server, timeline and database. written: bytes of its log, of that epoch, server and timeline alone.
    """

    epoch: int
    beat: int
    at: datetime
    lives_at: str
    written: int

    @property
    def order(self) -> tuple[int, int]:
        """What grows wherever the database lives."""
        return self.epoch, self.beat


class Judgement(StrEnum):
    """What a comparison comes to.

    SAME: nothing was lost. SWITCHED: another server of the same cluster has taken over, and has all that anybody
    remembers; what was committed since its last beat may be gone. LOST: time was lost, or nobody can say.
    """

    SAME = "same"
    SWITCHED = "switched"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement and, of a loss, a sentence for people."""

    judgement: Judgement
    reason: str = ""


def judged(recorded: Standing, here: Standing, remembered: Iterable[Standing]) -> Judged:
    """Compare what the database recorded of itself, and where it is (`here`: the same, with the server that answers
    now), with what is remembered outside of it."""
    known = list(remembered)
    for one in known:
        if one.order > recorded.order:
            return Judged(Judgement.LOST, f"it ends at {recorded.at:%Y-%m-%d %H:%M:%S} UTC, and was seen to go on")
        # What is remembered of before a recovery is longer than a copy that was put back in place: a person knew.
        if (one.epoch, one.lives_at) == (recorded.epoch, here.lives_at) and one.written > here.written:
            return Judged(Judgement.LOST, "its log ends before what was seen of it")
    if recorded.lives_at == here.lives_at:
        return Judged(Judgement.SAME)
    (server, _, database), (new_server, _, new_database) = _parts(recorded), _parts(here)
    if (server, database) != (new_server, new_database):
        return Judged(Judgement.LOST, "it is on another server, or was made anew there")
    if not known:
        return Judged(Judgement.LOST, "another server has taken over, or it was restored, and nobody remembers more")
    return Judged(Judgement.SWITCHED)


def _parts(standing: Standing) -> tuple[str, str, str]:
    server, timeline, database = standing.lives_at.split("/")
    return server, timeline, database
