"""Track calls: what a person did, and the survey that follows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from target_promoter.intake.batch import DELETED
from target_promoter.people import stored_events
from target_promoter.people.identity import Identity, keys_kept_under, keys_named
from target_promoter.people.person import FUTURE_SECONDS
from target_promoter.people.stored_events import Place
from target_promoter.people.traits import later_properties
from target_promoter.records.replay import is_refused
from target_promoter.store.findings import Tally
from target_promoter.surveys import claims, retries, surveys
from target_promoter.surveys.cancelling import note_cancellations
from target_promoter.values.reading import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_promoter.config.settings import Campaign
    from target_promoter.intake.batch import Batch
    from target_promoter.people.traits import Trait
    from target_promoter.records.calls import Track


class Tracking:
    """Takes the track calls of one batch."""

    def __init__(self, batch: Batch, calls: Sequence[Track]) -> None:
        self._batch = batch
        self._calls = calls
        self._forgotten = batch.forgotten_among(key for call in calls for key in keys_named(call))
        batch.link(
            (call.anonymous_id, call.user_id)
            for call in calls
            if call.anonymous_id and call.user_id and not (call.blocked or call.problem or call.deleted_at)
            if self._forgotten.isdisjoint(keys_named(call))
        )
        self._identity = Identity(batch.tx, batch.people)
        self._identity.look_up(calls)
        self._messages = {
            (call.canonical, call.message_id): surveys.message_hash(call.canonical, call.message_id)
            for call in calls
            if call.canonical in batch.settings.campaigns
        }
        self._known = surveys.known_messages(batch.tx, self._messages.values())
        self._new: dict[bytes, surveys.NewSurvey] = {}
        self._more: dict[bytes, dict[str, object]] = {}
        self._deleted: set[bytes] = set()
        self._kept: dict[Place, Trait] = {}
        self._cancelling: dict[tuple[str, str], float] = {}

    def take(self) -> Counter[str]:
        """Take the calls.

        Returns:
            How many of them came to each outcome.
        """
        batch = self._batch
        outcomes: Counter[str] = Counter()
        for call in self._calls:
            outcome = self._take(call)
            outcomes[outcome] += 1
            if call.event and call.time is not None:
                batch.findings.add_event(clean(call.event), outcome, Tally(1, call.time, call.time))
        self._keep_properties()
        note_cancellations(batch.tx, self._cancelling)
        surveys.add(batch.tx, self._new.values(), batch.now)
        self._complete_open()
        surveys.remember_messages(batch.tx, self._deleted)
        batch.sweep_cancelled(self._new.keys(), self._cancelling)
        return outcomes

    def _take(self, call: Track) -> str:
        batch = self._batch
        if call.blocked or not self._forgotten.isdisjoint(keys_named(call)):
            return "blocked"
        if call.deleted_at is not None and call.message_id:
            self._delete(call)
            return "deleted"
        time, problem = call.time, call.problem
        if problem is None and (time is None or time > batch.now + FUTURE_SECONDS):
            problem = "its time is more than 24 hours in the future"
        if problem is not None or time is None:
            batch.reject(call, "track", problem or "no readable time")
            return "rejected"
        batch.discard_rejection(call.stream, call.record)
        campaign = batch.settings.campaigns.get(call.canonical)
        if call.canonical in batch.cancelling_events:
            for key in self._identity.keys_done_under(call):
                when = self._cancelling.get((key, call.canonical), time)
                self._cancelling[key, call.canonical] = max(when, time)
        prefix = batch.settings.stored_events.get(call.canonical)
        if prefix is not None:
            self._store_properties(call, prefix, time)
        if campaign is None:
            return "unmatched" if prefix is None else "stored"
        return self._survey(call, campaign, time)

    def _survey(self, call: Track, campaign: Campaign, time: float) -> str:
        message = self._messages[call.canonical, call.message_id]
        due_at = time + campaign.delay_hours * 3600
        if message in self._known:
            if is_refused(call.record):
                return self._retry(call, message, due_at)
            self._more.setdefault(message, {}).update(call.properties)
            return "duplicate"
        if self._batch.is_stale(due_at):
            return "stale"
        self._known.add(message)
        reachable = self._identity.who(call).email is not None
        user_id = self._identity.user_id(call)
        deleted = user_id is not None and self._batch.people.is_deleted_since(user_id, time)
        self._new[message] = surveys.NewSurvey(
            message=message,
            stream=call.stream,
            event=call.event,
            campaign_id=campaign.id,
            message_id=call.message_id,
            user_id=call.user_id,
            anonymous_id=None if call.user_id else call.anonymous_id,
            email=None if call.user_id else call.email,
            event_at=time,
            due_at=due_at,
            properties=call.properties,
            status="cancelled" if deleted else "queued" if reachable else "waiting",
            reason=DELETED if deleted else None,
        )
        if deleted:
            self._batch.surveys["cancelled"] += 1
            return "deleted"
        return "queued" if reachable and due_at <= self._batch.now else "waiting"

    def _retry(self, call: Track, message: bytes, due_at: float) -> str:
        """Queue a survey again that Promoter refused, if it is not too old by now and surely e-mailed nobody."""
        if self._batch.is_stale(due_at):
            return "stale"
        queued = retries.requeue_survey(self._batch.tx, message, call.properties)
        return "queued" if queued else "duplicate"

    def _delete(self, call: Track) -> None:
        """Cancel the survey of an event that was deleted at its source; should it come after all, it is known.

        Taps of a log often send a deleted row's key alone: whatever else is missing, even the event, is no problem.
        """
        self._batch.discard_rejection(call.stream, call.record)
        campaigns = self._batch.settings.campaigns
        events = [call.canonical] if call.canonical else list(campaigns)
        messages = {surveys.message_hash(event, call.message_id) for event in events if event in campaigns}
        self._known |= messages
        self._deleted |= messages

    def _complete_open(self) -> None:
        """Give a survey the properties that only a duplicate brought, and cancel those of deleted events."""
        batch = self._batch
        if self._deleted:
            claims.withdraw(batch.tx, "its event was deleted", messages=self._deleted)
        waiting = surveys.open_by_message(batch.tx, {*self._more, *self._deleted})
        for message, survey in waiting.items():
            if message in self._deleted:
                batch.cancel([survey.id], "its event was deleted")
                continue
            whole = {**self._more[message], **survey.properties}
            if whole.keys() != survey.properties.keys():
                surveys.set_properties(batch.tx, survey.id, whole)

    def _store_properties(self, call: Track, prefix: str, time: float) -> None:
        """Keep a stored event's properties on its person, or by the keys that the call names its person by."""
        known, user_id = self._batch.people, call.user_id
        if user_id is not None and known.is_known(user_id):
            known.put(known.get(user_id).with_event(call.stream, prefix, call.properties, time))
            return
        said = (dict(call.properties), time)
        for key in keys_kept_under(call):
            place = Place(key, call.stream, prefix)
            self._kept[place] = later_properties(self._kept.get(place), said)

    def _keep_properties(self) -> None:
        """Keep properties, and have delivery look at the contacts that they belong to."""
        changed = stored_events.keep(self._batch.tx, self._kept)
        for call in self._calls if changed else ():
            if call.user_id is None and not changed.isdisjoint(keys_named(call)):
                for who in self._identity.everybody(call):
                    if who.user_id is not None and who.email is not None:
                        self._batch.look_at(who.email, who.user_id)
