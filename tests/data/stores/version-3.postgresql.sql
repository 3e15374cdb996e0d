SELECT pg_catalog.set_config('search_path', '', false);
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
    matched text NOT NULL,
    "time" double precision NOT NULL
);
CREATE TABLE public.contacts (
    email text NOT NULL,
    user_id text,
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
CREATE TABLE public.events (
    day bigint NOT NULL,
    name text NOT NULL,
    outcome text NOT NULL,
    number bigint NOT NULL,
    first_at double precision NOT NULL,
    last_at double precision NOT NULL,
    counted_at double precision NOT NULL
);
CREATE TABLE public.facts (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.forgotten (
    who bytea NOT NULL,
    forgotten_at double precision
);
CREATE TABLE public.kept_properties (
    who text NOT NULL,
    stream text NOT NULL,
    prefix text NOT NULL,
    "time" double precision NOT NULL,
    properties text NOT NULL
);
CREATE TABLE public.messages (
    message bytea NOT NULL
);
CREATE TABLE public.not_surveyed (
    who text NOT NULL,
    campaign_id bigint NOT NULL,
    event text NOT NULL,
    event_at double precision NOT NULL,
    reason text NOT NULL
);
CREATE TABLE public.people (
    user_id text NOT NULL,
    email text,
    identified_at double precision NOT NULL,
    deleted_at double precision,
    fingerprints text NOT NULL,
    parts text NOT NULL
);
CREATE TABLE public.people_rows (
    "row" bytea NOT NULL,
    user_id text NOT NULL
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
    paused_until double precision NOT NULL
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
CREATE TABLE public.request_workers (
    name text NOT NULL,
    seen_at double precision NOT NULL
);
CREATE TABLE public.runs (
    id bigint NOT NULL,
    command text NOT NULL,
    started_at double precision NOT NULL,
    finished_at double precision,
    exit_status integer,
    problem text,
    summary text,
    settings text
);
CREATE SEQUENCE public.runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.runs_id_seq OWNED BY public.runs.id;
CREATE TABLE public.streams (
    name text NOT NULL,
    schema text,
    reading text,
    read_at double precision
);
CREATE TABLE public.surveys (
    id bigint NOT NULL,
    message bytea NOT NULL,
    occurrence bytea,
    row_key bytea,
    stream text NOT NULL,
    event text NOT NULL,
    canonical text DEFAULT ''::text NOT NULL,
    campaign_id bigint NOT NULL,
    message_id text NOT NULL,
    user_id text,
    anonymous_id text,
    email text,
    event_at double precision NOT NULL,
    due_at double precision NOT NULL,
    first_due_at double precision DEFAULT '0'::double precision NOT NULL,
    properties text,
    more text,
    matches text,
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
INSERT INTO public.cancellations VALUES ('u:5', 'ticketreopened', '', 1749996400);
INSERT INTO public.contacts VALUES ('bob@example.com', '2', 'pending', 2, 1750000000, NULL, '[]', NULL, NULL, NULL, 0, 0, NULL, 0, NULL, 0);
INSERT INTO public.contacts VALUES ('cy@old.example', '3', 'unowned', 2, 1750000000, NULL, '[]', NULL, NULL, NULL, 0, 0, NULL, 0, NULL, 0);
INSERT INTO public.contacts VALUES ('ann@example.com', '1', 'synced', 3, 1750000000, '\xf3d9f6f8da8655cdcbd12f067d8e6dd1', '[5,6]', 1750000003, NULL, NULL, 0, 0, '\xf3d9f6f8da8655cdcbd12f067d8e6dd1', 0, NULL, 0);
INSERT INTO public.contacts VALUES ('eve@example.com', '5', 'synced', 1, 1750000000, '\x2690bf97a7aff04dc0fe5df20edade01', '[]', 1750000003, NULL, NULL, 0, 0, '\x2690bf97a7aff04dc0fe5df20edade01', 0, NULL, 0);
INSERT INTO public.contacts VALUES ('dee@example.com', '4', 'refused', 2, 1750000003, NULL, '[]', NULL, '\x433598e705c46bfa53cee2debdc179b4', 'Promoter''s words', 0, 0, '\x12a190f7be25fbb77cbe8e25ceb3a6a5', 0, NULL, 0);
INSERT INTO public.contacts VALUES ('cy@example.com', '3', 'synced', 1, 1750000000, '\x76d4ce3192dd5ae4115c4ee204063957', '[]', 1750000005, NULL, NULL, 0, 0, '\x76d4ce3192dd5ae4115c4ee204063957', 0, NULL, 0);
INSERT INTO public.contacts VALUES ('gus@example.com', '7', 'pending', 2, 1750000000, '\x2e66bc84c2efe83b0d2541b17be4c1a8', '[]', 1750000005, NULL, NULL, 0, 0, '\x2e66bc84c2efe83b0d2541b17be4c1a8', 0, NULL, 0);
INSERT INTO public.events VALUES (20254, 'Order Completed', 'queued', 3, 1749996400, 1749996400, 1750000000);
INSERT INTO public.events VALUES (20254, 'Order Completed', 'waiting', 2, 1749996400, 1749996400, 1750000000);
INSERT INTO public.events VALUES (20254, 'Ticket Closed', 'waiting', 2, 1749996400, 1749996400, 1750000000);
INSERT INTO public.events VALUES (20254, 'Ticket Reopened', 'stored', 1, 1749996400, 1749996400, 1750000000);
INSERT INTO public.facts VALUES ('schema_version', '3');
INSERT INTO public.facts VALUES ('created_at', '1749136000.0');
INSERT INTO public.facts VALUES ('salt', '8150e3b2052db72aba90fe95b099fb5e');
INSERT INTO public.facts VALUES ('hard_delete', 'false');
INSERT INTO public.facts VALUES ('contact_lists', '[]');
INSERT INTO public.facts VALUES ('campaign:ordercompleted', '{"campaign_id":78,"delay_hours":0.0,"hours":"None","paused":false,"cancel_on":[]}');
INSERT INTO public.facts VALUES ('campaign:ticketclosed', '{"campaign_id":91,"delay_hours":24.0,"hours":"None","paused":false,"cancel_on":[["ticketreopened",null]]}');
INSERT INTO public.facts VALUES ('api_url', 'https://promoter.example/api');
INSERT INTO public.facts VALUES ('key_mark', '2d6ed589487fb2af9d5752054b577901d4bc74a470877eb18943680f551fd0e6');
INSERT INTO public.forgotten VALUES ('\xbd1f0d27f8204584fda97302608f52b9', 1750000000);
INSERT INTO public.forgotten VALUES ('\xe197e0464aca11f5960e36e141d148c9', 1750000000);
INSERT INTO public.kept_properties VALUES ('u:77', 'calls', 'order_completed', 1749996400, '{"total":77}');
INSERT INTO public.kept_properties VALUES ('a:anon-9', 'calls', 'order_completed', 1749996400, '{"total":9}');
INSERT INTO public.messages VALUES ('\x03fba8fa7d96e32bfe2560cd141eec23');
INSERT INTO public.messages VALUES ('\x258d5cf38823c140e1eb683622360f28');
INSERT INTO public.messages VALUES ('\x388ffd17e48f75b0b3606e3896c8d5c1');
INSERT INTO public.messages VALUES ('\x44fceb253524fec2560c23aeb63621eb');
INSERT INTO public.messages VALUES ('\x4d438b6d1f9bc75cf80841d283e601aa');
INSERT INTO public.messages VALUES ('\x65d1acad0771fb4973865b6461f6dcb2');
INSERT INTO public.messages VALUES ('\x78269f428b3a441b228f65ad058bae45');
INSERT INTO public.messages VALUES ('\x7c02a98c4dca38184485038afe5c2099');
INSERT INTO public.messages VALUES ('\x8beb78b7ca712e9ff61f530cf1ff6dd0');
INSERT INTO public.messages VALUES ('\xa1ae9fe158bc94a95411852be8d92ba0');
INSERT INTO public.messages VALUES ('\xae4d3b1c742e5d649cc31d49b6dd66a4');
INSERT INTO public.messages VALUES ('\xc041d8c7f855296002d515d17e694128');
INSERT INTO public.messages VALUES ('\xc80b6f682d480ceac424af82b2c217a7');
INSERT INTO public.messages VALUES ('\xd5dc1735207bf51f58cc6747b7d71480');
INSERT INTO public.people VALUES ('5', 'eve@example.com', 1749996400, NULL, '{"calls":"a8b4ca6312d1be4de53ed4cdbd5cba31"}', '{"calls":{"time":1749996400.0,"email":"eve@example.com","email_at":1749996400.0}}');
INSERT INTO public.people VALUES ('9', NULL, 1749996400, NULL, '{"calls":"a2611db1b19c1df93d943cf66d71dedf"}', '{"calls":{"time":1749996400.0,"traits":[{"plan":"waits for an address"},1749996400.0,{}]}}');
INSERT INTO public.people VALUES ('3', 'cy@example.com', 1749989200, NULL, '{"calls":"3b5084ec82ad2bfe4d59ed92e888e52b"}', '{"calls":{"time":1749989200.0,"email":"cy@example.com","email_at":1749989200.0}}');
INSERT INTO public.people VALUES ('1', 'ann@example.com', 1750000000, NULL, '{"customers":"423ad6a54cd7f1059d945d6d19240f2d","members":"478be3b539583b6163b6b3f9a1d7f2da"}', '{"customers":{"time":1750000000.0,"dated":false,"email":"ann@example.com","email_at":1750000000.0,"names":[{"first_name":"Ann"},1750000000.0,{}],"traits":[{"plan":"gold","score":12.5},1750000000.0,{}],"contact_lists":[5]},"members":{"time":1749820000.0,"email":"ann@example.com","email_at":1749820000.0,"traits":[{"plan":"silver"},1749820000.0,{}],"contact_lists":[6]},"calls":{"events":{"order_completed":[{"total":10.5},1749996400.0]}}}');
INSERT INTO public.people VALUES ('2', 'bob@example.com', 1750000000, NULL, '{"customers":"485ffdf623e8752269b8c563c77081ed"}', '{"customers":{"time":1750000000.0,"dated":false,"email":"bob@example.com","email_at":1750000000.0,"names":[{"first_name":"Bob"},1750000000.0,{}],"contact_lists":[5]},"calls":{"events":{"order_completed":[{"total":20},1749996400.0]}}}');
INSERT INTO public.people VALUES ('4', 'dee@example.com', 1749996400, NULL, '{"calls":"960a3fbfa29ae2e3787165314b0a54ec"}', '{"calls":{"time":1749996400.0,"email":"dee@example.com","email_at":1749996400.0,"events":{"order_completed":[{"total":40},1749996400.0]}}}');
INSERT INTO public.people VALUES ('7', NULL, 0, 1750000000, '{"calls":"a89ca9f00dbc15a115bd776d9bf6307f","customers":"deleted 1750000000.0"}', '{}');
INSERT INTO public.rejected VALUES (1, '\xabc6db8b6db9afaa18f85cdef01ef362', 'customers', 'identify', 'no usable e-mail address', '{"id":8,"email":"no address"}', 1750000000);
INSERT INTO public.request_clock VALUES (1, 1750000004.3045685, 209, 1750000090, 1750000090);
INSERT INTO public.request_days VALUES (20254, 209, 0);
INSERT INTO public.request_seconds VALUES (1750000001, 3);
INSERT INTO public.request_seconds VALUES (1750000003, 3);
INSERT INTO public.request_seconds VALUES (1750000005, 3);
INSERT INTO public.request_seconds VALUES (1750000050, 200);
INSERT INTO public.request_workers VALUES ('vm:23208:11950a46-0', 1750000004);
INSERT INTO public.runs VALUES (1, 'sync', 1749999940, 1750000060, 0, NULL, '{"identify":{"read":12,"changed":9,"unchanged":0,"merged":0,"waiting":1,"deleted":1,"blocked":0,"rejected":1},"track":{"read":8,"queued":3,"waiting":4,"stored":1,"duplicate":0,"stale":0,"unmatched":0,"deleted":0,"blocked":0,"rejected":0},"ignored":0,"contacts":{"synced":0,"removed":0,"refused":0,"pending":0,"waiting":0},"surveys":{"sent":0,"presumed":0,"throttled":0,"withheld":0,"refused":0,"expired":0,"cancelled":0,"uncertain":0,"pending":0,"waiting":0},"api":{"requests":0,"retries":0,"rate_limited":0},"sandbox":false,"dry_run":false,"seconds":60.0}', NULL);
INSERT INTO public.streams VALUES ('customers', NULL, '{"type":"identify","shape":"plain","traits":null,"contact_lists":[5],"digest":"1543ba6dccab43787723ce0063e9bb17","pattern":"customers","fields":{"user_id":["id"]},"stored_events":["order_completed"]}', 1750000000);
INSERT INTO public.streams VALUES ('members', NULL, '{"type":"identify","shape":"plain","traits":null,"contact_lists":[6],"digest":"00d642695627076925089386b7cc9f19","pattern":"members","fields":{"user_id":["id"],"timestamp":["updated_at"]},"stored_events":["order_completed"]}', 1750000000);
INSERT INTO public.streams VALUES ('calls', '{"schema":{"type":"object","properties":{"messageId":{"type":"string"}}},"key_properties":["messageId"]}', '{"type":"segment","shape":"raw calls","traits":null,"contact_lists":[],"digest":"12a86edef0cb542cdcc8f76b509ffc45","pattern":"","fields":{},"stored_events":["order_completed"]}', 1750000000);
INSERT INTO public.surveys VALUES (4, '\xc80b6f682d480ceac424af82b2c217a7', '\x65d1acad0771fb4973865b6461f6dcb2', '\x2c1fdc9754f52ec51a63ca82b83323a6', 'calls', 'Order Completed', 'ordercompleted', 78, 'o-77', '77', NULL, NULL, 1749996400, 1749996400, 1749996400, '{"total":77}', NULL, NULL, 'waiting', NULL, 1750000000, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (5, '\x03fba8fa7d96e32bfe2560cd141eec23', '\x4d438b6d1f9bc75cf80841d283e601aa', '\xddeb044b7caa9fe00a240546a876de64', 'calls', 'Ticket Closed', 'ticketclosed', 91, 't-3', '3', NULL, NULL, 1749996400, 1750082800, 1750082800, '{}', NULL, NULL, 'queued', NULL, 1750000000, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (6, '\xa1ae9fe158bc94a95411852be8d92ba0', '\x7c02a98c4dca38184485038afe5c2099', '\xd0232a61921a4cafb0e128041238bd50', 'calls', 'Ticket Closed', 'ticketclosed', 91, 't-anonymous', NULL, 'anon-7', NULL, 1749996400, 1750082800, 1750082800, '{}', NULL, NULL, 'waiting', NULL, 1750000000, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (7, '\xd5dc1735207bf51f58cc6747b7d71480', '\x44fceb253524fec2560c23aeb63621eb', '\x2a68dfb90a61d3936ae0c606eecafd0b', 'calls', 'Order Completed', 'ordercompleted', 78, 'o-anonymous', NULL, 'anon-9', NULL, 1749996400, 1749996400, 1749996400, '{"total":9}', NULL, NULL, 'waiting', NULL, 1750000000, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (1, '\xae4d3b1c742e5d649cc31d49b6dd66a4', '\x388ffd17e48f75b0b3606e3896c8d5c1', '\x6cde563b5636c9b8070fe1d19de919b8', 'calls', 'Order Completed', 'ordercompleted', 78, 'o-1', '1', NULL, NULL, 1749996400, 1749996400, 1749996400, '{"total":10.5}', NULL, NULL, 'sent', NULL, 1750000000, 1750000001, 'ann@example.com', '1', 1750000000, '{"campaign_id":78,"contact":{"email":"ann@example.com","first_name":"Ann","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"10.5","plan":"gold","score":"12.5","user_id":"1"}},"attributes":{"total":10.5}}', '\xf3d9f6f8da8655cdcbd12f067d8e6dd1', 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (3, '\x78269f428b3a441b228f65ad058bae45', '\x258d5cf38823c140e1eb683622360f28', '\xe0c0229abc07104d6a51360269803359', 'calls', 'Order Completed', 'ordercompleted', 78, 'o-4', '4', NULL, NULL, 1749996400, 1749996400, 1749996400, '{"total":40}', NULL, NULL, 'refused', 'Promoter''s words', 1750000000, 1750000001, 'dee@example.com', '4', 1750000000, '{"campaign_id":78,"contact":{"email":"dee@example.com","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"40","user_id":"4"}},"attributes":{"total":40}}', '\x12a190f7be25fbb77cbe8e25ceb3a6a5', 0, NULL, NULL, 0);
INSERT INTO public.surveys VALUES (2, '\xc041d8c7f855296002d515d17e694128', '\x8beb78b7ca712e9ff61f530cf1ff6dd0', '\x269548fc95ea3f586adc7325153f9428', 'calls', 'Order Completed', 'ordercompleted', 78, 'o-2', '2', NULL, NULL, 1749996400, 1749996400, 1749996400, '{"total":20}', NULL, NULL, 'claimed', NULL, 1750000000, NULL, 'bob@example.com', '2', 1750000000, '{"campaign_id":78,"contact":{"email":"bob@example.com","first_name":"Bob","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"20","user_id":"2"}},"attributes":{"total":20}}', '\x454d875441904338463a2bb6e7f0df49', 1, NULL, 'vm:23208:11950a46-2', 1750000061);
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
    ADD CONSTRAINT cancellations_pkey PRIMARY KEY (who, event, matched);
ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (email);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (day, name, outcome);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT facts_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.forgotten
    ADD CONSTRAINT forgotten_pkey PRIMARY KEY (who);
ALTER TABLE ONLY public.kept_properties
    ADD CONSTRAINT kept_properties_pkey PRIMARY KEY (who, stream, prefix);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (message);
ALTER TABLE ONLY public.not_surveyed
    ADD CONSTRAINT not_surveyed_pkey PRIMARY KEY (who, campaign_id);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY public.people_rows
    ADD CONSTRAINT people_rows_pkey PRIMARY KEY ("row");
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
ALTER TABLE ONLY public.request_workers
    ADD CONSTRAINT request_workers_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.surveys
    ADD CONSTRAINT surveys_message_key UNIQUE (message);
ALTER TABLE ONLY public.surveys
    ADD CONSTRAINT surveys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.throttles
    ADD CONSTRAINT throttles_pkey PRIMARY KEY (who);
CREATE INDEX anonymous_ids_user_id ON public.anonymous_ids USING btree (user_id);
CREATE INDEX contacts_lease ON public.contacts USING btree (lease) WHERE (lease IS NOT NULL);
CREATE INDEX contacts_list_unknown ON public.contacts USING btree (status) WHERE (status = 'list_unknown'::text);
CREATE INDEX contacts_refused ON public.contacts USING btree (status) WHERE (status = 'refused'::text);
CREATE INDEX contacts_undelivered ON public.contacts USING btree (changed_at, status) WHERE (status = ANY (ARRAY['pending'::text, 'removing'::text]));
CREATE INDEX contacts_user_id ON public.contacts USING btree (user_id) WHERE (user_id IS NOT NULL);
CREATE INDEX people_email ON public.people USING btree (email);
CREATE INDEX people_rows_user_id ON public.people_rows USING btree (user_id);
CREATE INDEX rejected_at ON public.rejected USING btree (rejected_at);
CREATE INDEX surveys_anonymous_id ON public.surveys USING btree (anonymous_id) WHERE (anonymous_id IS NOT NULL);
CREATE INDEX surveys_claimed_email ON public.surveys USING btree (claimed_email) WHERE (claimed_email IS NOT NULL);
CREATE INDEX surveys_claimed_user_id ON public.surveys USING btree (claimed_user_id) WHERE (claimed_user_id IS NOT NULL);
CREATE INDEX surveys_email ON public.surveys USING btree (email) WHERE (email IS NOT NULL);
CREATE INDEX surveys_occurrence ON public.surveys USING btree (occurrence) WHERE (status = ANY (ARRAY['waiting'::text, 'queued'::text]));
CREATE INDEX surveys_row_key ON public.surveys USING btree (row_key) WHERE (status = ANY (ARRAY['waiting'::text, 'queued'::text]));
CREATE INDEX surveys_settled_at ON public.surveys USING btree (settled_at) WHERE (settled_at IS NOT NULL);
CREATE INDEX surveys_status ON public.surveys USING btree (status, canonical, due_at, first_due_at);
CREATE INDEX surveys_user_id ON public.surveys USING btree (user_id);
CREATE INDEX throttles_survey_id ON public.throttles USING btree (survey_id) WHERE (survey_id IS NOT NULL);
