"""The repository as it is: a working Meltano project, after nothing but `meltano install`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # the SDK brings it
import pytest
import yaml

from target_promoter.config.settings import config_schema
from tests.conftest import Outcome, outcome
from tests.e2e.environments import MELTANO, NO_STATISTICS, environment, programs

ROOT = Path(__file__).parent.parent.parent
NEEDED = ("meltano.yml", "pyproject.toml", "README.md", "LICENSE", "target_promoter", "tests/data/meltano")


class Project:
    """A copy of the repository, as a clone would be.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        """Copy what a Meltano project needs, and install its plugins."""
        self._folder = folder
        self._meltano = programs(MELTANO) / "meltano"
        for name in NEEDED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / name, folder / name)
        assert self.meltano("install").status == 0

    def inherit(self, name: str, config: dict[str, Any]) -> None:
        """Declare a loader that inherits from ours, configured in the environment `dev` alone."""
        path = self._folder / "meltano.yml"
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
        declared["plugins"]["loaders"].append({"name": name, "inherit_from": "target-promoter"})
        dev = declared["environments"][0]["config"]["plugins"]["loaders"]
        dev.append({"name": name, "config": config})
        path.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")

    def meltano(self, *arguments: str, **settings: str) -> Outcome:
        """Run one of Meltano's commands, with settings of the loader in the environment."""
        variables = {f"TARGET_PROMOTER_{name.upper()}": value for name, value in settings.items()}
        done = subprocess.run(
            [self._meltano, *arguments],
            capture_output=True,
            text=True,
            cwd=self._folder,
            env={**os.environ, **NO_STATISTICS, "NO_COLOR": "1", **variables},
            timeout=150,
            check=False,
        )
        return outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy of the repository with its plugins installed."""
    return Project(tmp_path_factory.mktemp("project"))


NUMBERS = [name for name, schema in config_schema().items() if {"integer", "number"} & set(schema["type"])]


@pytest.fixture(scope="module")
def runs(project: Project) -> list[Outcome]:
    """Run the sample twice, the second time with every number from the environment, some of them with a fraction."""
    numbers = {name: "7.5" if "number" in config_schema()[name]["type"] else "7" for name in NUMBERS}
    return [project.meltano("run", "tap-jsonl", "target-promoter", **settings) for settings in ({}, numbers)]


def test_the_project_fits_meltanos_schema() -> None:
    """`meltano.yml` has nothing that Meltano does not know."""
    [path] = (environment(MELTANO) / "lib").glob("python3*/site-packages/meltano/schemas/meltano.schema.json")
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(project)


def test_a_run_surveys_in_the_sandbox(runs: list[Outcome]) -> None:
    """The sample's calls become contacts and one survey; who is no recipient of this environment gets none."""
    first, _ = runs
    assert first.status == 0, first.log
    assert first.summary["sandbox"]
    assert first.summary["contacts"]["synced"] == 3
    assert first.summary["surveys"] == {**first.summary["surveys"], "sent": 1, "withheld": 1}
    assert "Incremental state has been updated" in first.log


def test_a_second_run_sends_nothing(runs: list[Outcome]) -> None:
    """Meltano hands the state on, and what did not change costs no request."""
    _, second = runs
    assert second.status == 0, second.log
    assert second.summary["api"]["requests"] == 0
    assert "No state was found" not in second.log


def test_every_number_may_come_from_the_environment(runs: list[Outcome]) -> None:
    """Meltano hands each of them on, and dies of none; numbers that are no integers may have a fraction."""
    _, run = runs
    assert run.status == 0, run.log
    assert "Run summary" in run.log
    assert "is not a setting" not in run.log


def test_all_wrong_numbers_from_the_environment_are_told_at_once(project: Project) -> None:
    """So each of them was read."""
    run = project.meltano("run", "tap-jsonl", "target-promoter", **dict.fromkeys(NUMBERS, "-1"))
    assert run.status != 0
    assert [name for name in NUMBERS if f"Setting `{name}`" not in run.log] == []


def test_meltano_understands_the_log(runs: list[Outcome]) -> None:
    """Our lines come out at their level, and metrics as fields of their own."""
    lines = [line for line in runs[0].log.splitlines() if "target-promoter " in line]
    metrics = [line for line in lines if "metric_name=" in line]
    assert any("metric_name=http_request_count metric_value=3" in line for line in metrics), runs[0].log
    assert any("[info" in line and "Run summary: {" in line for line in lines)
    assert "ann@example.com" not in runs[0].log


def test_an_inherited_loader_has_what_its_environment_says(project: Project, runs: list[Outcome]) -> None:
    """Objects too, of which Meltano loses those of the parent: a run and the commands see the same campaigns."""
    assert runs
    campaigns = {"Order Completed": {"id": "78", "cancel_on": [{"event": "Order Refunded", "match": "order_id"}]}}
    now = {"calls": {"timestamp": "str(datetime.datetime.now(datetime.timezone.utc))"}}
    project.inherit("target-shop", {"api_url": "sandbox", "campaigns": campaigns, "stream_maps": now})
    run = project.meltano("run", "tap-jsonl", "target-shop")
    assert run.status == 0, run.log
    first, _ = runs
    track, before = run.summary["track"], first.summary["track"]
    # The sample's events have their campaign as before, but are known.
    assert (track["unmatched"], track["duplicate"]) == (before["unmatched"], before["queued"])
    check = project.meltano("invoke", "target-shop:check")
    assert check.status == 0, check.output + check.log
    assert "78" in check.output


def test_a_run_that_meltano_gave_less_than_the_commands_is_refused(project: Project) -> None:
    """An inherited loader has no object that its parent has in an environment alone: here a stream map."""
    project.inherit("target-heir", {"api_url": "sandbox"})
    run = project.meltano("run", "tap-jsonl", "target-heir")
    assert run.status != 0
    assert "Setting `stream_maps` came from Meltano without its value" in run.log
    assert "Setting `campaigns`" not in run.log
    assert run.summary["identify"]["read"] == 0


def test_commands_run_through_meltano(project: Project, runs: list[Outcome]) -> None:
    """They have the settings of the environment, and see what the runs left in the store."""
    assert runs
    check = project.meltano("invoke", "target-promoter:check")
    assert check.status == 0, check.output + check.log
    assert [line[:5] for line in check.output.splitlines()] == ["ok   "] * 3  # The key, the campaign, the store.
    assert len(check.log.splitlines()) <= 3  # Meltano's own.
    report = project.meltano("invoke", "target-promoter:report", "--format", "json")
    assert report.status == 0, report.log
    told = json.loads(report.output)
    assert told
