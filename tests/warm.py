"""Starts a program again and again, each time in a process of its own, without loading it anew.

Loading takes a second or two, and the tests start programs hundreds of times. It runs as a program of its own, since a
process with threads, such as that of the tests, must not fork, and in the environment of what it starts, so that it may
import nothing but Python's own. It ends with its input; each connection to its socket is one job.

Its arguments are the socket, and the name of the program as it is installed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any


def serve(address: str, name: str, program: Callable[[], int | None]) -> None:
    """Start a program that is loaded for every job, until the input ends."""
    gc.freeze()  # A collection in a process of its own would copy what they share.
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # As a program has it before it runs.
    running: dict[int, tuple[BaseProcess, Path]] = {}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in (ready := select.select([sys.stdin, listening, *running], [], [])[0]):
            for ended in running.keys() & ready:
                process, folder = running.pop(ended)
                process.join()
                _write(folder / "status", process.exitcode)
            if listening in ready:
                with listening.accept()[0] as connection:
                    received, files = _received(connection)
                if received:  # Else whoever asked was killed before it had.
                    job = json.loads(received)
                    process, folder = _start(job, files, name, program), Path(job["folder"])
                    running[process.sentinel] = process, folder
                    _write(folder / "pid", process.pid)
    for process, _ in running.values():
        process.kill()


def _received(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return a job, and the process's standard input, output and error if they come with it."""
    received, files, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    while part := connection.recv(1 << 16):
        received += part
    return received, files


def _start(job: dict[str, Any], files: list[int], name: str, program: Callable[[], int | None]) -> BaseProcess:
    """Start a program as a job says."""
    # It ends without taking apart all that is loaded, which takes longer than many a run.
    process = multiprocessing.get_context("fork").Process(target=_run, args=(job, files, name, program))
    process.start()
    for file in files:
        os.close(file)
    return process


def _run(job: dict[str, Any], files: list[int], name: str, program: Callable[[], int | None]) -> None:
    """Be the program."""
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    if not files:
        files = [os.open(job["input"], os.O_RDONLY)]  # A FIFO opens when somebody writes to it.
        files += [os.open(job[name], os.O_WRONLY | os.O_APPEND) for name in ("output", "log")]
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - they are open to the end
        for number, mode in enumerate("rww")
    )
    for path, value in job.get("constants", {}).items():
        module, constant = path.rsplit(".", 1)
        setattr(importlib.import_module(module), constant, value)
    if job.get("largest_file") is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest_file"], job["largest_file"]))
    sys.argv = [name, *job["arguments"]]
    sys.modules["__main__"].__package__ = None  # Else the help would name this module.
    sys.exit(program())


def _write(path: Path, number: int | None) -> None:
    """Write a file that is never there in part, unless nobody waits for it any more and its folder is gone."""
    part = path.with_suffix(".part")
    with contextlib.suppress(FileNotFoundError):
        part.write_text(str(number), encoding="ascii")
        part.rename(path)


if __name__ == "__main__":
    (script,) = entry_points(group="console_scripts", name=sys.argv[2])
    serve(sys.argv[1], script.name, script.load())
