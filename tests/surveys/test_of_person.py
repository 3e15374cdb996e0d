"""The surveys of one person are found by their own indexes, however many others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from target_promoter.intake.identifiers import identifiers_of
from target_promoter.surveys import surveys
from tests import month
from tests.house import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.store.transaction import Transaction


@pytest.mark.parametrize("whom", ["user-3", "p3@example.com"])
def test_to_forget_or_cancel_for_one_person_looks_at_no_others_that_wait(tmp_path: Path, whom: str) -> None:
    """Of several conditions SQLite would take the status, and read all that wait while nobody else can write."""
    store = month.fill(f"sqlite:///{tmp_path / 'store.db'}", NOW)
    asked: list[tuple[str, Any]] = []
    event.listen(
        store._engine,
        "before_cursor_execute",
        lambda _, __, statement, parameters, *___: asked.append((statement, parameters)),
    )

    def ask(tx: Transaction) -> None:
        named = identifiers_of(tx, whom)
        surveys.cancel_waiting(tx, "Order Completed", surveys.of_identifiers(named), NOW)
        assert surveys.forget(tx, named, NOW)[0] > 0

    store.write(ask)
    statements = [one for one in asked if "surveys" in one[0]]
    assert len(statements) > 5
    with store._engine.connect() as connection:
        for statement, parameters in statements:
            one = parameters[0] if isinstance(parameters, list) else parameters
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", one).all():
                assert "INDEX surveys_status" not in step[3], statement
                assert not step[3].startswith("SCAN surveys"), statement
    store.close()
