"""Validating records against their schema, without fetching anything and without showing what they hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NoReturn

import jsonschema_rs
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from typing_extensions import override

_Kind = jsonschema_rs.ValidationErrorKind
# First as `$schema` says; then whatever that is; then `exclusiveMaximum: true`, which draft 4 alone knows.
_DRAFTS: Final[tuple[Any, ...]] = (
    jsonschema_rs.validator_for,
    jsonschema_rs.Draft202012Validator,
    jsonschema_rs.Draft4Validator,
)


class Validator(BaseJSONSchemaValidator):
    """Validates the columns of a record that are read; the others may hold anything.

    Raises `InvalidJSONSchema` for what is no JSON schema, or refers to another document.
    """

    def __init__(self, schema: dict[str, Any], columns: frozenset[str] | None = None) -> None:
        """Compile a schema; `columns` are those that are read, None if any may be."""
        super().__init__(schema)
        # A column that is required and not even declared may be what the tap forgot to send.
        undeclared = set(schema.get("required") or ()) - set(schema.get("properties") or ())
        self._columns = None if columns is None else columns | undeclared
        self._validator = _compiled(schema)

    @override
    def validate(self, record: dict[str, Any]) -> None:
        """Check a record; the `InvalidRecord` names the column and the rule, and shows no value."""
        try:
            if self._validator.is_valid(record):
                return
            misfit = next((error for error in self._validator.iter_errors(record) if self._counts(error)), None)
        except Exception:  # noqa: BLE001 - half a surrogate pair, an endless number, a value nested too deep
            message = "does not fit its schema: it holds a value that no validator can read"
            raise InvalidRecord(message, {}) from None
        if misfit is not None:
            column = ".".join(map(str, misfit.instance_path)) or "the record"
            message = f"does not fit its schema: `{column}` breaks the rule `{misfit.kind.name}`"
            raise InvalidRecord(message, {})

    def _counts(self, error: jsonschema_rs.ValidationError) -> bool:
        """Return whether a misfit is one of what is read."""
        kind = error.kind
        if isinstance(kind, (_Kind.AnyOf, _Kind.OneOfNotValid)):
            return all(any(map(self._counts, errors)) for errors in kind.context)
        return not _is_strict(error) and (self._columns is None or self._touches(error, self._columns))

    @staticmethod
    def _touches(error: jsonschema_rs.ValidationError, columns: frozenset[str]) -> bool:
        kind = error.kind
        if error.instance_path:
            return error.instance_path[0] in columns
        if isinstance(kind, (_Kind.AdditionalProperties, _Kind.UnevaluatedProperties)):
            return not columns.isdisjoint(kind.unexpected)
        return kind.property in columns if isinstance(kind, _Kind.Required) else True


def _is_strict(error: jsonschema_rs.ValidationError) -> bool:
    """Return whether a misfit is none to a tap: `oneOf` of integer and number; to draft 4 `7.0` is no integer."""
    kind, value = error.kind, error.instance
    if isinstance(kind, _Kind.Type):
        return "integer" in kind.types and isinstance(value, (float, Decimal)) and value % 1 == 0
    return isinstance(kind, _Kind.OneOfMultipleValid)


def _compiled(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    problem: Exception | None = None
    for draft in _DRAFTS:
        try:
            compiled: jsonschema_rs.Validator = draft(schema, retriever=_refuse, validate_formats=False)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it
            problem = error
        else:
            return compiled
    message = "A stream's schema is not a usable JSON schema: see its SCHEMA message."
    raise InvalidJSONSchema(message) from problem


def _refuse(uri: str) -> NoReturn:
    message = f"reference to {uri}"
    raise ValueError(message)
