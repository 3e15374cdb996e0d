"""Runs the program: `target-promoter`, or `python -m target_promoter`."""

from __future__ import annotations

from target_promoter import garbage


def main() -> None:
    """Run the program."""
    garbage.put_off()
    from target_promoter.target import TargetPromoter  # noqa: PLC0415 - the SDK, of which most of a start is loading

    TargetPromoter.cli()


if __name__ == "__main__":
    main()
