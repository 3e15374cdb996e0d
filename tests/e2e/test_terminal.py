"""The program at a terminal: what it shows and asks there, and what its log is everywhere else."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_forget import fill
from tests.program import CALLS, command, identify, order
from tests.programs import program, run_program
from tests.tap import CUSTOMERS, STREAMS, hours_ago, record, schema
from tests.test_sdk_capabilities import ORDERS
from tests.test_traps import customers


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables."""
    return {**config, "streams": STREAMS}


def test_on_a_terminal_standard_output_stays_the_taps(tmp_path: Path) -> None:
    """With a terminal as standard error a run shows its view there, and prints state alone on standard output."""
    config = {"api_url": "sandbox", "campaigns": {"Order Completed": 78}, "requests_per_minute": 100}
    messages = [CALLS, *(identify(str(n), f"p{n}@example.com") for n in range(1, 4)), order("t-1", "1")]
    lines = "".join(f"{line}\n" for line in map(json.dumps, [*messages, {"type": "STATE", "value": {"at": 1}}]))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        program(config=config, cwd=tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        text=True,
    )
    os.close(theirs)
    screen: list[bytes] = []
    reading = threading.Thread(target=_read_all, args=(ours, screen), daemon=True)
    reading.start()
    assert process.stdin is not None
    process.stdin.write(lines)
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while b"surveys sent" not in b"".join(screen) and time.monotonic() < deadline:
        reading.join(0.05)  # The input stays open until the view was shown.
    output, _ = process.communicate(timeout=60)
    reading.join(10)
    os.close(ours)
    shown = b"".join(screen).decode()
    assert process.returncode == 0, shown
    assert set(output.splitlines()) == {'{"at":1}'}
    assert "surveys sent" in shown
    assert "of the limit of 100" in shown
    assert "The survey that was due was sent." in shown
    assert "Run summary: " not in shown
    assert "METRIC" not in shown


def _read_all(terminal: int, into: list[bytes]) -> None:
    try:
        while data := os.read(terminal, 65536):
            into.append(data)
    except OSError:  # The other end was closed.
        return


@pytest.mark.parametrize(("answer", "marks"), [("n", "0 marks"), ("y", "1 mark")])
def test_a_terminal_is_asked(config: dict[str, Any], tmp_path: Path, answer: str, marks: str) -> None:
    """On a terminal the command asks whether somebody unknown is to be blocked."""
    fill(config)
    terminal, side = pty.openpty()
    os.write(terminal, f"{answer}\n".encode())
    line = program("forget", "3", config=config, cwd=tmp_path)
    done = subprocess.run(line, stdin=side, capture_output=True, text=True, check=False, timeout=120)
    assert "The store does not know 3…. Block records that name them from now on?" in done.stdout
    assert done.returncode == (0 if answer == "y" else 1)
    assert marks in command("forget", "--list", config=config).output


def test_a_debug_log_does_not_grow_with_the_square_of_the_records(shop: dict[str, Any], tmp_path: Path) -> None:
    """The SDK logs the whole batch once for each of its records."""
    lengths = []
    for number in (50, 400):
        config = {**shop, "dry_run": True}
        run = run_program(config=config, messages=customers(number), cwd=tmp_path, env={"LOGLEVEL": "DEBUG"})
        assert run.status == 0, run.log
        lengths.append(len(run.log))
    assert lengths[1] < 12 * lengths[0]


def test_every_line_is_logged_once(shop: dict[str, Any], tmp_path: Path) -> None:
    """Each touch of the SDK's command line sets up logging anew and doubles every line: the program touches it once."""
    (tmp_path / "config.json").write_text(json.dumps(shop), encoding="utf-8")
    for started in ([sys.executable, "-m", "target_promoter"], [Path(sys.executable).parent / "target-promoter"]):
        done = subprocess.run(
            [*started, "--config", "config.json"], input="", capture_output=True, text=True, cwd=tmp_path, check=True
        )
        assert done.stderr.count("Run summary: ") == 1


def test_the_log_can_be_structured(shop: dict[str, Any], tmp_path: Path) -> None:
    """With the log config that Meltano hands to plugins every line is an object, the summary the last."""
    log_config = tmp_path / "logging.json"
    formatter = {"()": "singer_sdk.logging.StructuredFormatter"}
    handler = {"class": "logging.StreamHandler", "formatter": "structured", "stream": "ext://sys.stderr"}
    log_config.write_text(
        json.dumps(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"structured": formatter},
                "handlers": {"console": handler},
                "root": {"handlers": ["console"], "level": "INFO"},
            }
        ),
        encoding="utf-8",
    )
    messages = [
        schema("customers", CUSTOMERS),
        record("customers", id="1", email="ann@example.com"),
        schema("orders", ORDERS),
        record("orders", id="7", customer_id="1", ordered_at=hours_ago(1), cents=5),
    ]
    done = subprocess.run(
        program(config=shop, cwd=tmp_path),
        input="".join(json.dumps(one) + "\n" for one in messages),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "SINGER_SDK_LOG_CONFIG": str(log_config)},
        check=False,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[-1]["message"].startswith("Run summary: {")
    assert lines[-1]["level"] == "info"
    metrics = {line["metric_info"]["metric"]: line["metric_info"] for line in lines if line["message"] == "METRIC"}
    assert metrics["record_count"]["value"] == 1
    assert metrics["http_request_count"]["value"] == 1
    assert metrics["http_retry_count"]["value"] == 0
    assert metrics["rate_limit_count"]["value"] == 0
    assert metrics["rate_limit_wait_seconds"]["value"] >= 0
    assert "ann@example.com" not in done.stderr
