"""Every Singer message, in every form that taps give it: taken in, or refused in a sentence; never dropped."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_promoter.commands.rejected import messages as replay
from target_promoter.singer import reader
from target_promoter.store.database import open_store
from tests.tap import CUSTOMERS, STREAMS, TEXT, hours_ago, record, schema, state, sync

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer

pytestmark = pytest.mark.slow

ORDERS: dict[str, Any] = {
    "properties": {"id": TEXT, "customer_id": TEXT, "ordered_at": TEXT, "total": {"type": ["null", "number"]}}
}


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables."""
    return {**config, "streams": STREAMS}


def ann(**more: object) -> dict[str, Any]:
    """Return a record of a customer."""
    return record("customers", **{"id": "1", "email": "ann@example.com", **more})


# --- SCHEMA -----------------------------------------------------------------------------------------------------------


def test_a_schema_may_change_in_mid_stream(shop: dict[str, Any], sandbox: SandboxServer) -> None:
    """Records before and after a new SCHEMA end in the contact, the later one winning."""
    wider = {"properties": {**CUSTOMERS["properties"], "country": TEXT}}
    messages = [
        schema("customers", CUSTOMERS),
        ann(plan="Free"),
        state({"at": 1}),
        schema("customers", wider),
        ann(plan="Team", country="PT"),
        state({"at": 2}),
    ]
    run = sync(shop, messages)
    assert run.status == 0, run.log
    assert sandbox.account.contacts["ann@example.com"].attributes == {"plan": "Team", "country": "PT", "user_id": "1"}
    assert run.states == [{"at": 1}, {"at": 2}]


def test_a_repeated_schema_changes_nothing(shop: dict[str, Any]) -> None:
    """A SCHEMA that comes again and again, as before every page of some taps, splits no batch."""
    messages = [one for number in range(4) for one in (schema("customers", CUSTOMERS), ann(plan=str(number)))]
    run = sync(shop, messages)
    assert run.summary["identify"] == {**run.summary["identify"], "read": 4, "changed": 1, "merged": 3}


@pytest.mark.parametrize("maps", [None, {"customers": {"made": "plan"}}])
def test_schemas_in_turn_split_few_batches(
    shop: dict[str, Any], sandbox: SandboxServer, maps: dict[str, Any] | None
) -> None:
    """Some taps send a SCHEMA before each record, by the columns it has; each record is held to its own."""
    shop["stream_maps"] = maps
    other = {"properties": {**CUSTOMERS["properties"], "plan": {"type": "integer"}, "country": TEXT}}
    messages = []
    for number in range(40):
        of, plan = (other, number) if number % 2 else (CUSTOMERS, str(number))
        messages += [schema("customers", of), ann(plan=plan, country="PT")]
    messages += [schema("customers", CUSTOMERS), ann(plan=7), schema("customers", other), ann(plan="x")]
    run = sync(shop, messages)
    assert run.summary["identify"]["rejected"] == 2
    assert run.summary["identify"]["merged"] >= 36
    assert sandbox.account.contacts["ann@example.com"].attributes["plan"] == "39"


def test_a_replay_before_the_stream_itself_makes_no_replay_of_it(shop: dict[str, Any]) -> None:
    """The same SCHEMA with the store's mark and without it are two: a column of the tap's own says nothing."""
    sync(shop, [schema("customers", CUSTOMERS), ann(email="nobody")])
    store = open_store(shop["store_url"], now=0.0)
    again = store.read(lambda tx: list(replay(tx, stream=None, reason=None)))
    store.close()
    mark = again[1]["record"]["_sdc_rejected"]
    forged = record("customers", id="2", email="bob@example.com", _sdc_rejected=mark)
    run = sync(shop, [schema("customers", CUSTOMERS), *again, schema("customers", CUSTOMERS), forged])
    assert run.summary["identify"]["rejected"] == 1
    store = open_store(shop["store_url"], now=0.0)
    assert len(store.read(lambda tx: list(replay(tx, stream=None, reason=None)))) == 2
    store.close()


