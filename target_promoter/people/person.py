"""A person: a user id, and what each stream said of it; and how calls and rows become parts of a person."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from target_promoter.records.calls import Identify
from target_promoter.store.encoding import canonical

FUTURE_SECONDS: Final = 86_400
"""How far ahead of this machine's clock a call may be."""

PULLED: Final = "Promoter (pull)"
"""The stream that is said to have said what Promoter knows of a person whom no tap brought yet."""

_PULLED_AT: Final = 1e-6
"""When it said so, in epoch seconds: before all that a tap says."""

_STEP_SECONDS: Final = 1e-6
"""What sets two records without a time apart: the smallest step that epoch seconds hold safely."""

_MOST_ROWS: Final = 20
"""How many rows of one stream are kept of a person, besides the one that stands."""


_LEFT: Final = "left "
"""How the mark of somebody begins who left a mirrored stream, before the time."""

Trait = tuple[Any, float]
"""A value and the time of the call that said it, in epoch seconds."""


class Traits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Values by their names, nearly all of which one call said: a row of a table says all of them anew.

    Attributes:
        values: The values; one of null was taken away by a row of a snapshot.
        time: When they were said, in epoch seconds.
        others: The times of those that were said at another time.
    """

    values: Mapping[str, Any] = {}
    time: float = 0.0
    others: Mapping[str, float] = {}

    def __iter__(self) -> Iterator[tuple[str, Any, float]]:
        """Yield each name with its value and its time in epoch seconds."""
        for name, value in self.values.items():
            yield name, value, self.others.get(name, self.time)

    def merged(self, said: Mapping[str, Any], time: float) -> Traits:
        """Return the values with what a call said at a time, in epoch seconds; what was said later stands."""
        if not said:
            return self
        if not self.values:
            return Traits(said, time)
        if time > max((self.time, *self.others.values())):
            others = {name: self.others.get(name, self.time) for name in self.values if name not in said}
            return Traits({**self.values, **said}, time, others)
        return self.joined(Traits(said, time))

    def joined(self, other: Traits) -> Traits:
        """Return the values of both; what was said later stands, whichever of the two says it."""
        if not other.values:
            return self
        if not self.values:
            return other
        known: dict[str, Trait] = {name: (value, at) for name, value, at in self}
        whole = {**known, **{name: later(known.get(name), (value, at)) for name, value, at in other}}
        return self._of(whole, max(self.time, other.time))

    @property
    def times(self) -> set[float]:
        """When they were said, in epoch seconds."""
        return {at for _, _, at in self}

    @property
    def standing(self) -> dict[str, Any]:
        """The values that were not taken away."""
        return {name: value for name, value in self.values.items() if value is not None}

    def after(self, time: float) -> Traits:
        """Return the values that were said after a time, in epoch seconds."""
        return self._of({name: (value, at) for name, value, at in self if at > time})

    def without(self, time: float) -> Traits:
        """Return the values but for those that were said at a time, in epoch seconds."""
        return self._of({name: (value, at) for name, value, at in self if at != time})

    def only(self, names: Container[str]) -> Traits:
        """Return the values of these names, which are in lower case."""
        return self._of({name: (value, at) for name, value, at in self if name.lower() in names})

    def says_the_same(self, other: Traits) -> bool:
        """Return whether other values say the same, whenever they were said."""
        if self is other:
            return True
        ours, theirs = self.standing, other.standing
        # To Python `True` is 1, but Promoter is told `true`.
        return ours == theirs and all(isinstance(ours[name], bool) == isinstance(theirs[name], bool) for name in ours)

    def _of(self, traits: Mapping[str, Trait], time: float | None = None) -> Traits:
        most = self.time if time is None else time
        values = {name: value for name, (value, _) in traits.items()}
        return Traits(values, most, {name: at for name, (_, at) in traits.items() if at != most})


NOTHING_SAID: Final = Traits()
"""No values at all; it takes no room in the store."""


def later(known: Trait | None, said: Trait) -> Trait:
    """Return which of two values stands: the one said later; of one time the same one in whatever order they arrive."""
    if known is None or said[1] > known[1]:
        return said
    if said[1] < known[1] or (type(said[0]) is type(known[0]) and said[0] == known[0]):
        return known
    return max(known, said, key=lambda trait: canonical(trait[0]))


class Part(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one stream said of a person.

    A row of a snapshot (a plain table, the warehouse table `users`) replaces its stream's part; a call merges into it
    by the time of the call.

    Attributes:
        time: When it was last said who the person is, in epoch seconds; that of its arrival if a record told none.
        dated: Whether every record of it told its time itself.
        key: The key of the row that stands, if rows of the stream are known by another key than the user id; null if
            the part comes from an older store, which did not know.
        email: The e-mail address, in lower case.
        email_at: When the address was said, or was taken away by a row without one, in epoch seconds.
        names: `first_name` and `last_name`.
        contact_lists: The ids of the contact lists that the stream's people join.
        outdated: The times of what was read with other fields than the current ones, and goes when it is read again, in
            epoch seconds.
        doubted: Whether the address, or the person that it is said of, was read with other fields than the current
            ones.
        others: Other rows of the stream that name the person, by their keys, each with the mark of its record: the next
            of them stands when the one that stands goes.
    """

    time: float = 0.0
    dated: bool = True
    key: str | None = ""
    email: str | None = None
    email_at: float = 0.0
    names: Traits = NOTHING_SAID
    traits: Traits = NOTHING_SAID
    contact_lists: tuple[int, ...] = ()
    outdated: tuple[float, ...] = ()
    doubted: bool = False
    others: Mapping[str, tuple[str, Part]] = {}

    @property
    def is_known(self) -> bool:
        """Whether it is a row of a snapshot that was read with the current fields, and its key is known."""
        return bool(self.time) and not self.outdated and self.key is not None

    def rows(self, mark: str) -> dict[str, tuple[str, Part]]:
        """Return the rows of a snapshot that name the person, by their keys, each with its mark.

        Args:
            mark: The mark of the row that stands.
        """
        own = {} if self.key is None else {self.key: (mark, replace(self, others={}))}
        return {**self.others, **own}

    def with_call(self, call: Identify, time: float, *, dated: bool) -> Part:
        """Return the part after an identify call; what a later call said stands, and null says nothing.

        What the same call said when it was read with other fields goes.
        """
        names, traits, email, doubted = self.names, self.traits, (self.email, self.email_at), self.doubted
        if time in self.outdated:
            names, traits = names.without(time), traits.without(time)
            if email[1] == time:
                email, doubted = (None, 0.0), False
        if call.email is not None:
            before, email = email, later(None if email[0] is None else email, (call.email, time))
            doubted = doubted and email == before
        return Part(
            max(self.time, time),
            dated and (self.dated or not self.time),
            self.key,
            email[0],
            email[1],
            names.merged(_names(call), time),
            traits.merged(_storable({name: value for name, value in call.traits.items() if value is not None}), time),
            call.contact_lists,
            tuple(at for at in self.outdated if at != time),
            doubted,
        )

    def since(self, time: float) -> Part:
        """Return what was said after a deletion at a time, in epoch seconds.

        What told no time goes as well: it was read before, and so it was said before.
        """
        if self.time <= time or not self.dated:
            return NO_PART
        stays = self.email_at > time
        return replace(
            self,
            email=self.email if stays else None,
            email_at=self.email_at if stays else 0.0,
            names=self.names.after(time),
            traits=self.traits.after(time),
            others={key: row for key, row in self.others.items() if row[1].dated and row[1].time > time},
        )

    def restricted(self, traits: Container[str] | None, contact_lists: frozenset[int]) -> Part:
        """Return the part with only those traits and lists that may be sent, that of other rows too, without marks.

        Args:
            traits: The names of the traits and properties, in lower case; None for all of them.
            contact_lists: The ids of the lists.
        """
        lists = tuple(one for one in self.contact_lists if one in contact_lists)
        # The same record may say all of it again one day.
        others = {key: ("", row.restricted(traits, contact_lists)) for key, (_, row) in self.others.items()}
        allowed = self.traits if traits is None else self.traits.only(traits)
        return replace(self, contact_lists=lists, others=others, traits=allowed)


