"""The lines to add to the config for streams that cannot be read as they stand: a guess by names, types and key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from target_promoter.config.settings import PLACEHOLDER, Settings
from target_promoter.errors import ConfigError
from target_promoter.records.fields import OTHER_SPELLINGS, PERSONAL, reserved
from target_promoter.records.shapes import columns, last_part
from target_promoter.values.events import canonical, nearest, snake
from target_promoter.values.printable import Lines


class UnknownStreamError(ConfigError):
    """A stream has none of Segment's shapes, and the config does not say what it is."""

    def __init__(self, advice: Advice, pattern: str) -> None:
        """Build the sentence; `pattern` is the stream's name, or the glob that the config has for it."""
        self.advice = advice
        out = lines(advice.stream, {"type": "ignore"})
        told, config = f"{advice.why}: leave it out with", [out]
        if not advice.ignores:
            read = json.dumps(config_of([replace(advice, stream=pattern)]), ensure_ascii=False)
            told = "say in the setting `streams` what it is, such as (`traits` being the columns that may be sent)"
            config = [read, "or leave it out with", out]
        super().__init__(
            Lines.of(
                [
                    f"Stream `{advice.stream}` has none of Segment's shapes: {told}",
                    *config,
                    "`target-promoter check --input FILE` gives the lines for all streams of an input at once.",
                ]
            )
        )


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PEOPLE: Final = _set_of(
    "client contact customer guest lead member patient people person profile recipient student subscriber user"
)
_REFERENCES: Final = (
    *("customer", "client", "buyer", "contact", "requester", "person", "profile", "member", "subscriber", "patient"),
    *("distinct", "v", "user", "lead", "author", "submitter", "account"),
)
"""Whom an event names, the likeliest first: where a row names a customer, its user may be one of the staff."""

_EVENTS: Final = _set_of(
    "appointment booking case charge conversation delivery invoice order payment purchase reservation review sale "
    "shipment subscription ticket trip visit"
)
"""What tables of events are about; these are proposed where the config has no campaign yet."""

_WHEN: Final = ("occurred", "happened", "ordered", "placed", "processed", "created", "timestamp", "date", "time")
_NOT_WHEN: Final = _set_of(
    "birth cancelled canceled changed deleted due end expire expected expiry first last modified next read seen start "
    "synced update updated"
)
_NOT_AN_ADDRESS: Final = _set_of("accept bounced can has is marketing opt send unsubscribed valid verified")
_TRAITS: Final = _set_of(
    "amount category channel count country currency language level lifecyclestage locale plan price priority product "
    "quantity role seat segment stage status subtotal tier total type"
)
_REFERENCE_ENDS: Final = ("_id", "id", "_no", "_number", "_key", "_code", "_uuid")
_NO_KEY: Final = re.compile(r"_|.*(row|line)_?(n|no|number|index)?$")
_PLURAL: Final = re.compile(r"(?<=..[^su])s$")


@dataclass(frozen=True, slots=True)
class Advice:
    """What a stream may be; `why` tells people what speaks against anything else."""

    stream: str
    setting: Mapping[str, object]
    stream_map: Mapping[str, str] = field(default_factory=dict)
    why: str = ""

    @property
    def ignores(self) -> bool:
        """Whether the stream is best left out."""
        return self.setting["type"] == "ignore"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column, or a value in an object, with its name's words in lower case."""

    path: str
    words: tuple[str, ...]
    types: frozenset[str]

    @property
    def name(self) -> str:
        return "_".join(self.words)

    def is_spelled(self, logical: str) -> bool:
        """Return whether its name is one of a reserved trait."""
        return reserved(self.name) == logical or self.name in OTHER_SPELLINGS[logical]

    def may_be(self, *types: str) -> bool:
        return not self.types or not self.types.isdisjoint(types)


