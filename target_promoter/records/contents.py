"""What a record holds besides its fields: its traits or properties, and the destinations it must not reach."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from target_promoter.records.fields import (
    Path,
    Personal,
    is_loader_made,
    note_personal,
    object_at,
    reserved,
    value_at,
)
from target_promoter.values.reading import from_json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DESTINATION: Final = "promoterio"
_OPENING: Final = ("{", "[")
_ALL: Final = "all"
_NO: Final = frozenset({"false", "f", "no", "n", "0"})
_NOT_IN_A_DESTINATION: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Contents:
    """Where a record's traits or properties are, and which of them may be sent to Promoter.

    Attributes:
        objects: Where they stand as an object; what the first of these says stands.
        columns: Their columns, each with the name to send; what a later one says stands. None means all but
            `kept_back`, for a schema that declares none.
        inside: Where they stand inside objects, each with the name to send.
        kept_back: What is no content where `columns` is None, in lower case.
        allowed: The names in `objects` that may be sent, in lower case; None means all.
    """

    objects: tuple[Path, ...]
    columns: tuple[tuple[str, str], ...] | None
    inside: tuple[tuple[Path, str], ...]
    kept_back: frozenset[str]
    allowed: frozenset[str] | None

    def read(self, record: Mapping[str, object], personal: Personal | None = None) -> dict[str, object]:
        """Return the traits or properties of a record by their names.

        Args:
            personal: Where to put the reserved traits among `objects`, which are fields of their own; None if
                nothing is reserved.
        """
        found: dict[str, object] = {}
        for column, name in self._columns_of(record) if self.columns is None else self.columns:
            if column in record:
                value = record[column]
                if isinstance(value, str) and value.startswith(_OPENING):
                    value = from_json_text(value)
                if value is not None or name not in found:
                    found[name] = value
        for path, name in self.inside:
            if path[0] in record:
                found[name] = value_at(record, path)
        if self.objects:
            found |= self._inner(record, personal)
        return found

    def _columns_of(self, record: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        for name in record:
            if name.lower() not in self.kept_back and not is_loader_made(name):
                yield name, name

    def _inner(self, record: Mapping[str, object], personal: Personal | None) -> dict[str, object]:
        """Return what the objects hold."""
        found: dict[str, object] = {}
        for place, path in enumerate(self.objects):
            for name, value in object_at(record, path).items():
                field = None if personal is None else reserved(name)
                if field is not None and personal is not None:
                    note_personal(personal, field, name, value, place)
                elif (self.allowed is None or name.lower() in self.allowed) and found.get(name) is None:
                    found[name] = value
        return found


@dataclass(frozen=True, slots=True)
class Integrations:
    """Where Segment's `integrations` object is, which says what destinations a call must not reach.

    Attributes:
        objects: Where it stands.
        columns: The columns that flattening made of it, each with its name in the object.
    """

    objects: tuple[Path, ...]
    columns: tuple[tuple[str, str], ...]

    def block(self, record: Mapping[str, object]) -> bool:
        """Return whether they keep a record from Promoter.io."""
        for path in self.objects:
            if record.get(path[0]) is not None:
                rules = object_at(record, path)
                if rules and _forbid(rules):
                    return True
        return bool(self.columns) and _forbid({name: record.get(column) for column, name in self.columns})


def _forbid(rules: Mapping[str, object]) -> bool:
    """Return whether a call must not reach Promoter.io: by its own rule, or without one by the rule for all."""
    said_of = {_destination(name): value for name, value in rules.items() if value is not None}
    rule = said_of.get(_DESTINATION, said_of.get(_ALL))
    if isinstance(rule, str):
        return rule.strip().lower() in _NO
    return rule is not None and not rule and not isinstance(rule, (dict, list))


@lru_cache(maxsize=1024)
def _destination(name: str) -> str:
    """Return the name of a destination as it is compared: a warehouse's columns have no capitals and no points."""
    return _NOT_IN_A_DESTINATION.sub("", name.lower())