NO_PART: Final = Part()
"""What a stream said that said nothing."""


class Person(msgspec.Struct, frozen=True, gc=False):
    """A user id with what each stream said of it; the person is the merge of the parts, what was said later standing.

    Attributes:
        parts: What each stream said.
        deleted_at: The time of the last deletion, in epoch seconds; null if there was none.
        fingerprints: Of each stream the mark, such as a hash in hexadecimal, of the last record it brought.
    """

    user_id: str
    parts: Mapping[str, Part] = {}
    deleted_at: float | None = None
    fingerprints: Mapping[str, str] = {}

    @property
    def identified_at(self) -> float:
        """When it was last said who the person is, in epoch seconds; 0 if it never was."""
        return max([part.time for part in self.parts.values()], default=0.0)

    @property
    def deleted(self) -> bool:
        """Whether the person was deleted and not identified since."""
        return self.deleted_at is not None and self.deleted_at >= self.identified_at

    @property
    def email(self) -> str | None:
        """The e-mail address that was said last, also of somebody who was deleted; null while it is in doubt."""
        parts = self.parts.values()
        last = max(parts, key=lambda part: (part.email_at, part.email or ""), default=NO_PART)
        return None if last.doubted else last.email

    @property
    def address(self) -> str | None:
        """The e-mail address the person is reached at; null if there is none, or the person was deleted."""
        return None if self.deleted else self.email

    @property
    def names(self) -> Traits:
        """`first_name` and `last_name`."""
        return _joined([part.names for part in self.parts.values()])

    @property
    def traits(self) -> Traits:
        """The traits."""
        return _joined([part.traits for part in self.parts.values()])

    @property
    def contact_lists(self) -> frozenset[int]:
        """The ids of the contact lists that the person's streams name."""
        return frozenset(one for part in self.parts.values() for one in part.contact_lists)

    def with_part(self, stream: str, part: Part, fingerprint: str | None = None) -> Person:
        """Return the person with another part of a stream, and the mark of the record that made it."""
        marks = self.fingerprints if fingerprint is None else {**self.fingerprints, stream: fingerprint}
        if part == NO_PART:
            return replace(self, parts=_without(self.parts, stream), fingerprints=marks)
        return replace(self, parts={**self.parts, stream: part}, fingerprints=marks)

    def marked(self, stream: str, fingerprint: str) -> Person:
        """Return the person with the mark of the last record that a stream brought."""
        return replace(self, fingerprints={**self.fingerprints, stream: fingerprint})

    def with_row(self, call: Identify, time: float, *, dated: bool) -> Person:
        """Return the person after a row of a snapshot: it replaces its stream's part, unless another row stands.

        Of several rows of one person, by their keys, the later one stands; of one time, or without times, the one with
        the greater key. So they do not take turns, in whatever order they are read.
        """
        part, key = self.parts.get(call.stream, NO_PART), _key(call.key, self.user_id)
        stands = part.is_known
        if stands and call.key is None and dated and part.dated and time < part.time:
            return self  # Without keys it is one row as far as anybody knows.
        if not stands or (key == part.key and not part.others):
            return self.with_part(call.stream, _row(call, key, time, dated=dated, before=part), call.fingerprint)
        rows = part.rows(self.fingerprints.get(call.stream, ""))
        mark, before = rows.get(key, ("", NO_PART))
        if key != part.key and mark == call.fingerprint:
            return self
        row = _row(call, key, time, dated=dated, before=before)
        return self._with_rows(call.stream, {**rows, key: (call.fingerprint, row)})

    def without_row(self, stream: str, key: str) -> Person:
        """Return the person without a row of a snapshot, by the row's key; of the others the next one stands."""
        part, key = self.parts.get(stream, NO_PART), _key(key, self.user_id)
        if key != part.key and key not in part.others:
            return self
        rows = part.rows(self.fingerprints.get(stream, ""))
        del rows[key]
        return self._with_rows(stream, rows) if rows else self.without(stream)

    def _with_rows(self, stream: str, rows: dict[str, tuple[str, Part]]) -> Person:
        """Return the person with that one of a stream's rows that stands, and the others beside it."""
        timed = len(rows) > 1 and all(row.dated for _, row in rows.values())
        first, *others = sorted(rows, key=lambda key: (rows[key][1].time if timed else 0.0, key), reverse=True)
        mark, row = rows[first]
        kept = {key: rows[key] for key in others[:_MOST_ROWS]}
        return self.with_part(stream, replace(row, others=kept), mark)

    def left(self, stream: str, time: float) -> Person:
        """Return the person after it left a mirrored stream at a time, in epoch seconds.

        What the stream alone said goes, and true or false becomes false, which whatever is said later stands before.
        The address and the names stay: whose contact it is that is told so does not change.
        """
        part = self.parts[stream]
        others = (other for one, other in self.parts.items() if one != stream)
        elsewhere = {name for other in others for name in other.traits.standing}
        ended = {
            name: False
            for name, value in part.traits.standing.items()
            if _is_yes_or_no(value) and name not in elsewhere
        }
        traits = Traits(ended) if ended else NOTHING_SAID
        after = replace(part, key=None, traits=traits, contact_lists=(), outdated=(), others={})
        return self.with_part(stream, after, f"{_LEFT}{time}")

    def left_at(self, stream: str) -> float | None:
        """Return when the person left a mirrored stream, in epoch seconds; None if it is in it, or never was."""
        mark = self.fingerprints.get(stream, "")
        return float(mark.removeprefix(_LEFT)) if mark.startswith(_LEFT) else None

    def without(self, stream: str) -> Person:
        """Return the person without what a stream said."""
        return replace(self, parts=_without(self.parts, stream), fingerprints=_without(self.fingerprints, stream))

    @property
    def is_pulled(self) -> bool:
        """Whether nobody but Promoter itself says anything of the person."""
        return self.deleted_at is None and self.parts.keys() <= {PULLED}

    def pulled(self, email: str | None, names: Mapping[str, str], traits: Mapping[str, Any]) -> Person:
        """Return the person with what Promoter says of it, which a tap that says its address has the last word on.

        Args:
            email: The address, in lower case; null if there is none under which Promoter surely has it.
        """
        told = replace(self, parts=_without(self.parts, PULLED))
        if told.email is not None or told.deleted_at is not None:
            return self
        if email is None:
            return told
        at = _PULLED_AT
        part = Part(at, email=email, email_at=at, names=Traits(names, at), traits=Traits(_storable(traits), at))
        return self.with_part(PULLED, part)

    def without_pulled(self, names: frozenset[str]) -> Person:
        """Return the person without some of the traits that Promoter itself says."""
        part = self.parts.get(PULLED)
        if part is None or names.isdisjoint(part.traits.values):
            return self
        left = frozenset(name.lower() for name in part.traits.values if name not in names)
        return self.with_part(PULLED, replace(part, traits=part.traits.only(left)))

    def restricted(self, stream: str, traits: Container[str] | None, contact_lists: frozenset[int]) -> Person:
        """Return the person with only those traits and lists of a stream that may be sent, its last record forgotten.

        Args:
            traits: The names of the traits and properties, in lower case; None for all of them.
            contact_lists: The ids of the lists.
        """
        part = self.parts.get(stream)
        if part is None:
            return self
        allowed = part.restricted(traits, contact_lists)
        return replace(self.with_part(stream, allowed), fingerprints=_without(self.fingerprints, stream))

    def outdated(self, stream: str, *, doubted: bool) -> Person:
        """Return the person with what a stream said to be replaced by what is read again, by other fields.

        Args:
            doubted: Whether the address may be another one then, or another person's.
        """
        part = self.parts.get(stream)
        if part is None or not part.time:
            return self
        times = tuple(sorted({part.time, part.email_at, *part.names.times, *part.traits.times}))
        doubted = part.doubted or (doubted and part.email is not None)
        return self.with_part(stream, replace(part, outdated=times, doubted=doubted, others={}))


