"""One trial of the fault suite: a shop's data, a faulty account, processes that are killed, and what came of it."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from target_promoter.sandbox.faults import Faults
from tests.e2e.shop import Shop, Watch, check
from tests.programs import ANSWER, SETTLING, SHORT_CLOCK, Programs, Running, until

if TYPE_CHECKING:
    from target_promoter.sandbox.server import SandboxServer

CONSTANTS = {**SHORT_CLOCK, "target_promoter.target._STATE_SHARE": 0}
"""Every STATE is passed on at once, so that there are many to go on from."""

ALL_FAULTS = Faults(
    rate=0.2,
    kinds=(
        "error",
        "error_after",
        "reset_before",
        "reset_after",
        "garbage",
        "slow_before",
        "slow_after",
        "hang",
        "burst_429",
    ),
    latency=1.2 * ANSWER,
    retry_after=0,
)
"""A fifth of all requests go wrong, in every way; the slow ones take longer than the program waits for an answer."""


@dataclass(slots=True)
class Figures:
    """What happened in trials.

    Attributes:
        kills: How many processes were killed, by the moment.
        faults: How many requests went wrong, by kind.
        outcomes: How many surveys came to each outcome.
        surveys: How many surveys the account sent.
    """

    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    surveys: int = 0

    def add(self, other: Figures) -> None:
        """Add those of another trial."""
        self.kills += other.kills
        self.faults += other.faults
        self.outcomes += other.outcomes
        self.surveys += other.surveys


@dataclass(slots=True)
class Trial:
    """A trial.

    Attributes:
        programs: What starts the program.
        server: The account.
        config: The config.
        seed: The same seed gives the same data, faults and plan of kills.
        people: How many customers the shop has.
        faults: What goes wrong at the account.
        at_once: How many processes run at once.
        figures: What happened.
    """

    programs: Programs
    server: SandboxServer
    config: dict[str, Any]
    seed: int
    people: int
    faults: Faults = field(default_factory=Faults)
    at_once: int = 1
    figures: Figures = field(default_factory=Figures)
    _chance: random.Random = field(init=False)
    _shop: Shop = field(init=False)
    _watch: Watch = field(init=False)
    _printed: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepare the data and the account."""
        self._chance = random.Random(self.seed)  # noqa: S311 - repeatable, not secret
        self._shop = Shop(self.people, self.seed)
        self._watch = Watch(self.server.account)
        self.server.set_faults(msgspec.structs.replace(self.faults, seed=self.seed))

    def run(self, kills: int) -> Figures:
        """Run the program, kill it so many times, then let it end, and check what must be true.

        Args:
            kills: How many times.
        """
        for _ in range(kills):
            self._run_and_kill()
        self._end()
        account = self.server.account
        self.figures.outcomes += check(self._shop, account, self.config["store_url"])
        # Not the account's throttle but the claims make sure: no survey is asked for while it may be at work (a slow
        # account carries the first one out some time after it was asked), and no second one of a person at all.
        assert self._watch.closest() >= min(SETTLING, ANSWER + SETTLING - self.faults.latency)
        assert {email: len(orders) for email, orders in self._watch.emails.items()} == dict.fromkeys(
            self._shop.plans, 1
        )
        self.figures.surveys += len(account.surveys)
        self.figures.faults += Counter(one.fault for one in account.requests if one.fault)
        return self.figures

    def _start(self) -> Running:
        """Start the program on the same input, on the rest of it, or on none."""
        chosen = self._chance.choice(["all", "rest", "rest", "none"])
        if chosen == "none":
            return self.programs.start("deliver", config=self.config, constants=CONSTANTS)
        messages = self._shop.messages if chosen == "all" else self._shop.after(self._printed)
        return self.programs.start(config=self.config, messages=messages, constants=CONSTANTS)

    def _run_and_kill(self) -> None:
        """Start as many processes as run at once, and kill them all at a moment drawn by chance."""
        moment = self._chance.choice(["while it runs", "inside a request", "inside a request", "about its record"])
        number, pause = self._chance.randint(1, 4), self._chance.uniform(0, 0.01)
        if moment == "while it runs":
            running = [self._start() for _ in range(self.at_once)]
            time.sleep(self._chance.uniform(0.03, 0.4))
        else:
            reached = threading.Event()
            left = iter(range(number - 1))
            running = []

            def carried_out() -> None:
                if running and next(left, None) is None and not reached.is_set():
                    if moment == "inside a request":
                        for one in running:
                            one.kill()
                    reached.set()

            self._watch.carried_out = carried_out
            running += [self._start() for _ in range(self.at_once)]
            try:
                until(lambda: reached.is_set() or all(one.has_ended for one in running))
            except TimeoutError as error:
                message = "\n".join(["No process did anything:", *(one.log[-3000:] for one in running)])
                raise AssertionError(message) from error
            time.sleep(pause if moment == "about its record" else 0)
            self._watch.carried_out = bool
        for one in running:
            one.kill()
        for one in running:
            self.figures.kills[moment] += one.wait().status == -signal.SIGKILL
            # Of several at once each read its own input: only of one alone it is known what its state covers.
            if self.at_once == 1 and one.states:
                self._printed = max(self._printed, one.states, key=lambda some: some[-1]["read"] if some else 0)

    def _end(self) -> None:
        """Let the program read the rest, then deliver until nothing is left."""
        rest = self._shop.after(self._printed)
        first = [self.programs.start(config=self.config, messages=rest, constants=CONSTANTS)]
        first += [
            self.programs.start("deliver", config=self.config, constants=CONSTANTS) for _ in range(self.at_once - 1)
        ]
        for one in first:
            ended = one.wait()
            assert "Traceback" not in ended.log, ended.log
            for part in ("identify", "track"):
                counts = dict(ended.summary[part])
                assert counts.pop("read") == sum(counts.values())
        last = self.programs.run("deliver", config=self.config, constants=CONSTANTS)
        assert last.status == 0, last.log
