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
	time DOUBLE NOT NULL, 
	PRIMARY KEY (who, event)
)
 WITHOUT ROWID

;
INSERT INTO "cancellations" VALUES('u:5','ticketreopened',1749996400.0);
CREATE TABLE contacts (
	email TEXT NOT NULL, 
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
INSERT INTO "contacts" VALUES('ann@example.com','synced',2,1750000000.0,X'F3D9F6F8DA8655CDCBD12F067D8E6DD1','[5,6]',1750000003.0,NULL,NULL,0,0.0,X'F3D9F6F8DA8655CDCBD12F067D8E6DD1',0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('bob@example.com','pending',2,1750000000.0,NULL,'[]',NULL,NULL,NULL,0,0.0,NULL,0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('cy@example.com','synced',1,1750000000.0,X'76D4CE3192DD5AE4115C4EE204063957','[]',1750000003.0,NULL,NULL,0,0.0,X'76D4CE3192DD5AE4115C4EE204063957',0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('cy@old.example','unowned',2,1750000000.0,NULL,'[]',NULL,NULL,NULL,0,0.0,NULL,0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('dee@example.com','refused',2,1750000000.0,NULL,'[]',NULL,X'433598E705C46BFA53CEE2DEBDC179B4','Promoter''s words',0,0.0,X'12A190F7BE25FBB77CBE8E25CEB3A6A5',0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('eve@example.com','synced',1,1750000000.0,X'2690BF97A7AFF04DC0FE5DF20EDADE01','[]',1750000005.0,NULL,NULL,0,0.0,X'2690BF97A7AFF04DC0FE5DF20EDADE01',0.0,NULL,0.0);
INSERT INTO "contacts" VALUES('gus@example.com','pending',2,1750000000.0,X'2E66BC84C2EFE83B0D2541B17BE4C1A8','[]',1750000005.0,NULL,NULL,0,0.0,X'2E66BC84C2EFE83B0D2541B17BE4C1A8',0.0,NULL,0.0);
CREATE TABLE facts (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "facts" VALUES('api_url','https://promoter.example/api');
INSERT INTO "facts" VALUES('created_at','1749136000.0');
INSERT INTO "facts" VALUES('key_mark','d84f8c99f14d1049572b77ddacdbbaf5b78ba14b47d95ead21da747308da1312');
INSERT INTO "facts" VALUES('salt','a20691364d33a109a942eab06e7107c7');
INSERT INTO "facts" VALUES('schema:calls','{"schema":{"type":"object","properties":{"messageId":{"type":"string"}}},"key_properties":["messageId"]}');
INSERT INTO "facts" VALUES('schema_version','2');
CREATE TABLE forgotten (
	mark BLOB NOT NULL, 
	PRIMARY KEY (mark)
)
 WITHOUT ROWID

;
INSERT INTO "forgotten" VALUES(X'3A9F6E33FB7A917D04C78A31DD4FE729');
INSERT INTO "forgotten" VALUES(X'DA02FFFEC4498FBABC4F95A161F8FE24');
CREATE TABLE kept_properties (
	who TEXT NOT NULL, 
	prefix TEXT NOT NULL, 
	time DOUBLE NOT NULL, 
	properties TEXT NOT NULL, 
	PRIMARY KEY (who, prefix)
)
 WITHOUT ROWID

;
INSERT INTO "kept_properties" VALUES('a:anon-9','order_completed',1749996400.0,'{"total":9}');
INSERT INTO "kept_properties" VALUES('u:77','order_completed',1749996400.0,'{"total":77}');
CREATE TABLE messages (
	message BLOB NOT NULL, 
	PRIMARY KEY (message)
)
 WITHOUT ROWID

;
INSERT INTO "messages" VALUES(X'0E0A52221DEC330BC65C0E1C3BF6E849');
INSERT INTO "messages" VALUES(X'294AE87B48FD4FAD408CB2D87EFEC666');
INSERT INTO "messages" VALUES(X'2F244577FEBD5FEF9806ABE57871E233');
INSERT INTO "messages" VALUES(X'38F8D60CACD3BCE450DBB22FF083FE31');
INSERT INTO "messages" VALUES(X'7BCC3C22006449D97CF930201AB4A59B');
INSERT INTO "messages" VALUES(X'ABB93C8B25930C8B7316948D93513494');
INSERT INTO "messages" VALUES(X'C3D5BC6E5AF02CF74AAD434773FFC5A3');
CREATE TABLE people (
	user_id TEXT NOT NULL, 
	email TEXT, 
	identified_at DOUBLE NOT NULL, 
	deleted_at DOUBLE, 
	fingerprints TEXT NOT NULL, 
	traits TEXT NOT NULL, 
	PRIMARY KEY (user_id)
);
INSERT INTO "people" VALUES('1','ann@example.com',1750000000.0,NULL,'{"customers":"eff0f206fe6ebdc5f9c249f57e578e16","members":"b50d0434b7673b9aff8af529bf3ea9bb"}','{"email_at":1750000000.0,"names":[{"first_name":"Ann"},1750000000.0,{}],"traits":[{"plan":"gold","score":12.5},1750000000.0,{}],"stored":{"order_completed":[{"total":10.5},1749996400.0]},"contact_lists":{"5":1750000000.0,"6":1749820000.0},"dated_at":1749820000.0,"undated":[1750000000.0]}');
INSERT INTO "people" VALUES('2','bob@example.com',1750000000.0,NULL,'{"customers":"be28e9caf4eedb8c86a08978dfe70bfd"}','{"email_at":1750000000.0,"names":[{"first_name":"Bob"},1750000000.0,{}],"stored":{"order_completed":[{"total":20},1749996400.0]},"contact_lists":{"5":1750000000.0},"dated_at":0.0,"undated":[1750000000.0]}');
INSERT INTO "people" VALUES('3','cy@example.com',1749989200.0,NULL,'{"calls":"26a5be134bb0f4672afa3af956939577"}','{"email_at":1749989200.0,"dated_at":1749989200.0}');
INSERT INTO "people" VALUES('4','dee@example.com',1749996400.0,NULL,'{"calls":"32d67a378ff42d1990ae4937159f31d9"}','{"email_at":1749996400.0,"stored":{"order_completed":[{"total":40},1749996400.0]},"dated_at":1749996400.0}');
INSERT INTO "people" VALUES('5','eve@example.com',1749996400.0,NULL,'{"calls":"f0a7d8dba25f874a1b23fa3eedb43566"}','{"email_at":1749996400.0,"dated_at":1749996400.0}');
INSERT INTO "people" VALUES('7',NULL,1749996400.0,1750000000.0,'{"calls":"d11b3265197d00a0d38b1b1aee81c863","customers":"deleted 1750000000.0"}','{"names":[{},0.0,{}],"traits":[{},0.0,{}],"dated_at":1749996400.0}');
INSERT INTO "people" VALUES('9',NULL,1749996400.0,NULL,'{"calls":"877c8f36b7094697294b3dddc0afbe10"}','{"traits":[{"plan":"waits for an address"},1749996400.0,{}],"dated_at":1749996400.0}');
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
	held_until DOUBLE NOT NULL, 
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
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	command TEXT NOT NULL, 
	started_at DOUBLE NOT NULL, 
	finished_at DOUBLE, 
	exit_status INTEGER, 
	problem TEXT, 
	summary TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES(1,'sync',1749999940.0,1750000060.0,0,NULL,'{"identify":{"read":12,"changed":8,"unchanged":0,"merged":1,"waiting":1,"deleted":1,"blocked":0,"rejected":1},"track":{"read":8,"queued":3,"waiting":4,"stored":0,"duplicate":0,"stale":0,"unmatched":1,"deleted":0,"blocked":0,"rejected":0},"ignored":0,"contacts":{"synced":0,"removed":0,"refused":0,"pending":0,"waiting":0},"surveys":{"sent":0,"presumed":0,"throttled":0,"withheld":0,"refused":0,"expired":0,"cancelled":0,"uncertain":0,"pending":0,"waiting":0},"api":{"requests":0,"retries":0,"rate_limited":0},"sandbox":false,"dry_run":false,"seconds":60.0}');
CREATE TABLE surveys (
	id INTEGER NOT NULL, 
	message BLOB NOT NULL, 
	stream TEXT NOT NULL, 
	event TEXT NOT NULL, 
	campaign_id BIGINT NOT NULL, 
	message_id TEXT NOT NULL, 
	user_id TEXT, 
	anonymous_id TEXT, 
	email TEXT, 
	event_at DOUBLE NOT NULL, 
	due_at DOUBLE NOT NULL, 
	properties TEXT, 
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
INSERT INTO "surveys" VALUES(1,X'38F8D60CACD3BCE450DBB22FF083FE31','calls','Order Completed',78,'o-1','1',NULL,NULL,1749996400.0,1749996400.0,'{"total":10.5}','sent',NULL,1750000000.0,1750000001.0,'ann@example.com','1',1750000000.0,'{"campaign_id":78,"contact":{"email":"ann@example.com","first_name":"Ann","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"10.5","plan":"gold","score":"12.5","user_id":"1"}},"attributes":{"total":10.5}}',X'F3D9F6F8DA8655CDCBD12F067D8E6DD1',0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(2,X'7BCC3C22006449D97CF930201AB4A59B','calls','Order Completed',78,'o-2','2',NULL,NULL,1749996400.0,1749996400.0,'{"total":20}','claimed',NULL,1750000000.0,NULL,'bob@example.com','2',1750000000.0,'{"campaign_id":78,"contact":{"email":"bob@example.com","first_name":"Bob","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"20","user_id":"2"}},"attributes":{"total":20}}',X'454D875441904338463A2BB6E7F0DF49',1,NULL,'vm:27210:8eaa2884-1',1750000061.0);
INSERT INTO "surveys" VALUES(3,X'2F244577FEBD5FEF9806ABE57871E233','calls','Order Completed',78,'o-4','4',NULL,NULL,1749996400.0,1749996400.0,'{"total":40}','refused','Promoter''s words',1750000000.0,1750000001.0,'dee@example.com','4',1750000000.0,'{"campaign_id":78,"contact":{"email":"dee@example.com","attributes":{"order_completed_at":"2025-06-15T14:06:40Z","order_completed_total":"40","user_id":"4"}},"attributes":{"total":40}}',X'12A190F7BE25FBB77CBE8E25CEB3A6A5',0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(4,X'ABB93C8B25930C8B7316948D93513494','calls','Order Completed',78,'o-77','77',NULL,NULL,1749996400.0,1749996400.0,'{"total":77}','waiting',NULL,1750000000.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(5,X'0E0A52221DEC330BC65C0E1C3BF6E849','calls','Ticket Closed',91,'t-3','3',NULL,NULL,1749996400.0,1750082800.0,'{}','queued',NULL,1750000000.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(6,X'C3D5BC6E5AF02CF74AAD434773FFC5A3','calls','Ticket Closed',91,'t-anonymous',NULL,'anon-7',NULL,1749996400.0,1750082800.0,'{}','waiting',NULL,1750000000.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0.0);
INSERT INTO "surveys" VALUES(7,X'294AE87B48FD4FAD408CB2D87EFEC666','calls','Order Completed',78,'o-anonymous',NULL,'anon-9',NULL,1749996400.0,1749996400.0,'{"total":9}','waiting',NULL,1750000000.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0.0);
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
CREATE INDEX anonymous_ids_user_id ON anonymous_ids (user_id);
CREATE INDEX contacts_undelivered ON contacts (changed_at, status) WHERE status IN ('pending', 'removing');
CREATE INDEX contacts_refused ON contacts (status) WHERE status = 'refused';
CREATE INDEX contacts_lease ON contacts (lease) WHERE lease IS NOT NULL;
CREATE INDEX surveys_status ON surveys (status, due_at, campaign_id);
CREATE INDEX surveys_user_id ON surveys (user_id);
CREATE INDEX surveys_anonymous_id ON surveys (anonymous_id) WHERE anonymous_id IS NOT NULL;
CREATE INDEX surveys_email ON surveys (email) WHERE email IS NOT NULL;
CREATE INDEX surveys_claimed_email ON surveys (claimed_email) WHERE claimed_email IS NOT NULL;
CREATE INDEX surveys_settled_at ON surveys (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX rejected_at ON rejected (rejected_at);
COMMIT;
