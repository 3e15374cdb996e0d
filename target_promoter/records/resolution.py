"""From a SCHEMA message and the config to the readers of a stream's records."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, cast

from target_promoter.records import advice
from target_promoter.records.contents import Contents, Integrations
from target_promoter.records.fields import PERSONAL, Kind, Path, candidates, columns_with, no_content
from target_promoter.records.readers import IdentifyReader, TrackReader, telling_keys
from target_promoter.records.refusals import MissingColumnError, MissingFieldError
from target_promoter.records.shapes import Shape, declares, holds_calls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_promoter.config.settings import StreamSetting

_ROWS: dict[Kind, frozenset[Shape]] = {
    "identify": frozenset({"identifies", "users"}),
    "track": frozenset({"tracks", "event table"}),
}


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a stream at its SCHEMA message.

    Attributes:
        name: The stream's name.
        type: What its records are.
        shape: Its shape.
        schema: Its JSON schema.
        known: Its columns; None if the schema declares none, and any may come.
        keys: Its key properties.
        setting: What the config says of it.
    """

    name: str
    type: str
    shape: Shape
    schema: Mapping[str, object]
    known: Mapping[str, object] | None
    keys: tuple[str, ...]
    setting: StreamSetting

    def identify_reader(self) -> IdentifyReader:
        """Return the reader of its identify calls.

        Raises:
            ConfigError: The schema has no column for the user id, or lacks one that the config names.
        """
        paths = self._paths("identify")
        if self.type == "identify":
            self._require(paths, "user_id")
        contents = self._contents("identify", paths["traits"])
        snapshot = self.shape != "identifies" and not self._is_calls
        lists = self.setting.contact_lists
        integrations = self._integrations()
        return IdentifyReader(self.name, paths, contents, integrations, snapshot=snapshot, contact_lists=lists)

    def track_reader(self) -> TrackReader:
        """Return the reader of its track calls.

        Raises:
            ConfigError: The schema has no column for user id or e-mail, event or timestamp, or lacks one that the
                config names.
        """
        paths = self._paths("track")
        if self.type == "track":
            self._require(paths, "user_id", "email")
            if self.setting.event is None:
                self._require(paths, "event")
            self._require(paths, "timestamp")
        contents = self._contents("track", paths["properties"])
        keys = telling_keys(self.keys)
        event = self.setting.event
        return TrackReader(self.name, paths, contents, self._integrations(), event=event, keys=keys)

    def require_call_type(self) -> None:
        """Refuse a segment stream whose records cannot say what they are.

        Raises:
            ConfigError: The schema has neither `type` nor `action`.
        """
        if self.known is not None and not self.known.keys() & {"type", "action"}:
            lines = advice.lines(self.setting.pattern, {**self.setting.as_config(), "type": "identify"})
            raise MissingFieldError(self.name, self.type, "type or action", lines)

    @property
    def _is_calls(self) -> bool:
        """Whether records have the inside of raw calls, also where `type` and `action` are missing."""
        return self.type == "segment" or self.shape == "raw calls" or holds_calls(self.known)

    def _paths(self, kind: Kind) -> dict[str, tuple[Path, ...]]:
        """Return where the logical fields are in this stream; `fields` overrules the table."""
        table = candidates(
            kind,
            users=self.shape == "users",
            segment=self.shape != "plain" or self._is_calls,
            call_id=self.shape in _ROWS["track"],
        )
        paths = {
            logical: tuple(path for path in places if declares(self.schema, self.known, path))
            for logical, places in table.items()
        }
        for logical, places in self.setting.fields.items():
            own_paths = []
            for own in places:
                path = (own,) if self.known is not None and own in self.known else tuple(own.split("."))
                if not declares(self.schema, self.known, path):
                    raise MissingColumnError(self.name, logical, own, self.known or ())
                own_paths.append(path)
            if logical in paths:
                paths[logical] = tuple(own_paths)
        return paths

    def _require(self, paths: Mapping[str, tuple[Path, ...]], *logical: str) -> None:
        """Refuse a stream that has none of these fields."""
        if any(paths[name] for name in logical):
            return
        setting = self.setting.as_config()
        column = advice.guess_field(logical[0], self.known or ())
        said = {"type": self.type, **setting}
        said["fields"] = {**cast("dict[str, object]", setting.get("fields", {})), logical[0]: column}
        lines = advice.lines(self.setting.pattern, said)
        raise MissingFieldError(self.name, self.type, " or ".join(logical), lines)

    def _contents(self, kind: Kind, objects: tuple[Path, ...]) -> Contents:
        """Return where traits or properties are: in an object, in all columns of a flat row, or in those listed."""
        listed = self.setting.traits
        allowed = None if listed is None or "*" in listed else frozenset(listed)
        warehouse = self.shape in _ROWS[kind]
        kept_back = no_content(kind, warehouse=warehouse) | set(chain.from_iterable(self.setting.fields.values()))
        prefix = "traits__" if kind == "identify" else "properties__"
        flattened = columns_with((prefix,), self.known or ())
        columns: tuple[str, ...] | None = ()
        if self.type == "segment" or self.shape == "raw calls":
            pass
        elif allowed is not None:
            columns = self._listed_columns(allowed, elsewhere=bool(objects or flattened))
        elif self.known is None and listed is not None:
            columns = None
        elif warehouse or listed is not None:
            inner = {column for column, _ in flattened}
            columns = tuple(
                name
                for name in self.known or ()
                if name not in kept_back | inner
                and not name.startswith(("context_", "_sdc_") if warehouse else "_sdc_")
            )
        if kind == "identify":
            flattened = tuple((column, name) for column, name in flattened if name not in PERSONAL)
        return Contents(objects, flattened, columns, kept_back, allowed)

    def _listed_columns(self, listed: frozenset[str], *, elsewhere: bool) -> tuple[str, ...]:
        """Return the columns that `traits` lists; a name that is no column must be one in the call's object."""
        if self.known is None:
            return tuple(sorted(listed))
        unknown = sorted(listed - self.known.keys())
        if unknown and not elsewhere:
            raise MissingColumnError(self.name, "traits", unknown[0], self.known)
        return tuple(name for name in self.known if name in listed)

    def _integrations(self) -> Integrations:
        """Return where the integrations object is."""
        prefixes = ("integrations__", "context__integrations__", "context_integrations_")
        return Integrations(columns_with(prefixes, self.known or ()))
