"""Validating records against the schema of their stream."""

from __future__ import annotations

import http.server
import threading
from decimal import Decimal
from typing import Any

import pytest
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord

from target_promoter.singer.validation import Validator

DRAFT_4 = "http://json-schema.org/draft-04/schema#"


def misfit(schema: dict[str, Any], record: dict[str, Any], columns: str | None = None) -> str:
    """Return in what a record does not fit; empty if it fits."""
    try:
        Validator(schema, None if columns is None else frozenset(columns.split())).validate(record)
    except InvalidRecord as error:
        return error.error_message
    return ""


def column(**rules: object) -> dict[str, Any]:
    """Return the schema of records whose column `a` must keep these rules."""
    return {"type": "object", "properties": {"a": rules}}


@pytest.mark.parametrize(
    ("rules", "value", "fits"),
    [
        ({"maximum": 99.99}, Decimal("99.99"), True),
        ({"minimum": 0.1}, Decimal("0.1"), True),
        ({"maximum": 99.99}, Decimal("99.991"), False),
        ({"multipleOf": 0.01}, Decimal("1.15"), True),
        ({"multipleOf": 0.01}, Decimal("1.155"), False),
        ({"type": "integer"}, Decimal("7.0"), True),
        ({"type": "integer"}, Decimal("7.5"), False),
        ({"type": "integer"}, True, False),
        ({"type": ["null", "string"]}, 1, False),
        ({"maximum": 9, "exclusiveMaximum": True}, 9, False),
        ({"maximum": 9, "exclusiveMaximum": True}, Decimal("8.99"), True),
        ({"maximum": 9, "exclusiveMaximum": True, "type": "integer"}, Decimal("7.0"), True),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 7, True),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, 7, False),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 7, False),
        ({"pattern": "^(a+)+$"}, "a" * 5000 + "b", False),
        ({"format": "date-time"}, "yesterday", True),
        ({"uniqueItems": True}, [1, 1], False),
    ],
)
def test_a_value_fits_exactly(rules: dict[str, Any], value: object, *, fits: bool) -> None:
    """Numbers are compared with all their digits, whatever draft the schema is written in."""
    assert (misfit(column(**rules), {"a": value}) == "") is fits
    assert (misfit({"$schema": DRAFT_4, **column(**rules)}, {"a": value}) == "") is fits


def test_a_misfit_names_column_and_rule_and_no_value() -> None:
    """What is logged and kept as a reason holds nothing personal."""
    schema = column(properties={"b": {"type": "integer"}})
    assert misfit(schema, {"a": {"b": "ann@example.com"}}) == "does not fit its schema: `a.b` breaks the rule `type`"


@pytest.mark.parametrize("value", ["\ud800", 10**5000, [[]]], ids=["half a pair", "endless", "deep"])
def test_what_no_validator_can_read_is_a_misfit(value: object) -> None:
    """Half a surrogate pair, an endless number or a value nested deep ends no run."""
    for _ in range(1000 if isinstance(value, list) else 0):
        value = [value]
    assert misfit(column(uniqueItems=True, maximum=7, pattern="^a"), {"a": [value, value]})


@pytest.mark.parametrize(
    ("rules", "record"),
    [
        ({}, {"read": 1, "other": 1}),
        ({"required": ["read", "other"]}, {"read": 1}),
        ({"additionalProperties": False}, {"read": 1, "more": 1}),
        ({"anyOf": [{"required": ["missing"]}, {"required": ["gone"]}]}, {"read": 1}),
        ({"allOf": [{"properties": {"other": {"maxLength": 1}}}]}, {"read": 1, "other": "long"}),
    ],
)
def test_a_misfit_of_what_is_not_read_costs_nobody(rules: dict[str, Any], record: dict[str, Any]) -> None:
    """Whatever the rule, only the columns that are read count."""
    schema = {"properties": {"read": {"type": "integer"}, "other": {"type": "string"}}, **rules}
    assert misfit(schema, record)
    assert not misfit(schema, record, "read")
    assert misfit(schema, {**record, "read": "x"}, "read")


@pytest.mark.parametrize("scheme", ["http", "URL:http"])
def test_no_reference_is_fetched(scheme: str) -> None:
    """A schema that refers to another document is refused, and its server is not asked."""
    asked: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(InvalidJSONSchema):
            Validator(column(**{"$ref": f"{scheme}://127.0.0.1:{server.server_port}/text.json"}))
        server.shutdown()
    assert asked == []


@pytest.mark.parametrize(
    "reference", ["text.json", "file:///etc/hostname", "URL:file:///etc/hostname", "urn:x", "//x/y"]
)
@pytest.mark.parametrize("draft", [{}, {"$schema": DRAFT_4}, {"id": "https://example.com/x"}, {"$id": "file:///etc/"}])
def test_a_reference_that_leaves_the_document_refuses_the_schema(reference: str, draft: dict[str, Any]) -> None:
    """Also where nobody reads the column."""
    with pytest.raises(InvalidJSONSchema):
        Validator({**draft, **column(**{"$ref": reference})}, frozenset())


def test_a_reference_inside_the_document_is_followed() -> None:
    """`$defs` and `definitions` work in every draft."""
    schema = {"$defs": {"text": {"type": "string"}}, **column(**{"$ref": "#/$defs/text"})}
    assert misfit(schema, {"a": "x"}) == ""
    assert misfit({"$schema": DRAFT_4, **schema}, {"a": 1})
