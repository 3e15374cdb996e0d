"""One batch of calls in its transaction: what identify and track calls share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

from target_promoter.intake.known import KnownPeople
from target_promoter.people import people
from target_promoter.people import stored_events as kept
from target_promoter.records.replay import REPLAYED
from target_promoter.store import rejected, runs
from target_promoter.surveys import surveys
from target_promoter.surveys.ages import oldest_due
from target_promoter.surveys.cancelling import cancellations_of, cancelled_by, survey_keys
from target_promoter.values.events import canonical
from target_promoter.values.reading import clean, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_promoter.config.settings import Settings
    from target_promoter.records.calls import Glimpse, Identify, Track
    from target_promoter.store.transaction import Transaction

C = TypeVar("C", "Identify", "Track")

DELETED: Final = "its person was deleted"
"""Why the survey of somebody who was deleted is cancelled."""


class Batch:
    """A batch of calls while it is taken.

    Attributes:
        tx: The open writing transaction.
        settings: The settings.
        now: The time, in epoch seconds.
        people: The people it is about.
        linked: User ids that a new anonymous id stands for.
        unlinked: Anonymous ids that stand for nobody any more.
        cancelling_events: The events, in canonical form, that cancel some survey.
        surveys: How many surveys came to each final outcome.
        queued: Whether surveys that waited for their person are to be sent now.
    """

    def __init__(self, tx: Transaction, settings: Settings, now: float) -> None:
        self.tx = tx
        self.settings = settings
        self.now = now
        self.people = KnownPeople(tx, now)
        self.linked: set[str] = set()
        self.unlinked: set[str] = set()
        self.surveys: Counter[str] = Counter()
        self.queued = False
        self.cancelling_events = frozenset(
            rule.event for campaign in settings.campaigns.values() for rule in campaign.cancel_on
        )
        self._oldest_due = oldest_due(settings, now, runs.created_at(tx))
        self._forgotten: set[str] = set()
        self._rejected: list[rejected.Rejected] = []
        self._any_rejected = rejected.any_kept(tx)
        self._taken: set[bytes] = set()
        self._retold: set[str] = set()

    def look_up_forgotten(self, keys: Iterable[str]) -> None:
        """Find out which of the people that a batch is about were forgotten.

        Args:
            keys: The keys of everybody that it names, such as `people.user_key`.
        """
        self._forgotten = runs.forgotten_among(self.tx, keys)

    @property
    def anybody_forgotten(self) -> bool:
        """Whether any of the people that it is about was forgotten."""
        return bool(self._forgotten)

    def is_forgotten(self, call: C, keys: Callable[[C], Iterable[str | None]]) -> bool:
        """Return whether the person that a call names was forgotten.

        Args:
            keys: Returns the keys of a call, which are made only if anybody was forgotten.
        """
        return bool(self._forgotten) and not self._forgotten.isdisjoint(keys(call))

    def is_stale(self, due_at: float) -> bool:
        """Return whether a survey was due too long ago to be sent.

        Args:
            due_at: When it was due, in epoch seconds.
        """
        return due_at < self._oldest_due

    def link(self, seen: Iterable[tuple[str, str]]) -> None:
        """Remember which user ids anonymous ids were seen with."""
        links = people.link(self.tx, seen)
        self.linked.update(link.user_id for link in links if link.user_id is not None)
        self.unlinked.update(link.anonymous_id for link in links if link.user_id is None)
        told = kept.among(self.tx, (link.anonymous_id for link in links))
        self._retold.update(
            user_id
            for link in links
            if link.anonymous_id in told
            for user_id in (link.before, link.user_id)
            if user_id is not None
        )

    def reject(self, call: Identify | Track, kind: str, reason: str) -> None:
        """Keep a record that cannot be taken.

        Args:
            kind: `identify` or `track`.
            reason: Why, without personal data.
        """
        mark = _mark(call)
        if mark is None:
            mark, record = fingerprint({"stream": call.stream, "reason": reason}) or b"", None
        else:
            record = {name: value for name, value in call.record.items() if name != REPLAYED}
        # A reason may hold the name of a column, and a tap may call it anything.
        self._rejected.append(rejected.Rejected(mark, call.stream, kind, clean(reason), record))

    def took(self, call: Glimpse | Identify | Track) -> None:
        """Let go of a rejected record that was taken after all."""
        if self._any_rejected:
            replayed = call.record.get(REPLAYED)
            self._taken.update(
                mark for mark in (_mark(call), _bytes(replayed) if isinstance(replayed, str) else None) if mark
            )

    def cancel(self, survey_ids: list[int], reason: str) -> None:
        """Cancel surveys that wait."""
        surveys.settle(self.tx, survey_ids, "cancelled", reason, self.now)
        self.surveys["cancelled"] += len(survey_ids)

    def sweep_cancelled(self, new: Iterable[bytes], cancelling: Mapping[tuple[str, str], float]) -> None:
        """Cancel surveys whose person did, later, what cancels them.

        Args:
            new: The hashes of the events whose surveys came with this batch.
            cancelling: Who did what cancels in this batch, and when, in epoch seconds.
        """
        if not self.cancelling_events:
            return
        by_kind: dict[str, set[str]] = {"u": set(), "a": set(), "e": set()}
        for who, _ in cancelling:
            by_kind[who[0]].add(who[2:])
        anonymous_ids = by_kind["a"].union(people.anonymous_ids_of(self.tx, by_kind["u"]))
        waiting = list(surveys.open_by_message(self.tx, new).values())
        waiting += surveys.open_of_people(
            self.tx, user_ids=by_kind["u"], anonymous_ids=anonymous_ids, emails=by_kind["e"]
        )
        links = people.users_of(self.tx, {one.anonymous_id for one in waiting if one.anonymous_id})
        keys = {one.id: survey_keys(one, links.get(one.anonymous_id or "")) for one in waiting}
        known = cancellations_of(self.tx, {key for some in keys.values() for key in some})
        for survey in {one.id: one for one in waiting}.values():
            campaign = self.settings.campaigns.get(canonical(survey.event))
            if campaign is not None:
                cancel_on = frozenset(rule.event for rule in campaign.cancel_on)
                event = cancelled_by(known, keys[survey.id], cancel_on, survey.event_at)
                if event is not None:
                    self.cancel([survey.id], f"cancelled by the event {event}")

    def finish(self) -> None:
        """Write what follows from people that became known: their kept properties, their waiting surveys."""
        self.people.save()
        self.people.look_up(self.people.reachable | self.linked | self._retold)
        self._give_kept_properties()
        self._queue_waiting()
        rejected.add(self.tx, self._rejected, self.now)
        rejected.remove(self.tx, self._taken)

    def _give_kept_properties(self) -> None:
        """Give people the properties of stored events that were kept until they are known."""
        owners = {people.user_key(user_id): user_id for user_id in self.people.new}
        for who, prefix, (properties, time) in kept.take(self.tx, owners):
            self.people.put(self.people.get(owners[who]).with_stored(prefix, properties, time))
        for user_id in self._retold:
            address = self.people.address(user_id)
            if address is not None:
                self.people.look_at(address)
        self.people.save()

    def _queue_waiting(self) -> None:
        """Put the surveys that waited for these people among those to be sent."""
        users = self.people.reachable | self.linked
        if not (users or self.unlinked) or not surveys.any_open(self.tx):
            return
        addresses = {self.people.address(user_id) for user_id in users}
        found = surveys.open_of_people(
            self.tx,
            user_ids=users,
            anonymous_ids=self.unlinked.union(people.anonymous_ids_of(self.tx, users)),
            emails={address for address in addresses if address is not None},
        )
        waiting = [survey for survey in found if survey.status == "waiting"]
        links = people.users_of(self.tx, {survey.anonymous_id for survey in waiting if survey.anonymous_id})
        self.people.look_up(user_id for user_id in links.values() if user_id is not None)
        owners = people.load_by_email(self.tx, {survey.email for survey in waiting if survey.email})
        late: list[int] = []
        ready: list[int] = []
        for survey in waiting:
            user_id = survey.user_id or links.get(survey.anonymous_id or "")
            if user_id is None:
                ready += [survey.id] if survey.email in owners else []
            elif self.people.is_deleted_since(user_id, survey.event_at):
                late.append(survey.id)
            elif self.people.address(user_id) is not None:
                ready.append(survey.id)
        self.cancel(late, DELETED)
        surveys.queue(self.tx, ready)
        self.queued = bool(ready)


def _mark(call: Glimpse | Identify | Track) -> bytes | None:
    """Return the hash by which a rejected record is known again."""
    record = {name: value for name, value in call.record.items() if name != REPLAYED}
    return fingerprint({"stream": call.stream, "record": fingerprint(record)})


def _bytes(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
