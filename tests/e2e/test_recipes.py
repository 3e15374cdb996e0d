"""The documentation's recipes, each run as it stands there: only addresses and keys come from the test."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from target_promoter.sandbox.records import iso
from target_promoter.sandbox.server import SandboxServer
from tests.clock import Clock
from tests.conftest import CAMPAIGNS, Postgres
from tests.documentation import PAGES, RECIPES, ROOT
from tests.e2e.environments import MELTANO, NO_STATISTICS, TAP_POSTGRES, TARGET_JSONL, programs
from tests.programs import warm_program
from tests.tap import TEXT, hours_ago, record, schema, state

DATA = ROOT / "tests" / "data" / "warehouse"
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


def order(
    message_id: str, user_id: str, hours: float, event: str = "Order Completed", **properties: object
) -> dict[str, Any]:
    """Return a track call of so many hours ago."""
    call = {"type": "track", "messageId": message_id, "userId": user_id, "event": event, "properties": properties}
    return record("calls", **call, timestamp=hours_ago(hours))


class Kitchen:
    """A folder with files of recipes, and a `tap` that prints what the test gives it.

    Args:
        folder: An empty folder.
        env: Environment variables for what runs in it.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        """Put the `tap` on the path, and this checkout's program, loaded already."""
        self.folder = folder
        tap = folder / "bin" / "tap"
        tap.parent.mkdir()
        tap.write_text("#!/bin/sh\ncat messages.jsonl\n", encoding="utf-8")
        tap.chmod(0o755)
        path = os.pathsep.join(
            (str(tap.parent), str(warm_program()), str(Path(sys.executable).parent), os.environ["PATH"])
        )
        self._env = {**os.environ, "TARGET_PROMOTER_REQUESTS_PER_MINUTE": "60000", **env, "PATH": path}

    def add_to_path(self, programs: Path) -> None:
        """Put more programs on the path, behind those that are there."""
        self._env["PATH"] += f"{os.pathsep}{programs}"

    def set(self, **variables: str) -> None:
        """Set environment variables for what runs from now on."""
        self._env |= variables

    def run_program(self, config: str) -> None:
        """Have the target read what the tap prints."""
        self._shell(f"tap | target-promoter --config {config} --config=ENV")

    def write(self, *names: str, **more: object) -> None:
        """Write files as they stand on a page; `more` is added to those that are JSON."""
        for name in names:
            text = RECIPES[name]
            if name.endswith(".json"):
                text = json.dumps({**json.loads(text), **more})
            # What the recipe installs from an index is here already, and this checkout's own.
            text = re.sub(r"^ +pip_url: .*\n", "", text, flags=re.MULTILINE)
            (self.folder / Path(name).name).write_text(text, encoding="utf-8")

    def tap(self, *messages: dict[str, Any]) -> None:
        """Have the tap print some messages of the stream `calls` from now on."""
        self.tap_all(schema("calls", CALLS, keys=["messageId"]), *messages)

    def tap_all(self, *messages: dict[str, Any]) -> None:
        """Have the tap print some messages, those of their schemas among them, from now on."""
        text = "".join(json.dumps(line) + "\n" for line in (*messages, state({"at": 1})))
        (self.folder / "messages.jsonl").write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        """Return what stands in a file that a recipe wrote."""
        return (self.folder / name).read_text(encoding="utf-8")

    def run(self, name: str) -> list[dict[str, Any]]:
        """Run the commands of a recipe; return the summaries that they logged."""
        return self.tell(name)[1]

    def tell(self, name: str) -> tuple[str, list[dict[str, Any]]]:
        """Run the commands of a recipe; return what they printed, and the summaries that they logged."""
        done = self._shell(RECIPES[f"run {name}"])
        return done.stdout, [json.loads(text) for text in re.findall(r"Run summary: (\{.*\})", done.stderr)]

    def _shell(self, commands: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", commands],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self._env,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> SandboxServer:
    """Return the sandbox that all tests of this file share, with an empty account."""
    return shared_sandbox


@pytest.fixture
def kitchen(sandbox: SandboxServer, tmp_path: Path) -> Kitchen:
    """Return a folder whose programs talk to the sandbox."""
    return Kitchen(tmp_path, {"TARGET_PROMOTER_API_URL": sandbox.url, "TARGET_PROMOTER_API_KEY": "sandbox"})


def test_every_recipe_is_run() -> None:
    """There is no recipe on any page that no test of this file uses."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert len(RECIPES) == "".join(PAGES.values()).count("\n<!-- recipe: ") >= 30
    for name in RECIPES:
        assert f'"{name.removeprefix("run ")}"' in text, name


@pytest.mark.timeout(500)  # Meltano needs some ten seconds a command, and more on a busy machine.
def test_the_first_hour(postgres: Postgres, tmp_path: Path) -> None:
    """What the tutorial says comes of each step does."""
    url = postgres.new_database()
    kitchen = Kitchen(
        tmp_path,
        {**NO_STATISTICS, "TAP_POSTGRES_SQLALCHEMY_URL": url.replace("postgres@", "postgres:any@")},
    )
    kitchen.add_to_path(programs(TAP_POSTGRES))
    kitchen.add_to_path(programs(MELTANO))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(RECIPES["first-hour/shop.sql"].encode())
        kitchen.write("first-hour/meltano.yml")
        printed, _ = kitchen.tell("first-hour check")
        assert [line[:4] for line in printed.splitlines() if line[4:5] == " "][:3] == ["ok  "] * 3
        assert "shop-customers: identify (2 identify calls)" in printed
        assert "2 x Order Completed: a survey of campaign 78" in printed
        [dry] = kitchen.run("first-hour dry")
        assert (dry["contacts"]["pending"], dry["surveys"]["pending"], dry["track"]["stale"]) == (2, 1, 1)
        [first] = kitchen.run("first-hour")
        # A slow tap may bring the orders when the contacts were sent already; their properties then are a change.
        assert first["contacts"]["synced"] >= 2
        assert first["surveys"]["sent"] == 1
        printed, _ = kitchen.tell("first-hour report")
        assert "ann@example.com" in printed
        assert "2 contacts:" in printed
        assert "password_hash" not in printed
        connection.execute(RECIPES["first-hour/later.sql"].encode())
        [later] = kitchen.run("first-hour later")
    assert later["surveys"]["sent"] == 1
    assert later["identify"]["changed"] == 1


@pytest.mark.timeout(500)  # As above.
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


@pytest.mark.timeout(500)  # As above.
def test_a_meltano_environment_of_an_inherited_loader(
    sandbox: SandboxServer, postgres: Postgres, tmp_path: Path
) -> None:
    """A run and a command have the environment's campaign, in place of the parent's, and its recipients and store."""
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((DATA / "shop.sql").read_text().encode())
    kitchen = Kitchen(
        tmp_path,
        {
            **NO_STATISTICS,
            "TARGET_PROMOTER_API_URL": sandbox.url,
            "TARGET_PROMOTER_API_KEY": "sandbox",
            "TAP_POSTGRES_SQLALCHEMY_URL": url.replace("postgres@", "postgres:any@"),
        },
    )
    kitchen.add_to_path(programs(TAP_POSTGRES))
    kitchen.add_to_path(programs(MELTANO))
    kitchen.write("meltano.yml", "shop.meltano.yml", "staging.meltano.yml")
    printed, [summary] = kitchen.tell("meltano staging")
    assert "ok   campaign 91: " in printed
    assert "campaign 78" not in printed
    assert summary["surveys"]["withheld"] >= 1
    assert sandbox.account.surveys == []
    with contextlib.closing(sqlite3.connect(kitchen.folder / "staging.db")) as store:
        assert store.execute("SELECT DISTINCT campaign_id FROM surveys").fetchall() == [(91,)]


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
    assert first["track"] == {**first["track"], "queued": 1, "waiting": 2, "stale": 1, "stored": 1}
    assert first["surveys"] == {**first["surveys"], "cancelled": 1, "waiting": 1}
    assert second["surveys"]["waiting"] == 1


def test_only_the_order_that_is_returned(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """The refund of one order leaves the survey of another."""
    kitchen.write("returned.json")
    kitchen.tap(
        *[identify(number, f"u{number}@example.com") for number in "12"],
        order("a", "1", 170, order_id=500),
        order("a-back", "1", 160, "Order Refunded", order_id="500"),
        order("b", "2", 170, order_id=600),
        order("c-back", "2", 160, "Order Refunded", order_id="500"),
        order("without", "2", 160, "Order Refunded"),
    )
    [summary] = kitchen.run("returned")
    assert sandbox.account.surveys_by_email == {"u2@example.com": 1}
    assert summary["surveys"] == {**summary["surveys"], "cancelled": 1, "sent": 1}


def test_a_quarter_of_the_orders(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """About so many are surveyed, and the same ones by another store a month later; the others cost a contact alone."""
    kitchen.write("sample.json")
    numbers = [str(number) for number in range(1, 101)]
    people = [identify(number, f"u{number}@example.com") for number in numbers]
    kitchen.tap(*people, *[order(f"o-{number}", number, 1) for number in numbers])
    kitchen.run_program("sample.json")
    drawn = sandbox.account.surveys_by_email
    assert 10 < len(drawn) < 45
    assert set(drawn.values()) == {1}
    assert len(sandbox.account.contacts) == 100
    (kitchen.folder / "target-promoter.db").unlink()
    sandbox.account.reset()
    kitchen.run_program("sample.json")
    assert sandbox.account.surveys_by_email == drawn


def test_not_at_two_in_the_morning(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """The night's run sends the contact alone and says when surveys leave; in the morning the survey does."""
    berlin = dt.datetime.now(ZoneInfo("Europe/Berlin"))
    tuesday = berlin + dt.timedelta(days=(1 - berlin.weekday()) % 7 + 7)
    at_two = tuesday.replace(hour=2, minute=0, second=0, microsecond=0)
    at_nine = at_two.replace(hour=9).astimezone(dt.UTC)
    kitchen.write("hours.json")
    calls = [identify("1", "ann@example.com"), order("a", "1", 0)]
    calls[1]["record"]["timestamp"] = iso(at_two.timestamp() - 6 * 3600)
    kitchen.tap(*calls)
    clock = Clock(kitchen.folder)
    clock.set(at_two.timestamp())
    kitchen.set(**clock.env)
    printed, (night, again) = kitchen.tell("hours")
    assert f"ok   survey_hours: surveys wait until {at_nine:%Y-%m-%d %H:%M} UTC" in printed
    assert (night["contacts"]["synced"], night["surveys"]["waiting"], again["surveys"]["waiting"]) == (1, 1, 1)
    assert not sandbox.account.surveys
    clock.set(at_nine.timestamp() + 60)
    printed, summaries = kitchen.tell("hours")
    assert "ok   survey_hours: surveys may be sent now" in printed
    assert [summary["surveys"]["sent"] for summary in summaries] == [1, 0]
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}


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
    calls = (identify("1", "ann@example.com"), order("a", "1", 1))
    for number in range(2):
        kitchen = Kitchen(tmp_path_factory.mktemp("container"), env)
        kitchen.write("config.json")
        kitchen.tap(*calls)
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


