BEGIN TRANSACTION;
CREATE TABLE anonymous_ids (
	anonymous_id TEXT NOT NULL, 
	user_id TEXT, 
	PRIMARY KEY (anonymous_id)
)
 WITHOUT ROWID

;
INSERT INTO "anonymous_ids" VALUES('anon-3','3');
CREATE TABLE attribute_notes (
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	noted_at DOUBLE NOT NULL, 
	PRIMARY KEY (kind, name, detail)
)
 WITHOUT ROWID

;
CREATE TABLE cancellations (
	who TEXT NOT NULL, 
	event TEXT NOT NULL, 
	matched TEXT NOT NULL, 
	time DOUBLE NOT NULL, 
	PRIMARY KEY (who, event, matched)
)
 WITHOUT ROWID

;
INSERT INTO "cancellations" VALUES('u:5','ticketreopened','',1749996400.0);
CREATE TABLE contacts (
	email TEXT NOT NULL, 
	user_id TEXT, 
	status TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	changed_at DOUBLE NOT NULL, 
	sent BLOB, 
	sent_lists TEXT DEFAULT '[]' NOT NULL, 
	synced_at DOUBLE, 
	refused BLOB, 
	reason TEXT, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	not_before DOUBLE DEFAULT '0' NOT NULL, 
	tried BLOB, 
	tried_until DOUBLE DEFAULT '0' NOT NULL, 
	lease TEXT, 
	leased_until DOUBLE DEFAULT '0' NOT NULL, 
	PRIMARY KEY (email)
)
 WITHOUT ROWID

