"""`target-promoter export`: every survey and what else the store holds; a second time what is new."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from target_promoter.report.export import STREAMS
from target_promoter.store import runs
from target_promoter.store.database import open_store
from tests.program import CALLS, command, identify, order
from tests.tap import sync

pytestmark = pytest.mark.slow


def fill(config: dict[str, Any]) -> None:
    """Run a sync after which every stream has rows."""
    config["campaigns"] = {"Order Completed": 78}
    messages = [
        CALLS,
        identify("1", "ann@example.com"),
        order("t-1", "1", 3, total=9.5),
        order("t-2", "1"),
        order("t-3", "9"),
    ]
    messages.append({**order("t-4", "1"), "record": {**order("t-4", "1")["record"], "timestamp": "never"}})
    sync(config, messages)


def exported(config: dict[str, Any], *arguments: str) -> list[dict[str, Any]]:
    """Return the messages of an export."""
    result = command("export", *arguments, config=config)
    assert result.exit_code == 0, result.exception
    return [json.loads(line) for line in result.output.splitlines()]


def records(messages: list[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    """Return the records of a stream."""
    return [one["record"] for one in messages if one["type"] == "RECORD" and one["stream"] == stream]


def test_every_survey_is_a_row(config: dict[str, Any], store_url: str) -> None:
    """With whom, for what, what came of it and why; what waits too."""
    config["store_url"] = store_url
    fill(config)
    messages = exported(config)
    rows = {one["message_id"]: one for one in records(messages, "surveys")}
    assert {name: one["outcome"] for name, one in rows.items()} == {"t-1": "sent", "t-2": "throttled", "t-3": "waiting"}
    assert (rows["t-1"]["email"], rows["t-1"]["campaign_id"], rows["t-1"]["event"]) == (
        "ann@example.com",
        78,
        "Order Completed",
    )
    assert rows["t-2"]["reason"]
    assert rows["t-2"]["email"] == "ann@example.com"
    assert rows["t-1"]["settled_at"].endswith("+00:00")
    assert [one["email"] for one in records(messages, "contacts")] == ["ann@example.com"]
    assert {(one["name"], one["outcome"], one["number"]) for one in records(messages, "events")} == {
        ("Order Completed", "queued", 2),
        ("Order Completed", "waiting", 1),
    }
    assert records(messages, "rejected")[0]["record"]["messageId"] == "t-4"
    assert records(messages, "runs")[0]["summary"]["surveys"]["sent"] == 1
    schemas = {one["stream"]: one for one in messages if one["type"] == "SCHEMA"}
    assert set(schemas) == set(STREAMS)
    for message in messages:
        if message["type"] == "RECORD":
            schema = schemas[message["stream"]]
            assert set(message["record"]) == set(schema["schema"]["properties"])
            assert set(schema["key_properties"]) <= set(message["record"])
    assert messages[-1]["type"] == "STATE"


def test_an_export_goes_on_where_the_last_one_ended(config: dict[str, Any], store_url: str, tmp_path: Path) -> None:
    """Nothing twice, and what was settled meanwhile comes again with its new outcome."""
    config["store_url"] = store_url
    fill(config)
    state = tmp_path / "state.json"
    state.write_text(json.dumps(exported(config)[-1]["value"]), encoding="utf-8")
    again = exported(config, "--state", str(state))
    assert not [one for one in again if one["type"] == "RECORD"]
    sync(config, [CALLS, identify("9", "new@example.com")])
    new = exported(config, "--state", str(state))
    assert [(one["message_id"], one["outcome"]) for one in records(new, "surveys")] == [("t-3", "sent")]
    assert [one["email"] for one in records(new, "contacts")] == ["new@example.com"]
    assert len(records(new, "runs")) == 1
    assert records(new, "rejected") == records(new, "events") == []


def test_the_state_holds_no_number_with_a_point(config: dict[str, Any]) -> None:
    """Targets of the SDK cannot write one."""
    fill(config)
    for bookmark in exported(config)[-1]["value"]["bookmarks"].values():
        assert isinstance(bookmark["changed_at"], str)


def test_what_a_run_writes_meanwhile_is_not_lost(config: dict[str, Any]) -> None:
    """While a run goes on, the next export looks a little further back."""
    fill(config)
    store = open_store(config["store_url"], now=0.0)
    store.write(lambda tx: runs.begin(tx, "deliver", time.time()))
    store.close()
    messages = exported(config)
    before = float(messages[-1]["value"]["bookmarks"]["surveys"]["changed_at"])
    changed = [dt.datetime.fromisoformat(one["changed_at"]).timestamp() for one in records(messages, "surveys")]
    assert before < min(changed)


def test_csv_is_one_stream_with_a_head(config: dict[str, Any], tmp_path: Path) -> None:
    """As a spreadsheet reads it; the state file is written, so that the next one holds only what is new."""
    fill(config)
    state = tmp_path / "state.json"
    result = command("export", "surveys", "--format", "csv", "--state", str(state), config=config)
    rows = list(csv.DictReader(io.StringIO(result.output)))
    assert {one["outcome"] for one in rows} == {"sent", "throttled", "waiting"}
    again = command("export", "surveys", "--format", "csv", "--state", str(state), config=config)
    assert len(again.output.splitlines()) == 1
    assert "CSV takes one stream" in command("export", "--format", "csv", config=config).output


def test_json_lines(config: dict[str, Any]) -> None:
    """An object a line; of several streams each says which."""
    fill(config)
    lines = [json.loads(line) for line in command("export", "--format", "jsonl", config=config).output.splitlines()]
    assert {one["stream"] for one in lines if "kind" not in one and "message_id" not in one} >= {"contacts", "runs"}


def test_a_file_that_is_no_state_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    """It would be taken for the beginning."""
    fill(config)
    path = tmp_path / "state.json"
    path.write_text("hello", encoding="utf-8")
    result = command("export", "--state", str(path), config=config)
    assert result.exit_code == 2
    assert "holds no state" in result.output
