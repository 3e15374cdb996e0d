"""The program in processes of its own: one run to its end, many runs, several at once, ended as machines end them."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run of the program.

    Attributes:
        status: Its exit status.
        states: The states it printed, in order.
        summary: Its summary; empty if it logged none.
        log: Its log.
        output: Its standard output.
    """

    status: int
    states: list[Any]
    summary: dict[str, Any]
    log: str
    output: str


def outcome(status: int, output: str, log: str) -> Outcome:
    """Return what came of a run, read from what it printed."""
    marker = "Run summary: "
    told = [line.split(marker, 1)[1] for line in log.split("\n") if marker in line]
    summaries = [json.loads(one) for one in told if one.endswith("}")]  # A name from outside may hold the mark.
    states = [json.loads(line) for line in output.split("\n") if line.startswith("{") and line.endswith("}")]
    return Outcome(status, states, summaries[-1] if summaries else {}, log, output)


def program(*arguments: str | Path, config: dict[str, Any] | None = None, cwd: Path) -> list[str]:
    """Return the command line that starts the program, its config written to `cwd`."""
    return [sys.executable, "-m", "target_promoter", *_arguments(arguments, config, cwd)]


def warm_command(*arguments: str | Path, config: dict[str, Any] | None = None, cwd: Path) -> list[str]:
    """Return the same of the program that is loaded already."""
    return [str(warm_program() / "target-promoter"), *_arguments(arguments, config, cwd)]


def _arguments(arguments: Iterable[str | Path], config: Mapping[str, Any] | None, cwd: Path) -> list[str]:
    given = [str(argument) for argument in arguments]
    if config is None:
        return given
    path = cwd / f"config-{uuid.uuid4().hex[:8]}.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return ["--config", str(path), *given]


