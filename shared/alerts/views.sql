-- name: listed
SELECT name, subject, utc_text(raised_at) AS raised_at, utc_text(seen_at) AS seen_at,
    utc_text(cleared_at) AS cleared_at, figures
FROM alerts WHERE (%(everything)s OR cleared_at IS NULL) ORDER BY raised_at, id
