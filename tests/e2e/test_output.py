"""Standard output that takes nothing more, or not every letter: a sentence, and never a traceback."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import program
from tests.tap import CUSTOMERS, STREAMS, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "Zoë 💐"


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables, which sends nothing."""
    return {**config, "streams": STREAMS, "campaigns": {NAME: 78}}


def run(command: list[str], *, stdout: int | None, env: Mapping[str, str] | None = None, cwd: Path) -> tuple[int, str]:
    """Run a command on a customer and a state; return its status and log; without `stdout` that is closed."""
    messages = [schema("customers", CUSTOMERS), record("customers", id="1", email="c@example.com"), state({"at": NAME})]
    line = command if stdout is not None else ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    done = subprocess.run(
        line,
        input="".join(json.dumps(one) + "\n" for one in messages).encode(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(("path", "words"), [("/dev/full", "No space left on device"), (None, "Bad file descriptor")])
def test_a_state_that_cannot_be_printed(shop: dict[str, Any], tmp_path: Path, path: str | None, words: str) -> None:
    """The run fails with a sentence, and ends with its summary as any other."""
    out = None if path is None else os.open(path, os.O_WRONLY)
    status, log = run(program(config=shop, cwd=tmp_path), stdout=out, cwd=tmp_path)
    assert status == 1, log
    assert f"Standard output takes nothing more ({words})" in log
    assert "Run summary: " in log.splitlines()[-1]
    assert "Traceback" not in log
    assert "Exception ignored" not in log


def test_a_command_on_a_full_disk(tmp_path: Path) -> None:
    """It ends with a sentence too."""
    status, log = run(program("sample", cwd=tmp_path), stdout=os.open("/dev/full", os.O_WRONLY), cwd=tmp_path)
    assert status == 1
    assert log.count("\n") == 1
    assert "Standard output takes nothing more (No space left on device)" in log


def test_a_reader_that_has_enough(tmp_path: Path) -> None:
    """`… | head -1` is no fault to speak of."""
    reading, writing = os.pipe()
    os.close(reading)
    assert run(program("sample", cwd=tmp_path), stdout=writing, cwd=tmp_path) == (1, "")


def test_a_terminal_that_knows_ascii_alone(shop: dict[str, Any], tmp_path: Path) -> None:
    """It shows a question mark for what it cannot show."""
    ours, its = pty.openpty()
    shown = program("report", config=shop, cwd=tmp_path)
    ascii_alone = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    out = os.open(tmp_path / "state", os.O_WRONLY | os.O_CREAT)
    assert run(program(config=shop, cwd=tmp_path), stdout=out, env=ascii_alone, cwd=tmp_path)[0] == 0
    assert json.loads((tmp_path / "state").read_text(encoding="utf-8")) == {"at": NAME}
    status, log = run(shown, stdout=its, env=ascii_alone, cwd=tmp_path)
    os.close(its)
    os.close(ours)
    assert status == 0, log
    assert "Traceback" not in log
