"""Track calls: what a person did, what comes of it, and the survey that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from target_promoter.config.settings import Campaign
from target_promoter.intake.batch import DELETED, Batch
from target_promoter.people import stored_events
from target_promoter.people.identity import Identity, email_key, keys_kept_under, keys_named, names_of, user_key
from target_promoter.people.person import FUTURE_SECONDS, Trait
from target_promoter.people.stored_events import Place, later_properties
from target_promoter.records.calls import Track, is_refused
from target_promoter.store.encoding import digest, encode
from target_promoter.store.outcomes import SurveyStatus, TrackOutcome
from target_promoter.store.summary import Tally
from target_promoter.surveys import cancelling, claims, surveys, throttle
from target_promoter.surveys.known_events import KnownEvents, Marks
from target_promoter.surveys.rules import SAME_EVENT
from target_promoter.surveys.surveys import NotSurveyed, Survey
from target_promoter.values.reading import clean

_EVENT_DELETED: Final = "its event was deleted"
_SETTINGS_BYTES: Final = 8


class Tracking:
    """Takes the track calls of one batch."""

    def __init__(self, batch: Batch, calls: Sequence[Track]) -> None:
        self._batch = batch
        self._events = KnownEvents(batch.tx)
        self._surveys = _Surveys(batch, self._events)
        self._all_calls = calls
        self._told = self._surveys.told(calls)
        self._calls = calls = [call for call in calls if id(call) not in self._told]
        self._forgotten = batch.forgotten_among(key for call in calls for key in keys_named(call))
        batch.link(self._seen_together())
        self._identity = Identity(batch.tx, batch.people)
        self._identity.look_up(calls)
        self._surveys.look_up(call for call in calls if call.canonical in batch.settings.campaigns)
        self._deleted: set[bytes] = set()
        self._kept: dict[Place, Trait] = {}
        self._said_again: set[Place] = set()
        self._cancelling: cancelling.Cancelling = {}
        self._not_surveyed: list[NotSurveyed] = []

    def take(self) -> Counter[TrackOutcome]:
        """Take the calls.

        Returns:
            How many of them came to each outcome.
        """
        batch = self._batch
        outcomes: Counter[TrackOutcome] = Counter()
        for call in self._all_calls:
            outcome = self._take_again(call) if id(call) in self._told else self._take(call)
            outcomes[outcome] += 1
            if call.event and call.time is not None:
                batch.findings.add_event(clean(call.event), outcome, Tally(1, call.time, call.time))
        self._keep_properties()
        cancelling.record(batch.tx, self._cancelling)
        changed = self._surveys.write()
        self._cancel_deleted()
        surveys.record_not_surveyed(batch.tx, self._not_surveyed)
        batch.sweep_cancelled(changed, {who for who, _, _ in self._cancelling})
        return outcomes

    def _seen_together(self) -> set[tuple[str, str]]:
        """Return which anonymous ids were seen with which user ids.

        An event that nothing comes of, such as that of a page view, tells only of those by which the store knows
        somebody or keeps something: to the others there would be no end.
        """
        told: tuple[set[tuple[str, str]], set[tuple[str, str]]] = set(), set()
        settings, cancels = self._batch.settings, self._batch.cancel_rules.cancels
        for call in self._calls:
            usable = not (call.blocked or call.problem or call.deleted_at)
            if usable and call.anonymous_id and call.user_id and self._forgotten.isdisjoint(keys_named(call)):
                event = call.canonical
                matters = event in settings.campaigns or event in settings.stored_events or cancels(event)
                told[matters].add((call.anonymous_id, call.user_id))
        idle, mattering = told
        known = self._batch.known_anonymous_ids(one for one, _ in idle) | {one for one, _ in mattering}
        return mattering | {pair for pair in idle if pair[0] in known}

    def _take_again(self, call: Track) -> TrackOutcome:
        self._batch.discard_rejection(call.stream, call.record)
        return TrackOutcome.DUPLICATE

    def _take(self, call: Track) -> TrackOutcome:
        batch = self._batch
        campaign = batch.settings.campaigns.get(call.canonical)
        if not self._forgotten.isdisjoint(keys_named(call)):
            return TrackOutcome.BLOCKED
        if call.deleted_at is not None and (call.message_id or call.key):
            self._delete(call)
            return TrackOutcome.DELETED
        if call.blocked:
            self._lead_to_nothing(call, campaign, "its call says not to send it to Promoter.io (integrations)")
            return TrackOutcome.BLOCKED
        time, problem = call.time, call.problem
        if problem is None and (time is None or time > batch.now + FUTURE_SECONDS):
            problem = "its time is more than 24 hours in the future"
        if problem is not None or time is None:
            batch.reject(call, "track", problem or "no readable time")
            return TrackOutcome.REJECTED
        batch.discard_rejection(call.stream, call.record)
        cancels = batch.cancel_rules.any and self._note_cancelling(call, time)
        prefix = batch.settings.stored_events.get(call.canonical)
        if prefix is not None:
            came_before = campaign is not None and self._surveys.is_known(self._surveys.marks(call, campaign))
            self._store_properties(call, prefix, time, came_before=came_before)
        if campaign is None:
            return TrackOutcome.STORED if prefix is not None or cancels else TrackOutcome.UNMATCHED
        return self._survey(call, campaign, time)

    def _survey(self, call: Track, campaign: Campaign, time: float) -> TrackOutcome:
        marks, rules = self._surveys.marks(call, campaign), self._batch.rules
        known = self._surveys.find(marks)
        if self._surveys.is_known(marks):
            if is_refused(call.record):
                return self._retry(call, campaign, marks.message)
            if known is not None and known.is_open:
                self._tell(call, campaign, time, known, marks)
            if known is None or known.is_open or not self._let_through(call, known):
                return TrackOutcome.DUPLICATE
        survey = self._asked_for(call, campaign, time, marks)
        too_old = rules.too_old(survey.first_due_at)
        if too_old is not None:
            self._lead_to_nothing(call, campaign, too_old)
            self._batch.findings.add_too_old(clean(call.event), too_old)
            return TrackOutcome.STALE if known is None else TrackOutcome.DUPLICATE
        self._surveys.put(survey if known is None else msgspec.structs.replace(survey, id=known.id), marks, known)
        if survey.status is SurveyStatus.CANCELLED:
            self._batch.surveys[SurveyStatus.CANCELLED] += 1
            return TrackOutcome.DELETED
        is_due = survey.status is SurveyStatus.QUEUED and survey.due_at <= self._batch.now and not campaign.paused
        return TrackOutcome.QUEUED if is_due else TrackOutcome.WAITING

    def _asked_for(self, call: Track, campaign: Campaign, time: float, marks: Marks) -> Survey:
        """Return the survey that a call asks for."""
        batch, who = self._batch, self._identity.who(call)
        happened_at = time if call.happened_at is None else call.happened_at
        deleted = who.user_id is not None and batch.people.is_deleted_since(who.user_id, time)
        status = SurveyStatus.WAITING if who.email is None else SurveyStatus.QUEUED
        return Survey(
            message=marks.message,
            occurrence=marks.occurrence,
            row_key=marks.row_key,
            stream=call.stream,
            event=call.event,
            canonical=call.canonical,
            campaign_id=campaign.id,
            message_id=call.message_id,
            user_id=call.user_id,
            anonymous_id=None if call.user_id else call.anonymous_id,
            email=None if call.user_id else call.email,
            event_at=time,
            due_at=batch.rules.due_at(campaign, time),
            first_due_at=batch.rules.due_at(campaign, happened_at),
            properties=encode(call.properties),
            more=None,
            matches=batch.cancel_rules.matches(call.canonical, call.properties, call.record),
            told=self._surveys.told_mark(call),
            status=SurveyStatus.CANCELLED if deleted else status,
            reason=DELETED if deleted else None,
        )

    def _tell(self, call: Track, campaign: Campaign, time: float, known: Survey, marks: Marks) -> None:
        """Have a survey that waits stand as its row has it now; another stream's row adds what it brings beside."""
        if call.stream != known.stream:
            self._surveys.put(known.with_more(call.stream, call.properties) if call.properties else known, marks, known)
            return
        told = self._asked_for(call, campaign, time, marks)
        same_time = told.event_at == known.event_at and told.canonical == known.canonical
        told = msgspec.structs.replace(
            told,
            id=known.id,
            message_id=known.message_id,
            more=known.more,
            # The settings may have moved it since; an event of another time is due at another.
            due_at=known.due_at if same_time else told.due_at,
            first_due_at=known.first_due_at if same_time else told.first_due_at,
        )
        if self._surveys.is_settled_otherwise(told, known):
            told = msgspec.structs.replace(told, status=SurveyStatus.CANCELLED, reason=SAME_EVENT)
        self._surveys.put(told, marks, known)
        if told.status is SurveyStatus.CANCELLED:
            self._batch.surveys[SurveyStatus.CANCELLED] += 1

    def _retry(self, call: Track, campaign: Campaign, message: bytes) -> TrackOutcome:
        """Queue a survey again that Promoter refused, if it is not too old by now and surely e-mailed nobody."""
        if call.time is not None and self._batch.rules.too_old(self._batch.rules.due_at(campaign, call.time)):
            return TrackOutcome.STALE
        return (
            TrackOutcome.QUEUED if surveys.requeue(self._batch.tx, message, call.properties) else TrackOutcome.DUPLICATE
        )

    def _lead_to_nothing(self, call: Track, campaign: Campaign | None, reason: str) -> None:
        """Keep why an event of somebody led to no survey."""
        keys = self._identity.keys_done_under(call)
        if campaign is not None and keys and call.time is not None:
            self._not_surveyed.append(NotSurveyed(keys[0], campaign.id, call.event, call.time, reason))

    def _note_cancelling(self, call: Track, time: float) -> bool:
        """Remember what a call cancels, and return whether it may cancel anything."""
        rules, said = self._batch.cancel_rules, (call.properties, call.record)
        for name in rules.lacking(call.canonical, *said):
            self._batch.findings.add_unmatchable(clean(call.event), name)
        if not rules.cancels(call.canonical):
            return False
        ends_at = time if call.ends_at is None else call.ends_at
        values = list(rules.values(call.canonical, *said))
        for done_under in self._identity.keys_done_under(call):
            for value in values:
                key = (done_under, call.canonical, value)
                self._cancelling[key] = max(self._cancelling.get(key, ends_at), ends_at)
        return True

    def _delete(self, call: Track) -> None:
        """Cancel the survey of an event that was deleted at its source; should it come after all, it is known.

        Taps of a log often send a deleted row's key alone: whatever else is missing, even the event, is no problem.
        """
        self._batch.discard_rejection(call.stream, call.record)
        campaigns = self._batch.settings.campaigns
        events = [call.canonical] if call.canonical else list(campaigns)
        message_ids = {call.message_id, *self._events.older_ids(call.key)} - {""}
        marks = {self._events.message(event, one) for event in events for one in message_ids}
        marks |= {key for key in (self._events.row_key(call.stream, call.key),) if key is not None}
        self._deleted |= marks
        if not call.canonical or call.canonical in campaigns:
            self._surveys.know(marks)

    def _cancel_deleted(self) -> None:
        if self._deleted:
            claims.withdraw(self._batch.tx, _EVENT_DELETED, marks=self._deleted)
            gone = surveys.of_rows(self._batch.tx, self._deleted, self._deleted)
            self._batch.cancel([one.id for one in gone if one.is_open], _EVENT_DELETED)
            # One that a setting kept from being sent was counted then; now its event leads to none, whatever the rule.
            settled = [one.id for one in gone if not one.is_open]
            surveys.settle(self._batch.tx, settled, SurveyStatus.CANCELLED, _EVENT_DELETED, self._batch.now)

    def _let_through(self, call: Track, known: Survey) -> bool:
        """Return whether a setting kept a survey from being sent that would not keep it any more."""
        who = self._identity.who(call)
        surveyed_at = None
        if known.status is SurveyStatus.THROTTLED:  # Of no other outcome it matters, and most were sent.
            keys = (who.user_id and user_key(who.user_id), who.email and email_key(who.email))
            surveyed_at = throttle.last_surveyed(throttle.load(self._batch.tx, filter(None, keys)).values())
        return self._batch.rules.lets_through(known, who.email, surveyed_at or 0.0)

    def _store_properties(self, call: Track, prefix: str, time: float, *, came_before: bool) -> None:
        """Keep a stored event's properties by what the call names its person by."""
        if call.user_id is not None and self._batch.people.is_deleted_since(call.user_id, time):
            return
        said = (dict(call.properties), time)
        for key in keys_kept_under(call):
            place = Place(key, call.stream, prefix)
            if not came_before:
                self._said_again.discard(place)
            elif place not in self._kept:
                self._said_again.add(place)
            self._kept[place] = later_properties(self._kept.get(place), said)

    def _keep_properties(self) -> None:
        """Keep properties, and have delivery look at the contacts that they belong to."""
        changed = stored_events.keep(self._batch.tx, self._kept, self._said_again)
        for user_id in names_of(changed).user_ids:
            email = self._batch.people.address(user_id)
            if email is not None:
                self._batch.look_at(email, user_id)
        for call in self._calls if changed else ():
            if call.user_id is None and not changed.isdisjoint(keys_named(call)):
                for one in self._identity.everybody(call):
                    if one.user_id is not None and one.email is not None:
                        self._batch.look_at(one.email, one.user_id)


