"""What a record holds besides its fields: its traits or properties, and the destinations it must not reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from target_promoter.records.fields import Path, value_at
from target_promoter.values.reading import as_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_DESTINATION: Final = "promoter.io"


@dataclass(frozen=True, slots=True)
class Contents:
    """Where a record's traits or properties are, and which of them may leave the house.

    Attributes:
        objects: Where the object stands.
        flattened: The columns that flattening made of it, each with its name in the object.
        columns: The columns of a flat row; None means all but `kept_back`, for a schema that declares none.
        kept_back: What is no content where `columns` is None.
        allowed: The names that may leave; None means all.
    """

    objects: tuple[Path, ...]
    flattened: tuple[tuple[str, str], ...]
    columns: tuple[str, ...] | None
    kept_back: frozenset[str]
    allowed: frozenset[str] | None

    def read(self, record: Mapping[str, object], drop: frozenset[str] = frozenset()) -> dict[str, object]:
        """Return the traits or properties of a record by their names.

        Args:
            drop: Names that are fields of their own when they stand in the object.
        """
        names = self.columns
        if names is None:
            names = tuple(name for name in record if name not in self.kept_back and not name.startswith("_sdc_"))
        found = {name: record[name] for name in names if name in record}
        if self.objects or self.flattened:
            inner: dict[str, object] = {}
            for path in self.objects:
                inner.update(as_object(value_at(record, path)))
            inner.update((name, record[column]) for column, name in self.flattened if column in record)
            found.update(
                (name, value)
                for name, value in inner.items()
                if name not in drop and (self.allowed is None or name in self.allowed)
            )
        return found


@dataclass(frozen=True, slots=True)
class Integrations:
    """Where Segment's `integrations` object is, which says what destinations a call must not reach.

    Attributes:
        flattened: The columns that flattening made of it, each with its name in the object.
    """

    flattened: tuple[tuple[str, str], ...]

    def block(self, record: Mapping[str, object]) -> bool:
        """Return whether they keep a record from Promoter.io."""
        rules = record.get("integrations")
        context = record.get("context")
        if rules is None and context is None and not self.flattened:
            return False
        return (
            _forbid(as_object(rules))
            or _forbid(as_object(as_object(context).get("integrations")))
            or _forbid({name: record.get(column) for column, name in self.flattened})
        )


def _forbid(rules: Mapping[str, object]) -> bool:
    """Return whether a call must not reach Promoter.io: by its own rule, or without one by the rule for all."""
    said_of = {name.lower(): value for name, value in rules.items() if value is not None}
    rule = said_of.get(_DESTINATION, said_of.get("all"))
    return rule is False or (isinstance(rule, str) and rule.strip().lower() == "false")
