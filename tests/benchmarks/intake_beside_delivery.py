"""The target that ends when its input is taken in, to measure what delivery beside it costs."""

from __future__ import annotations

from typing_extensions import override

from target_promoter import run
from target_promoter.delivery import delivery
from target_promoter.target import TargetPromoter


class _Beside(delivery.Delivery):
    """Delivers until intake has ended, and leaves the rest to another run."""

    @override
    def finish(self) -> None:
        self.stop()


if __name__ == "__main__":
    run.Delivery = _Beside  # type: ignore[attr-defined] # what a run delivers with
    TargetPromoter.cli()
