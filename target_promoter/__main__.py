"""Runs the program: `target-promoter`, or `python -m target_promoter`."""

from __future__ import annotations

import sys

from target_promoter import garbage
from target_promoter.errors import ConfigError


def main() -> None:
    """Run the program."""
    garbage.put_off()
    from target_promoter.config.files import check_log_level  # noqa: PLC0415 - it loads the SDK as well
    from target_promoter.target import TargetPromoter  # noqa: PLC0415 - loading the SDK is most of a start

    try:
        check_log_level()
    except ConfigError as error:
        sys.exit(str(error))
    TargetPromoter.cli()


if __name__ == "__main__":
    main()