def merge(person: Person, calls: Sequence[Identify], now: float) -> Person:
    """Return a person with what identify calls or rows of people say, in their order, and with the mark of the last.

    Of a record from before the person was deleted nothing but the mark stays; a record without a time is of now, in
    epoch seconds.
    """
    # What calls of one stream say is joined evenly: adding it to all that is known, call by call, takes for ever.
    for stream, group in itertools.groupby(calls, key=lambda call: call.stream):
        of_stream = list(group)
        known = person.parts.get(stream, NO_PART)
        apart = len(of_stream) > 1 and not known.outdated and not any(call.snapshot for call in of_stream)
        said = [known]
        for call in of_stream:
            if apart and said[-1] is not NO_PART:
                person = person.with_part(stream, replace(said[-1], names=NOTHING_SAID, traits=NOTHING_SAID))
            person = _with_call(person, call, now)
            said.append(person.parts.get(stream, NO_PART))
        if apart and said[-1] is not known:
            names, traits = _joined([one.names for one in said]), _joined([one.traits for one in said])
            person = person.with_part(stream, replace(said[-1], names=names, traits=traits))
    return person


def _with_call(person: Person, call: Identify, now: float) -> Person:
    # A call whose clock is days fast would win over all to come.
    dated = call.time is not None and call.time <= now + FUTURE_SECONDS
    part = person.parts.get(call.stream, NO_PART)
    time = call.time if dated and call.time is not None else _arrival(person, part, now)
    if person.deleted_at is not None and time <= person.deleted_at:
        return person.marked(call.stream, call.fingerprint)
    if call.snapshot:
        return person.with_row(call, time, dated=dated)
    return person.with_part(call.stream, part.with_call(call, time, dated=dated), call.fingerprint)


