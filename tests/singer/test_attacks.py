"""Attacks by a tap, or by who writes its data: names that forge, code in schemas, the key in records, endless calls."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.errors import PromoterError
from target_promoter.people import people
from target_promoter.records.calls import HOLDS_KEY
from target_promoter.sandbox.server import SandboxServer
from target_promoter.singer import output
from target_promoter.store.database import open_store
from tests.conftest import run_program
from tests.program import CALLS, command, identify
from tests.tap import CUSTOMERS, STREAMS, TEXT, hours_ago, record, schema, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

KEY = "key-0123456789"
EVIL = "a\n2026-01-01 00:00:00,000 | ERROR | forged\r\x1b[31m\x9b1m[/bold]\u202e\u2028b"


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables."""
    return {**config, "streams": STREAMS}


# Text from outside is shown on one line, printable, of bounded length.


def lines_of(log: str) -> list[str]:
    """Return the lines of a log, all of which must be the program's own."""
    lines = log.split("\n")
    for line in lines:
        assert line.isprintable(), line
        assert len(line) < 17_000
        assert not line.lstrip().startswith("2026-01-01 00:00:00,000")
    return lines


@pytest.mark.parametrize("form", ["table", "html"])
def test_names_reach_no_log_and_no_terminal_as_they_stand(shop: dict[str, Any], tmp_path: Path, form: str) -> None:
    """Ids, columns and events that hold line breaks, escape sequences and markup forge and crash nothing."""
    events = {"properties": {"id": TEXT, "customer_id": TEXT, "at": TEXT, "name": TEXT}}
    config = {**shop, "streams": {**STREAMS, "events": {**STREAMS["orders"], "fields": {}, "event": EVIL}}}
    fields = {"user_id": "customer_id", "timestamp": "at"}
    config["streams"]["events"]["fields"] = fields
    row = record("customers", id=EVIL, email="e@example.com", plan=EVIL, **{EVIL: EVIL})
    seen = record("events", id="1", customer_id=EVIL, at=hours_ago(1))
    messages = [schema("customers", CUSTOMERS), row, record("customers", id="2"), schema("events", events), seen]
    run = run_program(config=config, messages=messages, cwd=tmp_path)
    assert run.status == 0, run.log
    assert run.summary["track"]["read"] == 1
    lines_of(run.log)
    for arguments in (["report"], ["report", "--person", EVIL]):
        told = run_program(*arguments, "--format", form, config=config, cwd=tmp_path)
        assert told.status == 0, told.log
        assert all(one.isprintable() or one == "\n" for one in told.output)
        assert "[/bold]" in told.output


def test_a_log_line_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever logs it: a server's words, an exception with its traceback, a name of any length."""
    before = logging.getLogRecordFactory()
    output.prepare()
    try:
        logger = logging.getLogger("target-promoter.test")
        logger.error("said %s and %d", EVIL, 7)
        logger.error(EVIL)
        logger.error("%s", "x" * 1_000_000)
        try:
            int(EVIL)
        except ValueError:
            logger.exception("failed")
        lines = "\n".join(logging.Formatter().format(one) for one in caplog.records)
    finally:
        logging.setLogRecordFactory(before)
    lines_of(lines)
    assert "failed" in lines


def test_an_error_is_one_line() -> None:
    """Names that stand in a sentence of the program break no line of it."""
    assert str(PromoterError(f"Stream `{EVIL}` is none.")).isprintable()
    assert len(str(PromoterError("x" * 10**6))) < 17_000


# What stands in a schema, or in a name, is never run.


@pytest.mark.parametrize(
    "column",
    [
        {"default": "__import__('os').system('touch {mark}')"},
        {"const": "'; import os; os.system('touch {mark}'); '"},
        {"pattern": "(?{{os.system('touch {mark}')}})"},
        {"type": "string", "format": "{{{{__import__('os').system('touch {mark}')}}}}"},
        {"enum": ['"""\nimport os\nos.system(\'touch {mark}\')\n"""']},
        {"$ref": "#/__class__/__init__/__globals__"},
    ],
)
def test_code_in_a_schema_does_not_run(shop: dict[str, Any], tmp_path: Path, column: dict[str, Any]) -> None:
    """Validators that are generated as code once took such schemas for it."""
    mark = tmp_path / "mark"
    text = json.dumps(column).replace("{mark}", str(mark))
    name = f"x\"]; __import__('pathlib').Path('{mark}').touch() #"
    of = {"properties": {**CUSTOMERS["properties"], "plan": json.loads(text), name: json.loads(text)}}
    row = record("customers", id="1", email="a@example.com", plan="x", **{name: "y"})
    sync(shop, [schema("customers", of), row])
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["x'); DROP TABLE people; --", 'x"; DROP TABLE people; --', "%(x)s", ":x", "?", "x\\'"]
)
def test_sql_in_names_is_a_name(shop: dict[str, Any], store_url: str, name: str) -> None:
    """Of streams, columns, ids and events alike, on both databases."""
    streams = {**STREAMS, name: {**STREAMS["customers"]}}
    config = {**shop, "store_url": store_url, "streams": streams, "stored_events": [f"Order {name}"]}
    rows = [record(name, id=name, email="a@example.com", **{name: name})]
    run = sync(config, [schema(name, {"properties": {**CUSTOMERS["properties"], name: TEXT}}), *rows])
    assert run.status == 0, run.log
    assert run.summary["identify"]["changed"] == 1
    store = open_store(store_url, now=time.time())
    try:
        assert store.read(lambda tx: people.load(tx, [name]))[name].person().traits.standing == {name: name}
    finally:
        store.close()


