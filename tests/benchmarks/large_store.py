"""Fills a store as large as years make one: `python -m tests.benchmarks.large_store URL --people N --surveys N`.

Rows are written by the program's own verbs, without the records that would have led to them.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from target_promoter.config.settings import Settings
from target_promoter.contacts.wanted import contact_forms
from target_promoter.people import people
from target_promoter.people.identity import email_key, user_key
from target_promoter.people.person import Part, Person, Traits
from target_promoter.store import rejected
from target_promoter.store.database import open_store
from target_promoter.store.encoding import encode
from target_promoter.store.outcomes import SurveyStatus
from target_promoter.store.rejected import Rejected
from target_promoter.store.schema import contacts, surveys, throttles
from target_promoter.surveys import schedule
from target_promoter.surveys.known_events import KnownEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.store.transaction import Transaction

CAMPAIGN: Final = 78
EVENT: Final = "Order Completed"
_CANONICAL: Final = "ordercompleted"
_STREAM: Final = "customers"
_STEP: Final = 5000
_DAY: Final = 86_400.0
_SENT_DAYS: Final = 29
_PLANS: Final = ("free", "pro", "team", "enterprise")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is in a large store.

    Attributes:
        people: How many people, each with a contact.
        surveys: How many surveys, each of another person in turn.
        pending: How many of the contacts were never sent.
        due: How many of the surveys are to be sent now.
        waiting: How many of them wait for people whom nobody knows.
        rejected: How many rejected records.
    """

    people: int
    surveys: int
    pending: int = 0
    due: int = 0
    waiting: int = 0
    rejected: int = 0


def email(number: int) -> str:
    """Return the address of a person."""
    return f"person.{number:07}@example.com"


def user_id(number: int) -> str:
    """Return the user id of a person."""
    return f"user-{number:07}"


def fill(url: str, size: Size, now: float) -> None:
    """Fill a store, which is made; SQLite or PostgreSQL."""
    store = open_store(url, now=now - 400 * _DAY)
    parts: tuple[tuple[Callable[[Transaction, range, Size, float], None], int], ...] = (
        (_people, size.people),
        (_surveys, size.surveys),
        (_rejected, size.rejected),
    )
    for write, number in parts:
        for start in range(0, number, _STEP):
            numbers = range(start, min(start + _STEP, number))
            store.write(lambda tx, write=write, numbers=numbers: write(tx, numbers, size, now))  # type: ignore[misc]
    # As a run with this campaign leaves it.
    settings = Settings.from_config({"api_key": "sandbox", "campaigns": {EVENT: CAMPAIGN}})
    store.write(lambda tx: schedule.apply_settings(tx, settings, now))
    store.analyze()
    store.close()


def _people(tx: Transaction, numbers: range, size: Size, now: float) -> None:
    people.save(tx, (_person(one, now - _DAY * (1 + one % 300)) for one in numbers))
    forms = contact_forms(tx, [email(one) for one in numbers], ())
    rows = []
    for one in numbers:
        is_sent = one >= size.pending
        sent_at = now - _DAY * (1 + one % 300)
        rows.append(
            (
                email(one),
                user_id(one),
                "synced" if is_sent else "pending",
                1,
                sent_at,
                forms[email(one)].digest if is_sent else None,
                sent_at if is_sent else None,
            )
        )
    names = ("email", "user_id", "status", "revision", "changed_at", "sent", "synced_at")
    tx.insert_rows(contacts, names, rows)


def _person(number: int, time: float) -> Person:
    traits = {"plan": _PLANS[number % 4], "company": f"Company {number % 9999}", "orders": number % 31, "city": "Oslo"}
    names = {"first_name": f"First{number % 997}", "last_name": f"Last{number % 4999}"}
    part = Part(time, email=email(number), email_at=time, names=Traits(names, time), traits=Traits(traits, time))
    return Person(user_id(number), {_STREAM: part}, None, {_STREAM: f"{number:016x}"})


def _surveys(tx: Transaction, numbers: range, size: Size, now: float) -> None:
    known, rows, surveyed = KnownEvents(tx), list[tuple[Any, ...]](), dict[str, float]()
    for one in numbers:
        place, status = one % max(size.people, 1), SurveyStatus.SENT
        if one < size.due:
            status, at = SurveyStatus.QUEUED, now - 3600 - one % 3600
        elif one < size.due + size.waiting:
            status, at = SurveyStatus.WAITING, now - one % (2 * _DAY)
        else:
            at = now - 2 * _DAY - one % (_SENT_DAYS * _DAY - 2 * _DAY)
        who = f"nobody-{one}" if status is SurveyStatus.WAITING else user_id(place)
        address = email(place) if status is SurveyStatus.SENT else None
        if address is not None:
            surveyed |= {email_key(address): at, user_key(who): at}
        message = known.message(_CANONICAL, f"order-{one}")
        occurrence = known.occurrence(CAMPAIGN, user_key(who), at)
        properties = encode({"order_id": f"order-{one}", "total": one % 500 + 0.5, "currency": "EUR"})
        settled = at if status is SurveyStatus.SENT else None
        of_call = (message, occurrence, "orders", EVENT, _CANONICAL, CAMPAIGN, f"order-{one}", who, at, at, at)
        rows.append((*of_call, properties, status.value, at, settled, address, who if address else None))
    of_call_names = ("message", "occurrence", "stream", "event", "canonical", "campaign_id", "message_id", "user_id")
    times = ("event_at", "due_at", "first_due_at")
    rest = ("properties", "status", "created_at", "settled_at", "claimed_email", "claimed_user_id")
    tx.insert_rows(surveys, (*of_call_names, *times, *rest), rows)
    known.remember(mark for row in rows for mark in row[:2])
    tx.upsert_rows(throttles, ("who", "surveyed_at"), sorted(surveyed.items()))


def _rejected(tx: Transaction, numbers: range, size: Size, now: float) -> None:
    del size
    found = []
    for one in numbers:
        record = {"id": one, "email": f"not an address {one}", "notes": "".join(repeat("a word or two ", 20))}
        found.append(Rejected(one.to_bytes(16), _STREAM, "identify", "no usable e-mail address", record))
    rejected.add(tx, found, now - _DAY)


def main() -> None:
    """Fill the store that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where the store is made, such as sqlite:////tmp/large.db")
    for name in Size.__slots__:
        parser.add_argument(f"--{name}", type=int, default=1_000_000 if name in {"people", "surveys"} else 0)
    options = vars(parser.parse_args())
    fill(options.pop("url"), Size(**options), time.time())


if __name__ == "__main__":
    main()