def delete(person: Person, time: float) -> Person:
    """Return a person that was deleted at its source at a time, in epoch seconds; nothing said before is kept."""
    time = time if person.deleted_at is None else max(person.deleted_at, time)
    since = {stream: part.since(time) for stream, part in person.parts.items()}
    return replace(person, parts={stream: part for stream, part in since.items() if part != NO_PART}, deleted_at=time)


def says_the_same(one: Person, other: Person) -> bool:
    """Return whether two states of a person are the same to Promoter: all but when things were said, and by whom."""
    # What a person did before a deletion counts no more, also if all that was said of it was said again since.
    return (one.address, one.deleted_at) == (other.address, other.deleted_at) and (
        one.parts is other.parts
        or (
            one.contact_lists == other.contact_lists
            and one.names.says_the_same(other.names)
            and one.traits.says_the_same(other.traits)
        )
    )


def _is_yes_or_no(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.lower() in {"true", "false"})


def _arrival(person: Person, part: Part, now: float) -> float:
    """Return the time of a record without one: now, and later than all of its stream that came before it."""
    before = [0.0 if part.dated else part.time, person.deleted_at or 0.0]
    return max(now, *(time + _STEP_SECONDS for time in before))


def _key(key: str | None, user_id: str) -> str:
    """Return the key of a row, as its part has it: empty if it is the user id itself, or there is none."""
    return "" if key is None or key == user_id else key


