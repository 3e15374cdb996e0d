"""When an event cancels the survey of another one (`cancel_on`): the one place that decides it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final

from target_promoter.config.settings import CancelRule, Settings
from target_promoter.people.identity import Identity
from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import cancellations
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.surveys import Survey
from target_promoter.values.reading import identifier

_ANY: Final = ""
"""What stands for any value where a rule has no `match`."""

Cancelling = dict[tuple[str, str, str], float]
"""When people last did what cancels: by who, canonical event and matched value, the time in epoch seconds."""


def matched(name: str, value: object) -> str | None:
    """Return what two events have alike if their property of a name has the same value; None if it has none."""
    same = identifier(value) if not isinstance(value, bool) else str(value).lower()
    if same is None:
        return None
    return blake2b(encode([name, same]).encode(), digest_size=16).hexdigest()


def value_of(name: str, *sources: Mapping[str, object]) -> object:
    """Return the value of a property where it is found first, by its exact name or else by its name in any case."""
    for source in sources:
        if name in source:
            return source[name]
    lower = name.lower()
    return next((one[key] for one in sources for key in one if key.lower() == lower), None)


class CancelRules:
    """What cancels what, as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # The properties to match, by the event that cancels and by the one that is cancelled.
        self._names: dict[str, set[str]] = {}
        self._own: dict[str, set[str]] = {}
        for event, campaign in settings.campaigns.items():
            for rule in campaign.cancel_on:
                matched_by = {rule.match} if rule.match is not None else set[str]()
                self._names.setdefault(rule.event, set()).update(matched_by)
                self._own.setdefault(event, set()).update(matched_by)

    @property
    def any(self) -> bool:
        """Whether anything cancels anything."""
        return bool(self._names)

    def cancels(self, event: str) -> bool:
        """Return whether an event, in canonical form, cancels surveys."""
        return event in self._names

    def values(self, event: str, *sources: Mapping[str, object]) -> Iterator[str]:
        """Yield what an event that cancels may be matched by."""
        yield _ANY
        for name in self._names[event]:
            value = matched(name, value_of(name, *sources))
            if value is not None:
                yield value

    def matches(self, event: str, *sources: Mapping[str, object]) -> str | None:
        """Return what the survey of an event may be matched by, as kept with it; None if nothing."""
        found = {name: matched(name, value_of(name, *sources)) for name in sorted(self._own.get(event, ()))}
        found = {name: value for name, value in found.items() if value is not None}
        return encode(found) if found else None

    def lacking(self, event: str, *sources: Mapping[str, object]) -> Iterator[str]:
        """Yield the properties by which an event is matched as one that cancels, or is cancelled, and that it lacks."""
        for name in sorted(self._own.get(event, set()) | self._names.get(event, set())):
            if matched(name, value_of(name, *sources)) is None:
                yield name

    def cancelled(self, tx: Transaction, surveys: Iterable[Survey], identity: Identity) -> dict[int, str]:
        """Return which of the surveys are cancelled, by their number, and why; looked up together."""
        open_to = [one for one in surveys if one.canonical in self._own]
        if not open_to:
            return {}
        identity.look_up(open_to)
        identity.look_up_anonymous_ids(user_id for one in open_to if (user_id := identity.who(one).user_id))
        keys = {one.id: identity.keys_of(one) for one in open_to}
        known = _known(tx, {key for some in keys.values() for key in some})
        found = {one.id: self._reason(one, keys[one.id], known) for one in open_to}
        return {number: reason for number, reason in found.items() if reason is not None}

    def _reason(self, survey: Survey, keys: Iterable[str], known: Cancelling) -> str | None:
        by_value: Mapping[str, str] = {} if survey.matches is None else decode(survey.matches)
        properties: dict[str, object] | None = None
        for key in keys:
            for rule in self._settings.campaigns[survey.canonical].cancel_on:
                if rule.match is None:
                    value: str | None = _ANY
                elif rule.match in by_value:
                    value = by_value[rule.match]
                else:
                    properties = survey.all_properties if properties is None else properties
                    value = matched(rule.match, value_of(rule.match, properties))
                if value is not None and known.get((key, rule.event, value), float("-inf")) >= survey.event_at:
                    return cancelled_by(rule)
        return None


def record(tx: Transaction, seen: Cancelling) -> None:
    """Remember when people last did what cancels a survey."""
    known = _known(tx, {who for who, _, _ in seen})
    rows = [
        {"who": who, "event": event, "matched": value, "time": time}
        for (who, event, value), time in seen.items()
        if time > known.get((who, event, value), float("-inf"))
    ]
    tx.upsert(cancellations, rows)


def _known(tx: Transaction, keys: Iterable[str]) -> Cancelling:
    rows = tx.rows_among("who, event, matched, time", "cancellations", "who", set(keys))
    return {(who, event, value): time for who, event, value, time in rows}


def cancelled_by(rule: CancelRule) -> str:
    """Return what is said of a survey that a rule cancels."""
    alike = "" if rule.match is None else f" with the same {rule.match}"
    return f"cancelled by the event {rule.name}{alike}"