def test_key_properties_may_be_missing(shop: dict[str, Any]) -> None:
    """A stream without keys is read; the same row again is known by its content."""
    messages = [
        {**schema("orders", ORDERS), "key_properties": None},
        *[record("orders", id="7", customer_id="1", ordered_at=hours_ago(1), total=2)] * 2,
        schema("customers", CUSTOMERS),
        ann(),
    ]
    run = sync(shop, messages)
    assert run.status == 0, run.log
    assert run.summary["track"]["duplicate"] == 1
    assert run.summary["surveys"]["sent"] == 1


def test_compound_keys_tell_records_apart(shop: dict[str, Any]) -> None:
    """Two orders that share one part of their key are two; the same key again is the same order."""
    messages = [schema("orders", ORDERS, keys=("customer_id", "id"))]
    for order, customer, total in (("1", "1", 5), ("1", "2", 5), ("1", "1", 6)):
        messages.append(record("orders", id=order, customer_id=customer, ordered_at=hours_ago(1), total=total))
    run = sync(shop, messages)
    assert run.summary["track"] == {**run.summary["track"], "read": 3, "waiting": 2, "duplicate": 1}


NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("of", "fits"),
    [
        pytest.param({}, True, id="no properties"),
        pytest.param({"properties": {}}, True, id="empty properties"),
        pytest.param({"$schema": "http://json-schema.org/draft-04/schema#", **CUSTOMERS}, True, id="draft 4"),
        pytest.param(
            {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "id": "http://example.com/customers",
                "properties": {
                    **CUSTOMERS["properties"],
                    "age": {"type": ["null", "number"], "maximum": 1e9, "exclusiveMaximum": True, "multipleOf": 0.01},
                },
            },
            True,
            id="draft 4 as pipelinewise writes it",
        ),
        pytest.param(
            {
                "properties": {
                    **CUSTOMERS["properties"],
                    "age": {"type": "number", "maximum": 9, "exclusiveMaximum": True},
                }
            },
            False,
            id="draft 4's bound is kept",
        ),
        pytest.param({"$schema": "http://json-schema.org/draft-06/schema#", **CUSTOMERS}, True, id="draft 6"),
        pytest.param(
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                **CUSTOMERS,
                "if": {"properties": {"plan": {"const": "Free"}}},
                "then": {"required": ["age"]},
            },
            True,
            id="draft 7",
        ),
        pytest.param(
            {
                "$schema": "https://json-schema.org/draft/2019-09/schema",
                "$defs": {"text": TEXT},
                "properties": {"id": TEXT, "email": {"$ref": "#/$defs/text"}, "plan": TEXT},
            },
            True,
            id="draft 2019",
        ),
        pytest.param(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": "https://example.com/customers",
                **CUSTOMERS,
                "$defs": {"pair": {"type": "array", "prefixItems": [TEXT, TEXT]}},
            },
            True,
            id="draft 2020",
        ),
        pytest.param({"properties": {"id": TEXT, "email": NULLABLE, "plan": NULLABLE}}, True, id="anyOf"),
        pytest.param(
            {"properties": {"id": TEXT, "email": TEXT, "age": {"oneOf": [{"type": "integer"}, {"type": "null"}]}}},
            False,
            id="oneOf",
        ),
        pytest.param(
            {"properties": {"id": TEXT, "email": TEXT, "age": {"oneOf": [{"type": "integer"}, {"type": "number"}]}}},
            True,
            id="oneOf of kinds that overlap",
        ),
        pytest.param({"allOf": [CUSTOMERS]}, True, id="allOf"),
        pytest.param({**CUSTOMERS, "additionalProperties": False}, True, id="a column that nobody reads"),
        pytest.param({**CUSTOMERS, "required": ["country"]}, False, id="a column required and not declared"),
        pytest.param({"properties": {**CUSTOMERS["properties"], "email": {"type": "integer"}}}, False, id="a misfit"),
    ],
)
def test_schemas_of_every_draft_are_understood(
    shop: dict[str, Any], sandbox: SandboxServer, of: dict[str, Any], *, fits: bool
) -> None:
    """A record that fits is taken, one that does not is rejected, and the run goes on."""
    run = sync(shop, [schema("customers", of), ann(plan="Team", age=12.5)])
    assert run.status == 0, run.log
    assert run.summary["identify"]["rejected"] == (0 if fits else 1)
    assert ("ann@example.com" in sandbox.account.contacts) is fits


