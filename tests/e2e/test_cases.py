"""Inputs that once went wrong, each with what must come of it; one file a case under `data/cases`.

A run's messages are lines or objects; a text `@-1h` (`s`, `m`, `h`, `d`) is that time from now, `@date-0` today's date,
`@epoch` now in epoch seconds. A run without a config of its own keeps that of the run before.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from target_promoter.sandbox.server import SandboxServer
from tests.programs import run_program

FOLDER: Final = Path(__file__).parent.parent / "data" / "cases"
CASES: Final = sorted(path.stem for path in FOLDER.glob("*.json"))
CAMPAIGNS: Final = {78: "Orders", 79: "Trials", 12: "Quarterly"}
_AGO: Final = re.compile(r"@([+-])(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """Yield one sandbox for all cases, with an empty account for each."""
    with SandboxServer(campaigns=CAMPAIGNS, lists={599: "Customers"}) as server:
        yield server


def moved(value: Any, now: dt.datetime) -> Any:  # noqa: ANN401, PLR0911 - any JSON
    """Return a value of a case with its times moved to now, which is one moment for a whole case."""
    if isinstance(value, dict):
        return {name: moved(inner, now) for name, inner in value.items()}
    if isinstance(value, list):
        return [moved(inner, now) for inner in value]
    if not isinstance(value, str):
        return value
    match = _AGO.fullmatch(value)
    if match:
        sign = -1 if match[1] == "-" else 1
        ago = dt.timedelta(seconds=sign * int(match[2]) * _SECONDS[match[3]])
        return (now + ago).isoformat()
    if value == "@epoch":
        return int(now.timestamp())
    if value.startswith("@date-"):
        return (now.date() - dt.timedelta(days=int(value[6:]))).isoformat()
    return value


def lines(messages: list[Any], now: dt.datetime) -> str:
    """Return a run's messages as a tap prints them."""
    return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in moved(messages, now))


def contains(whole: Any, part: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether an object holds at least what a case names of it."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(contains(whole.get(name), value) for name, value in part.items())
    return bool(whole == part)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, server: SandboxServer, tmp_path: Path) -> None:
    """What the case says comes of it."""
    case = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    server.account.reset()
    now = dt.datetime.now(dt.UTC)
    base = {
        "api_key": "sandbox",
        "api_url": server.url,
        "store_url": f"sqlite:///{tmp_path / 'store.db'}",
        "requests_per_minute": 60_000,
    }
    config = case.get("config", {})
    for run in case["runs"]:
        run = {"messages": run} if isinstance(run, list) else run  # noqa: PLW2901 - the short form of a run
        config = {**case.get("config", {}), **run["config"]} if "config" in run else config
        path = tmp_path / "config.json"
        path.write_text(json.dumps({**base, **moved(config, now)}), encoding="utf-8")
        arguments = [str(one).replace("@config", str(path)) for one in run.get("command", [])]
        if not any(one.startswith("--config") for one in arguments):
            arguments = ["--config", str(path), *arguments]
        text = ("\ufeff" if run.get("bom") else "") + lines(run.get("messages", []), now)
        done = run_program(*arguments, messages=text, cwd=tmp_path, timeout=run.get("timeout", 60))
        log, out = done.log, done.output
        assert "Traceback" not in log, log
        assert done.status == run.get("exit", 0), log
        assert contains(done.summary, run.get("summary", {})), done.summary
        assert [one for one in run.get("log", []) if not re.search(one, log)] == [], log
        assert [one for one in run.get("log_lacks", []) if re.search(one, log)] == [], log
        assert [one for one in run.get("out", []) if not re.search(one, out)] == [], out
        assert [one for one in run.get("out_lacks", []) if re.search(one, out)] == [], out
    account = server.account
    contacts = account.contacts
    for email, wanted in case.get("contacts", {}).items():
        contact = contacts[email]
        for field in ("first_name", "last_name"):
            if field in wanted:
                assert getattr(contact, field) == wanted[field], email
        if "lists" in wanted:
            assert sorted(contact.lists) == sorted(wanted["lists"]), email
        assert contains(contact.attributes, wanted.get("attributes", {})), contact.attributes
        assert set(wanted.get("absent", ())).isdisjoint(contact.attributes), contact.attributes
    if "contacts_exactly" in case:
        assert sorted(contacts) == sorted(case["contacts_exactly"])
    if "surveys" in case:
        assert sorted([one.email, one.campaign] for one in account.surveys) == sorted(case["surveys"])
    if "requests" in case:
        assert len(account.requests) == case["requests"]
