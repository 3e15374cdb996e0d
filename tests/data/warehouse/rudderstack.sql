-- What RudderStack's warehouse destinations write: the same tables with some columns of their own.
CREATE SCHEMA rudder;

CREATE TABLE rudder.identifies (
    id text PRIMARY KEY,
    received_at timestamptz,
    sent_at timestamptz,
    timestamp timestamptz,
    original_timestamp timestamptz,
    uuid_ts timestamptz,
    channel text,
    anonymous_id text,
    user_id text,
    context_request_ip text,
    context_passed_ip text,
    context_traits_email text,
    firstname text,
    lastname text,
    plan text
);

CREATE TABLE rudder.tracks (
    id text PRIMARY KEY,
    received_at timestamptz,
    sent_at timestamptz,
    timestamp timestamptz,
    original_timestamp timestamptz,
    uuid_ts timestamptz,
    channel text,
    record_id text,
    anonymous_id text,
    user_id text,
    context_request_ip text,
    context_passed_ip text,
    event text,
    event_text text
);

CREATE TABLE rudder.order_completed (LIKE rudder.tracks INCLUDING ALL, order_id text, total double precision);

INSERT INTO rudder.identifies (id, received_at, sent_at, timestamp, channel, anonymous_id, user_id, context_request_ip, context_traits_email, firstname, plan) VALUES
    ('i-1', now() - interval '4 days', now() - interval '4 days', now() - interval '4 days', 'web', 'a-1', '1', '10.0.0.1', 'cleo@example.com', 'Cleo', 'Team'),
    ('i-2', now() - interval '3 days', now() - interval '3 days', now() - interval '3 days', 'server', 'a-2', '2', '10.0.0.2', 'dan@example.com', 'Dan', 'Free');

INSERT INTO rudder.order_completed (id, received_at, sent_at, timestamp, channel, anonymous_id, user_id, event, event_text, order_id, total) VALUES
    ('t-1', now() - interval '2 hours', now() - interval '2 hours', now() - interval '2 hours', 'web', 'a-1', NULL, 'order_completed', 'Order Completed', '7001', 20.5),
    ('t-2', now() - interval '200 hours', now() - interval '200 hours', now() - interval '200 hours', 'server', 'a-2', '2', 'order_completed', 'Order Completed', '7002', 8);

INSERT INTO rudder.tracks (id, received_at, sent_at, timestamp, channel, anonymous_id, user_id, event, event_text)
    SELECT id, received_at, sent_at, timestamp, channel, anonymous_id, user_id, event, event_text FROM rudder.order_completed;