def run_program(
    *arguments: str | Path,
    config: dict[str, Any] | None = None,
    messages: Iterable[dict[str, Any]] | str | bytes = (),
    cwd: Path,
    env: dict[str, str] | None = None,
    timeout: float = 120,
) -> Outcome:
    """Run the program in a process of its own, to its end.

    Args:
        arguments: What follows the config on its command line.
        config: The config.
        messages: Singer messages, or the whole input.
        cwd: The folder it runs in, where a SQLite store of the default address lies.
        env: Further environment variables. Python's own and the locale's take a new interpreter, and a second: without
            them the process is forked from one that has the program loaded.
        timeout: Seconds after which it counts as hanging.
    """
    if not isinstance(messages, str | bytes):
        messages = "".join(json.dumps(one) + "\n" for one in messages)
    written = messages if isinstance(messages, bytes) else messages.encode("utf-8", "surrogatepass")
    env = env or {}
    of_python = any(name.startswith(("PYTHON", "LC_", "LANG")) for name in env)
    if sys.platform == "linux" and not of_python:
        with tempfile.TemporaryDirectory(prefix="program-", ignore_cleanup_errors=True) as folder:
            given = _arguments(arguments, config, cwd)
            return _fork(given, written, Path(folder), cwd=cwd, env=env).wait(timeout)
    done = subprocess.run(
        program(*arguments, config=config, cwd=cwd),
        input=written,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, **env},
        timeout=timeout,
        check=False,
    )
    return outcome(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def peak_kib() -> int:
    """Return the most memory that this process ever had, which macOS counts in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


ANSWER = 0.5
"""How long, in seconds, the program waits for an answer while it runs on a short clock."""

SETTLING = 2.0
"""How long an unanswered request then counts as at work: a busy machine may add much to the time that it takes."""

SHORT_CLOCK: dict[str, float] = {
    "target_promoter.promoter.transport.SETTLING_SECONDS": SETTLING,
    "target_promoter.promoter.transport.LATE_SECONDS": 0.5,
    "target_promoter.surveys.claims.LOOK_AGAIN_SECONDS": 0.1,
    "target_promoter.delivery.delivery._MOST_DOUBLINGS": 0,
    "target_promoter.promoter.transport.ANSWER_SECONDS": ANSWER,
    "target_promoter.promoter.transport.CONNECT_SECONDS": 0.2,
    "target_promoter.run._GRACE_SECONDS": 0.0,
}
"""The program's own times, but shorter: the code is the same, and nobody waits a minute."""


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
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def states(self) -> list[Any]:
        """The states it printed so far, in order."""
        return outcome(0, self.output, "").states

    @property
    def output(self) -> str:
        """Its standard output so far."""
        return (self.folder / "output").read_text(encoding="utf-8", errors="replace")

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
        return outcome(status, self.output, self.log)


@functools.cache
def _fork_server() -> Path:
    """Return the socket of the process that forks the program for this one."""
    return _server(sys.executable, "-m", "tests.fork_server")


def _server(*command: str | Path, name: str = "") -> Path:
    """Start a process that forks a program for this one, and ends when this one ends; return its socket."""
    address = Path(tempfile.mkdtemp(prefix="fork-server-")) / "socket"
    server = subprocess.Popen([*command, address, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(_end, server, address.parent)
    assert server.stdout is not None
    with server.stdout as told:
        assert told.readline() == b"ready\n"
    return address


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait()
    shutil.rmtree(folder)


@functools.cache
def warm_program(python: Path = Path(sys.executable), name: str = "target-promoter") -> Path:
    """Return a folder with a program for shells, other programs and PATH; it is installed beside a Python.

    It is forked from a process that has it loaded, with the environment, folder and files of its caller.
    """
    installed = python.with_name(name)
    if sys.platform != "linux":
        return installed.parent
    own = python == Path(sys.executable)
    here = Path(__file__).parent
    server = _fork_server() if own else _server(python, "-P", here / "warm.py", name=name)
    folder = server.parent / "bin"
    folder.mkdir()
    script = folder / name
    starter = shlex.join([sys.executable, "-IS", str(here / "start_warm.py"), str(server), str(installed)])
    script.write_text(f'#!/bin/sh\nexec {starter} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return folder


def _fork(
    arguments: list[str],
    source: Path | bytes,
    folder: Path,
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    constants: Mapping[str, float] | None = None,
    largest_file: int | None = None,
) -> Running:
    """Start the program with its whole command line, its input, a folder for its output and one to run in."""
    if isinstance(source, bytes):
        (folder / "input").write_bytes(source)
        source = folder / "input"
    for name in ("output", "log"):
        (folder / name).touch()
    job = {
        "arguments": arguments,
        "cwd": str(cwd),
        "input": str(source),
        "output": str(folder / "output"),
        "log": str(folder / "log"),
        "folder": str(folder),
        "env": {**os.environ, **(env or {})},
        "constants": dict(constants or {}),
        "largest_file": largest_file,
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(_fork_server()))
        connection.sendall(json.dumps(job).encode())
    until((folder / "pid").exists)
    return Running(int((folder / "pid").read_text(encoding="ascii")), folder)


@dataclass(slots=True)
class Programs:
    """Starts the program; use it as a context manager.

    Attributes:
        folder: Where each process has a folder of its own.
    """

    folder: Path
    _started: list[Running] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Return itself: a process is started when it is asked for."""
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever still runs."""
        for running in self._started:
            running.kill()

    @staticmethod
    def lines(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """Yield the lines of a tap that sends these messages."""
        return map(json.dumps, messages)

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
        given = _arguments(arguments, config, folder)
        source = (
            messages if isinstance(messages, Path) else "".join(f"{one}\n" for one in self.lines(messages)).encode()
        )
        constants = SHORT_CLOCK if constants is None else constants
        running = _fork(given, source, folder, cwd=folder, constants=constants, largest_file=largest_file)
        self._started.append(running)
        return running

    def run(self, *arguments: str, **options: Any) -> Outcome:  # noqa: ANN401 - those of `start`
        """Start the program and wait for its end."""
        return self.start(*arguments, **options).wait()
