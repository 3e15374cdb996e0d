"""The whole story of one person: everything known and decided, in order of time, each decision with its reason."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from target_promoter.intake.identifiers import identifiers_of
from target_promoter.people import people
from target_promoter.report.waiting import waits_for
from target_promoter.report.words import campaign, shown
from target_promoter.store import runs
from target_promoter.store import schema as tables
from target_promoter.store.encoding import decode
from target_promoter.store.schema import SurveyStatus
from target_promoter.surveys.surveys import not_surveyed_of, survey_rows
from target_promoter.values.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_promoter.config.settings import Settings
    from target_promoter.people.identity import Identifiers
    from target_promoter.people.person import Person
    from target_promoter.store.transaction import Transaction

_DAY: Final = 86_400
_WHY: Final = {
    SurveyStatus.SENT: "Promoter accepted the request",
    SurveyStatus.PRESUMED: "a first request got no answer, and Promoter refused the second: the first had arrived",
    SurveyStatus.THROTTLED: "Promoter refused it",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one user id.

    Attributes:
        user_id: The user id.
        email: Its address; None if there is none.
        deleted: Whether it was deleted at its source.
        first_name: The first name.
        last_name: The last name.
        traits: The traits as they stand.
        stored: Of each stored event (by its attribute prefix) the properties as they stand.
        contact_lists: The ids of the lists that its streams name.
    """

    user_id: str
    email: str | None
    deleted: bool
    first_name: str | None
    last_name: str | None
    traits: Mapping[str, Any]
    stored: Mapping[str, Mapping[str, Any]]
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
        anonymous_ids: The anonymous ids.
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


def story(tx: Transaction, settings: Settings, asked: str, rejected: Iterable[Any], now: float) -> Story:
    """Return the story of a person.

    Args:
        asked: A user id or an e-mail address.
        rejected: The rows of the rejected records that name the person.
    """
    names = identifiers_of(tx, asked)
    rows = people.load(tx, names.user_ids)
    persons = [rows[user_id].person() for user_id in sorted(rows)]
    moments = [
        *(moment for person in persons for moment in _said(person)),
        *_kept(tx, names),
        *_cancelling(tx, names),
        *_not_surveyed(tx, names),
        *(moment for row in survey_rows(tx, names) for moment in _survey(row, settings, now)),
        *_contact(tx, names),
        *_throttle(tx, names, settings.throttle_days),
        *(Moment(row.rejected_at, f"a record of stream {row.stream} was rejected", row.reason) for row in rejected),
    ]
    return Story(
        asked=asked,
        generated_at=now,
        user_ids=sorted(names.user_ids),
        emails=sorted(names.emails),
        anonymous_ids=sorted(names.anonymous_ids),
        known=[_known(person) for person in persons],
        forgotten=bool(runs.forgotten_among(tx, names.all_keys)),
        moments=sorted(moments, key=lambda moment: moment.happened_at),
    )


def _known(person: Person) -> Known:
    return Known(
        user_id=person.user_id,
        email=person.email or None,
        deleted=person.deleted,
        first_name=person.names.standing.get("first_name"),
        last_name=person.names.standing.get("last_name"),
        traits=person.traits.standing,
        stored={prefix: properties for prefix, (properties, _) in person.events.items()},
        contact_lists=sorted(person.contact_lists),
    )


def _said(person: Person) -> Iterator[Moment]:
    """Yield what calls said of a person; of each trait only what stands is kept."""
    by_time: defaultdict[float, list[str]] = defaultdict(list)
    if person.email is not None:
        email_at = max(part.email_at for part in person.parts.values())
        by_time[email_at].append(f"email {person.email}")
    for name, value, time in (*person.names, *person.traits):
        by_time[time].append(f"{name} {shown(value)}")
    whom = f"user id {person.user_id}"
    for time, said in by_time.items():
        yield Moment(time, f"an identify call said of {whom}: {', '.join(said)}", "nothing later contradicts it")
    if person.identified_at and person.identified_at not in by_time:
        yield Moment(person.identified_at, f"the last identify call of {whom} said nothing new")
    for prefix, (properties, time) in person.events.items():
        names = ", ".join(sorted(properties)) or "no properties"
        yield Moment(time, f"the event {prefix}: kept on the contact: {names}", "it is the latest of `stored_events`")
    if person.deleted_at is not None:
        why = "it is not sent to Promoter, unless it is identified again"
        yield Moment(person.deleted_at, f"{whom} was deleted at its source", why)


