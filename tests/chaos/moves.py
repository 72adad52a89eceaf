"""Every move of every payment, noted by a trigger of the harness's own, and which of them are legal.

The table of legal moves is written here once more: a witness shares no code with what it watches.
"""

from collections.abc import Iterator, Mapping, Sequence, Set

from tests.support.stack import Row, Stack

FINAL = frozenset({"succeeded", "refused", "cancelled"})
LEGAL: Mapping[str, Set[str]] = {
    "accepted": {"dispatched", "unknown", "refused", "cancelled", "succeeded"},
    "dispatched": {"sending", "unknown", "cancelled", "succeeded"},
    "sending": {"succeeded", "refused", "waiting", "unknown"},
    "waiting": {"dispatched", "unknown", "parked", "cancelled", "succeeded"},
    "unknown": {"sending", "waiting", "refused", "parked", "succeeded"},
    "parked": {"succeeded", "refused", "waiting", "unknown"},
    "succeeded": set(),
    "refused": set(),
    "cancelled": set(),
}
TOLD = frozenset({"unknown", "parked", *FINAL})  # the moves that upstream is told of
# Statements that have every move noted from now on.
INSTALL = (
    "CREATE SCHEMA chaos",
    """CREATE TABLE chaos.moves (id bigint GENERATED ALWAYS AS IDENTITY, payment_id bigint NOT NULL, from_state text,
        to_state text NOT NULL, seq integer NOT NULL, attempts integer NOT NULL, other_request boolean NOT NULL,
        by_stream boolean NOT NULL)""",
    "CREATE INDEX ON chaos.moves (payment_id, id)",
    """CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO chaos.moves (payment_id, from_state, to_state, seq, attempts, other_request, by_stream)
        VALUES (NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, NEW.event_seq, NEW.attempts,
            TG_OP = 'UPDATE' AND OLD.attempts > 0 AND (OLD.body IS NOT NULL OR OLD.stream_event IS NULL)
                AND (NEW.body, NEW.path) IS DISTINCT FROM (OLD.body, OLD.path),
            NEW.stream_event IS NOT NULL AND (TG_OP = 'INSERT' OR OLD.stream_event IS NULL));
        RETURN NULL; END $$""",
    """CREATE TRIGGER z_chaos AFTER UPDATE ON payments FOR EACH ROW WHEN (OLD.state <> NEW.state
        OR (NEW.body, NEW.path) IS DISTINCT FROM (OLD.body, OLD.path)) EXECUTE FUNCTION chaos.note()""",
    "CREATE TRIGGER z_chaos_new AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION chaos.note()",
)
_MOVES = """
SELECT m.payment_id, p.source || '/' || p.intent_id AS name, m.from_state, m.to_state, m.seq, m.other_request,
    m.by_stream
FROM chaos.moves m JOIN payments p ON p.id = m.payment_id ORDER BY m.id
"""


def moves(stack: Stack) -> list[Row]:
    """Every move, oldest first."""
    return stack.query(_MOVES)


def wrong_moves(noted: Sequence[Row]) -> list[str]:
    """Moves that may not be: illegal ones, those that don't follow on the one before, a request that changed."""
    found, stands = [], dict[int, str]()
    for move in noted:
        name, before, after = move["name"], move["from_state"], move["to_state"]
        if move["other_request"]:
            found.append(f"{name}: its request changed after it was sent")
        legal = FINAL if move["by_stream"] and before not in FINAL else LEGAL.get(before, frozenset())
        if before is not None and before != after and after not in legal:
            found.append(f"{name}: {before} became {after}")
        if stands.get(move["payment_id"], before) != before:
            found.append(f"{name}: it was {stands[move['payment_id']]}, and then {after} came of {before}")
        stands[move["payment_id"]] = after
    return found


def moves_by_name(noted: Sequence[Row]) -> dict[str, list[Row]]:
    """Each payment's moves, by its name."""
    found: dict[str, list[Row]] = {}
    for move in noted:
        found.setdefault(move["name"], []).append(move)
    return found


def told(moved: Sequence[Row], types: Sequence[str]) -> bool:
    """Was upstream told of a payment's moves, in this order, and of nothing else?"""
    return list(_to_be_told(moved)) == list(types)


def told_in_part(moved: Sequence[Row], types: Sequence[str]) -> bool:
    """The same where the database forgot some of what it told: its own moves are among it, and there is one end, which
    is that of the payment."""
    left = iter(types)
    ends = [one for one in types if one in FINAL]
    ended = [move["to_state"] for move in moved if move["to_state"] in FINAL]
    return all(one in left for one in _to_be_told(moved)) and ends[:1] == ended[-1:] and len(ends) <= 1


def _to_be_told(moved: Sequence[Row]) -> Iterator[str]:
    for move in moved:
        if move["by_stream"]:
            continue
        if move["from_state"] is None:
            yield "accepted"
        elif move["to_state"] in TOLD and move["to_state"] != move["from_state"]:
            yield move["to_state"]
