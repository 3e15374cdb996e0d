"""`target-promoter rejected`: what was rejected or refused comes out as Singer messages, and succeeds once fixed."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from target_promoter.commands.rejected import messages
from target_promoter.sandbox.faults import Faults
from target_promoter.store import schema as tables
from target_promoter.store.database import find_store, open_store
from target_promoter.store.encoding import encode
from tests.benchmarks import large_store
from tests.benchmarks.large_store import Size
from tests.conftest import run_program
from tests.program import CALLS, command, identify, order
from tests.tap import STREAMS, TEXT, hours_ago, record, schema, sync

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer

pytestmark = pytest.mark.slow

REFUSING = Faults(rate=1.0, kinds=("error",), statuses=(400,))


def printed(config: dict[str, Any], *arguments: str) -> list[dict[str, Any]]:
    """Return the messages that the command prints."""
    result = command("rejected", *arguments, config=config)
    assert result.exit_code == 0, result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def records(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records among messages."""
    return [message["record"] for message in messages if message["type"] == "RECORD"]


def test_what_succeeds_leaves_the_list(config: dict[str, Any], store_url: str, sandbox: SandboxServer) -> None:
    """A record that a fixed config can take is surveyed when it is replayed, and is gone from the list."""
    config["store_url"] = store_url
    orders = schema("orders", {"properties": {"id": TEXT, "customer": TEXT, "customer_id": TEXT, "ordered_at": TEXT}})
    row = record("orders", id="o-1", customer="1", ordered_at=hours_ago(2))
    config["streams"] = {"orders": STREAMS["orders"]}
    assert sync(config, [CALLS, identify("1", "ann@example.com"), orders, row]).summary["track"]["rejected"] == 1
    messages = printed(config)
    assert messages[0]["stream"] == "orders"
    assert messages[0]["key_properties"] == ["id"]
    assert sync(config, messages).summary["track"]["rejected"] == 1
    assert len(printed(config)) == 2  # Not fixed yet: still one, not two.
    config["streams"] = {"orders": {**STREAMS["orders"], "fields": {"user_id": "customer", "timestamp": "ordered_at"}}}
    assert sync(config, messages).summary["surveys"]["sent"] == 1
    assert printed(config) == []
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}


def test_rows_without_a_key_leave_too(config: dict[str, Any]) -> None:
    """A row of a table without keys is known by its mark, also when it was corrected on the way."""
    people = schema("people", {"properties": {"user_id": TEXT, "email": TEXT}}, keys=())
    config["streams"] = {"people": {"type": "identify"}}
    sync(config, [people, record("people", user_id="1", email="no address"), record("people", email="b@example.com")])
    messages = printed(config, "--reason", "USABLE E-MAIL")
    assert [one["user_id"] for one in records(messages)] == ["1"]
    records(messages)[0]["email"] = "ann@example.com"
    assert sync(config, messages).summary["contacts"]["synced"] == 1
    assert [one["email"] for one in records(printed(config))] == ["b@example.com"]


