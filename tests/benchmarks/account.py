"""A sandbox in a process of its own, so that it takes none of the client's processor time, and what it saw."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.processes import Program

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_START_SECONDS: Final = 120.0


class Account:
    """A running sandbox; use it as a context manager.

    Args:
        folder: Where its log is kept.
        requests_per_minute: Its limit; None for none.
        requests_per_second: The same by the second.
        latency: Seconds that every answer takes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        requests_per_minute: int | None = None,
        requests_per_second: int | None = None,
        latency: float = 0.0,
    ) -> None:
        """Start it."""
        limits = {"--requests-per-minute": requests_per_minute, "--requests-per-second": requests_per_second}
        asked = [text for name, limit in limits.items() if limit is not None for text in (name, str(limit))]
        # The account is the same whichever target is measured.
        self._program = Program(
            "target_promoter", "sandbox", "--port", "0", *asked, folder=folder, python=sys.executable
        )
        deadline = time.monotonic() + _START_SECONDS
        while not (found := re.search(r"at (http://\S+?)/ ", self._program.log())):
            if time.monotonic() > deadline:
                raise RuntimeError(self._program.log())
            time.sleep(0.05)
        self._origin = found[1]
        if latency:
            self._post("faults", {"rate": 1.0, "kinds": ["slow_after"], "latency": latency})

    @property
    def url(self) -> str:
        """The API's base address."""
        return f"{self._origin}/api"

    def state(self) -> dict[str, Any]:
        """Return all that the sandbox shows of itself."""
        with urllib.request.urlopen(f"{self._origin}/sandbox/state", timeout=60) as answer:  # noqa: S310 - as below
            found: dict[str, Any] = json.load(answer)
        return found

    def totals(self) -> dict[str, int]:
        """Return how many contacts there are, how many requests there were, and so on."""
        with urllib.request.urlopen(f"{self._origin}/sandbox/view", timeout=60) as answer:  # noqa: S310 - as below
            found: dict[str, int] = json.load(answer)["totals"]
        return found

    def advance(self, hours: float) -> None:
        """Move the account's time on."""
        self._post("advance", {"hours": hours})

    def _post(self, path: str, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self._origin}/sandbox/{path}", data=data, method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 - the sandbox on this machine

    def __enter__(self) -> Self:
        """Hand out the running sandbox."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._program.end(signal.SIGTERM)
