"""Runs that are told to stop at moments of all kinds, and what must hold of each of them and of all together."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_promoter.sandbox.server import SandboxServer
from tests.conftest import CAMPAIGNS, Outcome
from tests.e2e.shop import Shop, check
from tests.programs import SHORT_CLOCK, Programs, Running, until

if TYPE_CHECKING:
    from collections.abc import Callable

CONSTANTS = {**SHORT_CLOCK, "target_promoter.target._STATE_SHARE": 0}

LONGEST_STOP = 10.0
"""How long, in seconds, a run may go on after it was told to stop."""

MOMENTS = {
    "ended": ("start", "any", "state", "end of input", "delivery begins", "delivery goes on", "delivery ends"),
    "silent": ("start", "any", "state", "delivery begins", "delivery goes on"),
    "none": ("start", "any", "delivery begins", "delivery ends"),
}
"""When a run is stopped, by what its tap does: it ended, has gone silent, or there is none."""


@dataclass(slots=True)
class Stops:
    """A shop's data, read and delivered by runs that are stopped again and again.

    Attributes:
        programs: What starts the program.
        server: The account.
        config: The config.
        seed: The same seed gives the same data and plan of stops.
        statuses: How many runs ended how, by the moment they were stopped at.
    """

    programs: Programs
    server: SandboxServer
    config: dict[str, Any]
    seed: int
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    _chance: random.Random = field(init=False)
    _shop: Shop = field(init=False)
    _printed: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the data."""
        self._chance = random.Random(self.seed)  # noqa: S311 - repeatable, not secret
        self._shop = Shop(5, self.seed)

    def run(self, stops: int) -> None:
        """Stop so many runs, let one go on to its end, and check that nobody was lost or surveyed twice."""
        for _ in range(stops):
            self._stop_one()
        rest = self._shop.after(self._printed)
        ended = self.programs.run(config=self.config, messages=rest, constants=CONSTANTS)
        assert ended.status == 0, ended.log
        check(self._shop, self.server.account, self.config["store_url"])

    def _stop_one(self) -> None:
        """Start a run, on the rest of the input or on none, and stop it; the tap may have ended or gone silent."""
        messages = self._shop.after(self._printed)
        tap = self._chance.choice(["ended", "ended", "silent", "none"])
        moment = self._chance.choice(MOMENTS[tap])
        done = len(self.server.account.requests)
        if tap == "silent":
            path = self.programs.folder / f"tap-{self._chance.random()}"
            os.mkfifo(path)
            held = os.open(path, os.O_RDWR)  # It never ends.
            os.write(held, "".join(f"{line}\n" for line in Programs.lines(messages)).encode())
            running = self.programs.start(config=self.config, messages=path, constants=CONSTANTS)
        elif tap == "none":
            running = self.programs.start("deliver", config=self.config, constants=CONSTANTS)
        else:
            running = self.programs.start(config=self.config, messages=messages, constants=CONSTANTS)
        self._wait_for(moment, running, lambda: len(self.server.account.requests) - done)
        began = time.monotonic()
        running.kill(self._chance.choice([signal.SIGTERM, signal.SIGINT]))
        ended = running.wait(LONGEST_STOP + 5)
        took = time.monotonic() - began
        if tap == "silent":
            os.close(held)
        self.statuses[moment, ended.status] += 1
        self._judge(ended, took, all_read=tap == "none" or messages[-1].get("value") in [*ended.states, None])
        self._printed += ended.states
        assert not (tap == "silent" and ended.status == 0), ended.log

    def _wait_for(self, moment: str, running: Running, requests: Callable[[], int]) -> None:
        """Wait until a moment has come, or the run has ended, and a little longer."""
        number = {"delivery begins": 1, "delivery goes on": self._chance.randint(2, 9), "delivery ends": 11}
        ended = time.monotonic() + 0.4  # Not every run comes to every moment.

        def has_come() -> bool:
            if running.has_ended or time.monotonic() > ended:
                return True
            match moment:
                case "start" | "any":
                    return True
                case "state":
                    return bool((running.folder / "output").stat().st_size)
                case "end of input":
                    return "completed processing" in running.log
            return requests() >= number[moment]

        until(has_come)
        time.sleep(self._chance.uniform(0, {"start": 0.05, "any": 0.3}.get(moment, 0.006)))

    def _judge(self, ended: Outcome, took: float, *, all_read: bool) -> None:
        """Hold a stopped run to what it must be."""
        assert took < LONGEST_STOP, ended.log
        assert "Traceback" not in ended.log, ended.log
        if ended.status == 0:
            assert all_read, ended.log
            assert ended.summary["surveys"]["pending"] == ended.summary["contacts"]["pending"] == 0
        elif ended.status == 1:
            assert "Stopped by SIG" in ended.log
            assert ended.log.splitlines()[-1].count("Run summary: ") == 1
        else:
            # Before the run begins, a signal ends the program as it ends any other.
            assert ended.status in {-signal.SIGTERM, -signal.SIGINT}, ended.log
            assert not ended.states or ended.summary


def stop_many(folder: Path, *, seeds: range, stops: int) -> Counter[tuple[str, int]]:
    """Stop many runs of many shops; return how many ended how, by the moment they were stopped at."""
    statuses: Counter[tuple[str, int]] = Counter()
    with Programs(folder) as programs, SandboxServer(campaigns=CAMPAIGNS) as server:
        for seed in seeds:
            config = {
                "api_url": server.url,
                "api_key": "sandbox",
                "store_url": f"sqlite:///{folder / f'{seed}.db'}",
                "campaigns": {"Order Completed": 78},
                "requests_per_minute": 6000,
            }
            some = Stops(programs, server, config, seed)
            some.run(stops)
            statuses += some.statuses
    return statuses
