"""What an attacker looks for after `forget`: in the files' free pages and logs, in copies, in rows of others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Executable, insert, select

from target_promoter.store import erasing, rejected
from target_promoter.store import schema as tables
from target_promoter.store.database import open_store
from target_promoter.store.encoding import encode
from target_promoter.store.erasing import erase_deleted
from target_promoter.store.rejected import Rejected
from target_promoter.values.events import canonical
from tests.house import NOW, House, identify, track
from tests.program import command
from tests.store.old_stores import restore

pytestmark = pytest.mark.slow

ANN = "ann.with.a.rare.name@example.com"
JOANN = f"jo{ANN}"
VISITOR = "visitor-ann"
OLD = {"api_key": "k", "api_url": "https://promoter.example/api"}
"""The account of the stores of older versions."""


@pytest.fixture
def config(store_url: str) -> dict[str, Any]:
    """Return the config of a store on each database."""
    return {"api_key": "k", "store_url": store_url, "campaigns": {"Order Completed": 78}}


@pytest.fixture
def house(store_url: str) -> House:
    """Return a house whose store the commands work on."""
    return House(store_url)


def in_files(config: dict[str, Any], *traces: str) -> set[str]:
    """Return those of the texts that can be read in the files of a store: of SQLite's, or of PostgreSQL's tables."""
    url: str = config["store_url"]
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        found = b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))
    else:
        with psycopg.connect(url, autocommit=True) as database:
            database.execute("CHECKPOINT")
            # All files of the database's own relations, whatever they are.
            query = """
                SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class
                WHERE relkind IN ('r', 'i', 't') AND NOT relisshared AND pg_relation_filepath(oid) IS NOT NULL
            """
            found = b"".join(row[0] for row in database.execute(query))
    return {trace for trace in traces if trace.encode() in found}


def forget(config: dict[str, Any], *arguments: str) -> str:
    """Forget somebody, and return what is said."""
    result = command("forget", *arguments, config=config)
    assert result.exit_code == 0, result.exception
    return result.output


def execute(house: House, statement: Executable) -> None:
    """Change a store behind the program's back."""
    house.store.write(lambda tx: tx.execute(statement))


def reject(house: House, *records: dict[str, Any]) -> None:
    """Keep records of a stream as rejected."""
    kept = [Rejected(str(n).encode(), "leads", "identify", "no user id", one) for n, one in enumerate(records)]
    house.store.write(lambda tx: rejected.add(tx, kept, NOW))


def test_rejected_records_that_name_an_address_anywhere(house: House, config: dict[str, Any]) -> None:
    """Also within another text, as a key, behind a line break or in an address of the web; longer ones are others'."""
    house.take(identify("1", ANN))
    reject(
        house,
        {"note": f"Please write to\n{ANN.title()}, not to me"},
        {"scores": [{ANN: 9}]},
        {"url": f"https://example.com/?who={ANN.replace('@', '%40')}"},
        {"payload": f'{{"to": "x\\n{ANN}"}}'},
        {"email": JOANN},
        {"email": f"{ANN}.au"},
    )
    assert "4 rejected records" in forget(config, "1")
    assert house.store.read(lambda tx: len(list(rejected.load(tx)))) == 2


def test_words_that_name_somebody_are_removed_wherever_they_stand(house: House, config: dict[str, Any]) -> None:
    """Promoter's words to a survey of another person, to another contact, to a run; and why there was no survey."""
    house.take(identify("1", ANN), identify("2", "bob@example.com"), track("Order Completed", "2", messageId="bobs"))
    words = f"{ANN.upper()} is on the list of the blocked"
    tx_words = (tables.surveys.update().values(reason=words), tables.contacts.update().values(reason=words))
    run = insert(tables.runs).values(command="sync", started_at=NOW, problem=words)
    why = {"who": "u:2", "campaign_id": 78, "event": "Order Completed", "event_at": NOW, "reason": words}
    for statement in (*tx_words, run, insert(tables.not_surveyed).values(**why)):
        execute(house, statement)
    assert in_files(config, ANN.upper())
    forget(config, ANN)
    assert in_files(config, ANN.upper()) == set()
    assert house.surveys["bobs"] == "queued"


def test_what_the_same_call_left_under_another_name(house: House, config: dict[str, Any]) -> None:
    """A visitor's calls that named anonymous id and address leave nothing under the anonymous id either."""
    cancels = [{"event": "Ticket Reopened", "match": "number"}, "Ticket Reopened"]
    settings = {"Order Completed": 78, "Ticket Closed": {"id": 91, "cancel_on": cancels}}
    house.configure(campaigns=settings, stored_events=["Order Completed", "Plan Changed"])
    visitor: dict[str, Any] = {"anonymousId": VISITOR, "context": {"traits": {"email": ANN}}}
    house.take(
        identify("1", ANN),
        track("Plan Changed", **visitor, plan="rare-plan-of-ann"),
        track("Ticket Reopened", **visitor, number="7"),
        track("Order Completed", **{**visitor, "anonymousId": "second-of-ann"}),
        track("Plan Changed", anonymousId="visitor-bob", context={"traits": {"email": "bob@example.com"}}, plan="Free"),
    )
    traces = (ANN, VISITOR, "second-of-ann", "rare-plan-of-ann")
    assert in_files(config, *traces) == set(traces)
    forget(config, ANN)
    assert in_files(config, *traces) == set()
    assert in_files(config, "visitor-bob") == {"visitor-bob"}