def _kept(tx: Transaction, names: Identifiers) -> Iterator[Moment]:
    table = tables.kept_properties.c
    for row in tx.execute(select(tables.kept_properties).where(table.who.in_(names.all_keys))):
        yield Moment(
            row.time,
            f"the event {row.prefix}: its properties are kept",
            "of its names this is the only one that is known",
        )


def _cancelling(tx: Transaction, names: Identifiers) -> Iterator[Moment]:
    table = tables.cancellations.c
    # Those with a value of `match` are among those with any.
    where = table.who.in_(names.all_keys) & (table.matched == "")
    for row in tx.execute(select(tables.cancellations).where(where)):
        yield Moment(row.time, f"the event {row.event}", "it cancels waiting surveys of earlier events (`cancel_on`)")


def _not_surveyed(tx: Transaction, identifiers: Identifiers) -> Iterator[Moment]:
    for one in not_surveyed_of(tx, identifiers.all_keys):
        yield Moment(one.event_at, f"the event {one.event} led to no survey of {campaign(one.campaign_id)}", one.reason)


def _survey(row: Any, settings: Settings, now: float) -> Iterator[Moment]:  # noqa: ANN401 - a database row
    name = f"the survey of {campaign(row.campaign_id)} for {row.event}"
    yield Moment(row.event_at, f"the event {row.event} (stream {row.stream}, message id {row.message_id})")
    yield Moment(row.created_at, f"{name} was taken, due at {iso(row.due_at)}", "`campaigns` names the event")
    if row.claimed_at is not None:
        yield Moment(row.claimed_at, f"the request for {name} was made, to {row.claimed_email or 'nobody any more'}")
    if row.status in tables.UNSETTLED:
        yield Moment(now, f"{name} is not sent yet", f"it waits for {waits_for(row, settings, now)}")
    elif row.settled_at is not None:
        yield Moment(row.settled_at, f"{name}: {row.status}", row.reason or _WHY.get(row.status))


def _contact(tx: Transaction, names: Identifiers) -> Iterator[Moment]:
    table = tables.contacts.c
    for row in tx.execute(select(tables.contacts).where(table.email.in_(names.emails))):
        name = f"the contact {row.email}"
        if row.synced_at is not None:
            lists = decode(row.sent_lists)
            on = f", on the lists {', '.join(map(str, lists))}" if lists else ""
            yield Moment(row.synced_at, f"{name} was last sent{on}", "it differed from what was sent before")
        match row.status:
            case "refused":
                yield Moment(row.changed_at, f"{name} was refused", row.reason or "Promoter said no more")
            case "pending" | "removing" | "list_unknown":
                doing = "sent" if row.status != "removing" else "removed"
                yield Moment(row.changed_at, f"{name} is to be {doing}", "it changed; the next delivery looks at it")
            case "removed":
                yield Moment(row.changed_at, f"{name} was removed from Promoter", "its record was deleted")
            case "unowned":
                yield Moment(row.changed_at, f"{name} is nobody's any more", "its person was deleted or has another")
            case _:
                pass


def _throttle(tx: Transaction, names: Identifiers, days: float) -> Iterator[Moment]:
    table = tables.throttles.c
    where = table.who.in_(names.all_keys) & table.surveyed_at.is_not(None)
    for row in tx.execute(select(tables.throttles).where(where)):
        until = iso(row.surveyed_at + days * _DAY)
        who = row.who[2:] if row.who.startswith("e:") else f"user id {row.who[2:]}"
        yield Moment(row.surveyed_at, f"{who} is not surveyed again before {until}", "`throttle_days`")