@pytest.mark.parametrize(
    "reference", ["https://example.com/text.json", "text.json", "file:///etc/hostname", "http://127.0.0.1:1/x#/text"]
)
def test_a_remote_reference_is_refused(shop: dict[str, Any], reference: str) -> None:
    """Nothing is fetched because a schema says so: the run ends with a sentence."""
    of = {"properties": {"id": TEXT, "email": TEXT, "plan": {"$ref": reference}}}
    run = sync(shop, [schema("customers", of), ann()])
    assert run.status == 1
    assert "SCHEMA" in run.log
    assert "Traceback" not in run.log


@pytest.mark.parametrize(
    "message",
    [
        {"type": "SCHEMA", "stream": "customers"},
        {"type": "SCHEMA", "schema": {"properties": {}}, "key_properties": []},
        {"type": "SCHEMA", "stream": "customers", "schema": None, "key_properties": []},
        {"type": "SCHEMA", "stream": "customers", "schema": [], "key_properties": []},
        {"type": "SCHEMA", "stream": "customers", "schema": {"properties": []}, "key_properties": []},
        {"type": "SCHEMA", "stream": "customers", "schema": CUSTOMERS, "key_properties": "id"},
        {"type": "SCHEMA", "stream": "customers", "schema": CUSTOMERS, "key_properties": [1]},
        {"type": "SCHEMA", "stream": ["customers"], "schema": CUSTOMERS, "key_properties": []},
        {"type": "SCHEMA", "stream": "a\x00b", "schema": CUSTOMERS, "key_properties": []},
        {"type": "RECORD", "stream": "customers"},
        {"type": "RECORD", "record": {}},
        {"type": "RECORD", "stream": "\ud800", "record": {}},
        {"type": "RECORD", "stream": "a\x00b", "record": {}},
        {"type": "RECORD", "stream": "customers", "record": [1]},
        {"type": "RECORD", "stream": "customers", "record": None},
        {"type": "RECORD", "stream": {}, "record": {}},
        {"type": "STATE"},
        {"type": "BATCH", "stream": "customers"},
        {"type": "BATCH", "stream": [], "encoding": {"format": "jsonl"}, "manifest": []},
        {"type": "ACTIVATE_VERSION", "version": 1},
        {"type": "ACTIVATE_VERSION", "stream": [], "version": 1},
        {"type": "ACTIVATE_VERSION", "stream": {}, "version": 1},
        {"type": "RECORDS", "stream": "customers"},
        {"stream": "customers", "record": {}},
        {"type": ["RECORD"], "stream": "customers", "record": {}},
        {"type": None},
    ],
)
def test_a_malformed_message_ends_the_run_with_a_sentence(shop: dict[str, Any], message: dict[str, Any]) -> None:
    """What was read before it is kept, nothing after it is, and the message itself is not shown."""
    run = sync(shop, [schema("customers", CUSTOMERS), ann(plan="Free"), message, ann(id="2", email="bob@example.com")])
    assert run.status == 1
    assert run.log.strip().splitlines()[-1].endswith("."), run.log
    assert "Traceback" not in run.log
    assert run.summary["identify"]["read"] <= 1


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '"text"', "nothing at all", '{"type": "RECORD"', "[" * 3000, "\x00", "﻿{}"]
)
def test_a_line_that_is_no_message_ends_the_run_with_a_sentence(shop: dict[str, Any], line: str) -> None:
    """The sentence names the line by its number and does not show it."""
    run = sync(shop, json.dumps(schema("customers", CUSTOMERS)) + f"\n{line}\n")
    assert run.status == 1
    assert "Line 2 of the input" in run.log
    assert "nothing at all" not in run.log


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_blank_lines_and_a_byte_order_mark_are_nothing(
    shop: dict[str, Any], sandbox: SandboxServer, tmp_path: Path, mark: str
) -> None:
    """Windows programs and templates leave them in files of messages; also in those of a BATCH."""
    lines = ["", json.dumps(schema("customers", CUSTOMERS)), "  ", "\t\r", json.dumps(ann()), ""]
    run = sync(shop, mark + "\n".join(lines))
    assert run.status == 0, run.log
    file = tmp_path / "batch.jsonl"
    file.write_text(f"{mark}{json.dumps(BOB)}\n\n  \n", encoding="utf-8")
    run = sync(shop, [schema("customers", CUSTOMERS), batch([file], compression=None)])
    assert run.status == 0, run.log
    assert set(sandbox.account.contacts) == {"ann@example.com", "bob@example.com"}


