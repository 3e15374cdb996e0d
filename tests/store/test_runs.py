"""What the store knows of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_promoter.store import runs
from target_promoter.store.database import open_store

if TYPE_CHECKING:
    from target_promoter.store.transaction import Transaction


def test_what_changed_in_the_settings_since_the_run_before_is_known(store_url: str) -> None:
    """By name, down to the value; a run whose settings are not known is passed over, the first has nothing to tell."""
    store = open_store(store_url, now=1.0)

    def all_runs(tx: Transaction) -> list[list[str]]:
        first = {"campaigns": {"Order Completed": {"id": 78, "delay_hours": 0.0}}, "throttle_days": 1, "dry_run": False}
        second = {"campaigns": {"Order Completed": {"id": 78, "delay_hours": 24.0}}, "dry_run": False, "paused": []}
        numbers = [
            runs.begin(tx, "sync", 1.0, first),
            runs.begin(tx, "deliver", 2.0),
            runs.begin(tx, "sync", 3.0, second),
            runs.begin(tx, "sync", 4.0, second),
        ]
        return [runs.changes(tx, number) for number in numbers]

    assert store.write(all_runs) == [
        [],
        [],
        [
            "campaigns.Order Completed.delay_hours: 0.0 became 24.0",
            "paused: not set became []",
            "throttle_days: 1 became not set",
        ],
        [],
    ]
    store.close()
