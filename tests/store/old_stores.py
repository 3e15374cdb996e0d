"""Stores as older versions of the program wrote them, restored from `tests/data/stores`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import psycopg

FOLDER: Final = Path(__file__).parents[1] / "data" / "stores"
VERSIONS: Final = (1, 2, 3)


def restore(url: str, version: int) -> None:
    """Restore a store of a version at an address where there is nothing yet."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
            file.execute("PRAGMA journal_mode = WAL")
            file.executescript((FOLDER / f"version-{version}.sqlite.sql").read_text(encoding="utf-8"))
        file.close()
    else:
        with psycopg.connect(url) as database:
            database.execute((FOLDER / f"version-{version}.postgresql.sql").read_bytes())
            database.execute("SET search_path TO DEFAULT")
