"""What a hostile or careless tap may print: names, values and messages drawn to forge, crash, fill up or outlast."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING, Any, Final

from tests.tap import hours_ago

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORGED: Final = "forged-by-a-tap"
"""Stands behind each line break that a tap sends: no line that anybody reads begins with it."""

STREAMS: Final[dict[str, Any]] = {
    "customers": {"type": "identify", "fields": {"user_id": "id"}, "traits": ["*"]},
    "orders": {
        "type": "track",
        "event": "Order Completed",
        "fields": {"user_id": "customer_id", "timestamp": "at"},
        "traits": ["*"],
    },
    "events": {
        "type": "track",
        "fields": {"user_id": "customer_id", "timestamp": "at", "event": "name"},
        "traits": ["*"],
    },
    "*": {"type": "ignore"},
}
_COLUMNS: Final = {
    "customers": ("id", "email", "first_name", "plan", "updated_at", "_sdc_deleted_at", "_sdc_rejected"),
    "orders": ("id", "customer_id", "email", "at", "total", "_sdc_deleted_at"),
    "events": ("id", "customer_id", "anonymous_id", "at", "name", "total"),
    "calls": ("type", "messageId", "userId", "anonymousId", "event", "timestamp", "traits", "properties", "context"),
    "refused_calls": ("type", "messageId", "userId", "traits"),
}
_KEYS: Final = {"calls": "messageId", "refused_calls": "messageId"}
_CALL_COLUMNS: Final = frozenset({"traits", "properties", "context"})
_SCRAPS: Final = (
    *("\n", "\r\n", "\r", "\x0b", "\x85", "\u2028", "\0", "\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\x07", "\x08" * 9),
    *(
        "\ud800",
        "\udfff\ud800",
        "\u202e",
        "\ufeff",
        "\U0001f926\u200d\u2642\ufe0f",
        "é" * 40,
        "z" * 3000,
        "\u0301" * 50,
    ),
    *(
        "[bold]",
        "[/]",
        "[/bold]",
        "[link=file:///etc/passwd]x[/link]",
        "[@click=x]",
        "{0}",
        "%s%n",
        "{{7*7}}",
        "${HOME}",
    ),
    *("<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "';DROP TABLE people;--", "\\", "`", "$(id)"),
    *("Run summary: {}", "| ERROR |", "_sdc_rejected", "u:1", "null", "NaN", "-0", "1e999999", "../../etc/passwd", ""),
)
_NUMBERS: Final = (
    *("0", "-0.0", "1.5e999999", "-1e-999999", "1e400", "1" * 39, "1" * 41, "9" * 5000, "0." + "1" * 5000),
    *("9223372036854775808", "NaN", "Infinity", "-Infinity", "1E+2", "253402300800", "-62135596801", "1e18"),
)
_TIMES: Final = (
    *("0000-00-00", "9999-12-31T23:59:59.999999999Z", "-0001-01-01", "2024-02-30", "24:00", "now", "1e18", "0"),
    *("99999999999999999999", "2024-05-01T10:00:00+99:99", "2024-05-01T10:00:00 CET", "Infinity", "12/31/1969"),
)
_SCHEMAS: Final[tuple[Any, ...]] = (
    {},
    {"type": []},
    {"type": ["null", "string"], "format": "date-time"},
    {"type": "string", "pattern": "^(a+)+$"},
    {"type": "string", "pattern": "("},
    {"$ref": "#/properties/id"},
    {"$ref": "#"},
    {"$ref": "file:///etc/passwd"},
    {"$ref": "URL:http://127.0.0.1:9/x"},
    {"$dynamicRef": "#x"},
    {"type": "array", "uniqueItems": True, "items": {"enum": [1, 1.0, "1"]}},
    {"anyOf": [{"not": {}}, {"type": "object", "properties": {"__class__": {}}}]},
    {"const": "\n" + FORGED},
    {"type": "number", "multipleOf": 1e-300, "exclusiveMaximum": True},
    {"type": "string", "contentMediaType": "application/json", "default": "__import__('os').system('id')"},
    {"if": {"type": "string"}, "then": False},
    True,
    {"minLength": -1},
)


class Tap:
    """A tap whose messages are drawn by a seed; `folder` takes the files of its batches."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - no secret
        self._folder = folder
        self._files = 0
        self.people = ["1", "2", "ann", "[/bold]"]

    def run(self, messages: int) -> Iterator[str]:
        """Yield the lines of a run; its last one may end it, all others may not."""
        for stream in _COLUMNS:
            yield json.dumps(self._schema(stream, {}))
        for _ in range(messages):
            yield self._message()
        yield self._last()

    def text(self) -> str:
        """Return a text that nobody should show as it stands; a dot stands where its first line ends."""
        parts = [self._dice.choice(_SCRAPS) for _ in range(self._dice.randint(1, 4))]
        return f"{self._dice.choice(('', 'a', 'plan'))}{''.join(parts)}.\n{FORGED}{self._dice.choice(('', parts[0]))}"

    def _message(self) -> str:
        stream = self._dice.choice((*_COLUMNS, "customers", "orders", "calls"))
        match self._dice.randrange(40):
            case 0:
                return json.dumps({"type": "STATE", "value": self._value(3)})
            case 1:
                return json.dumps({"type": "ACTIVATE_VERSION", "stream": stream, "version": self._dice.randint(0, 9)})
            case 2:
                columns = {
                    _without_halves(self.text()): self._dice.choice(({}, {"type": ["null", "string"]}))
                    for _ in range(3)
                }
                return json.dumps(self._schema(stream, columns))
            case 3:
                return self._batch(stream)
            case 4:
                return "" if self._dice.random() < 0.5 else "\ufeff \t"
        return f'{{"type": "RECORD", "stream": {json.dumps(stream)}, "record": {self._record(stream)}}}'

    def _last(self) -> str:
        """Return a message that a run may be refused for."""
        dice = self._dice
        text = self.text()
        return dice.choice(
            (
                "{" * dice.randint(1, 9000),
                json.dumps(text),
                json.dumps({"type": text}),
                json.dumps({"type": "RECORD", "stream": text, "record": {}}),
                json.dumps({"type": "RECORD", "stream": "q" * 90_000, "record": {text: text}}),
                json.dumps({"type": "RECORD", "stream": "customers", "record": text}),
                json.dumps({"type": "RECORD", "stream": "customers", "record": {text: text}}),
                json.dumps(self._schema(text, {})),
                json.dumps({**self._schema("customers", {}), "key_properties": [text]}),
                json.dumps({**self._schema("customers", {}), "key_properties": dice.choice((7, [7], {}, "id"))}),
                json.dumps(self._schema("customers", {"plan": dice.choice(_SCHEMAS)})),
                json.dumps({**self._schema("orders", {}), "schema": dice.choice((None, [], {"properties": [text]}))}),
                json.dumps(self._manifest("customers", [f"file:///{text}"])),
                json.dumps(self._manifest(text, [])),
                json.dumps(
                    self._manifest("customers", [dice.choice(("file:///dev/zero", "file://[", 7, text, "file:///"))])
                ),
                json.dumps({"type": "STATE", "value": self._value(4)}),
                '{"type": "STATE", "value": ' + "[" * 6000 + "]" * 6000 + "}",
            )
        )

    def _schema(self, stream: str, more: dict[str, Any]) -> dict[str, Any]:
        properties = {**{name: {} for name in _COLUMNS.get(stream, ("id",))}, **more}
        key = _KEYS.get(stream, "id")
        return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": [key]}

    def _record(self, stream: str) -> str:
        """Return the JSON of a record, with numbers that Python itself cannot write."""
        dice = self._dice
        values = [f"{json.dumps(name)}: {self._json(name)}" for name in _COLUMNS[stream] if dice.random() < 0.9]
        key = json.dumps(_KEYS.get(stream, "id"))
        values.insert(0, f"{key}: {json.dumps(str(dice.randint(0, 10**6)))}")
        values += [f"{json.dumps(self.text())}: {self._json('')}" for _ in range(dice.randrange(3))]
        return f"{{{', '.join(values)}}}"

    def _json(self, name: str) -> str:  # noqa: PLR0911 - so many kinds of values
        dice = self._dice
        likely = {
            "userId": dice.choice(self.people),
            "customer_id": dice.choice(self.people),
            "id": str(dice.randint(1, 9999)),
            "email": f"p{dice.randint(1, 50)}@example.com",
            "at": hours_ago(dice.uniform(0, 100)),
            "timestamp": hours_ago(dice.uniform(0, 100)),
            "type": dice.choice(("identify", "track", "page", "delete")),
            "event": dice.choice(("Order Completed", "order completedd")),
            "name": dice.choice(("Order Completed", "order\ncompletedd")),
        }
        if name in likely and dice.random() < 0.7:
            return json.dumps(likely[name])
        if name in _CALL_COLUMNS:
            return json.dumps({dice.choice(("email", self.text())): self._value(2) for _ in range(3)})
        match dice.randrange(12):
            case 0:
                return dice.choice(_NUMBERS)
            case 1:
                depth = dice.choice((3, 60, 199, 240, 260, 3000))
                return dice.choice(("[" * depth + "]" * depth, '{"a":' * depth + "0" + "}" * depth))
            case 2:
                return json.dumps(dice.choice(_TIMES))
            case 3:
                return json.dumps(f"{self.text()}@example.com")
        return json.dumps(self._value(2))

    def _value(self, depth: int) -> Any:  # noqa: ANN401 - any JSON
        dice = self._dice
        match dice.randrange(9):
            case 0 if depth:
                return [self._value(depth - 1) for _ in range(dice.randrange(4))]
            case 1 if depth:
                return {self.text(): self._value(depth - 1) for _ in range(dice.randrange(4))}
            case 2:
                return dice.choice((None, True, False, 0, -1, 1e308, 10**30, 0.1))
            case 3:
                return dice.choice(_TIMES)
        return self.text()

    def _manifest(self, stream: str, files: list[Any]) -> dict[str, Any]:
        encoding = {"format": "jsonl", "compression": "gzip"}
        return {"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": files}

    def _batch(self, stream: str) -> str:
        self._files += 1
        path = self._folder / f"{self._files}.jsonl.gz"
        lines = "\n".join(self._record(stream) for _ in range(self._dice.randrange(5)))
        path.write_bytes(gzip.compress(lines.encode()))
        return json.dumps(self._manifest(stream, [path.as_uri()]))


def _without_halves(text: str) -> str:
    """Return a text without half a surrogate pair, which no SCHEMA may name a column by."""
    return text.encode("utf-8", "replace").decode()
