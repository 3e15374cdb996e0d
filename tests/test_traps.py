"""Traps of the SDK, each set up as it snaps, and met.

The HTTP client's (the machine's logins and certificates, its proxies) are among the tests of the client.
"""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.config.files import read_config
from target_promoter.config.settings import Settings, config_schema
from target_promoter.intake.intake import Intake
from target_promoter.people import people
from target_promoter.sandbox.faults import Faults
from target_promoter.store.database import open_store
from target_promoter.target import TargetPromoter
from tests.programs import until
from tests.tap import CUSTOMERS, STREAMS, record, schema, state, sync

if TYPE_CHECKING:
    from target_promoter.sandbox.server import SandboxServer

SECRET = "ann.secret@example.com"  # noqa: S105 - an address that must not be shown


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables."""
    return {**config, "streams": STREAMS}


def customers(number: int, **columns: object) -> list[dict[str, Any]]:
    """Return messages of so many customers and a state behind them."""
    rows = [record("customers", id=str(one), email=f"c{one}@example.com", **columns) for one in range(1, number + 1)]
    return [schema("customers", CUSTOMERS), *rows, state({"customers": number})]


def test_a_signal_in_the_middle_of_a_batch(shop: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is taken whole and once, its state is passed on after it, and the exit status is not 0."""
    take = Intake.take
    taken = []

    def interrupted(intake: Intake, *batch: Any, **options: Any) -> bool:  # noqa: ANN401 - as `take` has them
        os.kill(os.getpid(), signal.SIGTERM)
        surveys = take(intake, *batch, **options)
        taken.append(intake)
        return surveys

    monkeypatch.setattr(Intake, "take", interrupted)
    more = [*customers(3), record("customers", id="late", email="late@example.com"), state({"customers": 4})]
    run = sync(shop, more)
    assert len(taken) == 1
    assert run.states == [{"customers": 3}]
    assert run.summary["identify"]["read"] == 3
    assert run.status == 1
    assert "Stopped by SIGTERM" in run.log
    monkeypatch.undo()
    store = open_store(shop["store_url"], now=time.time())
    problem = store.read(lambda tx: tx.sql("SELECT problem FROM runs").scalar())
    assert str(problem).startswith("Stopped by SIGTERM"), "the report says so too"
    known = store.read(lambda connection: people.load(connection, ["1", "2", "3", "late"]))
    store.close()
    assert set(known) == {"1", "2", "3"}


def test_numbers_with_a_point_in_state(shop: dict[str, Any]) -> None:
    """A tap's bookmark may be one; the SDK fails on it after everything was sent."""
    run = sync(shop, [state({"bookmark": 1718000000.25, "deep": [0.1, {"more": 1e-7}]})])
    assert run.status == 0
    assert run.states == [{"bookmark": 1718000000.25, "deep": [0.1, {"more": 1e-7}]}]


def test_defaults_are_not_shared_between_targets(shop: dict[str, Any]) -> None:
    """What one target makes of its config reaches no other."""
    before = json.dumps(config_schema())
    first = TargetPromoter(config=dict(shop))
    maps = first.config.get("stream_maps")
    assert maps is None or maps == {}
    sync({**shop, "streams": {**STREAMS, "more": {"type": "ignore"}}, "stored_events": ["X"]}, customers(1))
    second = TargetPromoter(config={"api_key": "k"})
    assert second.settings == Settings.from_config({"api_key": "k"})
    assert json.dumps(config_schema()) == before
    assert not any(isinstance(one.get("default"), dict) for one in config_schema().values())


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(record("customers", id=1, email=SECRET)),
        json.dumps(record("customers", email=SECRET)),
        json.dumps({"type": "RECORD", "stream": "customers", "record": [SECRET]}),
        json.dumps({"type": "RECORD", "stream": "nowhere", "record": {"email": SECRET}}),
        json.dumps({"type": "RECORDS", "email": SECRET}),
        f'{{"type": "RECORD", "email": "{SECRET}"',
        f'"{SECRET}"',
    ],
)
def test_what_cannot_be_taken_is_not_logged(shop: dict[str, Any], line: str, caplog: pytest.LogCaptureFixture) -> None:
    """The SDK logs a record that does not fit its schema, and a line that is no JSON, whole."""
    strict = {"properties": {"id": {"type": "string"}, "email": {"type": "string"}}, "required": ["id"]}
    with caplog.at_level("INFO"):
        run = sync(shop, f"{json.dumps(schema('customers', strict))}\n{line}\n")
    assert run.status == 1 or run.summary["identify"]["rejected"] == 1
    assert SECRET not in run.log + caplog.text


