-- What Segment's warehouse destination writes: identifies, users, tracks, one table an event, and pages.
CREATE SCHEMA site;

CREATE TABLE site.identifies (
    id text PRIMARY KEY,
    received_at timestamptz,
    sent_at timestamptz,
    timestamp timestamptz,
    original_timestamp timestamptz,
    uuid_ts timestamptz,
    anonymous_id text,
    user_id text,
    context_ip text,
    context_library_name text,
    email text,
    first_name text,
    last_name text,
    plan text,
    address_city text
);

CREATE TABLE site.users (
    id text PRIMARY KEY,
    received_at timestamptz,
    uuid_ts timestamptz,
    context_ip text,
    email text,
    first_name text,
    last_name text,
    plan text,
    orders_count bigint
);

CREATE TABLE site.tracks (
    id text PRIMARY KEY,
    received_at timestamptz,
    sent_at timestamptz,
    timestamp timestamptz,
    original_timestamp timestamptz,
    uuid_ts timestamptz,
    anonymous_id text,
    user_id text,
    context_ip text,
    event text,
    event_text text
);

CREATE TABLE site.order_completed (
    id text PRIMARY KEY,
    received_at timestamptz,
    sent_at timestamptz,
    timestamp timestamptz,
    original_timestamp timestamptz,
    uuid_ts timestamptz,
    anonymous_id text,
    user_id text,
    context_ip text,
    event text,
    event_text text,
    order_id text,
    total numeric(10, 2),
    currency text
);

CREATE TABLE site.pages (
    id text PRIMARY KEY,
    received_at timestamptz,
    anonymous_id text,
    user_id text,
    url text
);

INSERT INTO site.identifies (id, received_at, timestamp, anonymous_id, user_id, context_ip, email, first_name, plan, address_city) VALUES
    ('i-1', now() - interval '40 days', now() - interval '40 days', 'a-1', '1', '10.0.0.1', 'Ann@example.com', 'Ann', 'Free', 'Lisbon'),
    ('i-2', now() - interval '2 days', now() - interval '2 days', 'a-1', '1', '10.0.0.1', NULL, NULL, 'Team', NULL),
    ('i-3', now() - interval '9 days', now() - interval '9 days', 'a-2', '2', '10.0.0.2', 'bob@example.com', 'Bob', 'Free', NULL);

INSERT INTO site.users (id, received_at, email, first_name, last_name, plan, orders_count) VALUES
    ('1', now() - interval '2 days', 'Ann@example.com', 'Ann', 'Lee', 'Team', 3),
    ('2', now() - interval '9 days', 'bob@example.com', 'Bob', NULL, 'Free', 0);

INSERT INTO site.order_completed (id, received_at, sent_at, timestamp, anonymous_id, user_id, event, event_text, order_id, total, currency) VALUES
    ('t-1', now() - interval '3 hours', now() - interval '3 hours', now() - interval '3 hours', 'a-1', '1', 'order_completed', 'Order Completed', '5001', 99.90, 'EUR'),
    ('t-2', now() - interval '90 days', now() - interval '90 days', now() - interval '90 days', 'a-2', '2', 'order_completed', 'Order Completed', '4001', 12.50, 'EUR');

INSERT INTO site.tracks (id, received_at, sent_at, timestamp, anonymous_id, user_id, event, event_text)
    SELECT id, received_at, sent_at, timestamp, anonymous_id, user_id, event, event_text FROM site.order_completed;

INSERT INTO site.pages (id, received_at, user_id, url) VALUES ('p-1', now(), '1', 'https://example.com/');
