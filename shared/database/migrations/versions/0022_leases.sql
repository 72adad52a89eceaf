-- See shared/database/leases.py.
CREATE TABLE leases (
    name     text PRIMARY KEY,
    number   bigint NOT NULL,
    until    timestamptz NOT NULL,
    length_s double precision NOT NULL CHECK (length_s > 0)
);
CREATE TABLE lease_numbers (
    name   text PRIMARY KEY,
    number bigint NOT NULL
);
