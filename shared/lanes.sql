-- name: spend
UPDATE lanes SET rate_tokens = %(tokens)s, rate_at = clock() WHERE provider = %(provider)s

-- name: probe
UPDATE lanes SET probe_payment_id = %(payment)s, probe_follow_up_id = %(follow_up)s,
    open_until = CASE WHEN open_until IS NOT NULL THEN clock() + make_interval(secs => %(open_s)s) END,
    probe_at = CASE WHEN halted_at IS NOT NULL THEN clock() + make_interval(secs => %(halted_s)s) END
WHERE provider = %(provider)s
