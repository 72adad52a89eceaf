-- name: keep
INSERT INTO people_forms (token, name) VALUES (%(token)s, %(name)s) ON CONFLICT DO NOTHING
