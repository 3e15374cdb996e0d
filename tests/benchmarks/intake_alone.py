"""The target without its delivery, to measure how fast records are taken into the store."""

from __future__ import annotations

from typing_extensions import override

from target_promoter import run
from target_promoter.delivery.delivery import Delivery
from target_promoter.target import TargetPromoter


class _NoDelivery(Delivery):
    """Delivers nothing."""

    @override
    def start(self) -> None:
        """Start nothing."""

    @override
    def join(self, seconds: float | None = None) -> bool:
        return True


if __name__ == "__main__":
    run.Delivery = _NoDelivery  # type: ignore[attr-defined] # what a run delivers with
    TargetPromoter.cli()
