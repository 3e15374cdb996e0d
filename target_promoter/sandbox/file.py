"""One SQLite file that keeps an account between runs."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_T = TypeVar("_T")
_TABLES: Final = ("contacts", "surveys", "lists", "unsubscribed", "settings")


class AccountInUseError(Exception):
    """Another process has the account's file open.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The sandbox account {path} is open in another process: end that one first, or choose another file."
        )


class AccountFile:
    """Tables of JSON values by key, written through at once.

    A process that is killed loses nothing; a machine that loses power may lose the last
    moments (`synchronous` is off, for speed).

    Args:
        path: Of the file; made if missing, its folder must exist.

    Raises:
        AccountInUseError: Another process has it open. Two accounts that each believe
            themselves alone would forget each other's surveys.
    """

    def __init__(self, path: Path) -> None:
        # It holds addresses: nobody else may read it, nor the files beside it, which get its mode.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
        # Used under the account's lock, from whichever thread calls the account.
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = OFF")
            for table in _TABLES:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} (key PRIMARY KEY, json BLOB NOT NULL)")
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" in str(error):
                raise AccountInUseError(path) from error
            raise

    def load(self, table: str, kind: type[_T]) -> list[_T]:
        """Return all values of `table` as `kind`, in order of their keys."""
        rows = self._db.execute(f"SELECT json FROM {table} ORDER BY key")  # noqa: S608 - ours
        return [msgspec.json.decode(row[0], type=kind) for row in rows]

    def save(self, values: Iterable[tuple[str, str | int, object]]) -> None:
        """Keep values, all or none.

        Args:
            values: (table, key, value) each; the value None removes the key.
        """
        self._db.execute("BEGIN")
        for table, key, value in values:
            if value is None:
                self._db.execute(f"DELETE FROM {table} WHERE key = ?", (key,))  # noqa: S608 - ours
            else:
                self._db.execute(
                    f"INSERT OR REPLACE INTO {table} VALUES (?, ?)",  # noqa: S608 - ours
                    (key, msgspec.json.encode(value)),
                )
        self._db.execute("COMMIT")

    def clear(self) -> None:
        """Forget everything."""
        for table in _TABLES:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - ours

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.close()
