"""`target-promoter forget` and `resync`: a person is gone and stays gone; every contact goes out again."""

from __future__ import annotations

import re
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.delivery import limit as clock
from target_promoter.errors import ConfigError, DeliveryError, PromoterError, StoreError
from target_promoter.sandbox.faults import Faults
from target_promoter.store.database import open_store
from target_promoter.values.times import iso
from tests.program import CALLS, command, identify, order
from tests.tap import record, sync

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer

pytestmark = pytest.mark.slow

ANN = "ann.with.a.rare.name@example.com"


def everything(tmp_path: Path) -> str:
    """Return all that the store's files hold, as text."""
    return "".join(path.read_bytes().decode("latin-1") for path in sorted(tmp_path.glob("store.db*")))


def fill(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a sync that leaves traces of Ann everywhere, and return its messages."""
    config["campaigns"] = {
        "Order Completed": 78,
        "Ticket Closed": {"id": 91, "delay_hours": 48, "cancel_on": ["Reopened"]},
    }
    config["stored_events"] = ["Order Completed", "Plan Changed"]
    person = {"userId": "user-of-ann", "anonymousId": "anonymous-ann"}
    later = order("t-2", "user-of-ann")
    later["record"]["event"] = "Ticket Closed"
    reopened = order("t-3", "user-of-ann", hours=3)
    reopened["record"]["event"] = "Reopened"
    messages = [
        CALLS,
        identify("user-of-ann", ANN, {"secretTrait": "trait-of-ann"}),
        record("calls", type="identify", messageId="i-2", **person, traits={}),
        order("t-1", "user-of-ann", gift="gift-of-ann"),
        later,
        reopened,
        identify(None, ANN),
        record(
            "calls", type="track", messageId="t-4", userId="user-of-ann", event="Order Completed", timestamp="never"
        ),
        identify("2", "bob@example.com"),
    ]
    assert sync(config, messages).status == 0
    return messages


@pytest.mark.parametrize("who", ["user-of-ann", f" {ANN.upper()} "])
def test_nothing_of_the_person_is_left(config: dict[str, Any], tmp_path: Path, who: str) -> None:
    """After `forget`, by user id or by address, no file of the store holds anything of the person, and others stay."""
    fill(config)
    traces = ("user-of-ann", ANN, "trait-of-ann", "gift-of-ann", "anonymous-ann")
    assert all(trace in everything(tmp_path) for trace in traces)
    result = command("forget", who, config=config)
    assert result.exit_code == 0, result.exception
    assert "1 user id, 1 contact, 2 rejected records" in result.output
    assert "1 of which waited" in result.output
    found = everything(tmp_path)
    assert [trace for trace in traces if trace in found] == []
    assert "bob@example.com" in found


def test_a_replay_does_not_survey_them(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """The same records again, and new ones of the person, are blocked: no contact and no survey comes of them."""
    messages = fill(config)
    command("forget", "user-of-ann", config=config)
    requests = len(sandbox.account.requests)
    again = sync(config, [*messages, order("t-9", "user-of-ann", hours=1)])
    assert again.summary["identify"]["blocked"] == 3
    assert again.summary["track"]["blocked"] == 5
    assert len(sandbox.account.requests) == requests


def test_on_both_databases(config: dict[str, Any], store_url: str) -> None:
    """Both databases forget, block what comes again, and mark every contact unsent."""
    config["store_url"] = store_url
    messages = fill(config)
    assert "1 user id, 1 contact" in command("forget", ANN, config=config).output
    assert sync(config, messages).summary["identify"]["blocked"] == 3
    assert command("resync", config=config).output.startswith("1 contact marked unsent")
    assert sync(config, [CALLS]).summary["contacts"]["synced"] == 1


def test_everywhere_means_promoter_too(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """`--everywhere` removes the contact from Promoter as well, and leaves the others there."""
    fill(config)
    result = command("forget", "user-of-ann", "--everywhere", config=config)
    assert result.exit_code == 0, result.exception
    assert sorted(sandbox.account.contacts) == ["bob@example.com"]


def test_a_refusal_of_promoter_forgets_nothing(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """If Promoter does not remove the contact the store keeps the person, so that it can be run again."""
    fill(config)
    sandbox.set_faults(Faults(rate=1.0, kinds=("error",), statuses=(503,)))
    result = command("forget", ANN, "--everywhere", config=config)
    assert isinstance(result.exception, DeliveryError)
    assert "a…@example.com" in str(result.exception)
    assert ANN not in str(result.exception)
    assert ANN in everything(tmp_path)
    sandbox.set_faults(Faults())
    assert command("forget", ANN, "--everywhere", config=config).exit_code == 0


def test_an_account_that_wants_no_request_is_left_alone(
    config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path
) -> None:
    """While Promoter asks to wait nothing is removed there, and nothing is forgotten here."""
    fill(config)
    requests = len(sandbox.account.requests)
    until = time.time() + 80_000
    store = open_store(config["store_url"], now=0.0)
    store.write(lambda connection: clock.pause(connection, until))
    store.close()
    error = command("forget", ANN, "--everywhere", config=config).exception
    assert isinstance(error, DeliveryError)
    assert f"asks to wait until {iso(until)}" in str(error)
    assert len(sandbox.account.requests) == requests
    assert ANN in everything(tmp_path)


def test_a_shared_address_stays_the_others(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """Of two people at one address only the one is forgotten; the contact goes on as the other's."""
    home = "home@example.com"
    sync(config, [CALLS, identify("1", home, {"plan": "Pro"}, hours=5), identify("2", home, {"plan": "Free"}, hours=9)])
    assert sandbox.account.contacts[home].attributes["user_id"] == "1"
    result = command("forget", "1", "--everywhere", config=config)
    assert "Somebody else has the address h…@example.com too" in result.output
    assert home in everything(tmp_path)
    sync(config, [CALLS])
    assert sandbox.account.contacts[home].attributes["user_id"] == "2"


def test_somebody_unknown_is_blocked_if_that_is_meant(config: dict[str, Any]) -> None:
    """Of somebody whom the store does not know yet the mark is set only with `--yes`, and nothing else happens."""
    fill(config)
    error = command("forget", "carl@example.com", config=config).exception
    assert isinstance(error, PromoterError)
    assert "does not know c…@example.com. Nobody was forgotten" in str(error)
    assert sync(config, [CALLS, identify("9", "carl@example.com")]).summary["identify"]["changed"] == 1
    assert command("forget", "carl@example.com", config=config).exit_code == 0
    assert command("forget", "carl@example.com", config=config).exit_code == 0, "whoever is blocked already is known"
    blocked = command("forget", "dora@example.com", "--yes", config=config).output
    assert blocked.startswith("The store does not know d…@example.com.\n")
    assert "0 user ids, 0 contacts" in blocked
    assert sync(config, [CALLS, identify("8", "dora@example.com")]).summary["identify"]["blocked"] == 1


def test_the_contact_of_an_older_address_goes_too(
    config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path
) -> None:
    """A contact keeps whose it was: `--everywhere` removes both from Promoter, and names them."""
    sync(config, [CALLS, identify("1", "old@example.com", hours=9), identify("2", "bob@example.com")])
    sync(config, [CALLS, identify("1", "new@example.com", hours=5)])
    assert len(sandbox.account.contacts) == 3
    output = command("forget", "1", "--everywhere", config=config).output
    assert "Removed from Promoter: n…@example.com, o…@example.com." in output
    assert list(sandbox.account.contacts) == ["bob@example.com"]
    assert "old@example.com" not in everything(tmp_path)
    assert sync(config, [CALLS, identify("9", "old@example.com")]).summary["identify"]["blocked"] == 1


def test_many_of_a_file(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """`--from` forgets each of a file, asks about those whom nobody knows, and takes a shared address with both."""
    people = [identify(str(one), f"{one}@example.com") for one in range(100, 115)]
    home = [identify("a", "home@example.com", hours=9), identify("b", "home@example.com", hours=5)]
    sync(config, [CALLS, *people, *home])
    names = tmp_path / "names.txt"
    names.write_text("\ufeff100\r\n101@Example.com\r\n\r\na\r\nb\r\nnobody@example.com\r\n", encoding="utf-8")
    error = command("forget", "--from", str(names), config=config).exception
    assert "does not know n…@example.com." in str(error)
    result = command("forget", "--from", str(names), "--everywhere", "--yes", config=config)
    assert "4 user ids, 3 contacts" in result.output
    assert "Somebody else" not in result.output
    assert "still names" not in result.output
    assert {"100@example.com", "101@example.com", "home@example.com"}.isdisjoint(sandbox.account.contacts)
    names.write_text("\n".join(str(one) for one in range(100, 115)), encoding="utf-8")
    assert "13 user ids, 13 contacts" in command("forget", "--from", str(names), config=config).output
    assert sync(config, [CALLS, *people, *home]).summary["identify"]["blocked"] == 17
    assert command("forget", "--undo", "114", config=config).output.startswith("Removed: 2 marks")
    assert sync(config, [CALLS, *people]).summary["identify"]["blocked"] == 14


@pytest.mark.parametrize("content", [b"", b"\xff\xfe1"])
def test_a_file_that_names_nobody(config: dict[str, Any], tmp_path: Path, content: bytes) -> None:
    """One that is empty, or of another encoding, is refused."""
    fill(config)
    names = tmp_path / "names.txt"
    names.write_bytes(content)
    result = command("forget", "--from", str(names), config=config)
    assert result.exit_code == 2
    assert "write one e-mail address or user id a line" in result.output


def test_who_is_blocked_can_be_listed_and_taken_back(config: dict[str, Any]) -> None:
    """The list shows marks and times and no name; taken back by one name, the person is taken again by every name."""
    messages = fill(config)
    command("forget", "user-of-ann", config=config)
    listed = command("forget", "--list", config=config).output.splitlines()
    assert len(listed) == 4
    assert all(re.fullmatch(r"[0-9a-f]{8}  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line) for line in listed[:3])
    assert listed[3].startswith("3 marks: one of each name")
    assert str(command("forget", "--undo", "2", config=config).exception).startswith("Nobody who has the name 2…")
    assert command("forget", "--undo", ANN.upper(), config=config).output.startswith("Removed: 3 marks")
    assert command("forget", "--list", config=config).output.startswith("0 marks")
    summary = sync(config, messages).summary
    assert summary["identify"]["blocked"] == summary["track"]["blocked"] == 0


def test_the_blocked_are_brought_along_to_a_new_store(config: dict[str, Any], tmp_path: Path) -> None:
    """What `--list` prints as JSON holds no name, and blocks the same people in a store that was not there yet."""
    messages = fill(config)
    command("forget", ANN, config=config)
    for number in range(2):
        marks = tmp_path / f"marks-{number}.json"
        result = command("forget", "--list", "--format", "json", config=config)
        assert "protect it as you protect the store" in result.stderr
        marks.write_text(result.stdout, encoding="utf-8")
        assert "ann" not in result.stdout
        config["store_url"] = f"sqlite:///{tmp_path}/new-{number}.db"
        assert command("forget", "--marks", str(marks), config=config).output.startswith("Added: 3 marks")
    assert sync(config, messages).summary["identify"]["blocked"] == 3
    command("forget", "2", config=config)
    assert command("forget", "--undo", ANN, config=config).output.startswith("Removed: 3 marks")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"salts": ["x"], "marks": []}', '{"salts": [], "marks": [{"mark": 1}]}']
)
def test_a_file_without_marks_is_refused(config: dict[str, Any], tmp_path: Path, content: str) -> None:
    """With a sentence, and without creating a store."""
    marks = tmp_path / "marks.json"
    marks.write_text(content, encoding="utf-8")
    assert "holds no marks" in str(command("forget", "--marks", str(marks), config=config).exception)
    assert [one.name for one in tmp_path.iterdir()] == ["marks.json"]


@pytest.mark.parametrize("arguments", [(), ("1", "--list"), ("--undo", "1", "--list")])
def test_one_thing_at_a_time(config: dict[str, Any], arguments: tuple[str, ...]) -> None:
    """Without anything to do, or with two things, the command says what there is."""
    result = command("forget", *arguments, config=config)
    assert result.exit_code == 2
    assert "Give one of: EMAIL_OR_USER_ID" in result.output


@pytest.mark.parametrize("arguments", [("forget", " "), ("report", "--person", "")])
def test_nobody_is_no_name(config: dict[str, Any], arguments: tuple[str, ...]) -> None:
    """An empty name, such as an unset variable of a script, is refused and blocks nobody."""
    messages = fill(config)
    result = command(*arguments, config=config)
    assert result.exit_code == 2
    assert "give a user id or an e-mail address" in result.output
    assert sync(config, messages).summary["identify"]["blocked"] == 0


def test_resync_sends_every_contact_again(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """After `resync` the next delivery sends all contacts, and no survey."""
    fill(config)
    requests = len(sandbox.account.requests)
    assert command("resync", config=config).output.startswith("2 contacts marked unsent")
    assert sync(config, [CALLS]).summary["contacts"]["synced"] == 2
    assert [request.path for request in sandbox.account.requests[requests:]] == ["/api/contacts/"] * 2


@pytest.mark.parametrize("name", ["resync", "rejected", "report"])
def test_without_a_store_there_is_a_sentence(config: dict[str, Any], tmp_path: Path, name: str) -> None:
    """Where there is no store yet a command says so, and creates none; `forget` likewise."""
    for arguments in ((name,), ("forget", "1")):
        error = command(*arguments, config=config).exception
        assert isinstance(error, StoreError)
        assert str(error).startswith(
            f"There is no store at sqlite:///{tmp_path}/store.db yet: the first run creates it"
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("forget", "1"), ("resync",), ("check", "--rebind")])
def test_a_dry_run_changes_nothing(config: dict[str, Any], arguments: tuple[str, ...]) -> None:
    """While `dry_run` is set whatever would change the store is refused."""
    fill(config)
    error = command(*arguments, config={**config, "dry_run": True}).exception
    assert isinstance(error, ConfigError)
    assert "`dry_run` is set" in str(error)


def test_another_programs_file_is_left_alone(config: dict[str, Any], tmp_path: Path) -> None:
    """A SQLite file with the tables of another program is no store, and gets none of ours."""
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("CREATE TABLE people (id INTEGER)")
    assert isinstance(command("report", config=config).exception, StoreError)
    with sqlite3.connect(tmp_path / "store.db") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("people",)]
