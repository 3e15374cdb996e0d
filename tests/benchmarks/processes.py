"""Running a program in a process of its own, and what it took."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUMMARY: Final = "Run summary: "
_LOOK_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 1800.0
_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run took.

    Attributes:
        seconds: From its start to its end.
        cpu: Seconds of processor time.
        mib: The most memory it held, in MiB, as far as was looked.
        threads: The most threads it had at once, as far as was looked.
        temporary: The most bytes of temporary files it had at once, as far as was looked.
        status: Its exit status.
        summary: Its summary; empty if it logged none.
        log: Its log.
        printed: What it printed.
    """

    seconds: float
    cpu: float
    mib: float
    threads: int
    temporary: int
    status: int
    summary: dict[str, Any]
    log: str
    printed: str


class Program:
    """A running Python module.

    Args:
        module: The module, as `python -m` takes it; one of these benchmarks may import nothing of the others.
        arguments: Its arguments.
        config: Its config, if it takes one.
        folder: Where its config, its log and its bytecode are kept, and where it runs.
        read: The file it reads from standard input; without one its input is empty.
        talks: Whether it is asked instead, line by line.
        python: The Python that runs it; without one that of `measured`.
    """

    measured: ClassVar[str] = sys.executable
    """The Python of the environment whose target is measured."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        config: dict[str, Any] | None = None,
        folder: Path,
        read: Path | None = None,
        talks: bool = False,
        python: str | None = None,
    ) -> None:
        """Start it."""
        # By its path, what a benchmark runs finds the target of its Python, not the one beside it.
        is_ours = module.startswith("tests.")
        started = [str(_ROOT / f"{module.replace('.', '/')}.py")] if is_ours else ["-m", module]
        command = [python or self.measured, *started]
        name = f"{time.monotonic_ns()}"
        if config is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(config), encoding="utf-8")
            command += ["--config", str(path)]
        self._log = folder / f"{name}.log"
        self._printed = folder / f"{name}.out"
        # As after an installation, the bytecode is there; whatever this machine says of it.
        env = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        self._temporary = folder / f"{name}.tmp"
        self._temporary.mkdir()
        env["TMPDIR"] = str(self._temporary)
        self._threads = self._bytes = 0
        self._mib = 0.0
        self._began = time.monotonic()
        with (
            self._log.open("wb") as log,
            self._printed.open("wb") as printed,
            (read or Path(os.devnull)).open("rb") as lines,
        ):
            self._process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.PIPE if talks else lines,
                stdout=subprocess.PIPE if talks else printed,
                stderr=log,
                env=env,
                cwd=folder,
                text=True,
            )
        self.pid = self._process.pid
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Look at the process now and then, as long as it is there."""
        status = Path(f"/proc/{self.pid}/status")
        while True:
            try:
                lines = status.read_text(encoding="ascii", errors="replace").splitlines()
            except OSError:
                return
            found = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
            if "VmHWM" not in found:
                return
            self._threads = max(self._threads, int(found["Threads"][0]))
            # What the system says at the end has as its least what this process had when it started that one.
            self._mib = int(found["VmHWM"][0]) / 1024
            self._bytes = max(self._bytes, _size(self._temporary))
            time.sleep(_LOOK_SECONDS)

    def log(self) -> str:
        """Return what it has logged so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def printed(self) -> str:
        """Return what it has printed so far."""
        return self._printed.read_text(encoding="utf-8")

    def ask(self, question: object) -> str:
        """Write it a line of JSON, and return the line that it answers with; empty if it has ended."""
        asked, answered = self._process.stdin, self._process.stdout
        if asked is None or answered is None:
            raise ValueError
        asked.write(json.dumps(question) + "\n")
        asked.flush()
        return answered.readline()

    def end(self, signum: int | None = None) -> Ran:
        """Wait for its end.

        Args:
            signum: A signal to send it first.
        """
        if signum is not None:
            self._process.send_signal(signum)
        if self._process.stdin is not None:
            self._process.stdin.close()
        alarm = threading.Timer(_LONGEST_SECONDS, self._process.kill)
        alarm.start()
        _, status, usage = os.wait4(self.pid, 0)
        seconds = time.monotonic() - self._began
        alarm.cancel()
        self._process.returncode = 0
        log = self.log()
        summaries = [line.split(_SUMMARY, 1)[1] for line in log.splitlines() if _SUMMARY in line]
        summary = json.loads(summaries[-1]) if summaries else {}
        cpu = usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        return Ran(seconds, cpu, self._mib, self._threads, self._bytes, code, summary, log, self.printed())


def _size(folder: Path) -> int:
    """Return how many bytes the files in a folder have, as far as they are not gone by then."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def run(
    module: str,
    *arguments: str,
    config: dict[str, Any] | None = None,
    folder: Path,
    read: Path | None = None,
) -> Ran:
    """Run a Python module to its end; the arguments are those of `Program`."""
    return Program(module, *arguments, config=config, folder=folder, read=read).end()


def median(values: Sequence[float]) -> float:
    """Return the middle one of some values."""
    return sorted(values)[len(values) // 2]
