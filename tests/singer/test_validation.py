"""Validating records against the schema of their stream."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import fastjsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from singer_sdk.exceptions import InvalidRecord

from target_promoter.singer.validation import CompiledValidator, normalized

_TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
_RULES: dict[str, Any] = {
    "enum": [1, "a", None],
    "maximum": 2,
    "maxLength": 1,
    "properties": {"b": {"type": "string"}},
    "items": {"type": "string"},
}
_COLUMNS = st.fixed_dictionaries(
    {},
    optional={"type": _TYPES | st.lists(_TYPES, min_size=1, unique=True)} | {k: st.just(v) for k, v in _RULES.items()},
)
_SCHEMAS = st.fixed_dictionaries(
    {"properties": st.dictionaries(st.sampled_from("ab"), _COLUMNS)},
    optional={
        "required": st.just(["a"]),
        "additionalProperties": st.booleans() | st.just({"type": "string", "maxLength": 1}),
        "minProperties": st.just(2),
    },
)
_VALUES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from([1.5, Decimal("1.5"), Decimal(2), "a", "ab"])
_RECORDS = st.fixed_dictionaries({"a": st.integers(0, 3)}) | st.dictionaries(
    st.sampled_from("abc"),
    _VALUES | st.lists(_VALUES, max_size=2) | st.dictionaries(st.sampled_from("ab"), _VALUES, max_size=2),
)


def fits(validator: CompiledValidator, record: dict[str, Any]) -> bool:
    """Return whether a validator lets a record through."""
    try:
        validator.validate(record)
    except InvalidRecord:
        return False
    return True


@given(schema=_SCHEMAS, records=st.lists(_RECORDS, min_size=4, max_size=8))
def test_a_record_is_judged_alike_whatever_came_before_it(
    schema: dict[str, Any], records: list[dict[str, Any]]
) -> None:
    """What is remembered of records that fit lets through none that the compiled schema refuses."""
    # A schema that requires what it forbids is refused itself.
    assume(schema.get("additionalProperties") is not False or "a" in schema["properties"])
    validator = CompiledValidator(schema)
    compiled = fastjsonschema.compile(normalized(schema), use_default=False, use_formats=False)
    for record in records:
        try:
            compiled(record)
            expected = True
        except fastjsonschema.JsonSchemaValueException:
            expected = False
        assert fits(validator, record) is expected


@pytest.mark.parametrize("rule", [{"maximum": 5}, {"enum": [1, 2]}])
def test_a_value_is_judged_by_itself(rule: dict[str, Any]) -> None:
    """A rule about values holds for the second record too, though the first one of the same types fitted."""
    validator = CompiledValidator({"properties": {"a": {"type": "integer", **rule}}})
    assert fits(validator, {"a": 1})
    assert not fits(validator, {"a": 9})


def test_a_value_of_another_type_is_refused_after_many_that_fit() -> None:
    """The types of a record's values are looked at in each record."""
    validator = CompiledValidator({"type": "object", "properties": {"a": {"type": ["null", "string"]}}})
    assert all(fits(validator, {"a": value}) for value in ("x", None, "y", None))
    assert not fits(validator, {"a": 1})
    assert not fits(validator, {"a": True})