OBJECT: dict[str, Any] = {"type": ["null", "object"], "properties": {}}


def table(stream: str, *rows: dict[str, Any], keys: tuple[str, ...] = ("id",)) -> list[dict[str, Any]]:
    """Return the messages of a stream, whose columns are those of its rows."""
    columns: dict[str, Any] = {name: {} for row in rows for name in row}
    return [schema(stream, {"properties": columns}, keys=list(keys)), *(record(stream, **row) for row in rows)]


def ticket(number: int, requester: int, status: str, hours: float) -> dict[str, Any]:
    """Return a row of Zendesk's tickets."""
    return {
        "id": number,
        "requester_id": requester,
        "status": status,
        "priority": "high",
        "updated_at": hours_ago(hours),
    }


def shopify_order(number: int, customer: object, email: str | None, status: str = "FULFILLED") -> dict[str, Any]:
    """Return a row of Shopify's orders."""
    return {
        "id": f"gid://shopify/Order/{number}",
        "name": f"#{number}",
        "email": email,
        "customer": customer,
        "billingAddress": {"firstName": "Gus", "lastName": "Guest"},
        "totalPriceSet": {"shopMoney": {"amount": "19.90"}},
        "displayFulfillmentStatus": status,
        "test": False,
        "processedAt": hours_ago(2),
    }