# The API key.


@pytest.fixture
def account() -> Iterator[SandboxServer]:
    """Yield a sandbox whose key is long enough to be one."""
    with SandboxServer(key=KEY) as server:
        yield server


@pytest.fixture
def keyed(account: SandboxServer, shop: dict[str, Any]) -> dict[str, Any]:
    """Return the shop's config with such a key."""
    return {**shop, "api_url": account.url, "api_key": KEY}


@pytest.mark.parametrize(
    "values",
    [
        {"plan": f"my {KEY}!"},
        {"plan": {"deep": [KEY]}},
        {KEY: 1},
        {"plan": f'{{"text": "{KEY}"}}'},
        {"plan": f"\ud800{KEY}"},
    ],
)
def test_a_record_that_holds_the_key_is_rejected_and_not_kept(
    keyed: dict[str, Any], account: SandboxServer, tmp_path: Path, values: dict[str, Any]
) -> None:
    """It would stand in the store, in reports, and at Promoter for all who see its contacts."""
    rows = [record("customers", id="1", email="a@example.com", **values), record("customers", id="2", email="b@x.org")]
    run = sync(keyed, [schema("customers", CUSTOMERS), *rows])
    assert run.summary["identify"]["rejected"] == 1
    assert list(account.account.contacts) == ["b@x.org"]
    assert HOLDS_KEY in run.log
    assert KEY not in run.log
    with sqlite3.connect(tmp_path / "store.db") as store:
        assert KEY not in "\n".join(store.iterdump())


@pytest.mark.parametrize("of", [{KEY: TEXT}, {"plan": {"default": KEY}}])
def test_a_schema_that_holds_the_key_is_refused(keyed: dict[str, Any], tmp_path: Path, of: dict[str, Any]) -> None:
    """The store keeps schemas too."""
    run = sync(keyed, [schema("customers", {"properties": {**CUSTOMERS["properties"], **of}})])
    assert run.status == 1
    assert "API key" in run.log
    assert KEY not in run.log
    with sqlite3.connect(tmp_path / "store.db") as store:
        assert KEY not in "\n".join(store.iterdump())


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        ([], {f"x{KEY}": 1}),
        ([], {"campaigns": {KEY: 1}}),
        ([], {"stream_maps": {"customers": {"x": f"{KEY} +"}}}),
        ([], {"stream_maps": {"customers": {"x": f"f('{KEY}'"}}}),
        ([], {"stream_maps": {KEY: {"x": "y"}}}),
        ([], {"streams": {KEY: {"type": "identify"}}}),
        (["check"], {"stream_maps": {"customers": {"x": f"{KEY} +"}}}),
        (["report"], {f"x{KEY}": 1}),
    ],
)
def test_a_config_that_holds_the_key_elsewhere_is_refused(
    keyed: dict[str, Any], tmp_path: Path, arguments: list[str], more: dict[str, Any]
) -> None:
    """Names of settings and expressions are shown where something is wrong with them, by a run and by each command."""
    run = run_program(*arguments, config={**keyed, **more}, messages=[schema("customers", CUSTOMERS)], cwd=tmp_path)
    assert run.status == 1
    assert "api_key" in run.log + run.output
    assert KEY not in run.log + run.output


# What costs a tap little must not cost much here.


def test_calls_of_one_person_cost_what_was_sent(shop: dict[str, Any]) -> None:
    """A thousand of them with twenty new traits each took minutes when each was added to all that was known."""

    def seconds(number: int) -> float:
        calls = [
            identify("1", "a@example.com", {f"t{one}_{trait}": trait for trait in range(20)}, hours=number - one)
            for one in range(number)
        ]
        began = time.perf_counter()
        run = sync({**shop, "store_url": f"{shop['store_url']}-{number}"}, [CALLS, *calls])
        assert run.summary["identify"]["read"] == number
        return time.perf_counter() - began

    seconds(10)
    few, many = seconds(400), seconds(1600)
    assert many < 12 * few


@pytest.mark.parametrize("number", ["9" * 5000, "1.5e999999", "-1e-999999", "1" * 4300])
def test_an_endless_number_is_kept_or_rejected_and_shown_in_any_form(shop: dict[str, Any], number: str) -> None:
    """Nobody waits for its noughts to be written out, and what cannot be read again is not kept."""
    line = f'{{"type": "RECORD", "stream": "customers", "record": {{"id": "7", "email": "a@x.org", "plan": {number}}}}}'
    run = sync(
        shop, f"{json.dumps(schema('customers', {'properties': {**CUSTOMERS['properties'], 'plan': {}}}))}\n{line}\n"
    )
    assert run.status == 0, run.log
    person = ["report", "--person", "7"]
    for arguments in (person, [*person, "--format", "json"], ["report"], ["rejected"]):
        assert command(*arguments, config=shop).exit_code == 0


@pytest.mark.parametrize("arguments", [("--input", "no\n{}"), ("\n{}",), ("report", "--format", "no\n{}")])
def test_an_argument_is_shown_on_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A script may hand on the name of a file that somebody else chose."""
    run = run_program(*(one.replace("{}", EVIL) for one in arguments), cwd=tmp_path)
    assert run.status == 2
    lines_of(run.log)
    assert "ERROR | forged" in run.log
