"""Where the program runs, and what it says where it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from target_promoter.store.database import open_store

_ON_WINDOWS: Final = """
import atexit, runpy, sys
atexit.register(lambda: print(*(name for name in sys.modules if name.startswith("target_promoter."))))
sys.platform = "win32"
runpy.run_module("target_promoter", run_name=sys.argv[1])
"""


@pytest.mark.parametrize("name", ["__main__", "target_promoter.__main__"], ids=["module", "command"])
def test_windows_is_told_in_one_sentence_where_it_runs(name: str) -> None:
    """Before anything else of the program is imported, which might need what Windows lacks."""
    done = subprocess.run([sys.executable, "-c", _ON_WINDOWS, name], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "target-promoter runs on Linux and macOS, not on Windows itself: use it in WSL or in a container.\n"
    )
    assert set(done.stdout.split()) <= {"target_promoter.__main__"}


def test_a_claim_is_on_the_disk_of_a_mac_too(tmp_path: Path) -> None:
    """There the usual call leaves it in the disk's own memory, where it is lost with the power."""
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", now=0.0)
    try:
        assert store.read(lambda tx: tx.sql("PRAGMA fullfsync").scalar()) == 1
    finally:
        store.close()
