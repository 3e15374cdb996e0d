"""`target-promoter check`: one line a question, what to do beside each fault, and nothing sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from target_promoter.commands.inspection import inspect_input
from target_promoter.config.settings import Settings
from target_promoter.errors import ConfigError, InputError, StoreError
from target_promoter.sandbox.server import SandboxServer
from tests.conftest import run_program
from tests.program import CALLS, command, identify, order
from tests.tap import CUSTOMERS, record, schema, sync

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


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
    assert first.startswith("warn environment: The environment variable TARGET_PROMOTER_CAMPAIGN is no setting")
    monkeypatch.delenv("TARGET_PROMOTER_CAMPAIGN")
    first, *_ = lines_of({"api_url": "sandbox", "campaigns": {"Order Completed": 78}, "store_url": config["store_url"]})
    assert first.startswith("warn store_url: the sandbox has a store of its own, sqlite:///")


def test_a_new_key_is_accepted_on_demand(config: dict[str, Any], sandbox: SandboxServer, store_url: str) -> None:
    """A store refuses another key until `check --rebind` accepts it; the old one is refused from then on."""
    config["store_url"] = store_url
    sync(config, [CALLS, identify("1", "ann@example.com")])
    sandbox.stop()
    port = int(sandbox.origin.rsplit(":", 1)[1])
    with SandboxServer(key="a-new-key-of-it", campaigns={78: "Orders"}, port=port):
        new = {**config, "api_key": "a-new-key-of-it"}
        assert "--rebind" in lines_of(new, status=1)[-1]
        assert lines_of(new, "--rebind")[-1].endswith("belongs to the account with this key from now on")
        assert lines_of(new)[-1].endswith("belongs to this account")
    assert isinstance(command("report", config=config).exception, StoreError)


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
    assert "would leave as attributes: home_city" in text
    assert "renamed: home.city (home_city)" in text
    assert "2 x Order Completed: a survey of campaign 78" in text
    assert "1 would be rejected: no user id, anonymous id or usable e-mail address" in text


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
    """A stream that is none of Segment's is refused as in a run, with the lines for the config."""
    with pytest.raises(ConfigError, match=r'"streams": \{"customers"'):
        inspected([schema("customers", CUSTOMERS)], config)


@pytest.mark.parametrize("line", ["no JSON", '{"type": "RECORD", "stream": "s", "record": {}}', '{"type": "SCHEMA"}'])
def test_a_sample_that_is_no_tap_output_is_a_sentence(config: dict[str, Any], line: str) -> None:
    """A line that is no message, or a record before its SCHEMA, is refused in a sentence."""
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
