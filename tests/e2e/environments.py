"""Programs of others, each in a virtual environment of its own that is made when it is first needed, and kept."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.programs import Outcome, outcome, warm_command, warm_program

if TYPE_CHECKING:
    from collections.abc import Sequence

_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "target-promoter-tests"
_INSTALL_SECONDS: Final = 300

TAP_POSTGRES: Final = "meltanolabs-tap-postgres==0.10.0"
TARGET_POSTGRES: Final = "meltanolabs-target-postgres==0.8.1"
TARGET_JSONL: Final = "target-jsonl==0.1.4"
MELTANO: Final = "meltano~=4.4.0"

NO_STATISTICS: Final = {"MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false"}
"""Without it Meltano waits two minutes a command on a machine without a network."""


def programs(package: str) -> Path:
    """Return the folder of a package's programs; a tap's, and Meltano's, is loaded already."""
    python = environment(package) / "bin" / "python"
    for program in python.parent.iterdir():
        if re.fullmatch("tap-[a-z-]+|meltano", program.name):
            return warm_program(python, program.name)
    return python.parent


def environment(package: str) -> Path:
    """Return a package's virtual environment.

    Args:
        package: The package as pip knows it, with its version, such as `tap-jsonl==0.3.1`.

    Returns:
        Its folder. Where it cannot be installed the test is skipped, in CI it fails.
    """
    version = f"py{sys.version_info.major}.{sys.version_info.minor}"
    folder = _CACHE / f"{re.sub('[^a-z0-9.-]', '', package)}-{version}"
    ready = folder / "ready"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (ready.exists() and (folder / "venv" / "bin" / "python").exists()):
            _install(package, folder / "venv")
            ready.touch()
    return folder / "venv"


def _install(package: str, venv: Path) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    for command in _commands(package, venv):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
        if done.returncode != 0:
            reason = f"{package} cannot be installed: {done.stderr.strip()[-500:]}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)


def _commands(package: str, venv: Path) -> Sequence[Sequence[str]]:
    python = str(venv / "bin" / "python")
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        return (
            [sys.executable, "-m", "venv", str(venv)],
            [python, "-m", "pip", "install", "-q", package],
        )
    return (
        [uv, "venv", "-q", "--python", sys.executable, str(venv)],
        [uv, "pip", "install", "-q", "--python", python, package],
    )


@dataclass(slots=True)
class Pipeline:
    """A tap and the target, joined by a pipe, each in a process of its own; the state goes from run to run.

    Attributes:
        tap: The tap's command line, without `--state`.
        config: The target's config.
        cwd: The folder they run in.
        states: What the target printed so far.
    """

    tap: Sequence[str | Path]
    config: dict[str, Any]
    cwd: Path
    states: list[Any] = field(default_factory=list)

    def run(self) -> Outcome:
        """Run both; the tap must end well."""
        command = [str(part) for part in self.tap]
        if self.states:
            path = self.cwd / "state.json"
            path.write_text(json.dumps(self.states[-1]), encoding="utf-8")
            command += ["--state", str(path)]
        with (self.cwd / "tap.log").open("wb") as log:
            tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=self.cwd)
            done = subprocess.run(
                warm_command(config=self.config, cwd=self.cwd),
                stdin=tap.stdout,
                capture_output=True,
                text=True,
                cwd=self.cwd,
                timeout=120,
                check=False,
            )
        assert tap.wait() == 0, (self.cwd / "tap.log").read_text(encoding="utf-8")
        run = outcome(done.returncode, done.stdout, done.stderr)
        self.states += run.states
        return run
