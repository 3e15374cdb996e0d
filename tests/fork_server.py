"""Starts the program for the tests, which is loaded once, all of it: see `warm.py`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import target_promoter
from target_promoter.__main__ import main as run
from target_promoter.target import TargetPromoter
from tests import house, warm
from tests.compiled import compile_once
from tests.delivering import Process

_LOADED: Final = ("sqlalchemy.dialects.postgresql.psycopg", "sqlite3")
"""What the program loads of others when it needs it."""


def main() -> None:
    """Load the program, then start it for every job, until the input ends."""
    parts = pkgutil.walk_packages(target_promoter.__path__, "target_promoter.")
    for name in (*_LOADED, *(part.name for part in parts if not part.name.endswith(".hub"))):
        importlib.import_module(name)
    _warm_up()
    warm.serve(sys.argv[1], "target-promoter", run)


def _warm_up() -> None:
    """Have looked up and compiled once what every process of the program would for itself; no thread is started."""
    assert TargetPromoter.plugin_version
    assert TargetPromoter.sdk_version
    compile_once()
    with tempfile.TemporaryDirectory(prefix="warm-up-") as folder:
        shop = house.House(Path(folder))
        shop.take(house.identify("u", "u@example.com"), house.track("Order Completed", "u"))
        process = Process(shop)
        process.turn(0.0)
        process.turn(1.0, "accepted")
        shop.store.close()


if __name__ == "__main__":
    main()