class _Surveys:
    """The surveys of a batch's events: looked up together, changed in memory, written together."""

    def __init__(self, batch: Batch, events: KnownEvents) -> None:
        self._batch = batch
        self._events = events
        # What else decides what a record comes to.
        self._settings = digest([batch.settings.campaigns, batch.settings.stored_events])[:_SETTINGS_BYTES]
        self._messages: dict[int, bytes] = {}
        self._marks: dict[int, Marks] = {}
        self._named: dict[bytes | None, Track] = {}
        self._known: set[bytes] = set()
        self._before: dict[int, Survey] = {}
        self._standing: dict[bytes, Survey] = {}
        self._by_occurrence: dict[bytes | None, bytes] = {}
        self._by_row: dict[bytes | None, bytes] = {}
        self._new_marks: set[bytes] = set()
        self._left: dict[bytes, Survey] = {}
        self._surveyed: set[bytes] = set()

    def told(self, calls: Iterable[Track]) -> set[int]:
        """Return the ids of those calls whose records told the same before: no need to look further."""
        if self._batch.anybody_forgotten:
            return set()
        campaigns = self._batch.settings.campaigns
        asked = [one for one in calls if one.canonical in campaigns and one.problem is None and one.deleted_at is None]
        self._messages = {id(one): self._events.message(one.canonical, one.message_id) for one in asked}
        before = surveys.told_by(self._batch.tx, set(self._messages.values()))
        # Of several of one event in this batch the last may be the one that differs.
        told = {id(one): before.get(self._messages[id(one)], b"") == self.told_mark(one) for one in asked}
        differing = {self._messages[one] for one, same in told.items() if not same}
        return {one for one in told if self._messages[one] not in differing}

    def told_mark(self, call: Track) -> bytes | None:
        """Return what a survey is told by: the record, how it was read, and the settings that decide what follows."""
        return None if call.fingerprint is None else self._settings + call.fingerprint

    def look_up(self, calls: Iterator[Track]) -> None:
        """Find out which of the events that campaigns name came before, and what surveys of them may change."""
        for call in calls:
            self.marks(call, self._batch.settings.campaigns[call.canonical])
        every, tx = self._marks.values(), self._batch.tx
        self._known = self._events.among(one.message for one in every)
        found = surveys.by_message(tx, self._known)
        # Only one whose message id is new needs another look, and while any survey waits, one that may by another name.
        others = [one for one in every if one.message not in self._known]
        if len(others) < len(every) and surveys.any_open(tx):
            others = [one for one in every if one.message not in found]
        # A row that waits may have another person or time by now, and be what is known of another row.
        moved = {one.occurrence for one in every if one.message in found} - {one.occurrence for one in found.values()}
        occurrences = moved.union(one.occurrence for one in others)
        # By its key a row is known that was deleted, or whose survey is held until it comes again.
        row_keys = {one.row_key for one in others}
        named = self._events.among(occurrences | row_keys)
        waiting = surveys.of_occurrences(tx, {one: self._named[one] for one in named & occurrences})
        waiting += surveys.of_rows(tx, (), named & row_keys)
        known_by = {mark for one in waiting for mark in (one.occurrence, one.row_key)}
        otherwise = {one.message for one in others if one.occurrence in known_by or one.row_key in known_by}
        # What was surveyed by the name that it has now is known by that, though another survey waits for it.
        self._surveyed = surveys.settled_among(tx, self._known & otherwise)
        self._known |= named
        found |= {one.message: one for one in waiting}
        for survey in found.values():
            self._before[survey.id] = survey
            self._stand(survey)

    def marks(self, call: Track, campaign: Campaign) -> Marks:
        """Return what an event is known by."""
        marks = self._marks.get(id(call))
        if marks is None:
            message = self._messages.get(id(call)) or self._events.message(call.canonical, call.message_id)
            marks = self._marks[id(call)] = Marks(
                message,
                self._events.occurrence(campaign.id, call.named, call.time),
                self._events.row_key(call.stream, call.key),
            )
            self._named[marks.occurrence] = call
        return marks

    def is_known(self, marks: Marks) -> bool:
        """Return whether an event came before, or was deleted."""
        return not self._known.isdisjoint(marks)

    def know(self, marks: set[bytes]) -> None:
        """Know events from now on, though they may have led to no survey."""
        self._new_marks |= marks - self._known
        self._known |= marks

    def find(self, marks: Marks) -> Survey | None:
        """Return the survey of an event, if there is one that may change."""
        if marks.message in self._surveyed:
            return None
        known_by = (marks.message, self._by_occurrence.get(marks.occurrence), self._by_row.get(marks.row_key))
        return next((self._standing[one] for one in known_by if one in self._standing), None)

    def is_settled_otherwise(self, survey: Survey, before: Survey) -> bool:
        """Return whether what a survey asks about by now is known of another one, which waits no more.

        Of two that wait either may still turn out to be another's: the first that is claimed ends the other.
        """
        occurrence = survey.occurrence
        if occurrence is None or occurrence == before.occurrence or occurrence not in self._known:
            return False
        other = self._standing.get(self._by_occurrence.get(occurrence, b""))
        return other is None or not other.is_open

    def put(self, survey: Survey, marks: Marks, before: Survey | None) -> None:
        """Have a survey stand as given, instead of as it stood before."""
        known = set() if before is None else {before.message, before.occurrence}
        self.know({mark for mark in (marks.message, marks.occurrence) if mark is not None and mark not in known})
        if before is not None:
            del self._standing[before.message]
            if before.is_held and not survey.is_held:
                self._known.discard(before.row_key or b"")
                self._events.forget([before.row_key])
            if before.occurrence is not None and before.occurrence != survey.occurrence:
                # It never happened to that person, or at that time.
                self._by_occurrence.pop(before.occurrence, None)
                self._known.discard(before.occurrence)
                self._new_marks.discard(before.occurrence)
                self._events.forget([before.occurrence])
                self._left[before.occurrence] = before
        self._stand(survey)

    def _stand(self, survey: Survey) -> None:
        self._standing[survey.message] = survey
        if survey.occurrence is not None:
            self._by_occurrence[survey.occurrence] = survey.message
        if survey.is_held and survey.row_key is not None:
            self._by_row[survey.row_key] = survey.message

    def write(self) -> list[bytes]:
        """Write what changed, and return the hashes of the events of it."""
        tx, now = self._batch.tx, self._batch.now
        new = [one for one in self._standing.values() if not one.id]
        changed = [one for one in self._standing.values() if one.id and one != self._before[one.id]]
        surveys.add(tx, new, now)
        surveys.change(tx, changed, now)
        # Another survey may wait for what one of them was taken for.
        self._events.remember(self._new_marks.union(one.occurrence for one in surveys.of_occurrences(tx, self._left)))
        return [one.message for one in (*new, *changed)]
