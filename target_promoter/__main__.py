"""Runs the program: `target-promoter`, or `python -m target_promoter`."""

from __future__ import annotations

import signal
import sys

if sys.platform == "win32":  # Nothing of it is imported there: signals, and reading that one ends, are those of POSIX.
    sys.exit("target-promoter runs on Linux and macOS, not on Windows itself: use it in WSL or in a container.")

from target_promoter.config.files import check_log_level
from target_promoter.errors import ConfigError
from target_promoter.singer import output
from target_promoter.target import TargetPromoter


def main() -> None:
    """Run the program."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C shows no traceback; a run stops itself.
    output.prepare()
    try:
        check_log_level()
    except ConfigError as error:
        sys.exit(str(error))
    TargetPromoter.cli()


if __name__ == "__main__":
    main()
