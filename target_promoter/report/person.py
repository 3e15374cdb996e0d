"""The whole story of one person: everything known and decided, in order of time, each decision with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import select

from target_promoter.config.settings import Settings
from target_promoter.contacts import pulled
from target_promoter.intake.identifiers import identifiers_of
from target_promoter.people import people, stored_events
from target_promoter.people.identity import Identifiers, user_key
from target_promoter.people.person import PULLED, Person, Trait
from target_promoter.people.stored_events import Place
from target_promoter.progress.words import campaign, listed, waits_for, when
from target_promoter.store import runs
from target_promoter.store import schema as tables
from target_promoter.store.encoding import decode, encode
from target_promoter.store.outcomes import UNSETTLED, ContactStatus, SurveyStatus
from target_promoter.store.rejected import Rejected
from target_promoter.store.transaction import Transaction
from target_promoter.surveys.surveys import StoredSurvey, not_surveyed_of, of_people
from target_promoter.values.events import canonical

_LONGEST_NUMBER: Final = 40  # Digits; a longer one is shown as JSON.
_DAY: Final = 86_400
_WHY: Final = {
    SurveyStatus.SENT: "Promoter accepted the request",
    SurveyStatus.PRESUMED: "a first request got no answer, and Promoter refused the second: the first had arrived",
    SurveyStatus.THROTTLED: "Promoter refused it",
}
_NAMES: Final = {"first_name": "first name", "last_name": "last name"}
_CONTACT: Final = {
    ContactStatus.PENDING: ("to be sent", "it changed; the next delivery looks at it"),
    ContactStatus.LIST_UNKNOWN: ("to be sent", "Promoter does not know a contact list that it joins"),
    ContactStatus.REMOVING: ("to be removed", "its record was deleted"),
    ContactStatus.REMOVED: ("removed from Promoter", "its record was deleted"),
    ContactStatus.UNOWNED: ("nobody's any more", "its person was deleted, or has another address"),
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one user id.

    Attributes:
        email: Its address; None if there is none.
        deleted: Whether it was deleted at its source.
        traits: The traits as they stand.
        stored: Of each stored event (by its attribute prefix) the properties as they stand.
        contact_lists: The ids of the lists that its streams name.
    """

    user_id: str
    email: str | None
    deleted: bool
    first_name: str | None
    last_name: str | None
    traits: Mapping[str, object]
    stored: Mapping[str, Mapping[str, object]]
    contact_lists: Sequence[int]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened or was decided.

    Attributes:
        happened_at: When, in epoch seconds.
        what: What.
        why: Why, if it was decided.
    """

    happened_at: float
    what: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """The story of a person.

    Attributes:
        asked: The user id or e-mail address that was asked for.
        generated_at: When it was told, in epoch seconds.
        user_ids: The user ids it is about.
        emails: The addresses.
        known: What is known of each user id.
        forgotten: Whether the person was forgotten; its calls are blocked then.
        moments: What happened, in order of time.
    """

    asked: str
    generated_at: float
    user_ids: Sequence[str]
    emails: Sequence[str]
    anonymous_ids: Sequence[str]
    known: Sequence[Known]
    forgotten: bool
    moments: Sequence[Moment]


def story(tx: Transaction, settings: Settings, asked: str, rejected: Iterable[Rejected], now: float) -> Story:
    """Return the story of a person.

    Args:
        asked: A user id or an e-mail address.
        rejected: The rejected records that name the person.
    """
    known_by = identifiers_of(tx, asked)
    rows = people.load(tx, known_by.user_ids)
    persons = [rows[user_id].person() for user_id in sorted(rows)]
    named = _Names(tx, settings)
    moments = [
        # Of one moment what happened comes before what was made of it.
        *(moment for one in of_people(tx, known_by) for moment in _survey(one, settings, named, now)),
        *(moment for person in persons for moment in _said(person)),
        *(moment for person in persons for moment in _left(person)),
        *_kept(tx, known_by, [user_key(person.user_id) for person in persons], named),
        *_cancelling(tx, settings, known_by, named),
        *_not_surveyed(tx, known_by, named),
        *_contact(tx, known_by),
        *_pulled(tx, known_by),
        *_throttle(tx, known_by, settings.throttle_days),
        *(Moment(one.rejected_at, f"A record of {one.stream} was rejected", one.reason) for one in rejected),
    ]
    return Story(
        asked=asked,
        generated_at=now,
        user_ids=sorted(known_by.user_ids),
        emails=sorted(known_by.emails),
        anonymous_ids=sorted(known_by.anonymous_ids),
        known=[_known(person, stored_events.of_user(tx, person.user_id).items()) for person in persons],
        forgotten=bool(runs.forgotten_among(tx, known_by.all_keys)),
        moments=sorted(moments, key=lambda moment: moment.happened_at),
    )


def _known(person: Person, stored: Iterable[tuple[Place, Trait]]) -> Known:
    return Known(
        user_id=person.user_id,
        email=person.email or None,
        deleted=person.deleted,
        first_name=person.names.standing.get("first_name"),
        last_name=person.names.standing.get("last_name"),
        traits=person.traits.standing,
        stored={prefix: said[0] for prefix, said in stored_events.latest(stored, person.deleted_at).items()},
        contact_lists=sorted(person.contact_lists),
    )


class _Names:
    """Names of events and campaigns for people to read: the store knows some of them by other forms alone."""

    def __init__(self, tx: Transaction, settings: Settings) -> None:
        self.campaigns = runs.campaigns(tx)
        read = tx.scalars(select(tables.events.c.name).distinct())
        as_written = [*read, *(campaign.event for campaign in settings.campaigns.values())]
        self._events: dict[str, str] = {canonical(name): name for name in as_written}
        self._prefixes = {prefix: event for event, prefix in settings.stored_events.items()}

    def event(self, form: str) -> str:
        """Return the name of an event as sent, by its canonical form or its prefix; that itself if it is not known."""
        return self._events.get(self._prefixes.get(form, form), form)

    def campaign(self, number: int) -> str:
        """Return a campaign with its name, if it is known."""
        return campaign(number, self.campaigns)


def _said(person: Person) -> Iterator[Moment]:
    """Yield what each stream said of a person; of each trait only what it said last is kept."""
    whom = f"user id {person.user_id}"
    for stream, part in sorted(person.parts.items()):
        if stream == PULLED:
            continue  # What was read at Promoter is told by the contact.
        by_time: defaultdict[float, list[str]] = defaultdict(list)
        if part.email is not None:
            by_time[part.email_at].append(f"e-mail {part.email}")
        for name, value, time in (*part.names, *part.traits):
            if value is not None and time:
                by_time[time].append(f"{_NAMES.get(name, name)} {shown(value)}")
        for time, said in by_time.items():
            yield Moment(time, f"Identified: {', '.join(said)}", f"{stream} said so of {whom}")
        if part.time and part.time not in by_time:
            yield Moment(part.time, "Identified: nothing new", f"{stream} said so of {whom}")
    if person.deleted_at is not None:
        yield Moment(person.deleted_at, f"Deleted at the source ({whom})", "not sent, unless it is identified again")


def _left(person: Person) -> Iterator[Moment]:
    """Yield when the person left mirrored streams."""
    for stream, part in sorted(person.parts.items()):
        left_at = person.left_at(stream)
        if left_at is not None:
            ended = ", ".join(f"{name} {shown(value)}" for name, value in sorted(part.traits.standing.items()))
            what = f"Left {stream}: what it alone said went{f', {ended} from then on' if ended else ''}"
            why = f"the newest table version of {stream} lacks user id {person.user_id}, and the stream is mirrored"
            yield Moment(left_at, what, why)


def _kept(tx: Transaction, identifiers: Identifiers, known: Collection[str], named: _Names) -> Iterator[Moment]:
    table = tables.kept_properties.c
    for row in tx.execute(select(tables.kept_properties).where(table.who.in_(identifiers.all_keys))):
        if row.who in known:
            properties = ", ".join(sorted(decode(row.properties))) or "no properties"
            why = "it is the latest one, and the setting stored_events names it"
            yield Moment(row.time, f"{named.event(row.prefix)}: kept on the contact: {properties}", why)
        else:
            why = "they go to the contact when its person is known"
            yield Moment(row.time, f"{named.event(row.prefix)}: its properties are kept", why)


def _cancelling(tx: Transaction, settings: Settings, identifiers: Identifiers, named: _Names) -> Iterator[Moment]:
    table = tables.cancellations.c
    cancels: defaultdict[str, list[str]] = defaultdict(list)
    for surveyed in settings.campaigns.values():
        for rule in surveyed.cancel_on:
            cancels[rule.event].append(surveyed.event + (f" with the same {rule.match}" if rule.match else ""))
    # Those with a value of `match` are among those with any.
    where = table.who.in_(identifiers.all_keys) & (table.matched == "")
    for row in tx.execute(select(tables.cancellations).where(where)):
        earlier = listed([f"earlier {one}" for one in cancels.get(row.event, ())])
        why = f"cancel_on names it: it cancels surveys that wait for {earlier}" if earlier else "cancel_on named it"
        yield Moment(row.time, f"{named.event(row.event)} happened", why)


def _not_surveyed(tx: Transaction, identifiers: Identifiers, named: _Names) -> Iterator[Moment]:
    for one in not_surveyed_of(tx, identifiers.all_keys):
        what = f"{one.event} led to no survey ({named.campaign(one.campaign_id)})"
        yield Moment(one.event_at, what, one.reason.replace("`", ""))


def _survey(survey: StoredSurvey, settings: Settings, named: _Names, now: float) -> Iterator[Moment]:
    name = f"Survey for {survey.event} ({named.campaign(survey.campaign_id)})"
    source = f"read from {survey.stream}, message id {survey.message_id}"
    yield Moment(survey.event_at, f"{survey.event} happened", source)
    yield Moment(survey.created_at, f"{name}: due {when(survey.due_at)}", "the setting campaigns names the event")
    if survey.claimed_at is not None:
        yield Moment(survey.claimed_at, f"{name}: requested for {survey.claimed_email or 'nobody any more'}")
    if survey.status in UNSETTLED:
        yield Moment(now, f"{name}: not sent yet", f"it waits for {waits_for(survey, settings, now)}")
    elif survey.settled_at is not None:
        yield Moment(survey.settled_at, f"{name}: {survey.status}", survey.reason or _WHY.get(survey.status))


def _contact(tx: Transaction, identifiers: Identifiers) -> Iterator[Moment]:
    table = tables.contacts.c
    for row in tx.execute(select(tables.contacts).where(table.email.in_(identifiers.emails))):
        name = f"Contact {row.email}"
        if row.synced_at is not None:
            lists = decode(row.sent_lists)
            on = f", with the contact lists {', '.join(map(str, lists))}" if lists else ""
            yield Moment(row.synced_at, f"{name}: sent{on}", "it differed from what was sent before")
        if row.status == ContactStatus.REFUSED:
            yield Moment(row.changed_at, f"{name}: refused", row.reason or "Promoter said no more")
        elif row.status in _CONTACT:
            yield Moment(row.changed_at, f"{name}: {_CONTACT[row.status][0]}", _CONTACT[row.status][1])


def _pulled(tx: Transaction, identifiers: Identifiers) -> Iterator[Moment]:
    for email, held in sorted(pulled.load(tx, identifiers.emails).items()):
        said = [f"user id {held.user_id}"] if held.user_id is not None else []
        said += [f"contact lists {', '.join(map(str, held.lists))}"] if held.lists else []
        said += ["changed since it was sent"] if held.differs else []
        what = ": ".join(filter(None, (f"Contact {email}: read at Promoter", ", ".join(said))))
        yield Moment(held.read_at, what, "pull read the account")
        if held.unsubscribed:
            yield Moment(held.read_at, f"Contact {email}: unsubscribed at Promoter", "its surveys are withheld")


def _throttle(tx: Transaction, identifiers: Identifiers, days: float) -> Iterator[Moment]:
    table = tables.throttles.c
    where = table.who.in_(identifiers.all_keys) & table.surveyed_at.is_not(None)
    for row in tx.execute(select(tables.throttles).where(where)):
        until = when(row.surveyed_at + days * _DAY)
        who = row.who[2:] if row.who.startswith("e:") else f"user id {row.who[2:]}"
        yield Moment(row.surveyed_at, f"Surveyed: {who}, not again before {until}", "the setting throttle_days")


def shown(value: object) -> str:
    """Return a value of a tap for people to read: text as it is, numbers without an exponent, all else as JSON."""
    if isinstance(value, Decimal) and abs(value.adjusted()) < _LONGEST_NUMBER:
        return format(value, "f")
    return value if isinstance(value, str) else encode(value)


def known_by(story: Story) -> str:
    """Return what a person is known by."""
    names = (("user id", story.user_ids), ("e-mail address", story.emails), ("anonymous id", story.anonymous_ids))
    return "; ".join(f"{what} {', '.join(values)}" for what, values in names if values)


def facts(known: Known) -> list[tuple[str, str]]:
    """Return what is known of a user id, by name; what is not known is left out."""
    found: list[tuple[str, object]] = [
        ("e-mail address", known.email),
        ("first name", known.first_name),
        ("last name", known.last_name),
        ("contact lists", ", ".join(map(str, known.contact_lists)) or None),
        *known.traits.items(),
        *((f"{prefix}_{name}", value) for prefix, stored in known.stored.items() for name, value in stored.items()),
    ]
    return [(name, shown(value)) for name, value in found if value is not None]