def _row(call: Identify, key: str, time: float, *, dated: bool, before: Part) -> Part:
    """Return what a row of a snapshot says.

    Args:
        before: What it said before, of which the address stays if it brings one that cannot be used.
    """
    email, email_at, doubted = call.email, time if call.email is not None or call.email_is_null else 0.0, False
    if email is None and call.bad_email:
        email, email_at, doubted = before.email, before.email_at, before.doubted
    names, traits = _names(call), _storable(call.traits)
    return Part(
        time,
        dated,
        key,
        email,
        email_at,
        Traits(names, time) if names else NOTHING_SAID,
        Traits(traits, time) if traits else NOTHING_SAID,
        call.contact_lists,
        doubted=doubted,
    )


def _names(call: Identify) -> dict[str, str]:
    names = {"first_name": call.first_name, "last_name": call.last_name}
    return {name: value for name, value in names.items() if value is not None}


def _storable(said: Mapping[str, object]) -> Mapping[str, object]:
    """Return traits by the names that the store gives them: no database holds half a surrogate pair."""
    if all(map(str.isascii, said)):
        return said
    return {name.encode("utf-8", "replace").decode(): value for name, value in said.items()}


def _joined(said: list[Traits]) -> Traits:
    if len(said) < 2:  # noqa: PLR2004 - nothing to join
        return said[0] if said else NOTHING_SAID
    half = len(said) // 2
    return _joined(said[:half]).joined(_joined(said[half:]))


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {one: value for one, value in mapping.items() if one != name}
