"""Running the program many times, also several at once, and ending it as roughly as a machine does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import Outcome, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SETTLING = 0.8
"""How long, in seconds, an unanswered request counts as at work while the program runs on a short clock."""

SHORT_CLOCK: dict[str, float] = {
    "target_promoter.promoter.timeouts.SETTLING_SECONDS": SETTLING,
    "target_promoter.promoter.timeouts.LATE_SECONDS": 0.5,
    "target_promoter.promoter.timeouts.CONNECTING_SECONDS": 0.2,
    "target_promoter.promoter.timeouts.LOOK_AGAIN_SECONDS": 0.1,
    "target_promoter.delivery.patience._MOST_DOUBLINGS": 0,
    "target_promoter.promoter.transport.ANSWER_SECONDS": SETTLING / 2,
    "target_promoter.promoter.transport.CONNECT_SECONDS": 0.2,
    "target_promoter.run._GRACE_SECONDS": 0.0,
}
"""The program's own times, shorter by the same factor: the code is the same, and nobody waits a minute."""


def until(what: Callable[[], Any], *, seconds: float = 60.0) -> Any:  # noqa: ANN401 - whatever it waits for
    """Wait until something is the case, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            message = f"Nothing came of it within {seconds:g} seconds."
            raise TimeoutError(message)
        time.sleep(0.001)
    return found


@dataclass(frozen=True, slots=True)
class Running:
    """One process of the program.

    Attributes:
        pid: Its number.
        folder: Where its input, output and log lie.
    """

    pid: int
    folder: Path

    @property
    def has_ended(self) -> bool:
        """Whether it ended."""
        return (self.folder / "status").exists()

    @property
    def log(self) -> str:
        """Its log so far."""
        return (self.folder / "log").read_text(encoding="utf-8")

    @property
    def states(self) -> list[Any]:
        """The states it printed so far, in order."""
        return outcome(0, (self.folder / "output").read_text(encoding="utf-8"), "").states

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Send a signal; one that ended already does not mind."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def wait(self, seconds: float = 100.0) -> Outcome:
        """Wait for its end and return what came of it.

        Args:
            seconds: After which it counts as hanging.
        """
        until(lambda: self.has_ended, seconds=seconds)
        status = int((self.folder / "status").read_text(encoding="ascii"))
        return outcome(status, (self.folder / "output").read_text(encoding="utf-8"), self.log)


@dataclass(slots=True)
class Programs:
    """Starts the program; use it as a context manager.

    Attributes:
        folder: Where each process has a folder of its own.
    """

    folder: Path
    _server: subprocess.Popen[str] = field(init=False)
    _started: list[Running] = field(default_factory=list)

    def __enter__(self) -> Programs:  # noqa: PYI034 - nobody derives from it
        """Start the process that starts the others."""
        command = [sys.executable, "-m", "tests.e2e.fork_server"]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever still runs."""
        for running in self._started:
            running.kill()
        self._server.communicate()

    def start(
        self,
        *arguments: str,
        config: Mapping[str, Any],
        messages: Iterable[Mapping[str, Any]] | Path = (),
        constants: Mapping[str, float] | None = None,
        largest_file: int | None = None,
    ) -> Running:
        """Start the program.

        Args:
            arguments: What follows the config on its command line.
            config: The config.
            messages: Singer messages, or a file, such as a FIFO, to read them from.
            constants: The program's own constants that are other than usual, by module and name.
            largest_file: The most bytes that a file it writes may have: what is beyond meets a full disk.
        """
        folder = self.folder / uuid.uuid4().hex[:12]
        folder.mkdir()
        (folder / "config").write_text(json.dumps(config), encoding="utf-8")
        if isinstance(messages, Path):
            source = messages
        else:
            source = folder / "input"
            source.write_text("".join(json.dumps(one) + "\n" for one in messages), encoding="utf-8")
        for name in ("output", "log"):
            (folder / name).touch()
        job = {
            "arguments": ["--config", str(folder / "config"), *arguments],
            "cwd": str(folder),
            "input": str(source),
            **{name: str(folder / name) for name in ("output", "log", "pid", "status")},
            "constants": dict(SHORT_CLOCK if constants is None else constants),
            "largest_file": largest_file,
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        until((folder / "pid").exists, seconds=30)
        running = Running(int((folder / "pid").read_text(encoding="ascii")), folder)
        self._started.append(running)
        return running

    def run(self, *arguments: str, **options: Any) -> Outcome:  # noqa: ANN401 - those of `start`
        """Start the program and wait for its end."""
        return self.start(*arguments, **options).wait()
