"""From a SCHEMA message and the config to the readers of a stream's records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from target_promoter.config.settings import StreamSetting
from target_promoter.errors import ConfigError
from target_promoter.records import advice
from target_promoter.records.fields import (
    PERSONAL,
    TRAITS,
    Contents,
    Integrations,
    Kind,
    Path,
    candidates,
    deletion_marks,
    flattened,
    is_loader_made,
    no_content,
    objects_of,
    reserved,
    telling_keys,
)
from target_promoter.records.readers import IdentifyReader, Layout, TrackReader
from target_promoter.records.shapes import Columns, Shape, holds_calls
from target_promoter.values.printable import Lines

_ROWS: dict[Kind, frozenset[Shape]] = {
    "identify": frozenset({"identifies", "users"}),
    "track": frozenset({"tracks", "event table"}),
}
_INTEGRATIONS: Final[tuple[Path, ...]] = (("integrations",), ("context", "integrations"))


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a stream at its SCHEMA message.

    Attributes:
        name: The stream's name.
        type: What its records are.
        setting: What the config says of it.
    """

    name: str
    type: str
    shape: Shape
    columns: Columns
    key_properties: tuple[str, ...]
    setting: StreamSetting

    def identify_reader(self) -> IdentifyReader:
        """Return the reader of its identify calls.

        Raises:
            ConfigError: The schema has no column for the user id, or lacks one that the config names.
        """
        objects = self._objects("identify")
        paths = self._paths("identify", objects)
        # An `identifies` table that only anonymous visitors filled has no column for the user id.
        if self.type == "identify" and not (self.shape == "identifies" and paths["anonymous_id"]):
            self._require(paths, "user_id")
        snapshot = self.shape != "identifies" and not self._is_calls
        layout = self._layout("identify", objects, paths)
        return IdentifyReader(layout, snapshot=snapshot, contact_lists=self.setting.contact_lists)

    def track_reader(self) -> TrackReader:
        """Return the reader of its track calls.

        Raises:
            ConfigError: The schema has no column for user id or e-mail, event or timestamp, or lacks one that the
                config names.
        """
        objects = self._objects("track")
        paths = self._paths("track", objects)
        recognized = self.shape in _ROWS["track"]
        if self.type == "track":
            if not recognized:
                self._require(paths, "user_id", "email")
            if self.setting.event is None:
                self._require(paths, "event")
            self._require(paths, "timestamp")
        layout = self._layout("track", objects, paths)
        return TrackReader(layout, event=self.setting.event, recognized=recognized)

    def require_call_type(self) -> None:
        """Refuse a segment stream whose records cannot say what they are.

        Raises:
            ConfigError: The schema has neither `type` nor `action`.
        """
        if self.columns.known is not None and not self.columns.names & {"type", "action"}:
            raise self._lacks_field("type or action", {**self.setting.as_config(), "type": "identify"})

    def _layout(self, kind: Kind, objects: tuple[Path, ...], paths: Mapping[str, tuple[Path, ...]]) -> Layout:
        contents = self._contents(kind, objects, paths)
        configured = frozenset(self.setting.fields)
        integrations = self._integrations()
        marks = deletion_marks(self.columns.known)
        return Layout(self.name, paths, configured, contents, integrations, self._keys, marks, self.call_type)

    @property
    def call_type(self) -> tuple[Path, ...]:
        """Where each record says which call it is; empty if the stream says so."""
        return self._declared((("type",), ("action",))) if self.type == "segment" else ()

    @property
    def _is_calls(self) -> bool:
        """Whether records have the inside of raw calls, also where `type` and `action` are missing."""
        return self.type == "segment" or self.shape == "raw calls" or holds_calls(self.columns.names)

    @property
    def _keys(self) -> tuple[str, ...]:
        return telling_keys(self.columns.named(name) or name for name in self.key_properties)

    def _flattened(self, *words: str) -> tuple[tuple[str, str], ...]:
        """Return the columns that flattening, or a warehouse, made of an object."""
        single = self._is_calls or (words[0] == "context" and self.shape != "plain")
        return flattened(self.columns.known or (), *words, single=single)

    def _places(self, logical: str) -> tuple[Path, ...]:
        """Return the places where the config says that a field is."""
        places: list[Path] = []
        for place in self.setting.fields.get(logical, ()):
            column = self.columns.named(place) if self.columns.known is not None else None
            path = (column,) if column is not None else self.columns.resolve(tuple(place.split(".")))
            if path is None:
                raise self._lacks_column(logical, place)
            places.append(path)
        return tuple(places)

    def _objects(self, kind: Kind) -> tuple[Path, ...]:
        """Return where the traits or properties stand as an object."""
        configured = self._places("traits" if kind == "identify" else "properties")
        return configured or self._declared(objects_of(kind))

    def _declared(self, places: Sequence[Path]) -> tuple[Path, ...]:
        """Return those of the places that the schema leaves room for."""
        return tuple(dict.fromkeys(path for place in places if (path := self.columns.resolve(place)) is not None))

    def _paths(self, kind: Kind, objects: tuple[Path, ...]) -> dict[str, tuple[Path, ...]]:
        """Return where the logical fields are in this stream; `fields` overrules the table."""
        segment = self.shape != "plain" or self._is_calls
        table = candidates(
            kind,
            users=self.shape == "users",
            segment=segment,
            call_id=self.shape in _ROWS["track"],
            keyed=not segment and bool(self._keys),
        )
        paths = {logical: self._declared(places) for logical, places in table.items()}
        people = objects if kind == "identify" else self._declared(tuple(reversed(TRAITS)))
        for field in PERSONAL if kind == "identify" else ("email",):
            paths[field] += self._spelled(field, people, own=kind == "identify")
        for logical in self.setting.fields:
            places = self._places(logical)
            if logical in paths:
                paths[logical] = places + (paths[logical] if logical == "message_id" else ())
        return {logical: tuple(dict.fromkeys(places)) for logical, places in paths.items()}

    def _spelled(self, field: str, objects: tuple[Path, ...], *, own: bool) -> tuple[Path, ...]:
        """Return where a reserved trait is, in whatever spelling: in columns, in objects, in columns made of objects.

        Args:
            own: Whether the row's own columns are its person's traits.
        """
        columns = [name for name in self.columns.known or () if own and reserved(name) == field]
        columns += [column for path in TRAITS for column, name in self._flattened(*path) if reserved(name) == field]
        inside = [(*path, name) for path in objects for name in PERSONAL[field]]
        return (*((column,) for column in columns), *(path for path in inside if self.columns.resolve(path)))

    def _require(self, paths: Mapping[str, tuple[Path, ...]], *logical: str) -> None:
        """Refuse a stream that has none of these fields."""
        if any(paths[name] for name in logical):
            return
        setting = self.setting.as_config()
        column = advice.guess_field(logical[0], self.columns.known or ())
        said = {"type": self.type, **setting}
        said["fields"] = {**cast("dict[str, object]", setting.get("fields", {})), logical[0]: column}
        raise self._lacks_field(" or ".join(logical), said)

    def _lacks_field(self, fields: str, fixed: Mapping[str, object]) -> ConfigError:
        """Return the error for a schema without a column for fields of which the type needs one."""
        told = (
            f"Stream `{self.name}` has no column for {fields}, which a stream of type {self.type} cannot do without: "
            "say in the setting `streams` which it is, such as"
        )
        return ConfigError(Lines.of([told, advice.lines(self.setting.pattern, fixed)]))

    def _lacks_column(self, field: str, column: str) -> ConfigError:
        """Return the error for a column that the config names for a field, and the schema does not have."""
        return ConfigError(
            f"Stream `{self.name}` has no column `{column}`, which the setting `streams` names for `{field}`: "
            f"name one of {', '.join(self.columns.known or ())}."
        )

    def _contents(self, kind: Kind, objects: tuple[Path, ...], paths: Mapping[str, tuple[Path, ...]]) -> Contents:
        """Return where traits or properties are: in an object, in all columns of a flat row, or in those listed."""
        listed = self.setting.traits
        allowed = None if listed is None or "*" in listed else {name.lower() for name in listed}
        warehouse = self.shape in _ROWS[kind]
        kept_back = no_content(kind, warehouse=warehouse, call_id=self.shape in _ROWS["track"])
        kept_back |= {path[0].lower() for places in paths.values() for path in places if len(path) == 1}
        made = list(self._made_columns(kind))
        columns: list[tuple[str, str]] | None = []
        inside: list[tuple[Path, str]] = []
        if self.type == "segment" or self.shape == "raw calls":
            inside = self._listed_inside(objects)
        elif allowed is not None:
            columns, inside = self._listed(objects, elsewhere=bool(objects or made))
        elif self.columns.known is None and listed is not None:
            columns = None
        elif warehouse or listed is not None:
            taken = {column for column, _ in made}
            columns = [
                (name, self.columns.as_sent(name))
                for name in self.columns.known or ()
                if name not in taken and name.lower() not in kept_back and not is_loader_made(name)
                if not (kind == "identify" and reserved(name))
                if not (warehouse and name.lower().startswith("context_"))
            ]
        if columns is not None:
            columns = [
                *((column, name) for column, name in made if allowed is None or name.lower() in allowed),
                *columns,
            ]
        return Contents(
            objects,
            None if columns is None else tuple(columns),
            tuple(inside),
            kept_back,
            None if allowed is None else frozenset(allowed),
        )

    def _made_columns(self, kind: Kind) -> Iterator[tuple[str, str]]:
        """Yield the columns that flattening, or a warehouse, made of traits or properties; what a later says stands."""
        for path in reversed(objects_of(kind)):
            for column, name in self._flattened(*path):
                if not (kind == "identify" and reserved(name)):
                    yield column, self.columns.as_sent(name)

    def _listed(
        self, objects: tuple[Path, ...], *, elsewhere: bool
    ) -> tuple[list[tuple[str, str]], list[tuple[Path, str]]]:
        """Return the columns that `traits` lists, and the places inside objects, each with the name to send.

        A name that is neither must be one in the call's object, which is `elsewhere`.
        """
        columns: list[tuple[str, str]] = []
        inside = self._listed_inside(objects)
        reached = {name for _, name in inside}
        for name in self.setting.traits or ():
            column = self.columns.named(name)
            if column is not None:
                columns.append((column, self.columns.as_sent(column)))
            elif not elsewhere and name.rpartition(".")[2] not in reached:
                raise self._lacks_column("traits", name)
        return columns, inside

    def _listed_inside(self, objects: tuple[Path, ...]) -> list[tuple[Path, str]]:
        """Return the places inside objects that `traits` lists, each with the name to send: its last."""
        found: list[tuple[Path, str]] = []
        for name in self.setting.traits or ():
            *way, last = name.split(".")
            if way and (self.columns.known is None or self.columns.named(name) is None):
                places = self._declared([(*way, last)]) or self._declared([(*path, *way, last) for path in objects])
                found += [(place, last) for place in reversed(places)]
        return found

    def _integrations(self) -> Integrations:
        """Return where the integrations object is; that of a call counts whether its schema speaks of it or not."""
        columns = tuple(column for path in _INTEGRATIONS for column in self._flattened(*path))
        undeclared = _INTEGRATIONS if self._is_calls else ()
        return Integrations(tuple(dict.fromkeys((*self._declared(_INTEGRATIONS), *undeclared))), columns)