;
INSERT INTO "contacts" VALUES('ann@example.com','1','synced',3,1750000000.0,X'F3D9F6F8DA8655CDCBD12F067D8E6DD1','[5,6]',1750000003.0,NULL,NULL,0,0.0,X'F3D9F6F8DA8655CDCBD12F067D8E6DD1',0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('bob@example.com','2','pending',2,1750000000.0,NULL,'[]',NULL,NULL,NULL,0,0.0,NULL,0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('cy@example.com','3','synced',1,1750000000.0,X'76D4CE3192DD5AE4115C4EE204063957','[]',1750000003.0,NULL,NULL,0,0.0,X'76D4CE3192DD5AE4115C4EE204063957',0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('cy@old.example','3','unowned',2,1750000000.0,NULL,'[]',NULL,NULL,NULL,0,0.0,NULL,0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('dee@example.com','4','refused',2,1750000003.0,NULL,'[]',NULL,X'433598E705C46BFA53CEE2DEBDC179B4','Promoter''s words',0,0.0,X'12A190F7BE25FBB77CBE8E25CEB3A6A5',0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('eve@example.com','5','synced',1,1750000000.0,X'2690BF97A7AFF04DC0FE5DF20EDADE01','[]',1750000005.0,NULL,NULL,0,0.0,X'2690BF97A7AFF04DC0FE5DF20EDADE01',0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('gus@example.com','7','pending',2,1750000000.0,X'2E66BC84C2EFE83B0D2541B17BE4C1A8','[]',1750000005.0,NULL,NULL,0,0.0,X'2E66BC84C2EFE83B0D2541B17BE4C1A8',0.0,NULL,0.0);
CREATE TABLE events (
	day BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	first_at DOUBLE NOT NULL, 
	last_at DOUBLE NOT NULL, 
	counted_at DOUBLE NOT NULL, 
	PRIMARY KEY (day, name, outcome)
)
 WITHOUT ROWID

;
INSERT INTO "events" VALUES(20254,'Order Completed','queued',3,1749996400.0,1749996400.0,1750000000.0);
INSERT INTO "events" VALUES(20254,'Order Completed','waiting',2,1749996400.0,1749996400.0,1750000000.0);
INSERT INTO "events" VALUES(20254,'Ticket Closed','waiting',2,1749996400.0,1749996400.0,1750000000.0);
INSERT INTO "events" VALUES(20254,'Ticket Reopened','stored',1,1749996400.0,1749996400.0,1750000000.0);
CREATE TABLE facts (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "facts" VALUES('api_url','https://promoter.example/api');
INSERT INTO "facts" VALUES('campaign:ordercompleted','{"campaign_id":78,"delay_hours":0.0,"hours":"None","paused":false,"cancel_on":[]}');
INSERT INTO "facts" VALUES('campaign:ticketclosed','{"campaign_id":91,"delay_hours":24.0,"hours":"None","paused":false,"cancel_on":[["ticketreopened",null]]}');
INSERT INTO "facts" VALUES('contact_lists','[]');
INSERT INTO "facts" VALUES('created_at','1749136000.0');
INSERT INTO "facts" VALUES('hard_delete','false');
INSERT INTO "facts" VALUES('key_mark','64e3bd450339e0412c03392452e43f13830badeb6312064ecb0d3ec7a0436ef7');
INSERT INTO "facts" VALUES('salt','2517c1a9d81fa4065237aeb6d8f2776e');
INSERT INTO "facts" VALUES('schema_version','3');
CREATE TABLE forgotten (
	who BLOB NOT NULL, 
	forgotten_at DOUBLE, 
	PRIMARY KEY (who)
)
 WITHOUT ROWID

;
INSERT INTO "forgotten" VALUES(X'72E9CDB46AD493FB3B08025062BC4F08',1750000000.0);
INSERT INTO "forgotten" VALUES(X'B0B7663298BBF65C6C8D14B20A631466',1750000000.0);
CREATE TABLE kept_properties (
	who TEXT NOT NULL, 
	stream TEXT NOT NULL, 
	prefix TEXT NOT NULL, 
	time DOUBLE NOT NULL, 
	properties TEXT NOT NULL, 
	PRIMARY KEY (who, stream, prefix)
)
 WITHOUT ROWID

;
INSERT INTO "kept_properties" VALUES('a:anon-9','calls','order_completed',1749996400.0,'{"total":9}');
INSERT INTO "kept_properties" VALUES('u:77','calls','order_completed',1749996400.0,'{"total":77}');
CREATE TABLE messages (
	message BLOB NOT NULL, 
	PRIMARY KEY (message)
)
 WITHOUT ROWID

;
INSERT INTO "messages" VALUES(X'0A6D49583256D9F45882EA1863FAC87E');
INSERT INTO "messages" VALUES(X'144F81329004C82D2EE64E0AEA5B2EEE');
INSERT INTO "messages" VALUES(X'26CBD17D985330AF13A293C37F4B9772');
INSERT INTO "messages" VALUES(X'3A21DD796318D94014090ADE5A3459BC');
INSERT INTO "messages" VALUES(X'40869D51734B02AE1C9B5105B8951698');
INSERT INTO "messages" VALUES(X'53D7FEB602A060658557C0DFE09AFFC9');
INSERT INTO "messages" VALUES(X'60DC764A8F418E3B40602D6B81604B8C');
INSERT INTO "messages" VALUES(X'6444A3A9CFC027348DF19E54C7DB662E');
INSERT INTO "messages" VALUES(X'8E9E9989B6CDECB00ABE518FCB2F6E7A');
INSERT INTO "messages" VALUES(X'9E65BCC1DFF8A5FBC2615235B032322A');
INSERT INTO "messages" VALUES(X'A063A50F4411124C876FE9FA5B4F4F02');
INSERT INTO "messages" VALUES(X'A0D57460787C2F68EF81B9EFBC73C02C');
INSERT INTO "messages" VALUES(X'D45055CA0643F11AD8D8EC8AF0432567');
INSERT INTO "messages" VALUES(X'E89FC76AA64C865F60A4794AE239BC38');
CREATE TABLE not_surveyed (
	who TEXT NOT NULL, 
	campaign_id BIGINT NOT NULL, 
	event TEXT NOT NULL, 
	event_at DOUBLE NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (who, campaign_id)
)
 WITHOUT ROWID

;
CREATE TABLE people (
	user_id TEXT NOT NULL, 
	email TEXT, 
	identified_at DOUBLE NOT NULL, 
	deleted_at DOUBLE, 
	fingerprints TEXT NOT NULL, 
	parts TEXT NOT NULL, 
	PRIMARY KEY (user_id)
);
INSERT INTO "people" VALUES('1','ann@example.com',1750000000.0,NULL,'{"customers":"423ad6a54cd7f1059d945d6d19240f2d","members":"478be3b539583b6163b6b3f9a1d7f2da"}','{"customers":{"time":1750000000.0,"dated":false,"email":"ann@example.com","email_at":1750000000.0,"names":[{"first_name":"Ann"},1750000000.0,{}],"traits":[{"plan":"gold","score":12.5},1750000000.0,{}],"contact_lists":[5]},"members":{"time":1749820000.0,"email":"ann@example.com","email_at":1749820000.0,"traits":[{"plan":"silver"},1749820000.0,{}],"contact_lists":[6]},"calls":{"events":{"order_completed":[{"total":10.5},1749996400.0]}}}');
INSERT INTO "people" VALUES('2','bob@example.com',1750000000.0,NULL,'{"customers":"485ffdf623e8752269b8c563c77081ed"}','{"customers":{"time":1750000000.0,"dated":false,"email":"bob@example.com","email_at":1750000000.0,"names":[{"first_name":"Bob"},1750000000.0,{}],"contact_lists":[5]},"calls":{"events":{"order_completed":[{"total":20},1749996400.0]}}}');
INSERT INTO "people" VALUES('3','cy@example.com',1749989200.0,NULL,'{"calls":"3b5084ec82ad2bfe4d59ed92e888e52b"}','{"calls":{"time":1749989200.0,"email":"cy@example.com","email_at":1749989200.0}}');
INSERT INTO "people" VALUES('4','dee@example.com',1749996400.0,NULL,'{"calls":"960a3fbfa29ae2e3787165314b0a54ec"}','{"calls":{"time":1749996400.0,"email":"dee@example.com","email_at":1749996400.0,"events":{"order_completed":[{"total":40},1749996400.0]}}}');
INSERT INTO "people" VALUES('5','eve@example.com',1749996400.0,NULL,'{"calls":"a8b4ca6312d1be4de53ed4cdbd5cba31"}','{"calls":{"time":1749996400.0,"email":"eve@example.com","email_at":1749996400.0}}');
INSERT INTO "people" VALUES('7',NULL,0.0,1750000000.0,'{"calls":"a89ca9f00dbc15a115bd776d9bf6307f","customers":"deleted 1750000000.0"}','{}');
INSERT INTO "people" VALUES('9',NULL,1749996400.0,NULL,'{"calls":"a2611db1b19c1df93d943cf66d71dedf"}','{"calls":{"time":1749996400.0,"traits":[{"plan":"waits for an address"},1749996400.0,{}]}}');
CREATE TABLE people_rows (
	"row" BLOB NOT NULL, 
	user_id TEXT NOT NULL, 
	PRIMARY KEY ("row")
)
 WITHOUT ROWID

;
CREATE TABLE rejected (
	id INTEGER NOT NULL, 
	fingerprint BLOB NOT NULL, 
	stream TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	record TEXT NOT NULL, 
	rejected_at DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (fingerprint)
);
INSERT INTO "rejected" VALUES(1,X'ABC6DB8B6DB9AFAA18F85CDEF01EF362','customers','identify','no usable e-mail address','{"id":8,"email":"no address"}',1750000000.0);
CREATE TABLE request_clock (
	id INTEGER NOT NULL, 
	next_at DOUBLE NOT NULL, 
	rate DOUBLE NOT NULL, 
	rated_at DOUBLE NOT NULL, 
	paused_until DOUBLE NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "request_clock" VALUES(1,1.75000000430456852909e+09,209.0,1750000090.0,1750000090.0);
CREATE TABLE request_days (
	day BIGINT NOT NULL, 
	requests BIGINT NOT NULL, 
	rate_limited BIGINT NOT NULL, 
	PRIMARY KEY (day)
);
INSERT INTO "request_days" VALUES(20254,209,0);
CREATE TABLE request_seconds (
	second BIGINT NOT NULL, 
	requests INTEGER NOT NULL, 
	PRIMARY KEY (second)
);
INSERT INTO "request_seconds" VALUES(1750000001,3);
INSERT INTO "request_seconds" VALUES(1750000003,3);
INSERT INTO "request_seconds" VALUES(1750000005,3);
INSERT INTO "request_seconds" VALUES(1750000050,200);
CREATE TABLE request_workers (
	name TEXT NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "request_workers" VALUES('vm:23183:358d6e99-0',1750000004.0);
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	command TEXT NOT NULL, 
	started_at DOUBLE NOT NULL, 
	finished_at DOUBLE, 
	exit_status INTEGER, 
	problem TEXT, 
	summary TEXT, 
	settings TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES(1,'sync',1749999940.0,1750000060.0,0,NULL,'{"identify":{"read":12,"changed":9,"unchanged":0,"merged":0,"waiting":1,"deleted":1,"blocked":0,"rejected":1},"track":{"read":8,"queued":3,"waiting":4,"stored":1,"duplicate":0,"stale":0,"unmatched":0,"deleted":0,"blocked":0,"rejected":0},"ignored":0,"contacts":{"synced":0,"removed":0,"refused":0,"pending":0,"waiting":0},"surveys":{"sent":0,"presumed":0,"throttled":0,"withheld":0,"refused":0,"expired":0,"cancelled":0,"uncertain":0,"pending":0,"waiting":0},"api":{"requests":0,"retries":0,"rate_limited":0},"sandbox":false,"dry_run":false,"seconds":60.0}',NULL);
CREATE TABLE streams (
	name TEXT NOT NULL, 
	schema TEXT, 
	reading TEXT, 
	read_at DOUBLE, 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "streams" VALUES('calls','{"schema":{"type":"object","properties":{"messageId":{"type":"string"}}},"key_properties":["messageId"]}','{"type":"segment","shape":"raw calls","traits":null,"contact_lists":[],"digest":"12a86edef0cb542cdcc8f76b509ffc45","pattern":"","fields":{},"stored_events":["order_completed"]}',1750000000.0);
INSERT INTO "streams" VALUES('customers',NULL,'{"type":"identify","shape":"plain","traits":null,"contact_lists":[5],"digest":"1543ba6dccab43787723ce0063e9bb17","pattern":"customers","fields":{"user_id":["id"]},"stored_events":["order_completed"]}',1750000000.0);
INSERT INTO "streams" VALUES('members',NULL,'{"type":"identify","shape":"plain","traits":null,"contact_lists":[6],"digest":"00d642695627076925089386b7cc9f19","pattern":"members","fields":{"user_id":["id"],"timestamp":["updated_at"]},"stored_events":["order_completed"]}',1750000000.0);
CREATE TABLE surveys (
	id INTEGER NOT NULL, 
	message BLOB NOT NULL, 
	occurrence BLOB, 
	row_key BLOB, 
	stream TEXT NOT NULL, 
	event TEXT NOT NULL, 
	canonical TEXT DEFAULT '' NOT NULL, 
	campaign_id BIGINT NOT NULL, 
	message_id TEXT NOT NULL, 
	user_id TEXT, 
	anonymous_id TEXT, 
	email TEXT, 
	event_at DOUBLE NOT NULL, 
	due_at DOUBLE NOT NULL, 
	first_due_at DOUBLE DEFAULT '0' NOT NULL, 
	properties TEXT, 
	more TEXT, 
	matches TEXT, 
	status TEXT NOT NULL, 
	reason TEXT, 
	created_at DOUBLE NOT NULL, 
	settled_at DOUBLE, 
	claimed_email TEXT, 
	claimed_user_id TEXT, 
	claimed_at DOUBLE, 
	request TEXT, 
	request_form BLOB, 
	unanswered INTEGER DEFAULT '0' NOT NULL, 
	withdrawn TEXT, 
	lease TEXT, 
	leased_until DOUBLE DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (message)
);
INSERT INTO "surveys" VALUES(1,X'9E65BCC1DFF8A5FBC2615235B032322A',X'0A6D49583256D9F45882EA1863FAC87E',X'A6206037AE303D62A5FF79AF9CE2C2E7','calls','Order Completed','ordercompleted',78,'o-1','1',NULL,NULL,1749996400.0,1749996400.0,1749996400.0,'{"total":10.5}',NULL,NULL,'sent',NULL,1750000000.0,1750000001.0,'ann@example.com','1',1750000000.0,'{"campaign_id":78,"contact":{"email":"ann@example.com","first_name":"Ann","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"10.5","plan":"gold","score":"12.5","user_id":"1"}},"attributes":{"total":10.5}}',X'F3D9F6F8DA8655CDCBD12F067D8E6DD1',0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(2,X'40869D51734B02AE1C9B5105B8951698',X'A0D57460787C2F68EF81B9EFBC73C02C',X'89F5D77FCC4625EF7157D5D416EB4E3E','calls','Order Completed','ordercompleted',78,'o-2','2',NULL,NULL,1749996400.0,1749996400.0,1749996400.0,'{"total":20}',NULL,NULL,'claimed',NULL,1750000000.0,NULL,'bob@example.com','2',1750000000.0,'{"campaign_id":78,"contact":{"email":"bob@example.com","first_name":"Bob","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"20","user_id":"2"}},"attributes":{"total":20}}',X'454D875441904338463A2BB6E7F0DF49',1,NULL,'vm:23183:358d6e99-2',1750000061.0);
INSERT INTO "surveys" VALUES(3,X'144F81329004C82D2EE64E0AEA5B2EEE',X'D45055CA0643F11AD8D8EC8AF0432567',X'EAD6614882FAA8C85FBC44ECD896F8FA','calls','Order Completed','ordercompleted',78,'o-4','4',NULL,NULL,1749996400.0,1749996400.0,1749996400.0,'{"total":40}',NULL,NULL,'refused','Promoter''s words',1750000000.0,1750000001.0,'dee@example.com','4',1750000000.0,'{"campaign_id":78,"contact":{"email":"dee@example.com","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"40","user_id":"4"}},"attributes":{"total":40}}',X'12A190F7BE25FBB77CBE8E25CEB3A6A5',0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(4,X'A063A50F4411124C876FE9FA5B4F4F02',X'60DC764A8F418E3B40602D6B81604B8C',X'1C6B4A98DEA5EB844742A31DFF49A68B','calls','Order Completed','ordercompleted',78,'o-77','77',NULL,NULL,1749996400.0,1749996400.0,1749996400.0,'{"total":77}',NULL,NULL,'waiting',NULL,1750000000.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(5,X'8E9E9989B6CDECB00ABE518FCB2F6E7A',X'6444A3A9CFC027348DF19E54C7DB662E',X'ECBB018EA6B8A693FAF5BB6CE2F021E7','calls','Ticket Closed','ticketclosed',91,'t-3','3',NULL,NULL,1749996400.0,1750082800.0,1750082800.0,'{}',NULL,NULL,'queued',NULL,1750000000.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(6,X'E89FC76AA64C865F60A4794AE239BC38',X'53D7FEB602A060658557C0DFE09AFFC9',X'DEE49F7F2B639F0798A5499072E65C68','calls','Ticket Closed','ticketclosed',91,'t-anonymous',NULL,'anon-7',NULL,1749996400.0,1750082800.0,1750082800.0,'{}',NULL,NULL,'waiting',NULL,1750000000.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(7,X'3A21DD796318D94014090ADE5A3459BC',X'26CBD17D985330AF13A293C37F4B9772',X'088D996D8BE91B75683A010A4807DAAC','calls','Order Completed','ordercompleted',78,'o-anonymous',NULL,'anon-9',NULL,1749996400.0,1749996400.0,1749996400.0,'{"total":9}',NULL,NULL,'waiting',NULL,1750000000.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0.0);
CREATE TABLE throttles (
	who TEXT NOT NULL, 
	surveyed_at DOUBLE, 
	survey_id BIGINT, 
	PRIMARY KEY (who)
)
 WITHOUT ROWID

;
INSERT INTO "throttles" VALUES('e:ann@example.com',1750000001.0,NULL);
INSERT INTO "throttles" VALUES('e:bob@example.com',NULL,2);
INSERT INTO "throttles" VALUES('e:dee@example.com',NULL,NULL);
INSERT INTO "throttles" VALUES('u:1',1750000001.0,NULL);
INSERT INTO "throttles" VALUES('u:2',NULL,2);
INSERT INTO "throttles" VALUES('u:4',NULL,NULL);
CREATE INDEX people_email ON people (email);
CREATE INDEX people_rows_user_id ON people_rows (user_id);
CREATE INDEX anonymous_ids_user_id ON anonymous_ids (user_id);
CREATE INDEX contacts_undelivered ON contacts (changed_at, status) WHERE status IN ('pending', 'removing');
CREATE INDEX contacts_refused ON contacts (status) WHERE status = 'refused';
CREATE INDEX contacts_list_unknown ON contacts (status) WHERE status = 'list_unknown';
CREATE INDEX contacts_user_id ON contacts (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX contacts_lease ON contacts (lease) WHERE lease IS NOT NULL;
CREATE INDEX surveys_status ON surveys (status, canonical, due_at, first_due_at);
CREATE INDEX surveys_user_id ON surveys (user_id);
CREATE INDEX surveys_anonymous_id ON surveys (anonymous_id) WHERE anonymous_id IS NOT NULL;
CREATE INDEX surveys_email ON surveys (email) WHERE email IS NOT NULL;
CREATE INDEX surveys_claimed_email ON surveys (claimed_email) WHERE claimed_email IS NOT NULL;
CREATE INDEX surveys_claimed_user_id ON surveys (claimed_user_id) WHERE claimed_user_id IS NOT NULL;
CREATE INDEX surveys_settled_at ON surveys (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX surveys_occurrence ON surveys (occurrence) WHERE status IN ('waiting', 'queued');
CREATE INDEX surveys_row_key ON surveys (row_key) WHERE status IN ('waiting', 'queued');
CREATE INDEX throttles_survey_id ON throttles (survey_id) WHERE survey_id IS NOT NULL;
CREATE INDEX rejected_at ON rejected (rejected_at);
COMMIT;
