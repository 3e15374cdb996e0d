"""What becomes of a survey that is due: whom it goes to, and whether it may be sent now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_promoter.contacts.attributes import survey_attributes
from target_promoter.contacts.wanted import ContactForm, contact_forms
from target_promoter.people import identity, people
from target_promoter.store.encoding import decode, encode
from target_promoter.surveys import claims
from target_promoter.surveys.cancelling import cancellations_of, cancelled_by, survey_keys
from target_promoter.surveys.claims import Claim
from target_promoter.values.events import canonical
from target_promoter.values.times import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_promoter.config.settings import Settings
    from target_promoter.contacts.attributes import Note
    from target_promoter.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class _Whom:
    """Whom a survey goes to."""

    user_id: str
    email: str


class Chooser:
    """Decides what becomes of surveys that are due, looked up together.

    Args:
        candidates: The surveys, as rows.

    Attributes:
        notes: What became of attributes of those that are to be sent.
    """

    def __init__(self, tx: Transaction, settings: Settings, candidates: Sequence[Any], now: float) -> None:
        self._settings = settings
        self._now = now
        self._links = people.users_of(
            tx, {one.anonymous_id for one in candidates if one.user_id is None and one.anonymous_id}
        )
        users = {one.user_id for one in candidates} | set(self._links.values())
        rows = people.load(tx, {user_id for user_id in users if user_id is not None})
        self._addresses = {user_id: row.address for user_id, row in rows.items()}
        emails = {one.email for one in candidates if one.user_id is None and one.email}
        living = people.load_by_email(tx, emails)
        self._owners = {email: at_address[-1].user_id for email, at_address in living.items()}
        whom = {one.id: self._whom(one) for one in candidates}
        self._targets: Mapping[int, _Whom | None] = whom
        reached = {one.email for one in whom.values() if one is not None}
        self._forms: Mapping[str, ContactForm] = contact_forms(tx, reached, settings.contact_lists)
        self._throttles = claims.throttles_of(
            tx, {key for one in whom.values() if one is not None for key in self._held_by(one)}
        )
        self._keys = {one.id: self._keys_of(tx, one) for one in candidates}
        all_keys = {key for some in self._keys.values() for key in some}
        self._cancellations = cancellations_of(tx, all_keys)
        self._claimed: set[str] = set()
        self.notes: tuple[Note, ...] = ()

    def choose(self, survey: Any) -> tuple[str, str | None, Claim | None]:  # noqa: ANN401 - a database row
        """Return what becomes of a survey: its new status, why, and the claim if it is to be sent now.

        Args:
            survey: One of the candidates; whoever is chosen first has the contact.
        """
        campaign = self._settings.campaigns.get(canonical(survey.event))
        if campaign is not None:
            cancel_on = frozenset(rule.event for rule in campaign.cancel_on)
            event = cancelled_by(self._cancellations, self._keys[survey.id], cancel_on, survey.event_at)
            if event is not None:
                return "cancelled", f"cancelled by the event {event}", None
        whom = self._targets[survey.id]
        form = None if whom is None else self._forms.get(whom.email)
        if whom is None or form is None:
            return "waiting", None, None
        if not self._settings.may_survey(whom.email):
            return "withheld", "its address is not among survey_recipients", None
        keys = self._held_by(whom)
        throttles = [self._throttles[key] for key in keys if key in self._throttles]
        if any(one.survey_id not in {None, survey.id} for one in throttles) or not self._claimed.isdisjoint(keys):
            return "queued", None, None
        last = max((one.surveyed_at for one in throttles if one.surveyed_at is not None), default=None)
        if last is not None and self._now - last < self._settings.throttle_days * 86_400:
            return "throttled", f"the contact was surveyed at {iso(last)}", None
        self._claimed.update(keys)
        attributes = survey_attributes(decode(survey.properties or "{}"))
        self.notes += (*attributes.notes, *form.notes)
        request = {"campaign_id": survey.campaign_id, "contact": form.contact, "attributes": attributes.values}
        claim = Claim(
            survey.id, survey.campaign_id, whom.email, whom.user_id, self._now, encode(request), form.digest, 0
        )
        return "claimed", None, claim

    def _whom(self, survey: Any) -> _Whom | None:  # noqa: ANN401 - a database row
        """Return whom a survey goes to: by user id; without one by anonymous id, then by the call's own address."""
        user_id = survey.user_id or self._links.get(survey.anonymous_id or "")
        if user_id is not None:
            email = self._addresses.get(user_id)
            return None if email is None else _Whom(user_id, email)
        owner = self._owners.get(survey.email or "")
        return None if owner is None else _Whom(owner, survey.email)

    def _keys_of(self, tx: Transaction, survey: Any) -> tuple[str, ...]:  # noqa: ANN401 - a database row
        """Return all keys under which the person of a survey may have done what cancels it."""
        campaign = self._settings.campaigns.get(canonical(survey.event))
        if campaign is None or not campaign.cancel_on:
            return ()
        whom = self._targets[survey.id]
        keys = survey_keys(survey, None if whom is None else whom.user_id)
        if whom is None:
            return keys
        also = [identity.anonymous_key(one) for one in people.anonymous_links_of(tx, [whom.user_id])]
        return (*keys, *also, identity.email_key(whom.email))

    def _held_by(self, whom: _Whom) -> set[str]:
        """Return the keys under which an earlier survey of a contact is noted: its address, and everybody who has it.

        Who has a new address brings the throttle of the old one along, also for others who have the new one.
        """
        form = self._forms.get(whom.email)
        user_ids = {whom.user_id} if form is None else {whom.user_id, *form.user_ids}
        return {identity.email_key(whom.email), *map(identity.user_key, user_ids)}
