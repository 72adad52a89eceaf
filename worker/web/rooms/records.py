"""What people did, what stood still, what ran by the clock, and how this process is set."""

from shared import audit
from shared.alerts import views
from shared.alerts.words import described, figures_text
from shared.metrics import read
from shared.settings.shown import shown
from worker.web.rooms.answers import Answer, Asked, Html
from worker.web.rooms.drawing import sees

_ROWS = 50
_ALERTS = 100
_PERSONAL = ("REPORT__TO", "ALERTS__MAIL__TO")


def audited(asked: Asked) -> Answer:
    """The audit, the newest first."""
    with asked.read() as connection:
        rows = audit.newest(connection, asked.whole("before", 18), _ROWS + 1)
    following = rows[_ROWS - 1]["number"] if len(rows) > _ROWS else None
    given = {"rows": rows[:_ROWS], "following": following, "plain": sees(asked.session), "here": "audit"}
    return Html("audit.html", given)


def alerts(asked: Asked) -> Answer:
    """What stands now, and the last that were cleared."""
    with asked.read() as connection:
        standing = views.listed(connection, everything=False)
        cleared = views.cleared(connection, _ALERTS)
    told = [{**row, **described(row["name"]), "figures": figures_text(row["figures"])} for row in standing]
    past = [{**row, "figures": figures_text(row["figures"])} for row in cleared]
    return Html("alerts.html", {"rows": told[:_ALERTS], "cleared": past, "here": "alerts"})


def jobs(asked: Asked) -> Answer:
    """The runs of periodic jobs, the newest first."""
    skip = asked.whole("skip", 5) or 0
    with asked.read() as connection:
        rows = read.runs(connection, skip, _ROWS + 1)
    following = skip + _ROWS if len(rows) > _ROWS else None
    return Html("jobs.html", {"rows": rows[:_ROWS], "following": following, "here": "jobs"})


def settings(asked: Asked) -> Answer:
    """Every setting, with where it comes from."""
    plain = sees(asked.session)
    rows = [one for one in shown(asked.room.runtime.settings) if plain or not one.name.endswith(_PERSONAL)]
    return Html("settings.html", {"rows": rows, "here": "settings"})
