-- name: forget
UPDATE reconciliations SET forgotten = true
WHERE provider = %(provider)s AND state = 'done' AND NOT forgotten
    AND finished_at < clock() - make_interval(days => %(days)s)