TAPS: dict[str, tuple[list[dict[str, Any]], dict[str, int], dict[str, dict[str, str]]]] = {
    "shopify.json": (
        [
            *table("customers", {"id": "gid://7", "email": "ann@example.com", "firstName": "Ann", "numberOfOrders": 3}),
            *table(
                "orders",
                shopify_order(1, {"id": "gid://7"}, "ann@example.com"),
                shopify_order(2, None, "gus@example.com"),
                shopify_order(3, {"id": "gid://7"}, "ann@example.com", "UNFULFILLED"),
                shopify_order(4, None, None),
            ),
            *table("products", {"id": "1", "title": "Tea"}),
        ],
        {"ann@example.com": 1, "gus@example.com": 1},
        {"ann@example.com": {"numberOfOrders": "3", "order_completed_total": "19.9"}, "gus@example.com": {}},
    ),
    "zendesk.json": (
        [
            *table(
                "users",
                {"id": 1, "email": "ann@example.com", "name": "Ann Lee", "role": "end-user"},
                {"id": 2, "email": "bob@example.com", "name": "Bob Ray", "role": "end-user"},
                {"id": 9, "email": "agent@our-company.com", "name": "Agent", "role": "agent"},
            ),
            *table(
                "tickets",
                ticket(11, 1, "solved", 5),
                ticket(12, 2, "solved", 5),
                ticket(12, 2, "open", 3),
                ticket(13, 1, "open", 2),
            ),
        ],
        {"ann@example.com": 1},
        {"ann@example.com": {"role": "end-user"}, "bob@example.com": {"role": "end-user"}},
    ),
    "stripe.json": (
        [
            *table("customers", {"id": "cus_1", "email": "ann@example.com", "name": "Ann Lee", "currency": "eur"}),
            *table(
                "events",
                {
                    "id": "evt_1",
                    "type": "customer.subscription.created",
                    "created": int(time.time()) - 600,
                    "data": {"object": {"customer": "cus_1", "plan": {"nickname": "Team", "amount": 990}}},
                },
                {"id": "evt_2", "type": "invoice.paid", "created": int(time.time()) - 600, "data": {"object": {}}},
            ),
        ],
        {"ann@example.com": 1},
        {"ann@example.com": {"currency": "eur"}},
    ),
    "hubspot.json": (
        table(
            "contacts",
            *(
                {
                    "id": str(number),
                    "archived": archived,
                    "updatedAt": hours_ago(1),
                    "properties": {"email": email, "firstname": "Ann", "lifecyclestage": "customer", **more},
                }
                for number, email, archived, more in (
                    (1, "ann@example.com", False, {}),
                    (2, "bob@example.com", True, {}),
                    (3, "cleo@example.com", False, {"hs_email_optout": "true"}),
                )
            ),
        ),
        {},
        {"ann@example.com": {"lifecyclestage": "customer"}},
    ),
    # Who leaves is in `test_mirror.py`, by the same recipe.
    "audience.json": (
        table("public-loyal_customers", {"id": 1, "email": "ann@example.com", "loyal": True}),
        {},
        {"ann@example.com": {"loyal": "true"}},
    ),
    "sheet.json": (
        table(
            "Orders",
            {"Order": 1, "Customer": 7, "E-mail": "ann@example.com", "Name": "Ann Lee", "Date": hours_ago(1)},
            {"Order": 2, "Customer": 8, "E-mail": "bob@example.com", "Name": "Bob", "Date": hours_ago(900)},
            keys=(),
        ),
        {"ann@example.com": 1},
        {"ann@example.com": {}, "bob@example.com": {}},
    ),
}
"""Of each popular tap what it prints, and the surveys and contacts that come of it."""