def test_records_are_printed_as_they_are_read(store_url: str) -> None:
    """Thousands of them never are in memory at once."""
    large_store.fill(store_url, Size(people=0, surveys=0, rejected=10_000), 1_750_000_000.0)
    store = find_store(store_url)
    assert store is not None
    tracemalloc.start()
    size = sum(len(encode(one)) for one in store.stream(lambda tx: messages(tx, stream=None, reason=None)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    store.close()
    assert size > 4_000_000
    assert most < size / 2


def test_streams_and_reasons_filter(config: dict[str, Any]) -> None:
    """`--stream` and `--reason` let through only what they name."""
    sync(config, [CALLS, identify(None, "a@example.com"), order("t-1", None)])
    assert len(records(printed(config))) == 2
    assert records(printed(config, "--stream", "other")) == []
    assert [one["messageId"] for one in records(printed(config, "--reason", "anonymous id"))] == ["t-1"]


def test_stream_maps_apply_once(config: dict[str, Any]) -> None:
    """A record that a stream map changed before it was rejected is not changed again by its replay."""
    config["streams"] = {"people": {"type": "identify", "traits": ["plan"]}}
    config["stream_maps"] = {"people": {"user_id": "user_id", "email": "email", "plan": "'mapped ' + plan"}}
    people = schema("people", {"properties": {"user_id": TEXT, "email": TEXT, "plan": TEXT}}, keys=())
    sync(config, [people, record("people", user_id="1", email="no address", plan="Pro")])
    messages = printed(config)
    assert records(messages)[0]["plan"] == "mapped Pro"
    records(messages)[0]["email"] = "ann@example.com"
    config["stream_maps"]["people"]["email"] = "'never@example.com'"
    sync(config, messages)
    store = open_store(config["store_url"], now=0.0)
    query = select(tables.people.c.email, tables.people.c.parts)
    (email, traits), *_ = store.read(lambda connection: connection.execute(query).all())
    store.close()
    assert email == "ann@example.com"
    assert "mapped Pro" in str(traits)
    assert "mapped mapped" not in str(traits)


def test_a_refused_survey_is_tried_again(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """A survey that Promoter refused comes out as a raw track call, and is sent once when it is replayed."""
    sandbox.set_faults(Faults(rate=1.0, kinds=("error",), statuses=(400,), only="/v2/survey/"))
    refused = sync(config, [CALLS, identify("1", "ann@example.com"), order("t-1", "1", total=9.5)])
    assert refused.summary["surveys"]["refused"] == 1
    sandbox.set_faults(Faults())
    messages = printed(config)
    (call,) = records(messages)
    assert (call["type"], call["userId"], call["messageId"]) == ("track", "1", "t-1")
    assert call["properties"] == {"total": 9.5}
    replayed = sync(config, messages)
    assert replayed.summary["track"]["queued"] == 1
    assert replayed.summary["surveys"]["sent"] == 1
    assert printed(config) == []
    assert sync(config, messages).summary["track"]["duplicate"] == 1
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}


def test_a_survey_in_doubt_is_never_tried_again(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """A survey that was refused after a request without an answer may have arrived: its replay is a duplicate."""
    sandbox.set_faults(Faults(rate=1.0, kinds=("error",), statuses=(400,), only="/v2/survey/"))
    sync(config, [CALLS, identify("1", "ann@example.com"), order("t-1", "1")])
    sandbox.set_faults(Faults())
    store = open_store(config["store_url"], now=0.0)
    store.write(lambda connection: connection.execute(tables.surveys.update().values(unanswered=1)))
    store.close()
    assert sync(config, printed(config)).summary["track"]["duplicate"] == 1
    assert sandbox.account.surveys == []


def test_a_refused_survey_that_grew_old_is_stale(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """A refused survey that was due too long ago by now is not sent by its replay."""
    sandbox.set_faults(Faults(rate=1.0, kinds=("error",), statuses=(400,), only="/v2/survey/"))
    sync(config, [CALLS, identify("1", "ann@example.com"), order("t-1", "1", hours=5)])
    sandbox.set_faults(Faults())
    config["max_event_age_hours"] = 4
    assert sync(config, printed(config)).summary["track"]["stale"] == 1
    assert sandbox.account.surveys == []


def test_a_refused_contact_is_sent_again(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """A contact that Promoter refused comes out as a raw identify call, and is sent when it is replayed."""
    sandbox.set_faults(REFUSING)
    refused = sync(config, [CALLS, identify("1", "ann@example.com", {"plan": "Pro", "firstName": "Ann"})])
    assert refused.summary["contacts"]["refused"] == 1
    sandbox.set_faults(Faults())
    assert sync(config, [CALLS]).summary["contacts"]["synced"] == 0  # Not of itself.
    messages = printed(config)
    (call,) = records(messages)
    assert call["traits"] == {"email": "ann@example.com", "firstName": "Ann", "plan": "Pro"}
    assert sync(config, messages).summary["contacts"]["synced"] == 1
    assert printed(config) == []
    assert sandbox.account.contacts["ann@example.com"].first_name == "Ann"


def test_a_glob_for_every_stream_does_not_hide_what_was_refused(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """What Promoter refused is replayed also where the config ignores every stream that it does not name."""
    config["streams"] = {"calls": {"type": "segment"}, "*": {"type": "ignore"}}
    sandbox.set_faults(REFUSING)
    sync(config, [CALLS, identify("1", "ann@example.com")])
    sandbox.set_faults(Faults())
    assert sync(config, printed(config)).summary["contacts"]["synced"] == 1


@pytest.mark.parametrize("stream", ["refused_calls", "calls"])
def test_refused_surveys_are_filtered_by_the_stream_of_their_event(
    config: dict[str, Any], sandbox: SandboxServer, stream: str
) -> None:
    """`--stream` finds a refused survey by the stream that brought its event, and by the one that it comes out in."""
    sandbox.set_faults(Faults(rate=1.0, kinds=("error",), statuses=(400,), only="/v2/survey/"))
    sync(config, [CALLS, identify("1", "ann@example.com"), order("t-1", "1")])
    assert len(records(printed(config, "--stream", stream))) == 1


def test_the_pipe_of_the_readme(config: dict[str, Any], tmp_path: Path) -> None:
    """`target-promoter rejected | target-promoter` works with both at one store, in processes of their own."""
    sync(config, [CALLS, identify(None, "a@example.com"), identify("1", "ann@example.com")])
    out = run_program("rejected", config=config, cwd=tmp_path)
    assert out.status == 0, out.log
    assert "1 rejected or refused record." in out.log
    back = run_program(config=config, messages=out.output, cwd=tmp_path)
    assert back.status == 0, back.log
    assert back.summary["identify"]["rejected"] == 1
