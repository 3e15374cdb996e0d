"""The README's recipes, each run as it stands there: only addresses and keys come from the test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from target_promoter.sandbox.server import SandboxServer
from tests.conftest import CAMPAIGNS, Postgres
from tests.e2e.environments import MELTANO, NO_STATISTICS, TAP_POSTGRES, programs
from tests.tap import TEXT, hours_ago, record, schema, state

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data" / "warehouse"
_BLOCK = re.compile(r"^<!-- recipe: (.+?) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RECIPES = dict(_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
CALLS: dict[str, Any] = {
    "properties": {
        **dict.fromkeys(("type", "messageId", "userId", "event", "timestamp"), TEXT),
        **{name: {"type": ["null", "object"]} for name in ("traits", "properties", "context")},
    }
}


def identify(user_id: str, email: str, **more: object) -> dict[str, Any]:
    """Return an identify call."""
    call = {"type": "identify", "messageId": f"i-{user_id}", "userId": user_id, "traits": {"email": email}}
    return record("calls", **{**call, **more})


def order(message_id: str, user_id: str, hours: float, event: str = "Order Completed") -> dict[str, Any]:
    """Return a track call of so many hours ago."""
    call = {"type": "track", "messageId": message_id, "userId": user_id, "event": event, "properties": {}}
    return record("calls", **call, timestamp=hours_ago(hours))


class Kitchen:
    """A folder with files of recipes, and a `tap` that prints what the test gives it.

    Args:
        folder: An empty folder.
        env: Environment variables for what runs in it.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        """Put the `tap` on the path, and this checkout's program."""
        self.folder = folder
        tap = folder / "bin" / "tap"
        tap.parent.mkdir()
        tap.write_text("#!/bin/sh\ncat messages.jsonl\n", encoding="utf-8")
        tap.chmod(0o755)
        path = os.pathsep.join((str(tap.parent), str(Path(sys.executable).parent), os.environ["PATH"]))
        self._env = {**os.environ, "TARGET_PROMOTER_REQUESTS_PER_MINUTE": "60000", **env, "PATH": path}

    def add_to_path(self, programs: Path) -> None:
        """Put more programs on the path, behind those that are there."""
        self._env["PATH"] += f"{os.pathsep}{programs}"

    def write(self, *names: str, **more: object) -> None:
        """Write files as they stand in the README; `more` is added to those that are JSON."""
        for name in names:
            text = RECIPES[name]
            if name.endswith(".json"):
                text = json.dumps({**json.loads(text), **more})
            # What the recipe installs from an index is here already, and this checkout's own.
            (self.folder / name).write_text(re.sub(r"^ +pip_url: .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")

    def tap(self, *messages: dict[str, Any]) -> None:
        """Have the tap print some messages of the stream `calls` from now on."""
        lines = [schema("calls", CALLS, keys=["messageId"]), *messages, state({"at": 1})]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.folder / "messages.jsonl").write_text(text, encoding="utf-8")

    def run(self, name: str) -> list[dict[str, Any]]:
        """Run the commands of a recipe; return the summaries that they logged."""
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", RECIPES[f"run {name}"]],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self._env,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(text) for text in re.findall(r"Run summary: (\{.*\})", done.stderr)]


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> SandboxServer:
    """Return the sandbox that all tests of this file share, with an empty account."""
    return shared_sandbox


@pytest.fixture
def kitchen(sandbox: SandboxServer, tmp_path: Path) -> Kitchen:
    """Return a folder whose programs talk to the sandbox."""
    return Kitchen(tmp_path, {"TARGET_PROMOTER_API_URL": sandbox.url, "TARGET_PROMOTER_API_KEY": "sandbox"})


def test_every_recipe_is_run() -> None:
    """There is no block in the README's recipes that no test of this file uses."""
    text = Path(__file__).read_text(encoding="utf-8")
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Recipes\n")[1].split("\n## ")[0]
    assert len(RECIPES) == section.count("\n```") / 2 >= 16
    for name in RECIPES:
        assert f'"{name.removeprefix("run ")}"' in text, name


def test_a_meltano_project_of_warehouse_shop_and_audiences(
    sandbox: SandboxServer, postgres: Postgres, tmp_path: Path
) -> None:
    """One job brings Segment's tables, a shop's own and a view's traits, its store on PostgreSQL."""
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        for text in ((DATA / "segment.sql").read_text(), (DATA / "shop.sql").read_text(), RECIPES["audiences.sql"]):
            connection.execute(text.encode())
    kitchen = Kitchen(
        tmp_path,
        {
            **NO_STATISTICS,
            "TARGET_PROMOTER_API_URL": sandbox.url,
            "TARGET_PROMOTER_API_KEY": "sandbox",
            "TARGET_PROMOTER_STORE_URL": postgres.new_database(),
            "TAP_POSTGRES_SQLALCHEMY_URL": url.replace("postgres@", "postgres:any@"),
        },
    )
    kitchen.add_to_path(programs(TAP_POSTGRES))
    kitchen.add_to_path(programs(MELTANO))
    kitchen.write(
        "meltano.yml",
        "warehouse.meltano.yml",
        "shop.meltano.yml",
        "audiences.meltano.yml",
        "schedule.meltano.yml",
    )
    summaries = kitchen.run("schedule")
    contacts = sandbox.account.contacts
    assert len(summaries) == 3
    assert contacts["ann@example.com"].attributes["address_city"] == "Lisbon"
    assert contacts["cleo@example.org"].attributes["returning_customer"] == "false"
    assert contacts["bob@example.com"].attributes["lifetime_value"] == "27.25"
    assert not any("password_hash" in contact.attributes for contact in contacts.values())
    # Ann's order in the shop comes within a day of the one in the warehouse.
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1, "cleo@example.org": 1}
    assert [summary["surveys"]["throttled"] for summary in summaries] == [0, 1, 0]
    assert sum(summary["track"]["rejected"] for summary in summaries) == 0


