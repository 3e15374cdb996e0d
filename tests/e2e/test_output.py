"""Standard output that cannot be written to, or not with every letter: a sentence, and never a traceback."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import program
from tests.tap import CUSTOMERS, STREAMS, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    assert f"Standard output cannot be written to ({words})" in log
    assert "Run summary: " in log.splitlines()[-1]
    assert "Traceback" not in log
    assert "Exception ignored" not in log


def test_a_command_on_a_full_disk(tmp_path: Path) -> None:
    """It ends with a sentence too."""
    status, log = run(program("sample", cwd=tmp_path), stdout=os.open("/dev/full", os.O_WRONLY), cwd=tmp_path)
    assert status == 1
    assert log.count("\n") == 1
    assert "Standard output cannot be written to (No space left on device)" in log


@pytest.mark.parametrize("option", ["--help", "--version", "--about"])
@pytest.mark.parametrize("path", ["/dev/full", None])
def test_an_answer_that_cannot_be_printed(option: str, path: str | None, tmp_path: Path) -> None:
    """What the program says of itself fails in a sentence, too."""
    out = None if path is None else os.open(path, os.O_WRONLY)
    status, log = run(program(option, cwd=tmp_path), stdout=out, cwd=tmp_path)
    assert status == 1, log
    assert log.count("\n") == 1
    assert "Standard output cannot be written to" in log


def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path) -> None:
    """It names what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, log = run(program("sandbox", "--port", port, cwd=tmp_path), stdout=subprocess.DEVNULL, cwd=tmp_path)
    assert status == 1
    assert log.count("\n") == 1
    assert "name another with --port" in log


@pytest.mark.parametrize(("name", "near"), [("chekc", "check"), ("reprot", "report"), ("weather", None)])
def test_a_command_that_there_is_not(name: str, near: str | None, tmp_path: Path) -> None:
    """One that is near is named."""
    status, log = run(program(name, cwd=tmp_path), stdout=subprocess.DEVNULL, cwd=tmp_path)
    assert status == 2
    assert f"No such command '{name}'." in log
    assert ("Did you mean" in log) == (near is not None)
    assert near is None or f"Did you mean '{near}'?" in log


def on_a_terminal(config: dict[str, Any], messages: Iterable[Mapping[str, Any]], cwd: Path) -> tuple[int, list[str]]:
    """Run the program with a terminal of 80 columns as standard error; return its status and the lines on it."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    started = subprocess.Popen(
        program(config=config, cwd=cwd), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=its, cwd=cwd
    )
    os.close(its)
    assert started.stdin is not None
    started.stdin.write("".join(json.dumps(one) + "\n" for one in messages).encode())
    started.stdin.close()
    shown = bytearray()
    with contextlib.suppress(OSError):  # What Linux says at a terminal's end.
        while some := os.read(ours, 65_536):
            shown += some
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    return started.wait(), [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]


def test_the_error_of_a_refused_run_is_the_last_on_a_terminal(config: dict[str, Any], tmp_path: Path) -> None:
    """All faults of a config, and what is wrong with a stream: no table, no summary, nothing after it."""
    status, lines = on_a_terminal({**config, "campagns": {}, "throttle_days": "x"}, [], tmp_path)
    assert status == 1
    assert "`throttle_days`" in lines[-2]
    assert "`campagns`" in lines[-1]
    status, lines = on_a_terminal(config, [schema("customers", CUSTOMERS)], tmp_path)
    assert status == 1
    assert lines[-1].startswith("`target-promoter check --input FILE` gives the lines")
    assert not [line for line in lines if line.startswith(("read", "No survey")) or "Run summary" in line]


def test_a_run_that_failed_says_last_on_a_terminal_why(config: dict[str, Any], tmp_path: Path) -> None:
    """Its table and its verdict come before, metrics and the summary line are for programs."""
    rows = [record("customers", id=str(number), email="none") for number in range(12)]
    messages = [schema("customers", CUSTOMERS), *rows]
    status, lines = on_a_terminal({**config, "streams": {"customers": STREAMS["customers"]}}, messages, tmp_path)
    assert status == 1
    assert 'All 12 records of the stream "customers" were rejected' in " ".join(lines[-3:])
    text = "\n".join(lines)
    assert re.search(r"^people +12 +could not be read", text, flags=re.MULTILINE)
    assert "METRIC" not in text
    assert "Run summary" not in text


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