def advise(stream: str, schema: Mapping[str, object], keys: Sequence[str], settings: Settings) -> Advice:
    """Return what a stream may be; its owner knows better."""
    found = [*_columns(schema)]
    top = [one for one in found if "." not in one.path]
    own_keys = [key for key in keys if not _NO_KEY.match(key.lower())]
    words = _words(last_part(stream))
    who = _person(found, own_keys)
    address = _address(found)
    if (words and words[-1] in _PEOPLE) or (address is not None and who is None and not _EVENTS & {*words}):
        return _people(stream, found, own_keys, address)
    title = " ".join(words).title()
    event = _event(words, title, top, settings)
    when = _time(top)
    if who is None and address is None:
        return Advice(stream, {"type": "ignore"}, why="no column names a person")
    if when is None:
        why = "no column says when it happened (`updated_at` and the like say when a row changed)"
        return Advice(stream, {"type": "ignore"}, why=why)
    if event is None:
        why = f"no campaign has a name like its own (to survey for it, name an event in `campaigns`, such as `{title}`)"
        return Advice(stream, {"type": "ignore"}, why=why)
    fields = {} if who is None else {"user_id": who}
    fields |= {} if address is None else {"email": address.path}
    setting: dict[str, object] = {"type": "track"}
    setting |= {"event": event} if event else {}
    return Advice(stream, {**setting, "fields": {**fields, "timestamp": when}, "traits": _traits(top, fields.values())})


def guess_field(logical: str, names: Iterable[str]) -> str:
    """Return the column that may hold a logical field, or a placeholder that is refused until a name stands there."""
    found = [_Column(name, _words(name), frozenset()) for name in names]
    if logical == "timestamp":
        return _time(found) or PLACEHOLDER
    own = next((one.path for one in found if one.name in {"id", "uuid", "gid"}), None)
    return _person(found, []) or own or PLACEHOLDER if logical == "user_id" else PLACEHOLDER


def lines(pattern: str, setting: Mapping[str, object]) -> str:
    """Return the lines of config, as JSON, that say what the streams of one name or glob are."""
    return json.dumps({"streams": {pattern: setting}}, ensure_ascii=False)


def config_of(found: Iterable[Advice]) -> dict[str, dict[str, object]]:
    """Return the config for all streams that must be configured: those to be read, and `*` for the rest."""
    read = [one for one in found if not one.ignores]
    config: dict[str, dict[str, object]] = {"streams": {one.stream: one.setting for one in read}}
    config["streams"]["*"] = {"type": "ignore"}
    maps: dict[str, object] = {one.stream: one.stream_map for one in read if one.stream_map}
    return {**config, "stream_maps": maps} if maps else config


