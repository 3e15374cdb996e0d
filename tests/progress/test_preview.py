"""A dry run: the same code on a copy, everything counted and shown, nothing sent and nothing kept."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, select

from target_promoter.commands.check_input import inspect_input
from target_promoter.config.settings import Settings
from target_promoter.errors import StoreError
from target_promoter.store import schema
from target_promoter.store.database import find_store
from tests.conftest import run_program
from tests.program import CALLS, identify, order
from tests.tap import hours_ago, sync

if TYPE_CHECKING:
    from target_promoter.sandbox.server import SandboxServer

pytestmark = pytest.mark.slow

MESSAGES = [
    CALLS,
    identify("1", "ann@example.com", {"plan": "Pro", "home.city": "Oslo"}),
    identify("2", "bob@example.com"),
    order("t-1", "1", 3, total=9.5),
    order("t-2", "2", 2),
    {"type": "STATE", "value": {"at": 1}},
]


def rows(store_url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that a store holds, by table."""
    url = store_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }
    engine.dispose()
    return found


def test_counts_are_those_of_a_real_run(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """A dry run takes what the real run after it takes; what that sends is pending, and Promoter hears of nothing."""
    dry = sync({**config, "dry_run": True}, MESSAGES)
    assert sandbox.account.requests == []
    assert dry.states == []
    real = sync(config, MESSAGES)
    for part in ("identify", "track"):
        assert dry.summary[part] == real.summary[part]
    assert real.summary["surveys"]["sent"] == dry.summary["surveys"]["pending"] == 2
    assert real.summary["contacts"]["synced"] == dry.summary["contacts"]["pending"] == 2
    assert dry.summary["surveys"]["sent"] == dry.summary["contacts"]["synced"] == dry.summary["api"]["requests"] == 0
    assert dry.summary["dry_run"] is True
    assert dry.status == real.status == 0


def test_a_missing_store_stays_missing(config: dict[str, Any], tmp_path: Path) -> None:
    """A dry run without a store is one on an empty store, and creates none."""
    assert sync({**config, "dry_run": True}, MESSAGES).summary["contacts"]["pending"] == 2
    assert list(tmp_path.iterdir()) == []


def test_no_tables_are_made(config: dict[str, Any], store_url: str) -> None:
    """Where there is no store yet, on either database, there is none after a dry run."""
    assert sync({**config, "store_url": store_url, "dry_run": True}, MESSAGES).status == 0
    assert find_store(store_url) is None


def test_another_accounts_store_is_refused(config: dict[str, Any], store_url: str, tmp_path: Path) -> None:
    """A dry run is refused as its run would be: by a store of another key, under the store's own name."""
    config["store_url"] = store_url
    sync(config, MESSAGES[:4])
    with pytest.raises(StoreError, match="belongs to another API key") as refused:
        sync({**config, "api_key": "a-key-of-another", "dry_run": True}, MESSAGES)
    assert store_url in str(refused.value)
    assert not list(tmp_path.glob("*copy*"))


def test_the_store_keeps_nothing_of_it(config: dict[str, Any], store_url: str, sandbox: SandboxServer) -> None:
    """After a dry run the store holds, row by row, what it held before; what it knew was taken into account."""
    config["store_url"] = store_url
    sync(config, MESSAGES[:4])
    before, requests = rows(store_url), len(sandbox.account.requests)
    dry = sync({**config, "dry_run": True}, [*MESSAGES, identify("2", "bob@example.com", {"plan": "Free"}, hours=1)])
    assert rows(store_url) == before
    assert len(sandbox.account.requests) == requests
    assert dry.summary["track"]["duplicate"] == 1
    assert dry.summary["surveys"]["pending"] == 1


def test_the_file_is_not_written_to(config: dict[str, Any], tmp_path: Path) -> None:
    """A SQLite store is the same file, byte for byte, after a dry run."""
    sync(config, MESSAGES[:4])
    path = tmp_path / "store.db"
    before = hashlib.sha256(path.read_bytes()).digest()
    sync({**config, "dry_run": True}, MESSAGES)
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_nobody_elses_lease_is_waited_for(config: dict[str, Any]) -> None:
    """A claim and a wait of the real store hold up no dry run: its copy is free of them."""
    sync(config, MESSAGES[:4])
    store = find_store(config["store_url"])
    assert store is not None
    far = 9e9
    store.write(
        lambda connection: connection.execute(schema.request_clock.update().values(paused_until=far, next_at=far))
    )
    store.close()
    dry = sync({**config, "dry_run": True}, MESSAGES)
    assert dry.status == 0
    assert dry.summary["surveys"]["pending"] == 1
    assert dry.summary["seconds"] < 5


def test_max_surveys_per_run_holds_as_in_a_real_run(config: dict[str, Any]) -> None:
    """A dry run that would send more than `max_surveys_per_run` says so, and exits with 1."""
    dry = sync({**config, "dry_run": True, "max_surveys_per_run": 1}, MESSAGES)
    assert dry.status == 1
    assert "max_surveys_per_run" in dry.log
    assert dry.summary["surveys"]["pending"] == 2


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - what came of the program
    """Run a dry run in a process of its own."""
    cwd = tmp_path_factory.mktemp("dry")
    (cwd / "config.json").write_text(
        json.dumps({"api_url": "sandbox", "campaigns": {"Order Completed": 78}, "dry_run": True}), encoding="utf-8"
    )
    outcome = run_program("--config", cwd / "config.json", messages=MESSAGES, cwd=cwd)
    return outcome, sorted(path.name for path in Path(cwd).iterdir())


def test_the_preview_is_in_the_log(shown: Any) -> None:  # noqa: ANN401 - what came of the program
    """The log tells each campaign's surveys with masked recipients, the contacts, and what becomes of attributes."""
    outcome, _ = shown
    assert outcome.status == 0
    assert "send 2 of campaign 78 for the event Order Completed" in outcome.log
    assert "a…@example.com, b…@example.com" in outcome.log
    assert "add 2 contacts, change 0, and leave 0" in outcome.log
    assert "rename home.city to home_city" in outcome.log
    assert "ann@example.com" not in outcome.log


def test_it_leaves_no_file_and_no_state(shown: Any) -> None:  # noqa: ANN401 - what came of the program
    """Nothing is on standard output, and neither a store nor a sandbox's account is in the folder."""
    outcome, files = shown
    assert outcome.output == ""
    assert files == ["config.json"]


def test_a_long_preview_tells_how_many_more(config: dict[str, Any]) -> None:
    """Of many recipients and notes the first few are shown, and the number of the others."""
    odd = {f"a.{n:02}": n for n in range(22)}
    people = [identify(str(n), f"p{n}@example.com", {**odd, "": "nameless"}) for n in range(1, 8)]
    lines = inspect_input(
        map(json.dumps, [CALLS, *people, *(order(f"t-{n}", str(n), n) for n in range(1, 8))]),
        config,
        Settings.from_config(config),
    )
    text = "\n".join(lines)
    assert "  send 7 of campaign 78 for the event Order Completed," in text
    assert f"which happened from {hours_ago(7)[:13]}" in text
    assert ", p…@example.com and 2 more (the file of --preview has all);" in text
    assert "  leave out : its name is blank\n" in text
    assert "  rename a.00 to a_00\n" in text
    assert text.endswith("  and 3 more, which `target-promoter report` shows after a run.")


def test_max_surveys_per_run_holds_in_a_dry_run_too(config: dict[str, Any], tmp_path: Path) -> None:
    """What is left to later runs is shown beside what would be sent, and the exit status is a run's."""
    people = [identify(str(n), f"p{n}@example.com") for n in range(1, 4)]
    orders = [order(f"t-{n}", str(n)) for n in range(1, 4)]
    dry = {**config, "dry_run": True, "max_surveys_per_run": 1}
    run = run_program(config=dry, messages=[CALLS, *people, *orders], cwd=tmp_path)
    assert "send 1 of campaign 78" in run.log
    assert "leave 2 more that are due to later runs;" in run.log
    assert run.summary["surveys"]["pending"] == 3
    assert run.status == 1


def test_contacts_are_told_apart(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """What would be added, changed, removed and left alone is told from what was sent before."""
    users = {**CALLS, "schema": {**CALLS["schema"], "additionalProperties": True}}
    sync(config, [users, *(identify(str(n), f"p{n}@example.com") for n in range(1, 5))])
    assert len(sandbox.account.contacts) == 4
    gone = identify("4", "p4@example.com", hours=1)
    gone["record"]["_sdc_deleted_at"] = hours_ago(1)
    later = [users, gone, identify("1", "p1@example.com", {"plan": "Pro"}, hours=1), identify("9", "p9@example.com")]
    lines = inspect_input(map(json.dumps, later), config, Settings.from_config({**config, "hard_delete": True}))
    assert "  add 1 contacts, change 1, remove 1, and leave 2 as they are." in list(lines)
    assert len(sandbox.account.contacts) == 4


@pytest.mark.parametrize("name", ["preview.csv", "preview.json", "preview.txt"])
def test_a_file_tells_who_would_be_surveyed_and_who_not(config: dict[str, Any], tmp_path: Path, name: str) -> None:
    """All of them, with the reason, as CSV, JSON or text by the file's name."""
    kept_back = {**order("t-7", "2"), "record": {**order("t-7", "2")["record"], "integrations": {"All": False}}}
    unreadable = {**order("t-8", "2"), "record": {**order("t-8", "2")["record"], "timestamp": "never"}}
    stray = {**order("t-9", "2"), "record": {**order("t-9", "2")["record"], "event": "Page Viewed"}}
    columns = {**CALLS["schema"]["properties"], "integrations": {"type": ["null", "object"]}}
    calls = {**CALLS, "schema": {**CALLS["schema"], "properties": columns}}
    messages = [calls, *MESSAGES[1:], order("t-3", "1"), order("t-4", "9"), order("t-5", "1", 900)]
    messages += [order("t-6", "1", 800)]
    messages += [kept_back, unreadable, stray]
    path = tmp_path / name
    path.touch(mode=0o644)
    run = run_program("--preview", path, config={**config, "dry_run": True}, messages=messages, cwd=tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert run.status == 0
    assert run.summary["surveys"]["sent"] == 0
    text = path.read_text(encoding="utf-8")
    assert "ann@example.com" in text
    assert "max_event_age_hours" in text
    if name.endswith(".txt"):
        return
    rows = json.loads(text) if name.endswith(".json") else list(csv.DictReader(io.StringIO(text)))
    told = sorted((one["outcome"], one["email"] or one["user_id"] or "", int(one["number"])) for one in rows)
    assert told == [
        ("blocked", "2", 1),
        ("rejected", "", 1),
        ("stale", "", 1),
        ("stale", "1", 1),
        ("throttled", "ann@example.com", 1),
        ("unmatched", "", 1),
        ("waiting", "9", 1),
        ("would be sent", "ann@example.com", 1),
        ("would be sent", "bob@example.com", 1),
    ]
    assert [one["reason"] for one in rows if not one["outcome"].startswith("would") and not one["reason"]] == []


def test_a_preview_tells_what_is_left_to_a_later_run(config: dict[str, Any], tmp_path: Path) -> None:
    """Not as if it waited for something."""
    path = tmp_path / "preview.json"
    few = {**config, "dry_run": True, "max_surveys_per_run": 1}
    run_program("--preview", path, config=few, messages=MESSAGES, cwd=tmp_path)
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert [one["outcome"] for one in rows] == ["would be sent", "pending"]
    assert "max_surveys_per_run" in rows[1]["reason"]


def test_a_run_that_sends_has_no_preview(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """It is refused before anything is read."""
    run = run_program("--preview", tmp_path / "p.csv", config=config, messages=MESSAGES, cwd=tmp_path)
    assert run.status == 1
    assert "--preview needs a dry run" in run.log
    assert sandbox.account.requests == []
