CREATE TABLE public.anonymous_ids (
    anonymous_id text NOT NULL,
    user_id text
);
CREATE TABLE public.attribute_notes (
    kind text NOT NULL,
    name text NOT NULL,
    detail text NOT NULL,
    noted_at double precision NOT NULL
);
CREATE TABLE public.cancellations (
    who text NOT NULL,
    event text NOT NULL,
    "time" double precision NOT NULL
);
CREATE TABLE public.contacts (
    email text NOT NULL,
    status text NOT NULL,
    revision integer NOT NULL,
    changed_at double precision NOT NULL,
    sent bytea,
    sent_lists text DEFAULT '[]'::text NOT NULL,
    synced_at double precision,
    refused bytea,
    reason text,
    attempts integer DEFAULT 0 NOT NULL,
    not_before double precision DEFAULT '0'::double precision NOT NULL,
    tried bytea,
    tried_until double precision DEFAULT '0'::double precision NOT NULL,
    lease text,
    leased_until double precision DEFAULT '0'::double precision NOT NULL
);
CREATE TABLE public.facts (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.forgotten (
    mark bytea NOT NULL
);
CREATE TABLE public.kept_properties (
    who text NOT NULL,
    prefix text NOT NULL,
    "time" double precision NOT NULL,
    properties text NOT NULL
);
CREATE TABLE public.messages (
    message bytea NOT NULL
);
CREATE TABLE public.people (
    user_id text NOT NULL,
    email text,
    identified_at double precision NOT NULL,
    deleted_at double precision,
    fingerprints text NOT NULL,
    traits text NOT NULL
);
CREATE TABLE public.rejected (
    id bigint NOT NULL,
    fingerprint bytea NOT NULL,
    stream text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    record text NOT NULL,
    rejected_at double precision NOT NULL
);
CREATE SEQUENCE public.rejected_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.rejected_id_seq OWNED BY public.rejected.id;
CREATE TABLE public.request_clock (
    id integer NOT NULL,
    next_at double precision NOT NULL,
    rate double precision NOT NULL,
    rated_at double precision NOT NULL,
    held_until double precision NOT NULL
);
CREATE TABLE public.request_days (
    day bigint NOT NULL,
    requests bigint NOT NULL,
    rate_limited bigint NOT NULL
);
CREATE TABLE public.request_seconds (
    second bigint NOT NULL,
    requests integer NOT NULL
);
CREATE TABLE public.runs (
    id bigint NOT NULL,
    command text NOT NULL,
    started_at double precision NOT NULL,
    finished_at double precision,
    exit_status integer,
    problem text,
    summary text
);
CREATE SEQUENCE public.runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.runs_id_seq OWNED BY public.runs.id;
CREATE TABLE public.surveys (
    id bigint NOT NULL,
    message bytea NOT NULL,
    stream text NOT NULL,
    event text NOT NULL,
    campaign_id bigint NOT NULL,
    message_id text NOT NULL,
    user_id text,
    anonymous_id text,
    email text,
    event_at double precision NOT NULL,
    due_at double precision NOT NULL,
    properties text,
    status text NOT NULL,
    reason text,
    created_at double precision NOT NULL,
    settled_at double precision,
    claimed_email text,
    claimed_user_id text,
    claimed_at double precision,
    request text,
    request_form bytea,
    unanswered integer DEFAULT 0 NOT NULL,
    withdrawn text,
    lease text,
    leased_until double precision DEFAULT '0'::double precision NOT NULL
);
CREATE SEQUENCE public.surveys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.surveys_id_seq OWNED BY public.surveys.id;
CREATE TABLE public.throttles (
    who text NOT NULL,
    surveyed_at double precision,
    survey_id bigint
);
ALTER TABLE ONLY public.rejected ALTER COLUMN id SET DEFAULT nextval('public.rejected_id_seq'::regclass);
ALTER TABLE ONLY public.runs ALTER COLUMN id SET DEFAULT nextval('public.runs_id_seq'::regclass);
ALTER TABLE ONLY public.surveys ALTER COLUMN id SET DEFAULT nextval('public.surveys_id_seq'::regclass);
INSERT INTO public.anonymous_ids VALUES ('anon-3', '3');
INSERT INTO public.cancellations VALUES ('u:5', 'ticketreopened', 1749996400);
INSERT INTO public.contacts VALUES ('bob@example.com', 'pending', 2, 1750000000, NULL, '[]', NULL, NULL, NULL, 0, 0, NULL, 0, NULL, 0);
INSERT INTO public.contacts VALUES ('cy@old.example', 'unowned', 2, 1750000000, NULL, '[]', NULL, NULL, NULL, 0, 0, NULL, 0, NULL, 0);
INSERT INTO public.contacts VALUES ('ann@example.com', 'synced', 2, 1750000000, '\xf3d9f6f8da8655cdcbd12f067d8e6dd1', '[5,6]', 1750000003, NULL, NULL, 0, 0, '\xf3d9f6f8da8655cdcbd12f067d8e6dd1', 0, NULL, 0);
INSERT INTO public.contacts VALUES ('eve@example.com', 'synced', 1, 1750000000, '\x2690bf97a7aff04dc0fe5df20edade01', '[]', 1750000003, NULL, NULL, 0, 0, '\x2690bf97a7aff04dc0fe5df20edade01', 0, NULL, 0);
INSERT INTO public.contacts VALUES ('dee@example.com', 'refused', 2, 1750000000, NULL, '[]', NULL, '\x433598e705c46bfa53cee2debdc179b4', 'Promoter''s words', 0, 0, '\x12a190f7be25fbb77cbe8e25ceb3a6a5', 0, NULL, 0);
INSERT INTO public.contacts VALUES ('cy@example.com', 'synced', 1, 1750000000, '\x76d4ce3192dd5ae4115c4ee204063957', '[]', 1750000005, NULL, NULL, 0, 0, '\x76d4ce3192dd5ae4115c4ee204063957', 0, NULL, 0);
INSERT INTO public.contacts VALUES ('gus@example.com', 'pending', 2, 1750000000, '\x2e66bc84c2efe83b0d2541b17be4c1a8', '[]', 1750000005, NULL, NULL, 0, 0, '\x2e66bc84c2efe83b0d2541b17be4c1a8', 0, NULL, 0);
INSERT INTO public.facts VALUES ('schema_version', '1');
INSERT INTO public.facts VALUES ('created_at', '1749136000.0');
INSERT INTO public.facts VALUES ('salt', 'c4f137b4b359ab52cc79b67edd6f807f');
INSERT INTO public.facts VALUES ('api_url', 'https://promoter.example/api');
INSERT INTO public.facts VALUES ('key_mark', '1ea1f2102ac49ae9e9081f7017d6afd3bddd546017541ccc9b96bc60c6972f5b');
INSERT INTO public.facts VALUES ('schema:calls', '{"schema":{"type":"object","properties":{"messageId":{"type":"string"}}},"key_properties":["messageId"]}');
INSERT INTO public.forgotten VALUES ('\x3b0731ddd7df2adeba732242fd4b29ef');
INSERT INTO public.forgotten VALUES ('\xdd7c69841d17f2eeb0b06f05e4a559b6');
INSERT INTO public.kept_properties VALUES ('u:77', 'order_completed', 1749996400, '{"total":77}');
INSERT INTO public.kept_properties VALUES ('a:anon-9', 'order_completed', 1749996400, '{"total":9}');
INSERT INTO public.messages VALUES ('\x0e0a52221dec330bc65c0e1c3bf6e849');
INSERT INTO public.messages VALUES ('\x294ae87b48fd4fad408cb2d87efec666');
INSERT INTO public.messages VALUES ('\x2f244577febd5fef9806abe57871e233');
INSERT INTO public.messages VALUES ('\x38f8d60cacd3bce450dbb22ff083fe31');
INSERT INTO public.messages VALUES ('\x7bcc3c22006449d97cf930201ab4a59b');
INSERT INTO public.messages VALUES ('\xabb93c8b25930c8b7316948d93513494');
INSERT INTO public.messages VALUES ('\xc3d5bc6e5af02cf74aad434773ffc5a3');
INSERT INTO public.people VALUES ('5', 'eve@example.com', 1749996400, NULL, '{"calls":"f0a7d8dba25f874a1b23fa3eedb43566"}', '{"email":["eve@example.com",1749996400.0],"names":{},"traits":{},"stored":{},"contact_lists":{},"dated_at":1749996400.0,"undated":[]}');
INSERT INTO public.people VALUES ('9', NULL, 1749996400, NULL, '{"calls":"877c8f36b7094697294b3dddc0afbe10"}', '{"email":null,"names":{},"traits":{"plan":["waits for an address",1749996400.0]},"stored":{},"contact_lists":{},"dated_at":1749996400.0,"undated":[]}');
INSERT INTO public.people VALUES ('3', 'cy@example.com', 1749989200, NULL, '{"calls":"26a5be134bb0f4672afa3af956939577"}', '{"email":["cy@example.com",1749989200.0],"names":{},"traits":{},"stored":{},"contact_lists":{},"dated_at":1749989200.0,"undated":[]}');
INSERT INTO public.people VALUES ('1', 'ann@example.com', 1750000000, NULL, '{"customers":"eff0f206fe6ebdc5f9c249f57e578e16","members":"b50d0434b7673b9aff8af529bf3ea9bb"}', '{"email":["ann@example.com",1750000000.0],"names":{"first_name":["Ann",1750000000.0]},"traits":{"plan":["gold",1750000000.0],"score":[12.5,1750000000.0]},"stored":{"order_completed":[{"total":10.5},1749996400.0]},"contact_lists":{"5":1750000000.0,"6":1749820000.0},"dated_at":1749820000.0,"undated":[1750000000.0]}');
INSERT INTO public.people VALUES ('2', 'bob@example.com', 1750000000, NULL, '{"customers":"be28e9caf4eedb8c86a08978dfe70bfd"}', '{"email":["bob@example.com",1750000000.0],"names":{"first_name":["Bob",1750000000.0]},"traits":{},"stored":{"order_completed":[{"total":20},1749996400.0]},"contact_lists":{"5":1750000000.0},"dated_at":0.0,"undated":[1750000000.0]}');
INSERT INTO public.people VALUES ('4', 'dee@example.com', 1749996400, NULL, '{"calls":"32d67a378ff42d1990ae4937159f31d9"}', '{"email":["dee@example.com",1749996400.0],"names":{},"traits":{},"stored":{"order_completed":[{"total":40},1749996400.0]},"contact_lists":{},"dated_at":1749996400.0,"undated":[]}');
INSERT INTO public.people VALUES ('7', NULL, 1749996400, 1750000000, '{"calls":"d11b3265197d00a0d38b1b1aee81c863","customers":"deleted 1750000000.0"}', '{"email":null,"names":{},"traits":{},"stored":{},"contact_lists":{},"dated_at":1749996400.0,"undated":[]}');
INSERT INTO public.rejected VALUES (1, '\xabc6db8b6db9afaa18f85cdef01ef362', 'customers', 'identify', 'no usable e-mail address', '{"id":8,"email":"no address"}', 1750000000);
INSERT INTO public.request_clock VALUES (1, 1750000004.3045685, 209, 1750000090, 1750000090);
INSERT INTO public.request_days VALUES (20254, 209, 0);
INSERT INTO public.request_seconds VALUES (1750000001, 3);
INSERT INTO public.request_seconds VALUES (1750000003, 3);
INSERT INTO public.request_seconds VALUES (1750000005, 3);
INSERT INTO public.request_seconds VALUES (1750000050, 200);
INSERT INTO public.runs VALUES (1, 'sync', 1749999940, 1750000060, 0, NULL, '{"identify":{"read":12,"changed":8,"unchanged":0,"merged":1,"waiting":1,"deleted":1,"blocked":0,"rejected":1},"track":{"read":8,"queued":3,"waiting":4,"stored":0,"duplicate":0,"stale":0,"unmatched":1,"deleted":0,"blocked":0,"rejected":0},"ignored":0,"contacts":{"synced":0,"removed":0,"refused":0,"pending":0,"waiting":0},"surveys":{"sent":0,"presumed":0,"throttled":0,"withheld":0,"refused":0,"expired":0,"cancelled":0,"uncertain":0,"pending":0,"waiting":0},"api":{"requests":0,"retries":0,"rate_limited":0},"sandbox":false,"dry_run":false,"seconds":60.0}');
INSERT INTO public.surveys VALUES (4, '\xabb93c8b25930c8b7316948d93513494', 'calls', 'Order Completed', 78, 'o-77', '77', NULL, NULL, 1749996400, 1749996400, '{"total":77}', 'waiting', NULL, 1750000000, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (5, '\x0e0a52221dec330bc65c0e1c3bf6e849', 'calls', 'Ticket Closed', 91, 't-3', '3', NULL, NULL, 1749996400, 1750082800, '{}', 'queued', NULL, 1750000000, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (6, '\xc3d5bc6e5af02cf74aad434773ffc5a3', 'calls', 'Ticket Closed', 91, 't-anonymous', NULL, 'anon-7', NULL, 1749996400, 1750082800, '{}', 'waiting', NULL, 1750000000, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (7, '\x294ae87b48fd4fad408cb2d87efec666', 'calls', 'Order Completed', 78, 'o-anonymous', NULL, 'anon-9', NULL, 1749996400, 1749996400, '{"total":9}', 'waiting', NULL, 1750000000, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (1, '\x38f8d60cacd3bce450dbb22ff083fe31', 'calls', 'Order Completed', 78, 'o-1', '1', NULL, NULL, 1749996400, 1749996400, '{"total":10.5}', 'sent', NULL, 1750000000, 1750000001, 'ann@example.com', '1', 1750000000, '{"campaign_id":78,"contact":{"email":"ann@example.com","first_name":"Ann","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"10.5","plan":"gold","score":"12.5","user_id":"1"}},"attributes":{"total":10.5}}', '\xf3d9f6f8da8655cdcbd12f067d8e6dd1', 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (3, '\x2f244577febd5fef9806abe57871e233', 'calls', 'Order Completed', 78, 'o-4', '4', NULL, NULL, 1749996400, 1749996400, '{"total":40}', 'refused', 'Promoter''s words', 1750000000, 1750000001, 'dee@example.com', '4', 1750000000, '{"campaign_id":78,"contact":{"email":"dee@example.com","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"40","user_id":"4"}},"attributes":{"total":40}}', '\x12a190f7be25fbb77cbe8e25ceb3a6a5', 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (2, '\x7bcc3c22006449d97cf930201ab4a59b', 'calls', 'Order Completed', 78, 'o-2', '2', NULL, NULL, 1749996400, 1749996400, '{"total":20}', 'claimed', NULL, 1750000000, NULL, 'bob@example.com', '2', 1750000000, '{"campaign_id":78,"contact":{"email":"bob@example.com","first_name":"Bob","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"20","user_id":"2"}},"attributes":{"total":20}}', '\x454d875441904338463a2bb6e7f0df49', 1, NULL, 'vm:27025:18fa55d7-1', 1750000061);
INSERT INTO public.throttles VALUES ('e:bob@example.com', NULL, 2);
INSERT INTO public.throttles VALUES ('u:2', NULL, 2);
INSERT INTO public.throttles VALUES ('e:ann@example.com', 1750000001, NULL);
INSERT INTO public.throttles VALUES ('u:1', 1750000001, NULL);
INSERT INTO public.throttles VALUES ('e:dee@example.com', NULL, NULL);
INSERT INTO public.throttles VALUES ('u:4', NULL, NULL);
SELECT pg_catalog.setval('public.rejected_id_seq', 1, true);
SELECT pg_catalog.setval('public.runs_id_seq', 1, true);
SELECT pg_catalog.setval('public.surveys_id_seq', 7, true);
ALTER TABLE ONLY public.anonymous_ids
    ADD CONSTRAINT anonymous_ids_pkey PRIMARY KEY (anonymous_id);
ALTER TABLE ONLY public.attribute_notes
    ADD CONSTRAINT attribute_notes_pkey PRIMARY KEY (kind, name, detail);
ALTER TABLE ONLY public.cancellations
    ADD CONSTRAINT cancellations_pkey PRIMARY KEY (who, event);
ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (email);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT facts_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.forgotten
    ADD CONSTRAINT forgotten_pkey PRIMARY KEY (mark);
ALTER TABLE ONLY public.kept_properties
    ADD CONSTRAINT kept_properties_pkey PRIMARY KEY (who, prefix);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (message);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY public.rejected
    ADD CONSTRAINT rejected_fingerprint_key UNIQUE (fingerprint);
ALTER TABLE ONLY public.rejected
    ADD CONSTRAINT rejected_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.request_clock
    ADD CONSTRAINT request_clock_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.request_days
    ADD CONSTRAINT request_days_pkey PRIMARY KEY (day);
ALTER TABLE ONLY public.request_seconds
    ADD CONSTRAINT request_seconds_pkey PRIMARY KEY (second);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.surveys
    ADD CONSTRAINT surveys_message_key UNIQUE (message);
ALTER TABLE ONLY public.surveys
    ADD CONSTRAINT surveys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.throttles
    ADD CONSTRAINT throttles_pkey PRIMARY KEY (who);
CREATE INDEX anonymous_ids_user_id ON public.anonymous_ids USING btree (user_id);
CREATE INDEX contacts_refused ON public.contacts USING btree (status) WHERE (status = 'refused'::text);
CREATE INDEX contacts_undelivered ON public.contacts USING btree (changed_at, status) WHERE (status = ANY (ARRAY['pending'::text, 'removing'::text]));
CREATE INDEX people_email ON public.people USING btree (email);
CREATE INDEX rejected_at ON public.rejected USING btree (rejected_at);
CREATE INDEX surveys_anonymous_id ON public.surveys USING btree (anonymous_id) WHERE (anonymous_id IS NOT NULL);
CREATE INDEX surveys_claimed_email ON public.surveys USING btree (claimed_email) WHERE (claimed_email IS NOT NULL);
CREATE INDEX surveys_email ON public.surveys USING btree (email) WHERE (email IS NOT NULL);
CREATE INDEX surveys_settled_at ON public.surveys USING btree (settled_at) WHERE (settled_at IS NOT NULL);
CREATE INDEX surveys_status ON public.surveys USING btree (status, due_at, campaign_id);
CREATE INDEX surveys_user_id ON public.surveys USING btree (user_id);
