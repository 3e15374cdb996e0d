"""A copy of what the store knows, for a dry run: the store itself is only read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, insert, select, text, update

from target_promoter.errors import StoreError
from target_promoter.store.database import find_store, open_store, version_of
from target_promoter.store.engines import back_up
from target_promoter.store.moving import copy_rows
from target_promoter.store.schema import SCHEMA_VERSION, contacts, request_clock, surveys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_promoter.store.database import Store
    from target_promoter.store.transaction import Transaction

_PREFIX: Final = "target-promoter-copy-"
_NEW_SECONDS: Final = 60.0
"""A folder that is younger may have been made a moment ago, and be locked in the next."""

before = Table(
    "contacts_before",
    MetaData(),
    Column("email", Text, primary_key=True),
    Column("sent", LargeBinary),
    Column("sent_lists", Text, nullable=False),
)
"""In a copy: the contacts as they were last sent when the copy was made."""


@contextlib.contextmanager
def folder_for_copy() -> Iterator[Path]:
    """Yield a folder for a copy, which is removed at the end, and first remove those that a killed process left."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # In use, somebody else's, or gone meanwhile.
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _NEW_SECONDS:
                with _locked(left):
                    shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, _locked(Path(name)):
        yield Path(name)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder against all other processes, also those of other containers, for as long as this one lives."""
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)


def copy_store(url: str, folder: Path, now: float) -> Store:
    """Copy a store into a file of its own, free of other processes' leases and of the limit's pace.

    Args:
        url: SQLAlchemy address of the store; where there is none, the copy is a new store.
        folder: Where the copy is made.

    Returns:
        The copy, under the name of the store itself.

    Raises:
        StoreError: The store cannot be read, is no store, or is of another version.
    """
    path = folder / "copy.db"
    source = find_store(url, as_it_is=True)
    if source is not None and source.is_sqlite:
        back_up(source.path, path, source.name)
    copy = open_store(f"sqlite:///{path}", now=now, keep_copy=False)
    try:
        if source is not None:
            copy.name = source.name
            if not source.is_sqlite:
                source.read(lambda tx: copy.write(lambda into: _copy_rows(tx, into, source.name)))
        copy.write(_prepare)
    except BaseException:
        copy.close()
        raise
    finally:
        if source is not None:
            source.close()
    return copy


def _copy_rows(tx: Transaction, into: Transaction, name: str) -> None:
    """Copy every table, all as they are at one moment."""
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    version = version_of(tx, name)
    if version != SCHEMA_VERSION:
        raise StoreError.older(name, version, SCHEMA_VERSION)
    copy_rows(tx, into)


def _prepare(tx: Transaction) -> None:
    """Let go of what only the store itself has to wait for, and remember what was sent."""
    tx.execute(update(request_clock).values(next_at=0.0, rate=0.0, rated_at=0.0, paused_until=0.0))
    tx.execute(update(surveys).values(lease=None, leased_until=0.0))
    tx.execute(update(contacts).values(lease=None, leased_until=0.0, not_before=0.0, tried_until=0.0))
    before.create(tx.connection)
    columns = (contacts.c.email, contacts.c.sent, contacts.c.sent_lists)
    tx.execute(insert(before).from_select(["email", "sent", "sent_lists"], select(*columns)))