UNREADABLE = [
    "9" * 5000,
    f"-{'9' * 5000}",
    "1E+99999999999999999999",
    "[" * 900 + "]" * 900,
    '{"a":' * 5000 + "1" + "}" * 5000,
]
UNREADABLE_NAMES = ["long", "long negative", "large", "deep", "deeper"]


@pytest.mark.parametrize("value", UNREADABLE, ids=UNREADABLE_NAMES)
@pytest.mark.parametrize("as_batch", [False, True])
def test_what_nothing_can_keep_rejects_its_record_and_not_the_run(
    shop: dict[str, Any], sandbox: SandboxServer, tmp_path: Path, value: str, *, as_batch: bool
) -> None:
    """A number of thousands of digits, and a value nested hundreds deep, with brackets in texts beside it."""
    bad = f'{{"id": "2", "email": "bob@example.com", "note": "[[\\"{{", "x": {value}, "plan": "]}}"}}'
    file = tmp_path / "batch.jsonl"
    file.write_text(f"{bad}\n{json.dumps(ANN)}\n", encoding="utf-8")
    records = [f'{{"type": "RECORD", "stream": "customers", "record": {bad}}}', json.dumps(ann())]
    lines = [json.dumps(batch([file], compression=None))] if as_batch else records
    run = sync(
        shop,
        "\n".join(
            [
                json.dumps(schema("customers", {"properties": {**CUSTOMERS["properties"], "x": {}}})),
                *lines,
                json.dumps(state({"n": 1})),
            ]
        ),
    )
    assert run.status == 0, run.log
    assert run.states == [{"n": 1}]
    assert run.summary["identify"] == {**run.summary["identify"], "read": 2, "changed": 1, "rejected": 1}
    assert set(sandbox.account.contacts) == {"ann@example.com"}


@pytest.mark.parametrize("value", UNREADABLE, ids=UNREADABLE_NAMES)
def test_a_state_that_cannot_be_read_is_not_passed_on_as_another(shop: dict[str, Any], value: str) -> None:
    """Only a record can do without a part of it."""
    run = sync(shop, f'{{"type": "STATE", "value": {{"n": {value}}}}}')
    assert run.status == 1
    assert "Line 1 of the input" in run.log
    assert run.states == []


# --- RECORD -----------------------------------------------------------------------------------------------------------


def test_a_record_before_its_schema_ends_the_run(shop: dict[str, Any]) -> None:
    """Without a SCHEMA nobody knows what a record is; the state behind it is held back."""
    run = sync(shop, [ann(), state({"at": 1})])
    assert run.status == 1
    assert "customers" in run.log
    assert run.states == []


def test_a_record_without_its_key_ends_the_run(shop: dict[str, Any]) -> None:
    """A tap that leaves out key properties is broken; the sentence names them and no value."""
    run = sync(shop, [schema("customers", CUSTOMERS), record("customers", email="ann@example.com"), state({"at": 1})])
    assert run.status == 1
    assert "id" in run.log
    assert "ann@" not in run.log
    assert run.states == []


# --- STATE ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"bookmarks": {"orders": {"replication_key_value": "2024-05-01T00:00:00Z"}}},
        {"at": 1.5, "small": 1e-7, "large": 1e300, "exact": 0.1},
        {"big": 123456789012345678901234567890},
        {"text": "Größe 東京 😀", "none": None, "yes": True},
        {"huge": ["x" * 1000] * 1000},
        "2024-05-01",
        ["a", 1],
        1714521600,
        1714521600.25,
    ],
    ids=["object", "floats", "big integer", "text", "huge", "a text", "a list", "a number", "a float"],
)
def test_state_is_passed_on_as_it_came(shop: dict[str, Any], value: object) -> None:
    """Whatever a tap makes its state of is the tap's own business."""
    run = sync(shop, [schema("customers", CUSTOMERS), ann(), state(value)])
    assert run.status == 0, run.log
    assert run.states[-1] == value


