"""Copies of a store hold personal data: they are for their owner alone, and none stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from target_promoter.store.copying import copy_store, folder_for_copy
from target_promoter.store.database import open_store

KILLED = """
import os, signal, sys
from target_promoter.store.copying import copy_store, folder_for_copy
with folder_for_copy() as folder:
    copy_store(sys.argv[1], folder, 1.0)
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a temporary folder of its own, in which nobody else's copies lie."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def age(folder: Path) -> None:
    """Have a folder be an hour old."""
    hour_ago = folder.stat().st_mtime - 3600
    os.utime(folder, (hour_ago, hour_ago))


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, temporary_folder: Path) -> None:
    """And nothing that is in use."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    open_store(url, now=1.0).close()
    killed = subprocess.run([sys.executable, "-c", KILLED, url], check=False, capture_output=True, text=True)
    left = Path(killed.stdout.strip())
    assert (left / "copy.db").exists()
    age(left)
    with folder_for_copy() as used:
        assert not left.exists()
        age(used)
        with folder_for_copy() as other:
            assert used.exists()
        assert not other.exists()
    assert list(temporary_folder.iterdir()) == []


def test_a_store_and_its_copies_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Also a store that was readable by everyone, and the files that SQLite lays beside it."""
    path = tmp_path / "store.db"
    url = f"sqlite:///{path}"
    open_store(url, now=1.0).close()
    path.chmod(0o664)
    store = open_store(url, now=1.0)
    with folder_for_copy() as folder:
        copy = copy_store(url, folder, 1.0)
        copy.write(lambda tx: tx.sql("CREATE TABLE anything (x)"))
        files = [*tmp_path.glob("store.db*"), *folder.iterdir()]
        assert len(files) >= 4
        assert {file.stat().st_mode & 0o077 for file in files} == {0}
        assert folder.stat().st_mode & 0o077 == 0
        copy.close()
    store.close()
