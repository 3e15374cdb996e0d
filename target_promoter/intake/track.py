"""Track calls: what a person did, and the survey that follows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from target_promoter.intake.batch import DELETED
from target_promoter.people import people
from target_promoter.people import stored_events as kept
from target_promoter.people.merge import FUTURE_SECONDS
from target_promoter.people.traits import later_properties
from target_promoter.records.replay import is_refused
from target_promoter.surveys import claims, retries, surveys
from target_promoter.surveys.cancelling import note_cancellations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_promoter.config.settings import Campaign
    from target_promoter.intake.batch import Batch
    from target_promoter.people.traits import Trait
    from target_promoter.records.calls import Track


class _Whom(NamedTuple):
    """Whom a call is about: the user id it stands for, and the address it can be surveyed at."""

    user_id: str | None
    address: str | None


class Tracking:
    """Takes the track calls of one batch."""

    def __init__(self, batch: Batch, calls: Sequence[Track]) -> None:
        self._batch = batch
        self._calls = calls
        batch.link(
            (call.anonymous_id, call.user_id)
            for call in calls
            if call.anonymous_id and call.user_id and not (call.blocked or call.problem or call.deleted_at)
            if not batch.is_forgotten(call, _keys)
        )
        self._links = people.users_of(
            batch.tx, {call.anonymous_id for call in calls if call.user_id is None and call.anonymous_id}
        )
        named = {call.user_id for call in calls} | set(self._links.values())
        batch.people.look_up(user_id for user_id in named if user_id is not None)
        emails = {call.email for call in calls if call.user_id is None and call.email}
        living = people.load_by_email(batch.tx, emails)
        self._owners = {email: rows[-1].user_id for email, rows in living.items()}
        batch.people.look_up(self._owners.values())
        self._messages = {
            (call.canonical, call.message_id): surveys.message_hash(call.canonical, call.message_id)
            for call in calls
            if call.canonical in batch.settings.campaigns
        }
        self._known = surveys.known_messages(batch.tx, self._messages.values())
        self._new: dict[bytes, surveys.NewSurvey] = {}
        self._more: dict[bytes, dict[str, object]] = {}
        self._deleted: set[bytes] = set()
        self._kept: dict[tuple[str, str], Trait] = {}
        self._cancelling: dict[tuple[str, str], float] = {}

    def take(self) -> Counter[str]:
        """Take the calls.

        Returns:
            How many of them came to each outcome.
        """
        batch = self._batch
        outcomes = Counter(self._take(call) for call in self._calls)
        self._keep_properties()
        note_cancellations(batch.tx, self._cancelling)
        surveys.add(batch.tx, self._new.values(), batch.now)
        self._complete_open()
        surveys.remember_messages(batch.tx, self._deleted)
        batch.sweep_cancelled(self._new.keys(), self._cancelling)
        return outcomes

    def _take(self, call: Track) -> str:
        batch = self._batch
        if call.blocked or batch.is_forgotten(call, _keys):
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
        batch.took(call)
        campaign = batch.settings.campaigns.get(call.canonical)
        if call.canonical in batch.cancelling_events:
            for key in self._who(call):
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
            if is_refused(call):
                return self._retry(call, message, due_at)
            self._more.setdefault(message, {}).update(call.properties)
            return "duplicate"
        if self._batch.is_stale(due_at):
            return "stale"
        self._known.add(message)
        whom = self._whom(call)
        reachable = whom.address is not None
        user_id = self._user_id(call)
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
        self._batch.took(call)
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
        user_id = call.user_id
        if user_id is not None and self._batch.people.is_known(user_id):
            self._batch.people.put(self._batch.people.get(user_id).with_stored(prefix, call.properties, time))
            return
        said = (dict(call.properties), time)
        for key in _keys(call)[:1] if user_id is not None else _keys(call)[1:]:
            if key:
                self._kept[key, prefix] = later_properties(self._kept.get((key, prefix)), said)

    def _keep_properties(self) -> None:
        """Keep properties, and have delivery look at the contacts that they belong to."""
        changed = kept.keep(self._batch.tx, self._kept)
        for call in self._calls if changed else ():
            address = self._whom(call).address
            if address is not None and not changed.isdisjoint(_keys(call)[1:]):
                self._batch.people.look_at(address)
            if call.email in self._owners and people.email_key(call.email) in changed:
                self._batch.people.look_at(call.email)

    def _user_id(self, call: Track) -> str | None:
        """Return the user id of a call, or the one that its anonymous id stands for."""
        if call.user_id is not None or call.anonymous_id is None:
            return call.user_id
        return self._links.get(call.anonymous_id)

    def _whom(self, call: Track) -> _Whom:
        """Return whom a call is about: by user id; without one by anonymous id, then by the call's own address."""
        user_id = self._user_id(call)
        if user_id is not None:
            # A user id that is not known waits; it never falls through to an e-mail address.
            return _Whom(user_id, self._batch.people.address(user_id))
        owner = self._owners.get(call.email or "")
        return _Whom(None, None) if owner is None else _Whom(owner, call.email)

    def _who(self, call: Track) -> Iterator[str]:
        """Yield the keys under which things of the call's person are kept, the surest first."""
        whom = self._whom(call)
        if whom.user_id is not None:
            yield people.user_key(whom.user_id)
        if call.user_id is None:
            if call.anonymous_id is not None:
                yield people.anonymous_key(call.anonymous_id)
            if call.email is not None:
                yield people.email_key(call.email)


def _keys(call: Track) -> tuple[str | None, ...]:
    """Return the keys of everything that a call names its person by."""
    return (
        call.user_id and people.user_key(call.user_id),
        call.anonymous_id and people.anonymous_key(call.anonymous_id),
        call.email and people.email_key(call.email),
    )