def test_rows_by_their_key_and_parts_by_their_stream(house: House, config: dict[str, Any]) -> None:
    """The address that only one stream says is the person's too, and is blocked."""
    old = "an.older.one@example.com"
    house.take(
        ("customers", {"id": 1, "email": old, "plan": "plan-of-ann"}),
        identify("1", ANN, hours=1),
    )
    forget(config, "1")
    assert in_files(config, old, ANN, "plan-of-ann") == set()
    assert house.take(identify("9", old)) == {"identify": {"blocked": 1}}


def test_what_was_deleted_before_is_gone_from_free_pages(house: House, config: dict[str, Any]) -> None:
    """Not only what `forget` itself deletes: earlier forms of the person, replaced or deleted, cannot be read."""
    earlier = [f"earlier-plan-of-ann-{number}" for number in range(30)]
    for number, plan in enumerate(earlier):
        house.take(identify("1", ANN, hours=-40 + number, plan=plan, essay="words " * 500))
    reject(house, *({"email": ANN, "essay": "rejected " * 500} for _ in range(20)))
    execute(house, tables.rejected.delete())
    assert in_files(config, ANN, *earlier) != {earlier[-1]}
    forget(config, "1")
    assert in_files(config, ANN, *earlier, "rejected rejected") == set()


def test_what_others_say_of_somebody_is_told(house: House, config: dict[str, Any]) -> None:
    """An address that is a property of somebody else's order stays, and the command says so."""
    house.take(identify("1", ANN), identify("2", "bob@example.com"), track("Order Completed", "2", friend=ANN))
    output = forget(config, "1")
    assert "still hold an address of theirs (" in output
    assert "surveys: 1" in output


@pytest.fixture
def sqlite_config(tmp_path: Path) -> dict[str, Any]:
    """Return the config of a SQLite store that knows Ann."""
    config = {"api_key": "k", "store_url": f"sqlite:///{tmp_path / 'store.db'}"}
    house = House(tmp_path)
    house.take(identify("1", ANN))
    house.store.close()
    return config


def test_another_program_that_reads_the_file_is_told(
    sqlite_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one reads, the log of SQLite keeps what was deleted: that is said, and it is gone once the other ends."""
    monkeypatch.setattr(erasing, "ATTEMPT_SECONDS", 0.1)
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM people").fetchall()
        output = forget(sqlite_config, "1")
        assert f"can still be read in {tmp_path}/store.db-wal, because another program reads the store" in output
        assert in_files(sqlite_config, ANN) == {ANN}
    assert "can still be read" not in forget(sqlite_config, "1")
    assert in_files(sqlite_config, ANN) == set()


def test_another_program_that_writes_to_the_file_is_told(
    sqlite_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that cannot be rewritten is named."""
    monkeypatch.setattr(erasing, "ATTEMPT_SECONDS", 0.1)
    store = open_store(sqlite_config["store_url"], now=0.0)
    with closing(store), closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        sentences = list(erase_deleted(store))
    assert len(sentences) == 1
    assert "which could not be rewritten (database is locked)" in sentences[0]


def test_the_copy_of_an_older_version_is_named(tmp_path: Path) -> None:
    """The file beside the store that an upgrade left still holds the person: which one to delete is said."""
    config = {**OLD, "store_url": f"sqlite:///{tmp_path / 'store.db'}"}
    restore(config["store_url"], 2)
    assert f"{tmp_path}/store.db.version-2 is the store as it was before an upgrade" in forget(config, "1")


def test_hashes_without_salt_are_removed(store_url: str) -> None:
    """A message id that is made of an address could be guessed from its hash; the event is known all the same."""
    restore(store_url, 2)
    house = House(store_url)
    unsalted = blake2b(encode([canonical("Order Completed"), "o-2"]).encode(), digest_size=16).digest()
    query = select(tables.messages.c.message).where(tables.messages.c.message == unsalted)
    assert house.store.read(lambda tx: tx.scalar(query)) is not None
    forget({**OLD, "store_url": store_url}, "2")
    assert house.store.read(lambda tx: tx.scalar(query)) is None


def test_statistics_of_postgresql_hold_nobody(postgres_url: str) -> None:
    """What the planner knows of the tables holds values of theirs: it is rewritten as well."""
    config = {"api_key": "k", "store_url": postgres_url}
    house = House(postgres_url)
    house.take(identify("1", ANN), *(identify(str(one), f"somebody-{one}@example.com") for one in range(2, 30)))
    house.store.analyze()
    with psycopg.connect(postgres_url) as database:
        bounds = "SELECT histogram_bounds::text FROM pg_stats WHERE tablename = 'people' AND attname = 'email'"
        assert ANN in database.execute(bounds).fetchone()[0]  # type: ignore[index] # there is one
    forget(config, "1")
    assert in_files(config, ANN) == set()


def test_a_session_that_reads_in_postgresql_is_told(postgres_url: str) -> None:
    """The tables that it reads cannot be rewritten, and what it may see stays until it ends."""
    config = {"api_key": "k", "store_url": postgres_url}
    House(postgres_url).take(identify("1", ANN))
    with psycopg.connect(postgres_url) as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT * FROM people").fetchall()
        output = forget(config, "1")
        assert "can still be read in the files of people, which could not be rewritten" in output
        assert "as long as older sessions or replicas are reading" in output
        other.rollback()
    output = forget(config, "1")
    assert "can still be read" not in output
    assert "write-ahead log holds it until" in output
    assert in_files(config, ANN) == set()