@pytest.mark.parametrize("value", [None, {}])
def test_an_empty_state_is_not_passed_on(shop: dict[str, Any], value: object) -> None:
    """It would take the place of the bookmarks that are kept, and say nothing."""
    run = sync(shop, [schema("customers", CUSTOMERS), ann(), state(value)])
    assert run.status == 0, run.log
    assert run.states == []


def test_the_last_of_many_states_is_the_last_printed(shop: dict[str, Any]) -> None:
    """A tap may send a state behind every record; they come out in order, the last one surely."""
    messages = [schema("customers", CUSTOMERS)]
    for number in range(300):
        messages += [record("customers", id=str(number), email=f"u{number}@example.com"), state({"at": number})]
    run = sync(shop, messages)
    printed = [one["at"] for one in run.states]
    assert printed == sorted(printed)
    assert printed[-1] == 299


# --- ACTIVATE_VERSION -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["customers", "never-seen"])
def test_activate_version_is_no_news(shop: dict[str, Any], sandbox: SandboxServer, stream: str) -> None:
    """Rows that are gone from a table say nothing of people, known stream or not."""
    activate = {"type": "ACTIVATE_VERSION", "stream": stream, "version": 1714521600}
    run = sync(shop, [activate, schema("customers", CUSTOMERS), activate, {**ann(), "version": 1714521600}, activate])
    assert run.status == 0, run.log
    assert list(sandbox.account.contacts) == ["ann@example.com"]


# --- BATCH ------------------------------------------------------------------------------------------------------------


def batch(files: Sequence[Path | str], **encoding: object) -> dict[str, Any]:
    """Return a BATCH message of files with JSON lines."""
    addresses = [one if isinstance(one, str) else one.as_uri() for one in files]
    return {
        "type": "BATCH",
        "stream": "customers",
        "encoding": {"format": "jsonl", "compression": "gzip", **encoding},
        "manifest": addresses,
    }


def batch_file(path: Path, records: Sequence[dict[str, Any]], *, packed: bool = True) -> Path:
    """Write a batch file."""
    data = "".join(json.dumps(one) + "\n" for one in records).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


ANN = {"id": "1", "email": "ann@example.com", "plan": "Free"}
BOB = {"id": "2", "email": "bob@example.com", "plan": "Team"}


@pytest.mark.parametrize("compression", ["gzip", "none", None])
def test_batch_files_are_read(
    shop: dict[str, Any], sandbox: SandboxServer, tmp_path: Path, compression: str | None
) -> None:
    """Their records become contacts, the state behind them is passed on, and the files stay where they are."""
    packed = compression == "gzip"
    files = [
        batch_file(tmp_path / "first file.jsonl", [ANN], packed=packed),
        batch_file(tmp_path / "second.jsonl", [BOB], packed=packed),
    ]
    run = sync(shop, [schema("customers", CUSTOMERS), batch(files, compression=compression), state({"at": 1})])
    assert run.status == 0, run.log
    assert set(sandbox.account.contacts) == {"ann@example.com", "bob@example.com"}
    assert run.states[-1] == {"at": 1}
    assert all(path.exists() for path in files)


