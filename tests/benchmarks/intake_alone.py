"""The target without its delivery, to measure how fast records are taken into the store."""

from __future__ import annotations

from typing_extensions import override

from target_promoter import run
from target_promoter.delivery import delivery
from target_promoter.target import TargetPromoter


class _NoDelivery(delivery.Delivery):
    """Delivers nothing."""

    @override
    def start(self) -> None:
        """Start nothing."""

    @override
    def join(self, seconds: float | None = None) -> bool:
        return True


if __name__ == "__main__":
    # What a run delivers with; of older versions, what it loads when it delivers.
    run.Delivery = delivery.Delivery = _NoDelivery  # type: ignore[attr-defined, misc]
    TargetPromoter.cli()
