"""Nobody surveyed twice and nothing lost, whatever is killed and whatever goes wrong."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.server import SandboxServer
from tests.conftest import CAMPAIGNS
from tests.e2e.trials import ALL_FAULTS, Figures, Trial
from tests.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Postgres


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Yield what starts the program."""
    with Programs(tmp_path_factory.mktemp("programs")) as started:
        yield started


@pytest.fixture(scope="module")
def figures() -> Iterator[Figures]:
    """Yield the figures of all trials together, which are shown in the end."""
    total = Figures()
    yield total
    print(f"\n{total}")  # noqa: T201 - shown with -s


def settings(server: SandboxServer, store_url: str) -> dict[str, Any]:
    """Return the config of a trial."""
    return {
        "api_url": server.url,
        "api_key": "sandbox",
        "store_url": store_url,
        "campaigns": {"Order Completed": 78},
        "requests_per_minute": 3000,
    }


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment(
    seed: int, programs: Programs, sandbox: SandboxServer, tmp_path: Path, figures: Figures
) -> None:
    """Killed inside requests, around their record and anywhere else, each person is surveyed once and none is lost."""
    trial = Trial(programs, sandbox, settings(sandbox, f"sqlite:///{tmp_path / 'store.db'}"), seed, people=80)
    trial.run(kills=50)
    assert trial.figures.kills["inside a request"] >= 10
    figures.add(trial.figures)


@pytest.mark.parametrize("seed", [11, 12])
def test_a_fifth_of_all_requests_goes_wrong(
    seed: int, programs: Programs, sandbox: SandboxServer, tmp_path: Path, figures: Figures
) -> None:
    """Errors, resets, time-outs, garbage and bursts of 429 lose nothing and survey nobody twice."""
    config = settings(sandbox, f"sqlite:///{tmp_path / 'store.db'}")
    trial = Trial(programs, sandbox, config, seed, people=80, faults=ALL_FAULTS)
    trial.run(kills=0)
    assert len(trial.figures.faults) >= 6
    figures.add(trial.figures)


@pytest.mark.parametrize("seed", [21, 22])
def test_all_at_once(
    seed: int, programs: Programs, sandbox: SandboxServer, postgres_url: str, figures: Figures
) -> None:
    """Two processes on one PostgreSQL store, both killed again and again, at an account that fails a fifth of all."""
    trial = Trial(programs, sandbox, settings(sandbox, postgres_url), seed, people=60, faults=ALL_FAULTS, at_once=2)
    trial.run(kills=15)
    assert trial.figures.kills.total() >= 20
    assert trial.figures.faults
    figures.add(trial.figures)


@pytest.mark.soak
@pytest.mark.timeout(24 * 3600)
def test_for_a_long_time(programs: Programs, postgres: Postgres, tmp_path: Path, figures: Figures) -> None:
    """All of it together, with new data each time, for SOAK_SECONDS (20 minutes unless told otherwise)."""
    end = time.monotonic() + float(os.environ.get("SOAK_SECONDS", "1200"))
    seed = int(os.environ.get("SOAK_SEED", "1000"))
    while time.monotonic() < end:
        seed += 1
        store_url = postgres.new_database() if seed % 2 else f"sqlite:///{tmp_path / f'{seed}.db'}"
        with SandboxServer(campaigns=CAMPAIGNS) as server:
            faults = ALL_FAULTS if seed % 3 else Faults()
            config = settings(server, store_url)
            trial = Trial(programs, server, config, seed, people=100, faults=faults, at_once=1 + seed % 4)
            print(f"seed {seed}: {trial.run(kills=30)}", flush=True)  # noqa: T201 - shown with -s
        figures.add(trial.figures)
