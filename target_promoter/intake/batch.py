"""One batch of calls in its transaction: what identify and track calls share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.people import people, stored_events
from target_promoter.people.identity import Identity, anonymous_key, names_of
from target_promoter.people.known import KnownPeople
from target_promoter.records.calls import HOLDS_KEY, REPLAYED, Identify, Track
from target_promoter.store import rejected, runs
from target_promoter.store.outcomes import SurveyStatus
from target_promoter.store.summary import Findings
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import surveys, throttle
from target_promoter.surveys.cancelling import CancelRules
from target_promoter.surveys.rules import Rules
from target_promoter.values.reading import clean, fingerprint

DELETED = "its person was deleted"
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
        rules: What the settings say of surveys now.
        cancel_rules: What cancels what.
        surveys: How many surveys came to each final outcome.
        queued: Whether surveys that waited for their person are to be sent now.
        anybody_forgotten: Whether anybody was ever forgotten.
        findings: What its owner should hear of.
    """

    def __init__(self, tx: Transaction, settings: Settings, now: float) -> None:
        self.tx = tx
        self.settings = settings
        self.now = now
        self.people = KnownPeople(tx)
        self.linked: set[str] = set()
        self.unlinked: set[str] = set()
        self.surveys: Counter[str] = Counter()
        self.queued = False
        self.findings = Findings()
        self.rules = Rules(settings, now, runs.created_at(tx))
        self.cancel_rules = CancelRules(settings)
        self.anybody_forgotten = runs.anybody_forgotten(tx)
        self._rejected: list[rejected.Rejected] = []
        self._any_rejected = rejected.any_kept(tx)
        self._accepted: set[bytes] = set()
        self._retold: set[str] = set()
        self._to_remove: set[str] = set()
        self._to_look_at: dict[str, str] = {}

    def forgotten_among(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys (`people.identity`) whose people were forgotten."""
        return runs.forgotten_among(self.tx, keys) if self.anybody_forgotten else set()

    def link(self, seen: Iterable[tuple[str, str]]) -> None:
        """Remember which user ids anonymous ids were seen with, as pairs of the two."""
        links = people.link(self.tx, seen)
        self.linked.update(link.user_id for link in links if link.user_id is not None)
        self.unlinked.update(link.anonymous_id for link in links if link.user_id is None)
        told = stored_events.among(self.tx, (anonymous_key(link.anonymous_id) for link in links))
        self._retold.update(
            user_id
            for link in links
            if anonymous_key(link.anonymous_id) in told
            for user_id in (link.before, link.user_id)
            if user_id is not None
        )

    def known_anonymous_ids(self, anonymous_ids: Iterable[str]) -> set[str]:
        """Return those of the anonymous ids by which somebody is known, a survey waits or properties are kept."""
        asked = set(anonymous_ids)
        waiting = surveys.open_of_people(self.tx, anonymous_ids=asked)
        named = {one.anonymous_id for one in waiting if one.anonymous_id is not None}
        kept = stored_events.among(self.tx, map(anonymous_key, asked))
        return named.union(people.users_of(self.tx, asked), names_of(kept).anonymous_ids)

    def look_at(self, email: str, user_id: str) -> None:
        """Have delivery look at a contact whose form may have changed though its people did not."""
        self._to_look_at[email] = user_id

    def remove_contact(self, email: str) -> None:
        """Have a contact removed from Promoter, unless somebody living has its address when it comes to that."""
        self._to_remove.add(email)

    def reject(self, call: Identify | Track, kind: str, reason: str) -> None:
        """Keep a record that cannot be taken, with the reason, which holds no personal data.

        Args:
            call: What the record says.
            kind: `identify` or `track`.
            reason: Why.
        """
        mark = None if reason == HOLDS_KEY else _mark(call.stream, call.record)
        if mark is None:
            mark, record = fingerprint({"stream": call.stream, "reason": reason}) or b"", None
        else:
            record = {name: value for name, value in call.record.items() if name != REPLAYED}
        reason = clean(reason)  # It may hold the name of a column, and a tap may call it anything.
        self._rejected.append(rejected.Rejected(mark, call.stream, kind, reason, record))
        self.findings.reject(call.stream, reason)

    def discard_rejection(self, stream: str, record: Mapping[str, object]) -> None:
        """Let go of a rejected record that was taken after all."""
        if self._any_rejected:
            replayed = record.get(REPLAYED)
            marks = (_mark(stream, record), _bytes(replayed) if isinstance(replayed, str) else None)
            self._accepted.update(mark for mark in marks if mark)

    def cancel(self, survey_ids: list[int], reason: str) -> None:
        """Cancel surveys that wait, with the reason, for the report."""
        self.surveys[SurveyStatus.CANCELLED] += surveys.cancel(self.tx, survey_ids, reason, self.now)

    def sweep_cancelled(self, new: Iterable[bytes], cancelling: Iterable[str]) -> None:
        """Cancel surveys whose person did what cancels them.

        Args:
            new: The hashes of the events whose surveys came with this batch.
            cancelling: The keys of those who did what cancels in this batch.
        """
        if not self.cancel_rules.any:
            return
        user_ids, anonymous_ids, emails = names_of(cancelling)
        anonymous_ids = anonymous_ids.union(people.anonymous_links_of(self.tx, user_ids))
        waiting = [one for one in surveys.of_rows(self.tx, set(new), ()) if one.is_open]
        waiting += surveys.open_of_people(self.tx, user_ids=user_ids, anonymous_ids=anonymous_ids, emails=emails)
        identity = Identity(self.tx, self.people)
        by_reason: dict[str, set[int]] = {}
        for number, reason in self.cancel_rules.cancelled(self.tx, waiting, identity).items():
            by_reason.setdefault(reason, set()).add(number)
        for reason, numbers in by_reason.items():
            self.cancel(sorted(numbers), reason)

    def save_people(self) -> None:
        """Write the people that changed, and have delivery look at their contacts."""
        saved = self.people.save()
        throttle.move(self.tx, saved.left, self.now)
        to_send, self._to_look_at = self._to_look_at | saved.contacts, {}
        # Of several people at one address the one identified last owns the contact: that may be another one now.
        shared = people.load_by_email(self.tx, saved.moved - to_send.keys(), whole=False)
        to_send |= {email: rows[-1].user_id for email, rows in shared.items() if len(rows) > 1}
        kept = {email: user_id for email, user_id in to_send.items() if email not in self._to_remove}
        contacts.mark_dirty(self.tx, kept, self.now)
        contacts.mark_dirty(self.tx, dict.fromkeys(self._to_remove), self.now, remove=True)

    def finish(self) -> None:
        """Write what follows from people that became known: their kept properties, their waiting surveys."""
        self.people.look_up(self._retold)
        for user_id in self._retold:
            address = self.people.address(user_id)
            if address is not None:
                # What is kept under an anonymous id comes to its contact, or leaves it.
                self.look_at(address, user_id)
        self.save_people()
        self.people.look_up(self.people.reachable | self.linked)
        queued, cancelled = queue_waiting(
            self.tx, self.people, self.people.reachable | self.linked, self.unlinked, self.now
        )
        self.queued = queued > 0
        self.surveys[SurveyStatus.CANCELLED] += cancelled
        rejected.add(self.tx, self._rejected, self.now)
        runs.add_events(self.tx, self.findings.events, self.now)
        rejected.remove(self.tx, self._accepted)


def queue_waiting(
    tx: Transaction, known: KnownPeople, users: set[str], unlinked: Collection[str], now: float
) -> tuple[int, int]:
    """Put the surveys that waited for people among those to be sent, and return how many, and how many are cancelled.

    Args:
        users: User ids that may have an address by now, looked up in `known`.
        unlinked: Anonymous ids that stand for nobody any more.
    """
    if not (users or unlinked) or not surveys.any_open(tx):
        return 0, 0
    addresses = {known.address(user_id) for user_id in users}
    found = surveys.open_of_people(
        tx,
        user_ids=users,
        anonymous_ids={*unlinked, *people.anonymous_links_of(tx, users)},
        emails={address for address in addresses if address is not None},
    )
    waiting = [survey for survey in found if survey.status is SurveyStatus.WAITING and not survey.is_held]
    identity = Identity(tx, known)
    identity.look_up(waiting)
    late: list[int] = []
    ready: list[int] = []
    for survey in waiting:
        who = identity.who(survey)
        if who.user_id is not None and known.is_deleted_since(who.user_id, survey.event_at):
            late.append(survey.id)
        elif who.email is not None:
            ready.append(survey.id)
    surveys.queue(tx, ready)
    return len(ready), surveys.cancel(tx, late, DELETED, now)


def _mark(stream: str, record: Mapping[str, object]) -> bytes | None:
    """Return the hash by which a rejected record is known again; None if the record cannot be written."""
    content = fingerprint({name: value for name, value in record.items() if name != REPLAYED})
    return None if content is None else fingerprint({"stream": stream, "record": content})


def _bytes(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
