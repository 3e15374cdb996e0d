"""The SDK's inline stream maps and flattening, whose failures are told in a sentence without what a record holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import SingerSDKError
from singer_sdk.mapper import DefaultStreamMap, PluginMapper, RemoveRecordTransform, SameRecordTransform
from typing_extensions import override

from target_promoter.errors import ConfigError, InputError
from target_promoter.records.replay import REPLAYED

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence


class Mapper(PluginMapper):
    """Applies `stream_maps` and flattening.

    An expression may fail with any of Python's errors, and the words of those often show the value.

    Args:
        logger: Where the SDK tells what it found in it.

    Raises:
        ConfigError: `stream_maps` cannot be used.
    """

    def __init__(self, plugin_config: Mapping[str, Any], logger: logging.Logger) -> None:
        given = {name: value for name, value in plugin_config.items() if value is not None}
        try:
            super().__init__(given, logger)
        except Exception as error:
            raise ConfigError.in_stream_maps(_words(error)) from error

    @override
    def register_raw_stream_schema(
        self, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        """Prepare the maps of a stream, at its SCHEMA.

        Raises:
            ConfigError: Its stream map cannot be applied.
        """
        if REPLAYED in schema["properties"]:
            # Such records were mapped before they were rejected.
            self.stream_maps[stream_name] = [
                SameRecordTransform(stream_name, schema, key_properties, flattening_options=None)
            ]
            return
        try:
            super().register_raw_stream_schema(stream_name, schema, key_properties)
        except Exception as error:
            raise ConfigError.in_stream_maps(_words(error), stream_name) from error
        for stream_map in self.stream_maps[stream_name]:
            if isinstance(stream_map, DefaultStreamMap) and not stream_map.flattening_enabled:
                continue  # It does nothing that could fail.
            stream_map.transform = _guarded(stream_name, stream_map.transform)  # type: ignore[method-assign, assignment]

    def removes(self, stream_name: str) -> bool:
        """Return whether a stream map removes every record of a stream."""
        maps = [one for maps in self.stream_maps.values() for one in maps if one.stream_alias == stream_name]
        return bool(maps) and all(isinstance(one, RemoveRecordTransform) for one in maps)


def _guarded(
    stream: str, transform: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    def guarded(record: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return transform(record)
        except Exception as error:
            raise InputError.in_stream_map(stream, _words(error)) from error

    return guarded


def _words(error: Exception) -> str:
    """Return what failed; the SDK's own errors show expressions, all others may show values."""
    return " ".join(str(error).split()).rstrip(".") if isinstance(error, SingerSDKError) else type(error).__name__
