"""Starts the program again and again, each time in a process of its own, without loading it anew.

Loading takes most of a second, and the tests start the program hundreds of times. It runs as a program of its
own, since a process with threads, such as that of the tests, must not fork. Each line of its input is one job.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
from pathlib import Path
from typing import Any, Final

import target_promoter
from target_promoter.__main__ import main as run

_LOADED: Final = ("sqlalchemy.dialects.postgresql.psycopg", "sqlite3")
"""What the program loads of others when it needs it."""


def main() -> None:
    """Load the program once, all of it, then start it for every line of the input."""
    parts = pkgutil.walk_packages(target_promoter.__path__, "target_promoter.")
    for name in (*_LOADED, *(part.name for part in parts if not part.name.endswith(".hub"))):
        importlib.import_module(name)
    gc.freeze()  # A collection in a process of its own would copy what they share.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for the minders.
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # As the program itself has it before a run.
    for line in sys.stdin:
        if os.fork() == 0:
            _mind(json.loads(line))
            return


def _mind(job: dict[str, Any]) -> None:
    """Start the program, say which process it is, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        _run(job)
    _write(Path(job["pid"]), child)
    _, status = os.waitpid(child, 0)
    _write(Path(job["status"]), os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(job: dict[str, Any]) -> None:
    """Be the program: it never returns from here."""
    os.chdir(job["cwd"])
    os.environ.update(job["env"])
    sys.stdin = _redirect(0, job["input"], "r")
    sys.stdout = _redirect(1, job["output"], "a")
    sys.stderr = _redirect(2, job["log"], "a")
    for path, value in job["constants"].items():
        module, name = path.rsplit(".", 1)
        setattr(importlib.import_module(module), name, value)
    if job["largest_file"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest_file"], job["largest_file"]))
    sys.argv = ["target-promoter", *job["arguments"]]
    run()


def _redirect(number: int, path: str, mode: str) -> Any:  # noqa: ANN401 - a text file
    with open(path, mode, encoding="utf-8") as file:  # noqa: PTH123 - a FIFO opens like any file
        os.dup2(file.fileno(), number)
    return open(number, mode, encoding="utf-8", closefd=False)


def _write(path: Path, number: int) -> None:
    """Write a file that is never there in part."""
    part = path.with_suffix(".part")
    part.write_text(str(number), encoding="ascii")
    part.rename(path)


if __name__ == "__main__":
    main()
