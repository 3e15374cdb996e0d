"""`target-promoter check`: one line a question, what to do beside each fault, and nothing sent."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml

from target_promoter.commands.check_input import inspect_input
from target_promoter.config.settings import Settings
from target_promoter.errors import ConfigError, InputError, StoreError
from target_promoter.sandbox.server import SandboxServer
from target_promoter.store import runs
from target_promoter.store.database import open_store
from tests.conftest import new_sandbox, run_program
from tests.program import CALLS, command, identify, order
from tests.tap import CUSTOMERS, TEXT, hours_ago, record, schema, sync

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.slow


def lines_of(config: dict[str, Any], *arguments: str, status: int = 0) -> list[str]:
    """Run a check that must end with a status, and return its lines."""
    result = command("check", *arguments, config=config)
    assert result.exit_code == status, result.output
    return result.output.splitlines()


def test_all_is_well(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """Key, campaign, list and store get a yes in the account's words; nothing is sent and no store made."""
    assert lines_of({**config, "contact_lists": [5]}) == [
        f"ok   key: accepted by {sandbox.url}",
        "ok   campaign 78: Orders, for the event Order Completed (instant)",
        "ok   contact list 5: Customers",
        f"ok   store: there is none at sqlite:///{tmp_path}/store.db yet, and the first run creates it",
    ]
    assert {request.method for request in sandbox.account.requests} == {"GET"}
    assert list(tmp_path.iterdir()) == []


def test_every_fault_has_its_fix(config: dict[str, Any]) -> None:
    """A campaign and a list that the account does not have, and a folder that is missing, are each one no."""
    config |= {"campaigns": {"Order Completed": 79}, "contact_lists": [7], "store_url": "sqlite:////nowhere/s.db"}
    _, campaign, contact_list, store = lines_of(config, status=1)
    assert campaign.startswith(
        "FAIL campaign 79: the account has none of that id: set `campaigns.Order Completed` to one"
    )
    assert "78 Orders, 91 Support, 99 Quarterly" in campaign
    assert contact_list.startswith("FAIL contact list 7: the account has none of that id")
    assert "5 Customers" in contact_list
    assert store == "FAIL store: its folder /nowhere is missing: create it, or name another in `store_url`"


def test_a_database_that_may_hold_no_tables_is_a_no(config: dict[str, Any], postgres_url: str) -> None:
    """An empty PostgreSQL database is fine for the owner, and a no for a user who may not create tables."""
    assert lines_of({**config, "store_url": postgres_url})[-1].startswith("ok   store: there is none at postgresql://")
    user = f"reader_{postgres_url[-8:]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    url = postgres_url.replace("postgres@", f"{user}@")
    assert "grant CREATE on the schema" in lines_of({**config, "store_url": url}, status=1)[-1]


