"""Real taps as they are, on real files and a real PostgreSQL, through a pipe, twice in a row with state."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.e2e import environments
from tests.e2e.environments import TAP_POSTGRES, Pipeline, programs
from tests.tap import hours_ago

if TYPE_CHECKING:
    from target_promoter.sandbox.server import SandboxServer
    from tests.conftest import Postgres

DATA = Path(__file__).parent.parent / "data"
TAP_JSONL = "tap-jsonl==0.3.1"
TAP_CSV = "tap-csv-folder==0.0.1a1"
PIPELINEWISE = "pipelinewise-tap-postgres==2.1.0"
SHOP: dict[str, Any] = {
    "shop-customers": {"type": "identify", "fields": {"user_id": "id", "name": "full_name"}, "traits": ["plan"]},
    "shop-orders": {
        "type": "track",
        "event": "Order Completed",
        "fields": {"user_id": "customer_id", "timestamp": "shipped_at"},
        "traits": ["total"],
    },
}
Catalog = dict[str, Any]
Tap = tuple[list[str | Path], Catalog]
"""A tap's command line, and the catalog it makes of its database."""


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> SandboxServer:
    """Return the sandbox that all tests of this file share, with an empty account."""
    return shared_sandbox


@pytest.fixture(scope="module")
def warehouse(postgres: Postgres) -> str:
    """Return the address of a database with Segment's and RudderStack's tables and a shop's."""
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("segment", "rudderstack", "shop"):
            connection.execute((DATA / "warehouse" / f"{name}.sql").read_text(encoding="utf-8").encode())
    return url


def discovered(tap: Path, config: Path) -> Catalog:
    """Return the catalog that a tap makes of a database."""
    done = subprocess.run([tap, "--config", config, "--discover"], capture_output=True, check=True)
    catalog: Catalog = json.loads(done.stdout)
    return catalog


@pytest.fixture(scope="module")
def tap_postgres(warehouse: str, tmp_path_factory: pytest.TempPathFactory) -> Tap:
    """Return the command line of MeltanoLabs' tap on the warehouse, and its catalog."""
    tap = programs(TAP_POSTGRES) / "tap-postgres"
    path = tmp_path_factory.mktemp("tap-postgres") / "tap.json"
    url = warehouse.replace("postgres@", "postgres:any@")
    path.write_text(json.dumps({"sqlalchemy_url": url, "filter_schemas": ["site", "rudder"]}), encoding="utf-8")
    return [tap, "--config", path], discovered(tap, path)


@pytest.fixture(scope="module")
def pipelinewise(warehouse: str, tmp_path_factory: pytest.TempPathFactory) -> Tap:
    """Return the command line of PipelineWise's tap on the shop's database, and its catalog."""
    tap = programs(PIPELINEWISE) / "tap-postgres"
    path = tmp_path_factory.mktemp("pipelinewise") / "tap.json"
    address = psycopg.conninfo.conninfo_to_dict(warehouse)
    config: dict[str, Any] = {
        "host": address["host"],
        "port": int(str(address["port"])),
        "user": "postgres",
        "password": "any",
    }
    config |= {"dbname": address["dbname"], "filter_schemas": "shop"}
    path.write_text(json.dumps(config), encoding="utf-8")
    return [tap, "--config", path], discovered(tap, path)


def pipeline(tap: Tap, prefix: str, method: str, key: str, config: dict[str, Any], folder: Path) -> Pipeline:
    """Return a pipeline of the streams whose names begin so, replicated by a method and its key."""
    command, catalog = tap
    streams = []
    for stream in catalog["streams"]:
        if stream["tap_stream_id"].startswith(prefix):
            entry = json.loads(json.dumps(stream))
            root = next(one["metadata"] for one in entry["metadata"] if one["breadcrumb"] == [])
            root |= {"selected": True, "replication-method": method, "replication-key": key}
            root.pop("forced-replication-method", None)
            streams.append(entry | {"replication_method": method, "replication_key": key})
    path = folder / "catalog.json"
    path.write_text(json.dumps({"streams": streams}), encoding="utf-8")
    return Pipeline([*command, "--catalog", path], config, folder)