@pytest.mark.parametrize(("setting", "expected"), [({}, 5000), ({"batch_size_rows": 7}, 7)])
def test_the_size_of_a_batch_is_that_of_the_config(
    shop: dict[str, Any], setting: dict[str, Any], expected: int
) -> None:
    """A class attribute `max_size`, as in the SDK's template, would silence `batch_size_rows`."""
    target = TargetPromoter(config={**shop, **setting})
    target.listen(io.StringIO(json.dumps(schema("customers", CUSTOMERS)) + "\n"))
    assert target.get_sink("customers").max_size == expected


@pytest.mark.parametrize("metadata", [{}, {"add_record_metadata": False}, {"add_record_metadata": True}])
def test_deletions_reach_the_sink(shop: dict[str, Any], metadata: dict[str, Any]) -> None:
    """The SDK takes `_sdc_deleted_at` away unless metadata are to be added."""
    gone = record("customers", id="1", _sdc_deleted_at="2024-05-01T10:00:00Z")
    assert sync({**shop, **metadata}, [schema("customers", CUSTOMERS), gone]).summary["identify"]["deleted"] == 1


def test_a_deleted_row_need_not_fit_its_schema(shop: dict[str, Any]) -> None:
    """A tap of a log sends nulls for all but the key, also where the table allows none."""
    strict = {"properties": {"id": {"type": "string"}, "email": {"type": "string"}}, "required": ["id", "email"]}
    gone = record("customers", id="1", email=None, _sdc_deleted_at="2024-05-01T10:00:00Z")
    counts = sync(shop, [schema("customers", strict), gone]).summary["identify"]
    assert (counts["deleted"], counts["rejected"]) == (1, 0)


def test_the_sink_is_chosen_by_the_schema(config: dict[str, Any]) -> None:
    """`get_sink_class` gets a name alone, and the same name may be calls in one tap and a plain table in the next."""
    calls: dict[str, Any] = {"properties": {name: {} for name in ("type", "userId", "traits")}}
    call = record("users", type="identify", userId="1", traits={"email": "ann@example.com"})
    assert sync(config, [schema("users", calls, []), call]).summary["identify"]["changed"] == 1
    plain: dict[str, Any] = {"properties": {name: {} for name in ("id", "email")}}
    refused = sync(config, [schema("users", plain)])
    assert refused.status == 1
    assert "Stream `users`" in refused.log


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_wait(shop: dict[str, Any], sandbox: SandboxServer, signum: signal.Signals) -> None:
    """A wait between two tries is no sleep that nothing can end: Promoter asks for minutes, the run ends at once."""
    sandbox.set_faults(Faults(rate=1.0, kinds=("burst_429",), burst=1000, retry_after=200))

    def interrupt() -> None:
        until(lambda: sandbox.account.requests)
        os.kill(os.getpid(), signum)

    thread = threading.Thread(target=interrupt)
    thread.start()
    began = time.monotonic()
    run = sync(shop, customers(2))
    thread.join()
    assert time.monotonic() - began < 20
    assert run.status == 1
    assert run.states[-1] == {"customers": 2}
    assert run.summary["contacts"]["pending"] == 2


def test_numbers_and_objects_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK leaves a number with a point as text, which no check could tell from a mistake."""
    variables = {
        "API_KEY": "12345",
        "THROTTLE_DAYS": "1.5",
        "REQUESTS_PER_MINUTE": "90",
        "MAX_EVENT_AGE_HOURS": "0.5",
        "DRY_RUN": "true",
        "CONTACT_LISTS": "[5, 6]",
        "CAMPAIGNS": '{"Order Completed": {"id": 78, "delay_hours": 1.5}}',
        "STREAMS": '{"orders": {"type": "ignore"}}',
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"TARGET_PROMOTER_{name}", value)
    read = Settings.from_config(read_config(["ENV"]))
    assert (read.api_key, read.throttle_days, read.requests_per_minute, read.max_event_age_hours) == (
        "12345",
        1.5,
        90,
        0.5,
    )
    assert (read.dry_run, read.contact_lists) == (True, (5, 6))
    assert read.campaigns["ordercompleted"].delay_hours == 1.5
    assert read.streams[0].type == "ignore"