def as_yaml(config: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """Yield a config as the lines of Meltano's YAML, in which JSON may stand behind each name."""
    yield "config:"
    for name, entries in config.items():
        yield f"  {name}:"
        yield from (f"    {_json(key)}: {_json(value)}" for key, value in entries.items())


def _people(stream: str, found: Sequence[_Column], keys: Sequence[str], address: _Column | None) -> Advice:
    """Return the advice for a table of people, told by their own key, never by another table's."""
    top = {one.name: one.path for one in found if "." not in one.path}
    word = _words(last_part(stream))[-1:]
    names = ("id", *(f"{one}_id" for one in word), *word, "uuid", "gid", "vid", "user_id")
    own = next((top[name] for name in names if name in top), None)
    stream_map: dict[str, str] = {}
    if len(keys) == 1:
        own = keys[0]
    elif len(keys) > 1 and own not in keys:
        own = "person_key"
        stream_map = {own: " + '-' + ".join(f"str(record[{key!r}])" for key in keys)}
    elif own is None and address is not None:
        own = address.path
    fields = {"user_id": own or PLACEHOLDER}
    inside = "" if address is None else address.path.rpartition(".")[0]
    for logical in PERSONAL:
        beside = (one for one in found if one.is_spelled(logical) and one.path.rpartition(".")[0] == inside)
        place = address if logical == "email" else next(beside, None)
        if place is not None and (inside or reserved(place.path) != logical):
            fields[logical] = place.path
    if {"first_name", "last_name"} & {*fields, *map(reserved, top)}:
        fields.pop("name", None)  # It is split only where neither of the two is known.
    traits = _traits([one for one in found if "." not in one.path], fields.values())
    return Advice(stream, {"type": "identify", "fields": fields, "traits": traits}, stream_map)


def _columns(schema: Mapping[str, object]) -> Iterator[_Column]:
    """Yield the columns of a schema and, after each, what stands in the objects in it."""
    shared = {name: schema[name] for name in ("$defs", "definitions") if name in schema}

    def inside(known: Mapping[str, object], prefix: str, depth: int) -> Iterator[_Column]:
        for name, one in known.items():
            path = f"{prefix}{name}"
            yield _Column(path, _words(name), frozenset(_types(one)))
            inner = columns({**shared, **one}) if isinstance(one, Mapping) and depth else None
            yield from inside(inner or {}, f"{path}.", depth - 1)

    return inside(columns(schema) or {}, "", 3)


def _types(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        types = part.get("type")
        yield from [types] if isinstance(types, str) else [one for one in types or () if isinstance(one, str)]
        for key in ("anyOf", "oneOf", "allOf"):
            for branch in part.get(key) or ():
                yield from _types(branch)


def _words(name: str) -> tuple[str, ...]:
    """Return the words of a name, in the singular and in lower case."""
    return tuple(_PLURAL.sub("", word) for word in snake(name).split("_"))


def _person(found: Sequence[_Column], keys: Sequence[str]) -> str | None:
    """Return where a row names the person whom an event is about: a reference to another table, never its own key."""
    by_name: dict[str, str] = {}
    for one in found:
        if one.path in keys and len(keys) == 1:
            continue
        *objects, last = one.path.split(".")
        names = [_words(name) for name in objects if name not in {"data", "relationships", "object", "attributes"}]
        words = (*names[-1], *_words(last)) if names and _words(last) == ("id",) else _words(last)
        if one.may_be("string", "integer", "number"):
            by_name.setdefault("_".join(words), one.path)
    for who in _REFERENCES:
        for name in (*(who + end for end in _REFERENCE_ENDS), *((who,) if len(who) > 1 else ())):
            if name in by_name:
                return by_name[name]
    return None


def _address(found: Sequence[_Column]) -> _Column | None:
    """Return the column of a row's own address, the plainest first; a flag about e-mails is none."""
    fit = [
        one
        for one in found
        if one.name.endswith(("mail", "mail_address")) and not _NOT_AN_ADDRESS & {*one.words} and one.may_be("string")
    ]
    return min(fit, key=lambda one: (one.path.count("."), not one.is_spelled("email"), len(one.words)), default=None)


def _time(found: Sequence[_Column]) -> str | None:
    """Return the column that says when something happened, not when its row changed."""
    fit = [
        one
        for one in found
        if one.may_be("string", "integer", "number")
        and not _NOT_WHEN & {*one.words}
        and (one.words[-1] in {"at", "date", "time", "timestamp", "created", "on"} or one.words[0] == "date")
    ]

    def rank(one: _Column) -> int:
        return next((place for place, word in enumerate(_WHEN) if word in one.words), len(_WHEN))

    return None if not fit else min(fit, key=rank).path


def _event(words: Sequence[str], title: str, top: Sequence[_Column], settings: Settings) -> str | None:
    """Return the event of a stream, the campaign with the nearest name; empty if each record names its own."""
    if any(one.name in {"event", "event_text"} and one.may_be("string") for one in top):
        return ""
    known = {canonical(one.event): one.event for one in settings.campaigns.values()}
    for event in known.values():
        if {*words} <= {*_words(event)}:
            return event
    near = nearest(title, known.values())
    return near or (title if not known and _EVENTS & {*words} else None)


def _traits(top: Sequence[_Column], taken: Iterable[str]) -> list[str]:
    """Return the columns that tell scores apart and nothing personal; its owner may add to them."""
    used = {path.partition(".")[0] for path in taken}
    return [
        one.path
        for one in top
        if one.words[-1] in _TRAITS and one.path not in used and one.may_be("string", "integer", "number", "boolean")
    ]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
