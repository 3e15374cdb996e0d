"""A store that is moved works on at its new place, and nowhere else."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from target_promoter.errors import StoreError, StoreMovedError
from target_promoter.store import runs, schema
from target_promoter.store.database import Store, find_store, open_store
from target_promoter.store.moving import move
from tests.delivering import Process, survey
from tests.house import NOW, House, identify, track
from tests.program import command
from tests.store.old_stores import VERSIONS, restore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


KILLED = """
import os, signal, sys
from target_promoter.store import moving
from target_promoter.store.database import open_store
def kill(*_): os.kill(os.getpid(), signal.SIGKILL)
setattr(moving, sys.argv[1], kill)
moving.move(open_store(sys.argv[2], now=1.0), sys.argv[3])
"""


@pytest.fixture(params=["sqlite to postgresql", "postgresql to sqlite", "sqlite to sqlite", "postgresql to postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path, new_postgres_url: Callable[[], str]) -> tuple[str, str]:
    """Return the addresses of a store full of everything and of the place it is to be moved to."""
    kinds = str(request.param).split(" to ")
    old, new = (
        f"sqlite:///{tmp_path / f'store-{place}.db'}" if kind == "sqlite" else new_postgres_url()
        for place, kind in enumerate(kinds)
    )
    restore(old, VERSIONS[-1])
    return old, new


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a store but what tells of its moving."""
    about = {"schema_version", "moved_to"}
    return store.read(
        lambda tx: {
            table.name: sorted((tuple(row) for row in tx.execute(select(table)) if row[0] not in about), key=repr)
            for table in schema.metadata.sorted_tables
        }
    )


def config(url: str, **more: object) -> dict[str, Any]:
    """Return the config of the store's account."""
    return {"api_url": "https://promoter.example/api", "api_key": "k", "store_url": url, **more}


def test_all_that_it_held_is_at_its_new_place_and_works_on(urls: tuple[str, str]) -> None:
    """Whichever the databases: every row is there, new ones get numbers of their own, a claim is settled."""
    old, new = urls
    source = open_store(old, now=NOW)
    before = rows(source)
    moved = move(source, new)
    assert rows(moved) == before
    moved.close()
    source.close()
    house = House(new)
    house.now = NOW + 120
    assert house.take(track("Order Completed", "2", messageId="o-2", total=20)) == {"track": {"duplicate": 1}}
    assert house.take(identify("6", "fay@example.com")) == {"identify": {"blocked": 1}}
    process = Process(house)
    process.last = [one for one in process.turn(0).requests if one.email == "bob@example.com"]
    process.turn(1, "accepted", room=0)
    assert survey(house, "o-2").status == "sent"
    house.take(track("Order Completed", "5", hours=0, messageId="new"))
    assert survey(house, "new").id > survey(house, "o-anonymous").id


def test_the_old_store_names_the_new_one_and_takes_nothing_more(urls: tuple[str, str]) -> None:
    """Neither from a program that has it open nor from one that opens it."""
    old, new = urls
    running, source = open_store(old, now=NOW), open_store(old, now=NOW)
    target = move(source, new)
    with pytest.raises(StoreMovedError, match="was moved to") as caught:
        running.write(lambda tx: runs.set_fact(tx, "noted", "yes"))
    assert target.name in str(caught.value)
    with pytest.raises(StoreMovedError, match="was moved to"):
        open_store(old, now=NOW)
    with pytest.raises(StoreMovedError, match="was moved to"):
        find_store(old)
    for store in (running, source, target):
        store.close()


@pytest.mark.parametrize("place", ["copy_rows", "_finish"])
def test_a_kill_leaves_one_store_that_works_and_the_next_move_ends_it(place: str, urls: tuple[str, str]) -> None:
    """Killed before the old store is closed it works on; after that the new one does once `move` is called again."""
    old, new = urls
    killed = subprocess.run([sys.executable, "-c", KILLED, place, old, new], check=False)
    assert killed.returncode == -signal.SIGKILL
    if place == "_finish":
        with pytest.raises(StoreMovedError):
            open_store(old, now=NOW)
        with pytest.raises(StoreError, match="run `target-promoter move` again"):
            open_store(new, now=NOW)
    else:
        open_store(old, now=NOW).close()
    again = command("move", new, config=config(old))
    assert again.exit_code == 0, again.output
    assert House(new).take(track("Order Completed", "1", messageId="o-1")) == {"track": {"duplicate": 1}}


def test_the_command_moves_it_and_says_what_to_do(urls: tuple[str, str], tmp_path: Path) -> None:
    """A second move is refused, as is one to where there is a store."""
    old, new = urls
    assert "There is a store at" in str(command("move", old, config=config(old)).exception)
    moved = command("move", new, config=config(old))
    assert moved.exit_code == 0, moved.output
    assert "7 user ids, 7 contacts, 7 surveys" in moved.output
    assert "Set `store_url` to it now" in moved.output
    elsewhere = command("move", f"sqlite:///{tmp_path / 'third.db'}", config=config(old))
    assert "was moved to" in str(elsewhere.exception)
    assert command("report", config=config(new)).exit_code == 0
