"""What a store holds, seen from outside: whatever its tables are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sqlalchemy import create_engine, inspect, make_url, text


def rows(store_url: str) -> Counter[str]:
    """Return how many rows each table has."""
    engine = create_engine(address(store_url))
    try:
        with engine.connect() as connection:
            names = inspect(connection).get_table_names()
            return Counter(
                {
                    name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()  # noqa: S608
                    for name in names
                }
            )
    finally:
        engine.dispose()


def size(store_url: str) -> int:
    """Return how many bytes a store takes on disk."""
    engine = create_engine(address(store_url))
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            return Path(str(make_url(store_url).database)).stat().st_size
    finally:
        engine.dispose()


def address(store_url: str) -> str:
    """Return the address of a store as SQLAlchemy takes it."""
    return store_url.replace("postgresql://", "postgresql+psycopg://", 1)
