-- A shop's own database: plain tables that say nothing of Segment.
CREATE SCHEMA shop;

CREATE TABLE shop.customers (
    id integer PRIMARY KEY,
    email text NOT NULL,
    full_name text,
    plan text,
    password_hash text,
    discount numeric(10, 2),
    updated_at timestamptz NOT NULL
);

CREATE TABLE shop.orders (
    id bigint PRIMARY KEY,
    customer_id integer NOT NULL,
    status text NOT NULL,
    total numeric(10, 2),
    shipped_at timestamptz,
    updated_at timestamptz NOT NULL
);

INSERT INTO shop.customers VALUES
    (1, 'ann@example.com', 'Ann Lee', 'Team', 'x1', 0.10, now() - interval '20 days'),
    (2, 'bob@example.com', 'Bob', 'Free', 'x2', NULL, now() - interval '10 days'),
    (3, 'cleo@example.org', 'Cleo Ray', NULL, 'x3', 12.5, now() - interval '5 days');

INSERT INTO shop.orders VALUES
    (501, 1, 'shipped', 99.90, now() - interval '170 minutes', now() - interval '170 minutes'),
    (502, 2, 'shipped', 20.00, now() - interval '40 days', now() - interval '40 days'),
    (503, 3, 'shipped', 45.50, now() - interval '2 hours', now() - interval '2 hours'),
    (504, 2, 'open', 7.25, NULL, now() - interval '1 hours');