def assert_nothing_new(joined: Pipeline) -> None:
    """Run again: no request, no change, and the state goes on."""
    run = joined.run()
    assert run.status == 0, run.log
    assert run.summary["api"]["requests"] == 0
    assert run.summary["identify"]["changed"] == 0
    assert run.summary["track"]["queued"] == 0
    assert run.states


@pytest.mark.parametrize("batch", [False, True], ids=["records", "batch files"])
def test_tap_jsonl(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path, *, batch: bool) -> None:
    """Raw calls from a file of JSON lines, as records and as BATCH messages; all come again, nothing happens twice."""
    calls: list[dict[str, Any]] = [
        {"type": "identify", "messageId": "a", "userId": "1", "traits": {"email": "ann@example.com", "plan": "Team"}},
        {"type": "identify", "messageId": "b", "userId": "2", "traits": {"email": "bob@example.com"}},
        {"type": "track", "messageId": "c", "userId": "1", "event": "Order Completed", "properties": {"total": 12.5}},
        {"type": "page", "messageId": "d", "userId": "1"},
    ]
    text = "".join(json.dumps({"timestamp": hours_ago(2), **call}) + "\n" for call in calls)
    (tmp_path / "calls.jsonl").write_text(text, encoding="utf-8")
    tap: dict[str, Any] = {"path": str(tmp_path / "calls.jsonl"), "stream_name": "calls", "primary_keys": ["messageId"]}
    if batch:
        storage = {"root": (tmp_path / "batches").as_uri(), "prefix": "calls-"}
        tap["batch_config"] = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": storage}
    (tmp_path / "tap.json").write_text(json.dumps(tap), encoding="utf-8")
    joined = Pipeline([programs(TAP_JSONL) / "tap-jsonl", "--config", tmp_path / "tap.json"], config, tmp_path)
    run = joined.run()
    assert run.status == 0, run.log
    assert ("1 batch manifests" in run.log) is batch
    assert sandbox.account.contacts["ann@example.com"].attributes["plan"] == "Team"
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}
    assert run.summary["ignored"] == 1
    assert_nothing_new(joined)


def test_tap_csv_folder(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """A shop's tables from files whose values are all text and whose keys are line numbers."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "customers.csv").write_text("id,email,plan\r\n7,ann@example.com,Team\r\n8,bob@example.com,\r\n")
    orders = f"id,customer_id,ordered_at,total\r\n501,7,{hours_ago(3)},12.50\r\n502,8,2024-01-05T10:00:00Z,1\r\n"
    (data / "orders.csv").write_text(orders)
    (tmp_path / "tap.json").write_text(json.dumps({"path": str(data), "read_mode": "one_stream_per_file"}))
    config["streams"] = {
        "customers": {"type": "identify", "fields": {"user_id": "id"}, "traits": ["plan"]},
        "orders": {
            "type": "track",
            "event": "Order Completed",
            "fields": {"user_id": "customer_id", "timestamp": "ordered_at", "message_id": "id"},
            "traits": ["total"],
        },
    }
    joined = Pipeline([programs(TAP_CSV) / "tap-csv-folder", "--config", tmp_path / "tap.json"], config, tmp_path)
    run = joined.run()
    assert run.status == 0, run.log
    assert sandbox.account.contacts["ann@example.com"].attributes["plan"] == "Team"
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}
    assert run.summary["track"]["stale"] == 1
    # Another order above it moves the line numbers, and surveys nobody for the old one again.
    (data / "orders.csv").write_text(orders.replace("501,7", f"499,9,{hours_ago(2)},3\r\n501,7"))
    run = joined.run()
    assert run.status == 0, run.log
    assert run.summary["track"] == {**run.summary["track"], "waiting": 1, "duplicate": 1, "stale": 1}
    assert run.summary["api"]["requests"] == 0


def test_segments_warehouse_in_full(
    config: dict[str, Any],
    sandbox: SandboxServer,
    tap_postgres: Tap,
    tmp_path: Path,
) -> None:
    """Segment's tables need no setting; a full refresh brings all of them again, and costs no request."""
    tap = pipeline(tap_postgres, "site-", "FULL_TABLE", "", config, tmp_path)
    run = tap.run()
    assert run.status == 0, run.log
    ann = sandbox.account.contacts["ann@example.com"]
    assert (ann.first_name, ann.last_name) == ("Ann", "Lee")
    assert {**ann.attributes, "plan": "Team", "address_city": "Lisbon", "orders_count": "3"} == ann.attributes
    assert not any(name.startswith(("context", "_sdc", "uuid", "received")) for name in ann.attributes)
    assert ann.attributes["order_completed_total"] == "99.9"
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}
    assert sandbox.account.surveys[0].attributes["order_id"] == "5001"
    assert sandbox.account.contacts["bob@example.com"].attributes["order_completed_total"] == "12.5"
    # The same event stands in `tracks` and in its own table: one survey, and one stale event counted in each.
    assert run.summary["track"] == {**run.summary["track"], "queued": 1, "duplicate": 1, "stale": 2}
    assert run.summary["ignored"] == 1
    assert_nothing_new(tap)


