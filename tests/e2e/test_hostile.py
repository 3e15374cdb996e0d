"""Generated hostile messages against the program itself: no traceback, no hang, no line that a tap wrote."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.conftest import run_program
from tests.e2e.hostile import FORGED, STREAMS, Tap

if TYPE_CHECKING:
    from pathlib import Path

_WIDE: Final = {"COLUMNS": "200000"}
"""A terminal on which no line is broken for its length."""


def shown(text: str, longest: int = 17_000) -> None:
    """Fail if what people read holds what only a tap could have written."""
    assert "Traceback" not in text, text[-3000:]
    for line in text.split("\n"):
        assert line.isprintable(), line
        assert len(line) < longest, line[:500]
        assert not line.strip(" -│┃").startswith(FORGED), line


def attack(seed: int, messages: int, folder: Path) -> None:
    """Run the program on hostile messages, then the commands that show what is kept of them."""
    folder.mkdir()
    tap = Tap(seed, folder)
    config: dict[str, Any] = {"api_url": "sandbox", "streams": STREAMS, "campaigns": {"Order Completed": 78}}
    config |= {"requests_per_minute": 600_000, "batch_size_rows": 10}
    lines = list(tap.run(messages))
    (folder / "input.jsonl").write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    run = run_program(config=config, messages="\n".join(lines) + "\n", cwd=folder, timeout=120)
    assert run.status in {0, 1}
    assert run.summary, run.log[-3000:]
    read = run.summary["identify"]["read"] + run.summary["track"]["read"] + run.summary["ignored"]
    assert read > messages / 2, run.log[-3000:]
    shown(run.log)
    for state in filter(None, run.output.split("\n")):
        json.loads(state)
    person = tap.people[seed % len(tap.people)]
    for arguments in (["report"], ["report", "--person", person], ["rejected", "--stream", "none"]):
        told = run_program(*arguments, config=config, cwd=folder, timeout=60, env=_WIDE)
        assert told.status == 0, told.log
        shown(told.log + told.output, 200_001)
    for arguments in (["report", "--format", "html"], ["report", "--person", person, "--format", "html"]):
        page = run_program(*arguments, config=config, cwd=folder, timeout=60).output
        assert page.rstrip().endswith("</html>")
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    told = run_program("report", "--person", person, "--format", "json", config=config, cwd=folder, timeout=60)
    json.loads(told.output, parse_constant=pytest.fail)
    rejected = run_program("rejected", config=config, cwd=folder, timeout=60)
    assert rejected.status == 0
    again = run_program(config=config, messages=rejected.output, cwd=folder, timeout=120)
    assert again.summary, again.log[-3000:]
    shown(again.log)


@pytest.mark.parametrize("seed", range(3))
def test_hostile_messages(seed: int, tmp_path: Path) -> None:
    """A few hundred: what can be taken is taken, the rest rejected or refused, and nothing forges, breaks or hangs."""
    attack(seed, 250, tmp_path / "run")


@pytest.mark.soak
@pytest.mark.timeout(2 * 3600)
def test_a_hundred_thousand_hostile_messages(tmp_path: Path) -> None:
    """The same, with new ones each time unless HOSTILE_SEED says which."""
    seed = int(os.environ.get("HOSTILE_SEED", str(int(time.time()))))
    for number in range(100):
        print(f"HOSTILE_SEED={seed + number}", flush=True)  # noqa: T201 - shown when it fails
        attack(seed + number, 1000, tmp_path / str(number))
