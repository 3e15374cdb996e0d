"""The main job from end to end: the sample through the program into the embedded sandbox."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.commands.sample import CONFIG_FILE
from target_promoter.commands.sample import messages as sample
from target_promoter.progress.ending import verdict
from tests.conftest import Outcome, run_program
from tests.documentation import PAGES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Outcome]:
    """Run the sample twice: through a pipe, then the same lines through `--input`."""
    cwd: Path = tmp_path_factory.mktemp("sample")
    lines = "".join(f"{line}\n" for line in sample(time.time()))
    config = json.loads(CONFIG_FILE.read_text(encoding="utf-8"))
    (cwd / "sample.jsonl").write_text(lines, encoding="utf-8")
    first = run_program(config=config, messages=lines, cwd=cwd)
    return first, run_program("--input", "sample.jsonl", config=config, cwd=cwd)


def test_the_sample_is_delivered(runs: tuple[Outcome, Outcome]) -> None:
    """The first run surveys three people, syncs four contacts with four requests, and exits with 0."""
    first, _ = runs
    assert first.status == 0, first.log
    assert first.summary["surveys"]["sent"] == 3
    assert first.summary["contacts"]["synced"] == 4
    assert first.summary["api"] == {"requests": 4, "retries": 0, "rate_limited": 0}
    assert first.states[-1] == {"sample": {"streams_done": 6}}


def test_the_readme_tells_its_end_in_the_programs_words(runs: tuple[Outcome, Outcome]) -> None:
    """All but the time of the next survey."""
    readme = " ".join(PAGES["README.md"].split())
    *told, waiting = verdict(runs[0].summary)
    assert f"{' '.join(told)} {waiting.removesuffix('.')}; the next is due" in readme


def test_a_second_run_sends_nothing(runs: tuple[Outcome, Outcome]) -> None:
    """The same file again changes nothing and costs no request."""
    _, second = runs
    assert second.status == 0, second.log
    assert second.summary["api"]["requests"] == 0
    assert second.summary["identify"]["changed"] == 0
    assert second.summary["track"]["queued"] == 0
    assert second.states[-1] == {"sample": {"streams_done": 6}}


@pytest.mark.parametrize("number", [0, 1])
def test_every_record_has_one_outcome(runs: tuple[Outcome, Outcome], number: int) -> None:
    """What was read is the sum of all outcomes, in both runs."""
    for part in ("identify", "track"):
        counts: dict[str, Any] = dict(runs[number].summary[part])
        assert counts.pop("read") == sum(counts.values()) > 0