def test_surveys_a_week_later(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """What is due goes out, what is not waits, and what was returned meanwhile never goes."""
    kitchen.write("delayed.json")
    kitchen.tap(
        *[identify(number, f"u{number}@example.com") for number in "1234"],
        order("a", "1", 160),
        order("b", "2", 100),
        order("b-back", "2", 50, "Order Refunded"),
        order("c", "3", 24 * 30),
        order("d", "4", 170),
    )
    first, second = kitchen.run("delayed")
    assert sandbox.account.surveys_by_email == {"u4@example.com": 1}
    assert first["track"] == {**first["track"], "queued": 1, "waiting": 2, "stale": 1, "unmatched": 1}
    assert first["surveys"] == {**first["surveys"], "cancelled": 1, "waiting": 1}
    assert second["surveys"]["waiting"] == 1


def test_staging_surveys_nobody_else(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """Contacts are made of all, surveys go to the company's own addresses alone."""
    kitchen.write("config.json", "staging.json")
    kitchen.tap(
        identify("1", "ann@our-company.com"),
        identify("2", "bob@example.com"),
        identify("3", "eve@our-company.com.example"),
        *[order(f"o-{number}", number, 1) for number in "123"],
    )
    [summary] = kitchen.run("staging")
    assert sandbox.account.surveys_by_email == {"ann@our-company.com": 1}
    assert summary["surveys"]["withheld"] == 2
    assert len(sandbox.account.contacts) == 3
    assert (kitchen.folder / "staging.db").exists()
    assert not (kitchen.folder / "target-promoter.db").exists()


def test_each_account_gets_its_own_people(tmp_path: Path) -> None:
    """By one input, each account has its contacts and surveys by its own key, and none of the other's."""
    with (
        SandboxServer(campaigns=CAMPAIGNS, key="key-eu") as europe,
        SandboxServer(campaigns=CAMPAIGNS, key="key-us") as america,
    ):
        kitchen = Kitchen(tmp_path, {"EU_KEY": "key-eu", "US_KEY": "key-us"})
        kitchen.write("eu.json", api_url=europe.url)
        kitchen.write("us.json", api_url=america.url)
        people = [identify("1", "ann@example.com"), identify("2", "bob@example.com")]
        calls = [*people, order("o-1", "1", 1), order("o-2", "2", 1)]
        for call, region in zip(calls, ("eu", "us", "eu", "us"), strict=True):
            call["record"]["context"] = {"region": region}
        kitchen.tap(*calls)
        kitchen.run("accounts")
        assert list(europe.account.contacts) == ["ann@example.com"]
        assert list(america.account.contacts) == ["bob@example.com"]
        assert [survey.campaign for survey in europe.account.surveys] == [78]
        assert [survey.campaign for survey in america.account.surveys] == [91]


def test_containers_that_keep_nothing(
    sandbox: SandboxServer, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each run is in a folder of its own, with the store on PostgreSQL: nothing is done twice, no file is left."""
    env = {"TARGET_PROMOTER_API_URL": sandbox.url, "TARGET_PROMOTER_API_KEY": "sandbox"}
    env["STORE_URL"] = postgres.new_database()
    for number in range(2):
        kitchen = Kitchen(tmp_path_factory.mktemp("container"), env)
        kitchen.write("config.json")
        kitchen.tap(identify("1", "ann@example.com"), order("a", "1", 1))
        summaries = kitchen.run("containers")
        assert len(summaries) == 3
        assert sum(summary["api"]["requests"] for summary in summaries) == (1 if number == 0 else 0)
        assert {path.name for path in kitchen.folder.iterdir()} == {"bin", "config.json", "messages.jsonl"}
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}


def test_a_lost_store_surveys_nobody_twice(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """After a full refresh into a new store the contacts are there, and everybody had one survey."""
    kitchen.write("config.json", "staging.json", survey_recipients=["*"])
    kitchen.tap(
        *[identify(number, f"u{number}@example.com") for number in "123"],
        order("a", "1", 1),
        order("b", "2", 20),
    )
    kitchen.run("staging")
    before = sandbox.account.surveys_by_email
    assert before == {"u1@example.com": 1, "u2@example.com": 1}
    for path in kitchen.folder.glob("staging.db*"):
        path.unlink()
    # The new store knows of no survey; the account's own throttle refuses a second one.
    [summary] = kitchen.run("staging")
    assert sandbox.account.surveys_by_email == before
    assert len(sandbox.account.contacts) == 3
    assert summary["surveys"]["throttled"] == 2
