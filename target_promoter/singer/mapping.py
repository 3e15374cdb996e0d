"""The SDK's inline stream maps and flattening: what they make is taken as it is, and no record is lost by them."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any, Final

from singer_sdk.exceptions import SingerSDKError
from singer_sdk.helpers._flattening import FlatteningOptions
from singer_sdk.mapper import CustomStreamMap, PluginMapper, RemoveRecordTransform, SameRecordTransform, StreamMap
from typing_extensions import override

from target_promoter.errors import ConfigError
from target_promoter.records.calls import REPLAYED, Replay
from target_promoter.records.shapes import Columns, columns, holds_calls
from target_promoter.singer.validation import Validator
from target_promoter.store.encoding import encode
from target_promoter.values.printable import without

_FILTER: Final = "__filter__"
_MOST_SCHEMAS: Final = 20
PLAIN_SCHEMA: Final = frozenset({"$schema", "type", "properties", "required", "additionalProperties"})
"""The keywords of a schema whose columns stand in its properties and nowhere else."""

_ANY_VALUE: Final = {"type": ["null", "boolean", "number", "string"]}
"""Of a column that flattening does not split; it makes text of the objects and lists in it."""


class UnmappedRecord(dict[str, Any]):
    """A record as the tap sent it, on which its stream map fails."""

    def __init__(self, record: Mapping[str, Any], problem: str) -> None:
        super().__init__(record)
        self.problem = problem


class _ExpressionError(Exception):
    """An expression fails on a record."""


class Mapper(PluginMapper):
    """Applies `stream_maps` and flattening.

    `replays` says of each stream that is replayed in which form it is; `sources` holds the SCHEMA message of the tap of
    each stream that is mapped, `made_by` the maps that the config has for each stream. `mark` returns the store's mark
    of a text. Raises `ConfigError` for maps that cannot be used.
    """

    def __init__(
        self, plugin_config: Mapping[str, Any], logger: logging.Logger, mark: Callable[[str], str] = lambda _: ""
    ) -> None:
        self.replays: dict[str, Replay] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        self.made_by: dict[str, dict[str, Any]] = {}
        self._mark = mark
        self._key = str(plugin_config.get("api_key") or "").strip()
        self._seen: dict[str, list[dict[str, Any]]] = {}
        self._registered: dict[str, list[StreamMap]] = {}
        given = {name: value for name, value in plugin_config.items() if value is not None}
        try:
            super().__init__(given, logger)
        except Exception as error:
            raise self._refusal(error) from error

    @override
    def register_raw_stream_schema(
        self, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        """Prepare the maps of a stream, at its SCHEMA.

        Raises:
            ConfigError: Its stream map cannot be applied.
        """
        text = encode([stream_name, schema, key_properties])
        if text in self._registered and REPLAYED not in schema["properties"]:
            self.stream_maps[stream_name] = self._registered[text]
            for stream_map in self.stream_maps[stream_name]:
                self.replays.pop(stream_map.stream_alias, None)
            return
        # A column that any tap may send says nothing: replayed records are known by the store's mark of their stream.
        sent = copy.deepcopy(schema)
        said = schema["properties"].pop(REPLAYED, None)
        mark = said.get("description") if isinstance(said, Mapping) else None
        for replay in (Replay.MAPPED, Replay.REFUSED):
            if mark and mark == self._mark(replay.text(stream_name)):
                same = SameRecordTransform(stream_name, schema, key_properties, flattening_options=None)
                self.stream_maps[stream_name] = [same]
                self.replays[stream_name] = replay
                break
        else:
            self._register(stream_name, schema, key_properties)
            self._keep_unmapped(stream_name, mark)
        for stream_map in self.stream_maps[stream_name]:
            # The SDK changes it in place, and would take the same SCHEMA for another one when it comes again.
            stream_map.raw_schema = sent
        if len(self._registered) >= _MOST_SCHEMAS:
            self._registered.clear()
        self._registered[text] = self.stream_maps[stream_name]

    def _register(self, stream: str, schema: dict[str, Any], keys: Sequence[str] | None) -> None:
        options = self.flattening_options
        source = {"stream": stream, "schema": copy.deepcopy(schema), "key_properties": list(keys or ())}
        self.stream_maps.pop(stream, None)
        try:
            if options.enabled:
                Validator(schema)  # A reference that leaves the document is lost by flattening.
                schema = _flattenable(schema, options.max_level)
                if holds_calls(Columns(schema).names):
                    # What stands inside of calls is found whatever separator is made for the rest.
                    self.flattening_options = FlatteningOptions(enabled=True, max_level=options.max_level)
            super().register_raw_stream_schema(stream, schema, keys)
        except Exception as error:
            raise self._refusal(error, stream) from error
        finally:
            self.flattening_options = options
        maps = self._maps_of(stream)
        mapped = {column for one in maps.values() if isinstance(one, Mapping) for column in one}
        for stream_map in self.stream_maps[stream]:
            alias = stream_map.stream_alias
            self.replays.pop(alias, None)
            self.sources.pop(alias, None)
            self.made_by[alias] = maps
            made = stream_map.transformed_schema["properties"]
            made.update({column: {} for column in mapped if column in made})
            if isinstance(stream_map, CustomStreamMap) or stream_map.flattening_enabled:
                self.sources[alias] = source
                _guard(stream_map)

    def _refusal(self, error: Exception, stream: str | None = None) -> ConfigError:
        """Return the error for what failed; the SDK's own errors show expressions, all others may show values."""
        words = " ".join(str(error).split()).rstrip(".") if isinstance(error, SingerSDKError) else type(error).__name__
        where = "" if stream is None else f" to stream `{stream}`"
        return ConfigError(
            f"Setting `stream_maps` cannot be applied{where} ({without(words, self._key)}): "
            "fix the map, or the flattening beside it."
        )

    def _keep_unmapped(self, stream: str, mark: str | None) -> None:
        """Have replayed records that were not mapped go through the one map that failed on them."""
        for stream_map in self.stream_maps[stream]:
            if mark and mark == self._mark(Replay.UNMAPPED.text(stream_map.stream_alias)):
                self.stream_maps[stream] = [stream_map]
                self.replays[stream_map.stream_alias] = Replay.UNMAPPED

    def _maps_of(self, stream: str) -> dict[str, Any]:
        """Return the maps that the config has for a stream of the tap, by their names there."""
        return {
            name: one
            for name, one in self.stream_maps_dict.items()
            if fnmatch(stream, one.get("__source__", name) if isinstance(one, Mapping) else name)
        }

    def widened(self, stream: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a stream; one that comes again, after others, with the columns of them all."""
        seen = self._seen.setdefault(stream, [])
        if schema not in seen:
            seen.append(copy.deepcopy(schema))
            del seen[:-_MOST_SCHEMAS]
            return schema
        if not all(one.keys() <= PLAIN_SCHEMA for one in seen):
            return schema
        made: dict[str, Any] = {}
        for name, of in (item for one in seen for item in one["properties"].items()):
            made[name] = of if made.get(name, of) == of else {}
        return {"type": "object", "properties": made}

    def removes(self, stream_name: str) -> bool:
        """Return whether a stream map removes every record of a stream."""
        maps = [one for maps in self.stream_maps.values() for one in maps if one.stream_alias == stream_name]
        return bool(maps) and all(isinstance(one, RemoveRecordTransform) for one in maps)


def _guard(stream_map: StreamMap) -> None:
    """Have a map return an `UnmappedRecord` where it fails; an expression may fail with any of Python's errors."""
    transform = stream_map.transform
    if isinstance(stream_map, CustomStreamMap):
        evaluate = stream_map._eval  # noqa: SLF001 - who calls it does not say for which column

        def evaluated(*, property_name: str | None, **given: Any) -> object:  # noqa: ANN401 - the SDK's own
            try:
                return evaluate(property_name=property_name, **given)
            except Exception as error:  # noqa: BLE001
                # The words of most errors show a value, and those of the SDK's the expression.
                reason = type(error.__cause__ or error).__name__
                message = f"the expression of `{property_name or _FILTER}` fails ({reason})"
                raise _ExpressionError(message) from None

        stream_map._eval = evaluated  # type: ignore[method-assign, assignment] # noqa: SLF001

    def guarded(record: dict[str, Any]) -> dict[str, Any] | None:
        try:
            made = transform(record)
        except Exception as error:  # noqa: BLE001 - as above
            words = str(error) if isinstance(error, _ExpressionError) else f"flattening fails ({type(error).__name__})"
            return UnmappedRecord(record, f"stream map `{stream_map.stream_alias}`: {words}")
        if made is not None and REPLAYED in record:
            made[REPLAYED] = record[REPLAYED]
        return made

    stream_map.transform = guarded  # type: ignore[method-assign]


def _flattenable(schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Return a schema whose objects, however they are declared, the SDK splits in the same way as those of records."""
    shared = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    made = {name: _column(one, shared, depth) for name, one in (columns(schema) or {}).items()}
    required = [name for name in schema.get("required") or () if "properties" not in made.get(name, {})]
    return {"type": "object", "properties": made, "required": required}


def _column(declared: object, shared: Mapping[str, object], depth: int) -> dict[str, Any]:
    if not isinstance(declared, Mapping):
        return dict(_ANY_VALUE)
    inner = columns({**shared, **declared})
    if inner and depth:
        made = {name: _column(one, shared, depth - 1) for name, one in inner.items()}
        return {"type": ["null", "object"], "properties": made}
    types = declared.get("type") or ()
    known = {types} if isinstance(types, str) else {*types}
    return dict(_ANY_VALUE) if not known or known & {"object", "array"} else dict(declared)
