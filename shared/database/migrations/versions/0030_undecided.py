"""Indexes by which the pages of the control room find the first of very much, and what else may be the same line."""

from shared.database.concurrently import create_index, drop_index

revision = "0030"
down_revision = "0029"
half = "post"  # no process needs them: without them pages are slow where very much is open

_UNDECIDED = "WHERE hold_reason IN ('ambiguous_account', 'account_unconfirmed')"
_INDEXES = {
    "payments_undecided_at": f"payments (created_at) {_UNDECIDED}",
    "payments_undecided_sum": f"payments (currency, amount_minor DESC NULLS LAST, created_at) {_UNDECIDED}",
    "payments_open_books": "payments (books_key) WHERE books_key IS NOT NULL AND attempts > 0 AND finished_at IS NULL",
    "follow_ups_parked": "follow_ups (asked_at) WHERE state = 'parked'",
    "quarantine_first_seen": "quarantine (first_seen)",
}


def upgrade() -> None:
    for name, on in _INDEXES.items():
        create_index(name, on)


def downgrade() -> None:
    for name in _INDEXES:
        drop_index(name)
