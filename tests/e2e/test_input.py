"""What comes through a real pipe or file: bytes in whatever encoding the machine has, and states while the tap runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from target_promoter.sandbox.server import SandboxServer
from tests.programs import outcome, program, run_program
from tests.tap import CUSTOMERS, STREAMS, record, schema, state


@pytest.fixture
def shop(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for a shop's plain tables."""
    return {**config, "streams": STREAMS}


def ann(**columns: object) -> dict[str, Any]:
    """Return the RECORD message of a customer."""
    return record("customers", id="1", email="ann@example.com", **columns)


@pytest.mark.parametrize("encoding", ["C", "en_US.ISO-8859-1"])
def test_input_is_utf_8_whatever_the_machines_encoding(
    shop: dict[str, Any], sandbox: SandboxServer, tmp_path: Path, encoding: str
) -> None:
    """Names keep their letters, through a pipe as through a file."""
    messages = [schema("customers", CUSTOMERS), ann(plan="Größe 東京")]
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in messages)
    path = tmp_path / "input.jsonl"
    path.write_text(lines, encoding="utf-8")
    env = {"LC_ALL": encoding, "LANG": encoding, "PYTHONUTF8": "0"}
    for arguments, text in (((), lines), (("--input", path), "")):
        run = run_program(*arguments, config=shop, messages=text, cwd=tmp_path, env=env)
        assert run.status == 0, run.log
        assert sandbox.account.contacts["ann@example.com"].attributes["plan"] == "Größe 東京"
        sandbox.account.reset()
        shop["store_url"] = f"sqlite:///{tmp_path / 'second.db'}"


@pytest.mark.parametrize("how", ["pipe", "file"])
@pytest.mark.parametrize("encoding", ["C.UTF-8", "C"])
def test_invalid_utf_8_ends_the_run_with_a_sentence(
    shop: dict[str, Any], tmp_path: Path, how: str, encoding: str
) -> None:
    """Bytes that are no UTF-8 are never guessed at; the state behind them is held back."""
    good = json.dumps(schema("customers", CUSTOMERS)).encode()
    lines = good + b'\n{"type": "RECORD", "stream": "customers", "record": {"id": "1", "email": "\xff\xfe"}}\n'
    lines += json.dumps(state({"at": 1})).encode() + b"\n"
    path = tmp_path / "input.jsonl"
    path.write_bytes(lines)
    arguments = ("--input", path) if how == "file" else ()
    done = subprocess.run(
        program(*arguments, config=shop, cwd=tmp_path),
        input=lines if how == "pipe" else b"",
        capture_output=True,
        cwd=tmp_path,
        env={"LC_ALL": encoding},
        check=False,
    )
    assert done.returncode == 1
    assert b"UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_state_is_printed_while_the_tap_still_runs(shop: dict[str, Any], tmp_path: Path) -> None:
    """Each STATE comes out when all before it is in the store, also the second of two that come at once."""
    with subprocess.Popen(
        program(config=shop, cwd=tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for message in (schema("customers", CUSTOMERS), ann(), state({"at": 1}), ann(), state({"at": 2})):
            process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"at": 1}
        assert json.loads(process.stdout.readline()) == {"at": 2}
        assert process.poll() is None
        output, log = process.communicate(json.dumps(state({"at": 3})) + "\n", timeout=60)
    run = outcome(process.returncode, output, log)
    assert run.status == 0, run.log
    assert run.states == [{"at": 3}]
