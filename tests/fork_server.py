"""Starts the program again and again, each time in a process of its own, without loading it anew.

Loading takes most of a second, and the tests start the program hundreds of times. It runs as a program of its
own, since a process with threads, such as that of the tests, must not fork. It ends with its input; each connection
to its socket is one job.
"""

from __future__ import annotations

import gc
import importlib
import json
import multiprocessing
import os
import pkgutil
import resource
import select
import signal
import socket
import sys
import tempfile
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import target_promoter
from target_promoter.__main__ import main as run
from target_promoter.target import TargetPromoter
from tests import house
from tests.compiled import compile_once
from tests.delivering import Process

_LOADED: Final = ("sqlalchemy.dialects.postgresql.psycopg", "sqlite3")
"""What the program loads of others when it needs it."""


def main() -> None:
    """Load the program once, all of it, then start it for every job, until the input ends."""
    parts = pkgutil.walk_packages(target_promoter.__path__, "target_promoter.")
    for name in (*_LOADED, *(part.name for part in parts if not part.name.endswith(".hub"))):
        importlib.import_module(name)
    _warm_up()
    gc.freeze()  # A collection in a process of its own would copy what they share.
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # As the program itself has it before a run.
    running: dict[int, tuple[BaseProcess, Path]] = {}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
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
                    process, folder = _start(connection)
                running[process.sentinel] = process, folder


def _start(connection: socket.socket) -> tuple[BaseProcess, Path]:
    """Start the program as a job says, which may come with the process's standard input, output and error."""
    received, files, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    while part := connection.recv(1 << 16):
        received += part
    job = json.loads(received)
    # It ends without taking apart all that is loaded, which takes longer than many a run.
    process = multiprocessing.get_context("fork").Process(target=_run, args=(job, files))
    process.start()
    for file in files:
        os.close(file)
    folder = Path(job["folder"])
    _write(folder / "pid", process.pid)
    return process, folder


def _warm_up() -> None:
    """Have looked up and compiled once what every process of the program would for itself; no thread is started."""
    assert TargetPromoter.plugin_version
    assert TargetPromoter.sdk_version
    compile_once()
    with tempfile.TemporaryDirectory(prefix="warm-up-") as folder:
        shop = house.House(Path(folder))
        shop.take(house.identify("u", "u@example.com"), house.track("Order Completed", "u"))
        process = Process(shop)
        process.turn(0.0)
        process.turn(1.0, "accepted")
        shop.store.close()


def _run(job: dict[str, Any], files: list[int]) -> None:
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
        module, name = path.rsplit(".", 1)
        setattr(importlib.import_module(module), name, value)
    if job.get("largest_file") is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest_file"], job["largest_file"]))
    sys.argv = ["target-promoter", *job["arguments"]]
    sys.modules["__main__"].__package__ = None  # Else the help would name this module.
    run()


def _write(path: Path, number: int | None) -> None:
    """Write a file that is never there in part."""
    part = path.with_suffix(".part")
    part.write_text(str(number), encoding="ascii")
    part.rename(path)


if __name__ == "__main__":
    main()
