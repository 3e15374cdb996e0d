"""The forms of Singer messages that the SDK takes on trust, and fails on with a traceback."""

from __future__ import annotations

from typing import Any, NoReturn

from target_promoter.errors import InputError


def refuse(kind: str, key: str, wanted: str) -> NoReturn:
    """Refuse a message.

    Raises:
        InputError: Always.
    """
    raise InputError.malformed(kind, key, wanted)


def check_schema(message: dict[str, Any]) -> None:
    """Refuse a SCHEMA message that is out of form, and mend what may be missing.

    Args:
        message: The message; a schema without `properties` is given none, since the SDK cannot do without.

    Raises:
        InputError: Its stream, schema or key properties are none.
    """
    if not (isinstance(message["stream"], str) and message["stream"].isprintable()):
        refuse("SCHEMA", "stream", "a printable text")
    schema, keys = message["schema"], message.get("key_properties")
    if not isinstance(schema, dict):
        refuse("SCHEMA", "schema", "an object")
    if not isinstance(schema.setdefault("properties", {}), dict):
        refuse("SCHEMA", "properties", "an object")
    if keys is not None and not (
        isinstance(keys, list) and all(isinstance(key, str) and key.isprintable() for key in keys)
    ):
        refuse("SCHEMA", "key_properties", "a list of printable names")


def check_record(message: dict[str, Any]) -> None:
    """Refuse a RECORD message that is out of form; what it lacks altogether the SDK sees.

    Raises:
        InputError: Its stream is no name, or its record no object.
    """
    if not isinstance(message.get("record", {}), dict):
        refuse("RECORD", "record", "an object")
    stream = message.get("stream", "")
    if not (isinstance(stream, str) and stream.isprintable()):
        refuse("RECORD", "stream", "a printable text")