def test_a_campaign_that_is_dripped_is_no_good(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """A campaign whose surveys are spread over days is a no: the throttle does not refuse its second survey."""
    sandbox.account.set_campaign(replace(sandbox.account.campaigns[78], drip_duration=3))
    _, campaign, _ = lines_of(config, status=1)
    assert campaign.startswith("FAIL campaign 78: Orders")
    assert "instant" in campaign


def test_a_refused_key_is_one_no(config: dict[str, Any]) -> None:
    """A key that is refused is said once, with where to find the right one, and is not shown."""
    key, store = lines_of({**config, "api_key": "another-secret-key"}, status=1)
    assert key.startswith("FAIL key: Promoter refuses the API key (status 401): set `api_key`")
    assert "another-secret-key" not in key
    assert store.startswith("ok   store")


def test_another_api_answers(config: dict[str, Any]) -> None:
    """An address where something else answers is a no that names the setting."""
    first, *_ = lines_of({**config, "api_url": config["api_url"] + "/v3"}, status=1)
    assert first.startswith("FAIL api_url: `api_url` answers GET /campaigns/")
    assert "with status 404" in first


def test_an_address_where_nobody_listens_is_told_soon(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is tried for a few seconds, and its sentence names the setting."""
    with SandboxServer() as gone:
        url = gone.url
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    first, *_ = lines_of({**config, "api_url": url}, status=1)
    assert first == (
        "FAIL account: Promoter does not answer GET /campaigns/ (no answer, «Connection refused»): "
        "see that `api_url` is its address, or run again later."
    )
    assert 0 < sum(waited) < 5


def test_without_campaigns_the_accounts_are_named(config: dict[str, Any]) -> None:
    """A config without campaigns is told that nobody is surveyed, and what the account has."""
    _, campaigns, _ = lines_of({**config, "campaigns": {}})
    assert "nobody is surveyed; the account has 78 Orders, 91 Support, 99 Quarterly" in campaigns


def test_the_names_of_campaigns_are_kept_for_the_report(config: dict[str, Any]) -> None:
    """Once a check asked for them, the report tells campaigns by their names at Promoter."""
    sync(config, [CALLS, identify("1", "ann@example.com"), order("t-1", "1")])
    assert json.loads(command("report", "--format", "json", config=config).output)["surveys"]["campaigns"] == {}
    lines_of(config)
    told = json.loads(command("report", "--format", "json", config=config).output)["surveys"]["campaigns"]
    assert told["78"] == "Orders"
    sync(config, [])  # The names are no settings.


def test_what_is_odd_is_a_warning(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that is mistyped in the environment, a store that the sandbox does not use: the exit status is 0."""
    monkeypatch.setenv("TARGET_PROMOTER_CAMPAIGN", "{}")
    first, *_ = lines_of(config)
    assert first.startswith("warn environment: The environment variable TARGET_PROMOTER_CAMPAIGN is not a setting")
    monkeypatch.delenv("TARGET_PROMOTER_CAMPAIGN")
    first, *_ = lines_of({"api_url": "sandbox", "campaigns": {"Order Completed": 78}, "store_url": config["store_url"]})
    assert first.startswith("warn store_url: the sandbox has a store of its own, sqlite:///")


def test_all_faults_of_a_config_are_told_at_once(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, as any other answer; what is odd about the environment may be the cause, and comes first."""
    monkeypatch.setenv("TARGET_PROMOTER_CAMPAINS", "{}")
    wrong = {"campagns": {}, "throttle_days": "x", "streams": {"orders": {"type": "trak"}}}
    first, *others = lines_of({**config, **wrong}, status=1)
    assert first.startswith("warn environment: ")
    assert [line.split(" ", 4)[:4] for line in others] == [
        ["FAIL", "config:", "Setting", f"`{name}`"] for name in ("streams.orders.type", "throttle_days", "campagns")
    ]


def test_a_config_file_that_is_no_json_is_a_no_with_its_place(tmp_path: Path) -> None:
    """Line and column; a file that is missing is a no as well."""
    (tmp_path / "c.json").write_text('{"campaigns": {},\n  "api_key" }', encoding="utf-8")
    (line,) = lines_of({}, "--config", str(tmp_path / "c.json"), status=1)
    assert line.startswith("FAIL config: ")
    assert "at line 2, column 13" in line
    (line,) = lines_of({}, "--config", str(tmp_path / "none.json"), status=1)
    assert "none.json cannot be read" in line


def test_a_sandbox_without_its_folder_is_a_no(tmp_path: Path) -> None:
    """Neither account nor store can be made there."""
    wrong = {"api_url": "sandbox", "store_url": f"sqlite:///{tmp_path}/none/s.db", "campaigns": {"Order Completed": 78}}
    _, account, store = lines_of(wrong, status=1)
    assert account.startswith("FAIL account: The sandbox does not start: its account ")
    assert store.startswith("FAIL store: its folder ")


def test_the_default_store_beside_the_sandbox_is_nothing_odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meltano hands on every default."""
    monkeypatch.chdir(tmp_path)
    default = {"api_url": "sandbox", "store_url": "sqlite:///target-promoter.db", "campaigns": {"Order Completed": 78}}
    assert [line[:4] for line in lines_of(default)] == ["ok  "] * 3


def test_a_sample_that_a_run_would_refuse_is_a_no(config: dict[str, Any], tmp_path: Path) -> None:
    """After the lines to add."""
    sample = tmp_path / "sample.jsonl"
    sample.write_text(f"{json.dumps(schema('customers', CUSTOMERS))}\n", encoding="utf-8")
    *_, last = lines_of(config, "--input", str(sample), status=1)
    assert last == "FAIL input: A run would be refused at the streams `customers`: add the lines above to the config."


def test_every_event_of_a_sample_is_told(config: dict[str, Any]) -> None:
    """However many there are."""
    names = [f"Page {number} Viewed" for number in range(40)]
    track = [
        record("calls", type="track", userId="1", messageId=name, event=name, timestamp=hours_ago(1)) for name in names
    ]
    text = inspected([CALLS, *track], config)
    assert [name for name in names if f"1 x {name}: no campaign" not in text] == []


def test_a_new_key_is_accepted_on_demand(config: dict[str, Any], store_url: str) -> None:
    """A store refuses another key until `check --rebind` accepts it; the old one is refused from then on."""
    with new_sandbox() as sandbox:
        config |= {"store_url": store_url, "api_url": sandbox.url}
        sync(config, [CALLS, identify("1", "ann@example.com")])
        port = int(sandbox.origin.rsplit(":", 1)[1])
    with SandboxServer(key="a-new-key-of-it", campaigns={78: "Orders"}, port=port):
        new = {**config, "api_key": "a-new-key-of-it"}
        assert "--rebind" in lines_of(new, status=1)[-1]
        assert lines_of(new, "--rebind")[-1].endswith("belongs to the account with this key from now on")
        assert lines_of(new)[-1].endswith("belongs to this account")
    assert isinstance(command("report", config=config).exception, StoreError)


def test_a_new_address_of_the_account_is_accepted_on_demand(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """But a store that was tried with the embedded sandbox never becomes that of an account."""
    sync(config, [CALLS, identify("1", "ann@example.com")])
    moved = {**config, "api_url": sandbox.url.replace("127.0.0.1", "localhost")}
    assert "--rebind" in lines_of(moved, status=1)[-1]
    assert lines_of(moved, "--rebind")[-1].endswith(f"with this key at {moved['api_url']} from now on")
    assert lines_of(moved)[-1].endswith("belongs to this account")
    store = open_store(config["store_url"], now=0.0)
    store.write(lambda tx: runs.set_fact(tx, "api_url", "sandbox"))
    store.close()
    assert lines_of(moved, "--rebind", status=1)[-1].startswith("FAIL store")


def test_a_store_from_a_backup_surveys_nobody_twice_and_sends_every_contact_again(
    config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path
) -> None:
    """Within a day Promoter's own throttle refuses a second survey; what was due before is too old by then."""
    store, backup = tmp_path / "store.db", tmp_path / "backup.db"
    open_store(config["store_url"], now=time.time() - 10 * 86_400).close()
    sync(config, [CALLS, *(identify(one, f"{one}@example.com") for one in ("ann", "bob", "cy"))])
    assert sync(config, [CALLS, order("queued", "cy", hours=30)]).summary["surveys"]["sent"] == 1
    shutil.copy(store, backup)
    orders = [CALLS, order("old", "ann", hours=30), order("new", "bob", hours=2)]
    assert sync(config, orders).summary["surveys"]["sent"] == 2
    shutil.copy(backup, store)
    assert lines_of(config, "--restored")[-1].startswith("ok   restored: what was due more than 23 hours ago")
    again = sync(config, orders).summary
    assert again["track"]["stale"] == 1
    assert again["surveys"]["sent"] == 0
    assert again["surveys"]["throttled"] == 1
    assert again["contacts"]["synced"] == 3
    assert len(sandbox.account.surveys) == 3


def test_an_account_out_of_order_is_not_rebound(config: dict[str, Any]) -> None:
    """`--rebind` with a key that the account refuses, or with campaigns it does not have, changes nothing."""
    sync(config, [CALLS, identify("1", "ann@example.com")])
    lines_of({**config, "api_key": "another-secret-key"}, "--rebind", status=1)
    lines_of({**config, "campaigns": {"Order Completed": 1}}, "--rebind", status=1)
    assert lines_of(config)[-1].endswith("belongs to this account")


def inspected(messages: Iterable[dict[str, Any]], config: dict[str, Any]) -> str:
    """Return what is said of a sample."""
    return "\n".join(inspect_input(map(json.dumps, messages), config, Settings.from_config(config)))


def test_a_sample_shows_how_it_is_read(config: dict[str, Any]) -> None:
    """Each stream tells how it was recognized, where each field was found, and what would leave."""
    messages = [CALLS, identify("1", "ann@example.com", {"home.city": "Oslo", "name": "Ann Lee"}), order("t-1", "1")]
    text = inspected([*messages, order("t-2", None)], config)
    assert "Stream calls: segment (1 identify calls, 2 track calls)" in text
    assert "Its schema is that of raw calls" in text
    assert "user_id: userId (in 2 of 3)" in text
    assert "email: traits.email (in 1 of 3)" in text
    assert "first_name: name, split at its first space (in 1 of 3)" in text
    assert "would be sent as attributes: home_city" in text
    assert "renamed: home.city (home_city)" in text
    assert "2 x Order Completed: a survey of campaign 78" in text
    assert "1 would be rejected: no user id, anonymous id or usable e-mail address" in text


def test_a_sample_shows_where_each_field_is_looked_for(config: dict[str, Any]) -> None:
    """Also that it is nowhere, and what stands in for it."""
    of = {"properties": dict.fromkeys(("id", "customer_id", "at", "total"), TEXT)}
    orders = {
        "type": "track",
        "event": "Order Completed",
        "fields": {"user_id": "customer_id", "timestamp": "at"},
        "traits": ["total"],
    }
    text = inspected([schema("orders", of)], {**config, "streams": {"orders": orders}})
    assert "  user_id: in no record; looked for in customer_id\n" in text
    assert "  email: not in the schema\n" in text
    assert "  event: always Order Completed\n" in text
    assert "  message_id: in no record; looked for in key id\n" in text
    assert "  properties: total\n" in text
    text = inspected([CALLS], config)
    assert "  traits: object traits, object context.traits\n" in text
    assert "  message_id: in no record; looked for in messageId, key messageId\n" in text


def test_a_sample_shows_whom_it_would_survey(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """What a run would send is found out against what the store knows, with nothing sent and nothing kept."""
    messages = [CALLS, identify("1", "ann@example.com"), order("t-1", "1"), order("t-2", "1", hours=9000)]
    text = inspected(messages, config)
    assert "track: 2 read, 1 queued, 1 stale" in text
    assert "send 1 of campaign 78" in text
    assert "a…@example.com" in text
    sync(config, messages)
    requests = len(sandbox.account.requests)
    assert "send no survey" in inspected(messages, config)
    assert len(sandbox.account.requests) == requests


def test_a_sample_goes_through_stream_maps(config: dict[str, Any]) -> None:
    """Stream maps are applied before a stream is recognized, as in a run."""
    config["stream_maps"] = {
        "people": {"__alias__": "users", "id": "id", "email": "email", "received_at": "'2024-01-01'"}
    }
    text = inspected([schema("people", CUSTOMERS), record("people", id="1", email="a@x.org", plan="Pro")], config)
    assert "Stream users: identify (1 identify calls)" in text


def test_a_sample_of_an_unknown_stream_names_the_lines_to_add(config: dict[str, Any]) -> None:
    """All streams that must be configured are told at once, with lines as JSON and YAML that work as they stand."""
    orders = {"properties": dict.fromkeys(("id", "customer_id", "created_at", "total"), TEXT)}
    messages = [
        schema("customers", CUSTOMERS),
        record("customers", id="1", email="ann@example.com", plan="Pro"),
        schema("orders", orders),
        record("orders", id="7", customer_id="1", created_at=hours_ago(1), total="3"),
        schema("products", {"properties": {"id": TEXT, "title": TEXT}}),
    ]
    lines: list[str] = []
    with pytest.raises(ConfigError, match="`customers`, `orders`, `products`"):
        lines.extend(inspect_input(map(json.dumps, messages), config, Settings.from_config(config)))
    lines = []
    with contextlib.suppress(ConfigError):
        for line in inspect_input(map(json.dumps, messages), config, Settings.from_config(config)):
            lines.append(line)
    text = "\n".join(lines)
    assert "products is best left out: no column names a person.\nIf one should be read all the same, say" in text
    add = json.loads(next(line for line in lines if line.startswith("{")))
    assert yaml.safe_load(text[text.index("config:") :]) == {"config": add}
    assert "track: 1 read, 1 queued" in inspected(messages, {**config, **add})


def test_a_sample_shows_what_stays_behind_and_what_matches_nothing(config: dict[str, Any]) -> None:
    """Columns that are not sent, a name that is nearly a campaign's, and entries of the config that nothing matches."""
    config["streams"] = {"people": {"type": "identify", "fields": {"user_id": "id"}}, "gone-*": {"type": "ignore"}}
    columns = {"properties": {**CUSTOMERS["properties"], "ssn": TEXT}}
    messages = [
        CALLS,
        record("calls", type="track", userId="1", messageId="m", event="Order Complted", timestamp=hours_ago(1)),
        identify("1", "ann@example.com"),
        schema("people", columns),
        record("people", id="1", email="bob@example.com", plan="Pro", ssn="1"),
    ]
    text = inspected(messages, config)
    assert "would not be sent: plan, ssn" in text
    assert "1 x Order Complted: no campaign (did you mean `Order Completed`?)" in text
    assert "warn streams.gone-*: matches no stream of the sample" in text
    assert "warn campaigns.Order Completed: matches no event of the sample (did you mean `Order Complted`?)" in text
    assert "warn user ids: 1 of calls have another address in people" in text


def test_events_of_nobody_in_the_sample_are_told(config: dict[str, Any]) -> None:
    """They may have ids of another kind, and their surveys would wait for ever."""
    strangers = "warn user ids: of the 1 in the events of calls none is one of the sample's people"
    assert strangers in inspected([CALLS, identify("7", "ann@example.com"), order("t-1", "cus_7")], config)
    assert "warn user ids" not in inspected([CALLS, identify("7", "ann@example.com"), order("t-1", "7")], config)
    assert "warn user ids" not in inspected([CALLS, order("t-1", "7")], config)


@pytest.mark.parametrize(
    "line", ["no JSON", '{"type": "RECORD", "stream": "s", "record": {}}', '{"type": "SCHEMA"}', '{"type": "ROW"}']
)
def test_a_sample_that_is_no_tap_output_is_a_sentence(config: dict[str, Any], line: str) -> None:
    """A line that is no message, of no known type, or a record before its SCHEMA, is refused in a sentence."""
    with pytest.raises(InputError, match="sample"):
        list(inspect_input([line], config, Settings.from_config(config)))


def test_an_empty_sample_is_told_kindly(config: dict[str, Any]) -> None:
    """A sample without a SCHEMA message says so."""
    assert "holds no SCHEMA message" in inspected([], config)


def test_it_starts_the_sandbox_as_a_run_does(tmp_path: Path) -> None:
    """With `api_url: sandbox` the real command checks the embedded sandbox; its config may stand behind its name."""
    (tmp_path / "c.json").write_text('{"api_url": "sandbox", "campaigns": {"Order Completed": 78}}', encoding="utf-8")
    (tmp_path / "s.jsonl").write_text(f"{json.dumps(CALLS)}\n", encoding="utf-8")
    outcome = run_program("check", "--config", "c.json", "--input", "s.jsonl", cwd=tmp_path)
    assert outcome.status == 0, outcome.log
    assert outcome.output.startswith("ok   key: accepted by the sandbox\nok   campaign 78: Order Completed")
    assert "Stream calls: segment (no record)" in outcome.output


def test_hours_and_what_holds_for_a_campaign_are_told(config: dict[str, Any]) -> None:
    """When surveys may be sent next, and which of a campaign's are not, or later."""
    local = dt.datetime.now(tz=dt.UTC)
    begins, ends = (f"{(local.hour + hours) % 24:02}:00" for hours in (2, 3))
    config["survey_hours"] = {"from": begins, "to": ends, "time_zone": "UTC"}
    cancel_on = ["Account Closed", {"event": "Order Refunded", "match": "order_id"}]
    config["campaigns"] = {
        "Order Completed": {"id": 78, "sample_percent": 25},
        "Ticket Closed": {"id": 91, "delay_hours": 24, "cancel_on": cancel_on, "paused": True},
    }
    told = "\n".join(lines_of(config))
    assert f"survey_hours: surveys wait until {local + dt.timedelta(hours=2):%Y-%m-%d %H}:00 UTC" in told
    assert "(instant); a sample of 25%\n" in told
    cancelled = "cancelled by the event Account Closed; cancelled by the event Order Refunded with the same order_id"
    assert f"(instant); 24 hours later; {cancelled}; paused: its surveys wait" in told
