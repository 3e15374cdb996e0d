"""How long a survey may be due before it is too late to send it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_promoter.config.settings import Settings


def oldest_due(settings: Settings, now: float, created_at: float) -> float:
    """Return the time before which a survey must not have been due, in epoch seconds.

    A store that was lost knows nothing of what it sent. What was due before the store was created is sent only while
    Promoter's own throttle would refuse a second survey, an hour less for safety.
    """
    within_throttle = now - (settings.throttle_days * 24 - 1) * 3600
    return max(now - settings.max_event_age_hours * 3600, min(created_at, within_throttle))