def test_records_of_batch_files_are_validated_and_mapped(
    shop: dict[str, Any], sandbox: SandboxServer, tmp_path: Path
) -> None:
    """They go through stream maps and validation like any others; one that does not fit is rejected."""
    shop["stream_maps"] = {"customers": {"plan": "plan.upper()", "__filter__": "id != '3'"}}
    records: list[dict[str, Any]] = [ANN, {**BOB, "email": 7}, {"id": "3", "email": "cleo@example.com", "plan": "Free"}]
    files = [batch_file(tmp_path / "one.jsonl.gz", records)]
    run = sync(shop, [schema("customers", CUSTOMERS), batch(files)])
    assert run.status == 0, run.log
    assert run.summary["identify"] == {**run.summary["identify"], "read": 2, "changed": 1, "rejected": 1}
    assert sandbox.account.contacts["ann@example.com"].attributes["plan"] == "FREE"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (batch(["file:///tmp/x.parquet"], format="parquet"), "JSONL"),
        (batch(["file:///tmp/x.jsonl"], compression="zstd"), "gzip"),
        (batch(["s3://bucket/x.jsonl.gz"]), "not on this machine"),
        (batch(["file://elsewhere/x.jsonl.gz"]), "not on this machine"),
        (batch(["/tmp/x.jsonl.gz"]), "not on this machine"),  # noqa: S108 - it is never opened
        (batch(["file:///nowhere/x.jsonl.gz"]), "cannot be read"),
        ({**batch([]), "manifest": {"a": 1}}, "manifest"),
        ({**batch([]), "manifest": [7]}, "not on this machine"),
        ({**batch([]), "encoding": "jsonl"}, "encoding"),
        ({**batch([]), "stream": "a\nb"}, "stream"),
        (batch(["file:///tmp/a\0b"]), "control characters"),
        (batch(["file:///tmp/a%00b"]), "control characters"),
        (batch(["file:///tmp/a%0aERROR"]), "control characters"),
        (batch(["file:///tmp/\ud800"]), "control characters"),
        (batch(["file://[/x"]), "not on this machine"),
        (batch(["file:///dev/zero"]), "not a regular file"),
        (batch(["file:///dev/stdin"]), "not a regular file"),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(shop: dict[str, Any], message: dict[str, Any], words: str) -> None:
    """The run ends with a sentence, and the state that covers the batch is held back."""
    run = sync(shop, [schema("customers", CUSTOMERS), message, state({"at": 1})])
    assert run.status == 1
    assert words in run.log.strip().splitlines()[-1]
    assert "Traceback" not in run.log
    assert run.states == []


@pytest.mark.parametrize(
    "data",
    [b"no gzip", gzip.compress(b'{"id": "1"}\n')[:-9], gzip.compress(b"[1]\n"), gzip.compress(b"\xff\n")],
    ids=["no gzip", "cut off", "no object", "no UTF-8"],
)
def test_a_damaged_batch_file_is_refused(shop: dict[str, Any], tmp_path: Path, data: bytes) -> None:
    """The sentence names the file, and the state that covers it is held back."""
    path = tmp_path / "damaged.jsonl.gz"
    path.write_bytes(data)
    run = sync(shop, [schema("customers", CUSTOMERS, keys=()), batch([path]), state({"at": 1})])
    assert run.status == 1
    assert "damaged.jsonl.gz" in run.log
    assert run.states == []


def test_a_batch_reads_neither_pipes_nor_endless_lines(
    shop: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that nobody writes to would hold the run for ever, and a packed line without end fill the memory."""
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in sync(shop, [schema("customers", CUSTOMERS), batch([tmp_path / "pipe"])]).log
    monkeypatch.setattr(reader, "_LONGEST_LINE", 100)
    file = batch_file(tmp_path / "long.jsonl.gz", [ANN, {**BOB, "note": "x" * 200}])
    run = sync(shop, [schema("customers", CUSTOMERS), batch([file]), state({"n": 1})])
    assert run.status == 1
    assert "has a line of more than" in run.log
    assert run.states == []


def test_a_batch_of_an_unknown_stream_is_refused(shop: dict[str, Any], tmp_path: Path) -> None:
    """Without a SCHEMA nobody knows what its records are."""
    run = sync(shop, [batch([batch_file(tmp_path / "one.jsonl.gz", [ANN])]), state({"at": 1})])
    assert run.status == 1
    assert "customers" in run.log
    assert run.states == []


# --- whatever comes ---------------------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_MESSAGE = st.fixed_dictionaries(
    {"type": st.sampled_from(["SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH"])},
    optional={
        "stream": st.just("customers") | _JSON,
        "schema": st.just(CUSTOMERS) | _JSON,
        "key_properties": st.just(["id"]) | _JSON,
        "record": st.just(ANN) | _JSON,
        "value": _JSON,
        "encoding": st.just({"format": "jsonl"}) | _JSON,
        "manifest": st.just(["file:///nowhere"]) | _JSON,
    },
)


@given(messages=st.lists(_MESSAGE, max_size=5))
def test_whatever_a_tap_prints_a_run_ends_with_a_status(shop: dict[str, Any], messages: list[dict[str, Any]]) -> None:
    """It is 0, or 1 with a sentence; nothing raises, and every record read has one outcome."""
    run = sync(shop, [schema("customers", CUSTOMERS), *messages])
    assert run.status in {0, 1}
    assert bool(run.log) or run.status == 0
    counts = dict(run.summary["identify"])
    assert counts.pop("read") == sum(counts.values())
