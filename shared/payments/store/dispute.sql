-- name: find
SELECT p.state, p.provider, p.resend_safe,
    (SELECT count(*) FROM attempts a WHERE a.payment_id = p.id
     AND (a.meaning = 'succeeded' OR a.number = %(succeeded)s)) AS successes
FROM payments p WHERE p.id = %(id)s FOR UPDATE
