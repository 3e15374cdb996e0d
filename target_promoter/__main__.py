"""Runs the program: `python -m target_promoter`."""

from __future__ import annotations

from target_promoter.target import TargetPromoter

if __name__ == "__main__":
    TargetPromoter.cli()
