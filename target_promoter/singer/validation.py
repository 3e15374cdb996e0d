"""Validating records against their schema, with a compiled validator and without showing what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import fastjsonschema
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from typing_extensions import override

_SCHEMES: Final = ("", "http", "https", "ftp", "file")
_SAY_NOTHING: Final = {"$schema", "title", "description", "default", "examples", "format"}
_OF_RECORDS: Final = {*_SAY_NOTHING, "type", "properties", "required", "additionalProperties"}
_OF_COLUMNS: Final = {*_SAY_NOTHING, "type"}
_MOST_FORMS: Final = 1000
"""How many forms of fitting records are kept in mind: a tap may leave out other columns in each."""


class CompiledValidator(BaseJSONSchemaValidator):
    """A JSON schema compiled to Python code, some twenty times faster than the SDK's own validator.

    Most schemas ask for nothing but types. Then a record that has the same columns as one that fits, with values of the
    same types, does fit as well, and is not looked at any further.

    Args:
        schema: The JSON schema, of draft 4 or later.

    Raises:
        InvalidJSONSchema: It is no JSON schema, or refers to another document.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        try:
            self._validate = fastjsonschema.compile(
                normalized(schema), handlers=dict.fromkeys(_SCHEMES, _refuse), use_default=False, use_formats=False
            )
        except Exception as error:
            message = "A stream's schema is no JSON schema that can be used: see its SCHEMA message."
            raise InvalidJSONSchema(message) from error
        self._asks_for_types = _asks_for_types(schema)
        self._fitting: set[tuple[object, ...]] = set()

    @override
    def validate(self, record: dict[str, Any]) -> None:
        """Check a record.

        Raises:
            InvalidRecord: It does not fit; the message names the field and shows no value.
        """
        form = (*record, *map(type, record.values()))
        if form in self._fitting:
            return
        try:
            self._validate(record)
        except fastjsonschema.JsonSchemaValueException as error:
            field = ".".join(str(part) for part in error.path[1:]) or "the record"
            message = f"does not fit its schema: `{field}` breaks the rule `{error.rule}`"
            raise InvalidRecord(message, {}) from None
        if self._asks_for_types and len(self._fitting) < _MOST_FORMS:
            self._fitting.add(form)


def _asks_for_types(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema asks for columns and the types of their values, and for nothing else."""
    columns = schema.get("properties")
    return (
        schema.keys() <= _OF_RECORDS
        and isinstance(schema.get("additionalProperties", True), bool)
        and isinstance(columns, Mapping)
        and all(isinstance(column, Mapping) and column.keys() <= _OF_COLUMNS for column in columns.values())
    )


def normalized(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a schema without what taps write in the manner of draft 4, and what decimal numbers cannot be held to.

    Draft 4's `exclusiveMaximum: true` belongs to `maximum`; later drafts have a number there. `multipleOf: 0.01` (as
    pipelinewise taps describe `numeric(10,2)`) fails for binary fractions that are right. Of `oneOf` more than one may
    fit, since an integer is let through as any number.

    Args:
        schema: A schema, or a part of one.
    """
    if isinstance(schema, list):
        return [normalized(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get("type") == "integer" or (isinstance(schema.get("type"), list) and "integer" in schema["type"]):
        # The reader makes a Decimal of `7.0`, which is an integer to JSON schema and none to the validator.
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema = {**schema, "type": [*types, "number"]}
    known = {key: value for key, value in schema.items() if key not in {"$schema", "multipleOf", "$id", "id"}}
    for exclusive, bound in (("exclusiveMaximum", "maximum"), ("exclusiveMinimum", "minimum")):
        if isinstance(known.get(exclusive), bool) and known.pop(exclusive) and bound in known:
            known[exclusive] = known.pop(bound)
    if "oneOf" in known and "anyOf" not in known:
        known["anyOf"] = known.pop("oneOf")
    return {
        # The names of columns are no keywords.
        key: {name: normalized(part) for name, part in value.items()}
        if key in {"properties", "patternProperties", "$defs", "definitions"} and isinstance(value, Mapping)
        else (value if key in {"enum", "const", "default", "examples", "type", "required"} else normalized(value))
        for key, value in known.items()
    }


def _refuse(uri: str) -> NoReturn:
    message = f"reference to {uri}"
    raise ValueError(message)
