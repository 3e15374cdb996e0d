"""Runs the program: `target-promoter`, or `python -m target_promoter`."""

from __future__ import annotations

from target_promoter import garbage


def main() -> None:
    """Run the program."""
    garbage.put_off()
    from target_promoter.target import TargetPromoter  # noqa: PLC0415 - loading the SDK is most of a start

    TargetPromoter.cli()


if __name__ == "__main__":
    main()