@pytest.mark.parametrize("name", TAPS)
def test_popular_taps(name: str, kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """Each config works as it stands, and the second run sends nothing."""
    messages, surveys, contacts = TAPS[name]
    kitchen.write(name)
    (kitchen.folder / name).rename(kitchen.folder / "tap.json")
    kitchen.tap_all(*messages)
    [first] = kitchen.run("tap")
    assert first["identify"]["rejected"] + first["track"]["rejected"] == 0
    assert sandbox.account.surveys_by_email == surveys
    assert sandbox.account.contacts.keys() == contacts.keys()
    for email, attributes in contacts.items():
        assert attributes.items() <= sandbox.account.contacts[email].attributes.items(), email
    [second] = kitchen.run("tap")
    assert second["api"]["requests"] == 0


def test_an_export_goes_on_where_it_was(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """The second time only what is new reaches the target."""
    del sandbox
    kitchen.set(TARGET=f"{programs(TARGET_JSONL) / 'target-jsonl'}")
    kitchen.write("config.json", "staging.json")
    kitchen.tap(identify("1", "ann@our-company.com"), order("a", "1", 1))
    kitchen.run_program("config.json")
    kitchen.tell("export")
    kitchen.tap(identify("2", "bob@our-company.com"), order("b", "2", 1))
    kitchen.run_program("config.json")
    kitchen.tell("export")
    lines = [line for path in kitchen.folder.glob("surveys*.jsonl") for line in path.read_text().splitlines()]
    rows = [json.loads(line) for line in lines]
    assert sorted((row["message_id"], row["outcome"]) for row in rows) == [("a", "sent"), ("b", "sent")]
    assert kitchen.read("surveys.csv").count("sent") == 2


def test_a_store_that_is_restored_and_moved(kitchen: Kitchen, sandbox: SandboxServer, postgres: Postgres) -> None:
    """What was sent since the backup is not sent again, and the new store knows what the old one knew."""
    kitchen.set(NEW_STORE_URL=postgres.new_database())
    kitchen.write("config.json")
    kitchen.tap(identify("1", "ann@example.com"))
    kitchen.run_program("config.json")
    shutil.copy(kitchen.folder / "target-promoter.db", kitchen.folder / "backup.db")
    kitchen.tap(identify("1", "ann@example.com"), order("a", "1", 30), order("b", "1", 1))
    kitchen.run_program("config.json")
    before = sandbox.account.surveys_by_email
    assert before == {"ann@example.com": 1}
    printed, _ = kitchen.tell("restore")
    assert "23 hours" in printed
    kitchen.run_program("config.json")
    assert sandbox.account.surveys_by_email == before
    printed, _ = kitchen.tell("move")
    assert "1 user id" in printed


def test_an_account_is_adopted(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """What needs no change costs no request, who unsubscribed is not surveyed, what no tap brings stays as it is."""
    kitchen.write("config.json")
    calls = [identify(one, f"{one}@example.com") for one in ("ann", "bob", "cy")]
    kitchen.tap(*calls)
    kitchen.run_program("config.json")
    sandbox.account.unsubscribe("bob@example.com")
    (kitchen.folder / "target-promoter.db").unlink()
    sandbox.account.ledger.reset()
    kitchen.tap(*calls[:2], identify("dee", "dee@example.com"), order("a", "ann", 1), order("b", "bob", 1))
    printed, (_, dry, real) = kitchen.tell("adopt")
    assert "Read 3 contacts on 1 page: 1 unsubscribed" in printed
    assert "3 people whom no tap brought yet are known" in printed
    assert (dry["surveys"]["withheld"], real["surveys"]["withheld"], real["surveys"]["sent"]) == (1, 1, 1)
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1}


def test_a_lost_store(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """The tap brings what is new alone: nothing is missing, and nothing sent twice."""
    kitchen.write("config.json")
    kitchen.tap(identify("1", "ann@example.com"), identify("2", "bob@example.com"), order("a", "1", 3))
    kitchen.run_program("config.json")
    (kitchen.folder / "target-promoter.db").unlink()
    sandbox.account.ledger.reset()
    kitchen.tap(order("a", "1", 3), order("b", "2", 1))
    _, (_, summary) = kitchen.tell("lost")
    assert (summary["surveys"]["sent"], summary["surveys"]["throttled"]) == (1, 1)
    assert sandbox.account.surveys_by_email == {"ann@example.com": 1, "bob@example.com": 1}
    assert {email: one.attributes["user_id"] for email, one in sandbox.account.contacts.items()} == {
        "ann@example.com": "1",
        "bob@example.com": "2",
    }


def test_privacy_requests(kitchen: Kitchen, sandbox: SandboxServer) -> None:
    """Somebody sees what is stored, is forgotten everywhere, and stays blocked, in a new store too."""
    kitchen.write("config.json", "staging.json")
    kitchen.tap(identify("1", "ann@example.com"), order("a", "1", 1))
    kitchen.run_program("config.json")
    kitchen.tell("person")
    assert json.loads(kitchen.read("ann.json"))["user_ids"] == ["1"]
    kitchen.tell("forget")
    assert not sandbox.account.contacts
    kitchen.tell("marks")
    [summary] = kitchen.run("staging")
    assert (summary["identify"]["blocked"], summary["track"]["blocked"]) == (1, 1)