def test_segments_warehouse_incrementally(
    config: dict[str, Any],
    sandbox: SandboxServer,
    tap_postgres: Tap,
    warehouse: str,
    tmp_path: Path,
) -> None:
    """With state the tap brings what is new: the next order is surveyed, by the person's present address."""
    tap = pipeline(tap_postgres, "site-", "INCREMENTAL", "received_at", config, tmp_path)
    run = tap.run()
    assert run.status == 0, run.log
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}
    with psycopg.connect(warehouse, autocommit=True) as connection:
        for table in ("tracks", "order_completed"):
            connection.execute(
                f"INSERT INTO site.{table} (id, received_at, timestamp, user_id, event, event_text)"  # noqa: S608 - the test's own
                " VALUES ('t-9', now(), now(), '2', 'order_completed', 'Order Completed')"
            )
        connection.execute(
            "INSERT INTO site.identifies (id, received_at, timestamp, user_id, email)"
            " VALUES ('i-9', now(), now(), '2', 'bob@example.net')"
        )
    run = tap.run()
    assert run.status == 0, run.log
    assert run.summary["identify"]["read"] + run.summary["track"]["read"] < 10
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1, "bob@example.net": 1}


def test_rudderstacks_warehouse(
    config: dict[str, Any],
    sandbox: SandboxServer,
    tap_postgres: Tap,
    tmp_path: Path,
) -> None:
    """RudderStack's tables need no setting; an anonymous order is its person's while one person has that id."""
    tap = pipeline(tap_postgres, "rudder-", "INCREMENTAL", "received_at", config, tmp_path)
    run = tap.run()
    assert run.status == 0, run.log
    cleo = sandbox.account.contacts["cleo@example.com"]
    assert cleo.first_name == "Cleo"
    assert cleo.attributes["plan"] == "Team"
    assert not any(name.startswith(("context", "channel", "record")) for name in cleo.attributes)
    assert sandbox.account.surveys_by_email == {"cleo@example.com": 1}
    assert_nothing_new(tap)


@pytest.mark.parametrize(("method", "key"), [("FULL_TABLE", ""), ("INCREMENTAL", "updated_at")])
def test_pipelinewise_tap_postgres(
    config: dict[str, Any],
    sandbox: SandboxServer,
    pipelinewise: Tap,
    tmp_path: Path,
    method: str,
    key: str,
) -> None:
    """ACTIVATE_VERSION and draft-4 schemas with multipleOf; amounts stay exact, and no other column leaves."""
    config |= {"streams": SHOP, "stream_maps": {"shop-orders": {"__filter__": "status == 'shipped'"}}}
    tap = pipeline(pipelinewise, "shop-", method, key, config, tmp_path)
    run = tap.run()
    assert run.status == 0, run.log
    assert run.summary["identify"]["rejected"] + run.summary["track"]["rejected"] == 0
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1, "cleo@example.org": 1}
    ann = sandbox.account.contacts["ann@example.com"]
    assert (ann.first_name, ann.last_name) == ("Ann", "Lee")
    assert ann.attributes.keys() == {"plan", "user_id", "order_completed_total", "order_completed_at"}
    assert ann.attributes["order_completed_total"] == "99.9"
    assert run.summary["track"]["stale"] == 1
    assert_nothing_new(tap)


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_tap_that_cannot_be_installed_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, outcome: type[BaseException]
) -> None:
    """In CI nothing of this file may be left out unseen; elsewhere it is skipped with the reason."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(environments, "_CACHE", tmp_path / "cache")
    with pytest.raises(outcome, match="cannot be installed"):
        programs(f"{tmp_path}/no-package")
