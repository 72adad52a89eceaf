"""What may have been applied is looked at before anything is sent again."""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"

_BACK = """
DROP TRIGGER a_legal ON payments;
CREATE TRIGGER a_legal BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND OLD.state || '>' || NEW.state <> ALL (ARRAY[
        'accepted>dispatched', 'accepted>refused', 'accepted>cancelled', 'accepted>succeeded',
        'dispatched>sending', 'dispatched>cancelled', 'dispatched>succeeded',
        'sending>succeeded', 'sending>refused', 'sending>waiting', 'sending>unknown',
        'waiting>dispatched', 'waiting>parked', 'waiting>cancelled', 'waiting>succeeded',
        'unknown>sending', 'unknown>refused', 'unknown>parked', 'unknown>succeeded',
        'parked>succeeded', 'parked>refused', 'parked>waiting', 'parked>unknown'])
        OR NEW.state = 'cancelled' AND OLD.possibly_sent
        OR OLD.body IS NOT NULL AND OLD.attempts > 0 AND (NEW.body, NEW.path) IS DISTINCT FROM (OLD.body, OLD.path)
        OR (NEW.id, NEW.source, NEW.intent_id, NEW.provider, NEW.operation, NEW.amount_minor, NEW.currency,
            NEW.sent_reference) IS DISTINCT FROM
           (OLD.id, OLD.source, OLD.intent_id, OLD.provider, OLD.operation, OLD.amount_minor, OLD.currency,
            OLD.sent_reference))
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE FUNCTION lane_stops() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE runs boolean \\:= NEW.paused_at IS NULL AND NEW.halted_at IS NULL AND NEW.open_until IS NULL;
BEGIN
    IF runs AND OLD.stopped_at IS NOT NULL THEN
        NEW.stopped_for \\:= OLD.stopped_for + (clock() - OLD.stopped_at);
        NEW.stopped_at \\:= NULL;
        NEW.probe_payment_id \\:= NULL;
        NEW.resumed \\:= true;
    ELSIF NOT runs AND OLD.stopped_at IS NULL THEN
        NEW.stopped_at \\:= clock();
    END IF;
    RETURN NEW;
END $$;
ALTER TABLE lanes DROP COLUMN halted_by_send, DROP COLUMN probe_follow_up_id;
ALTER TABLE follow_ups DROP COLUMN unasked;
ALTER TABLE archive.follow_ups DROP COLUMN unasked;
DROP FUNCTION ever_doubtful(bigint, integer);
DROP FUNCTION ever_sent(bigint, integer);
ALTER TABLE attempts DROP COLUMN token;
ALTER TABLE archive.attempts DROP COLUMN token;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK)
