"""The target run day after day in one process, by a clock that is passed in; `year.py` says when and what it reads.

Each line of standard input is a day, `{"ahead": SECONDS, "read": PATH}`; each line printed is what that day took.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import json
import logging
import sys
import time
from pathlib import Path

from target_promoter import run


class _Clock:
    """A clock that is ahead of this machine's."""

    ahead = 0.0

    def __call__(self) -> float:
        """Return the time, in epoch seconds."""
        return time.time() + self.ahead


_clock = _Clock()
run.Run = functools.partial(run.Run, clock=_clock)  # type: ignore[assignment, misc] # what the target runs, before:
from target_promoter.target import TargetPromoter  # noqa: E402


def _take(config: dict[str, object], read: Path) -> dict[str, object]:
    """Run the target on a file, and return what that took."""
    began, cpu_began = time.perf_counter(), time.process_time()
    with read.open(encoding="utf-8") as lines, contextlib.redirect_stdout(io.StringIO()):
        one = TargetPromoter(config=config)
        status = one.sync(lines)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return {"seconds": seconds, "cpu": cpu, "status": status, "summary": one.run.summary.as_dict(_clock())}


if __name__ == "__main__":
    logging.disable(logging.INFO)
    settings = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    for line in sys.stdin:
        day = json.loads(line)
        _clock.ahead = day["ahead"]
        sys.stdout.write(json.dumps(_take(settings, Path(day["read"]))) + "\n")
        sys.stdout.flush()
        # A run leaves its garbage to the end of its process, which here is that of all.
        gc.unfreeze()
        gc.collect()
