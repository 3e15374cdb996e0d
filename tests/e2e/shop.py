"""A shop whose customers are all surveyed once: its data as a tap sends it, and what must be true in the end."""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from target_promoter.store import schema
from target_promoter.store.database import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.sandbox.account import Account
    from target_promoter.sandbox.records import Contact, ContactForm, SurveyForm

COLUMNS = "type userId messageId event timestamp traits properties"


def schema_of(*more: str) -> dict[str, Any]:
    """Return the SCHEMA of a stream of raw calls.

    Args:
        more: Columns beside the usual ones.
    """
    return {
        "type": "SCHEMA",
        "stream": "calls",
        "schema": {"type": "object", "properties": {name: {} for name in (*COLUMNS.split(), *more)}},
        "key_properties": ["messageId"],
    }


SCHEMA = schema_of()


def iso(time_: float) -> str:
    """Return a time in epoch seconds as ISO 8601."""
    return dt.datetime.fromtimestamp(time_, dt.UTC).isoformat()


def record(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - of any shape
    """Return a RECORD of the stream of raw calls."""
    return {"type": "RECORD", "stream": "calls", "record": fields}


def identify(user_id: str, at: float, **traits: Any) -> dict[str, Any]:  # noqa: ANN401 - of any shape
    """Return an identify call.

    Args:
        user_id: Who.
        at: When, in epoch seconds.
        traits: What is known of them.
    """
    return record(type="identify", userId=user_id, messageId=f"i{user_id}-{at}", timestamp=iso(at), traits=traits)


def order(user_id: str, order_id: str, at: float) -> dict[str, Any]:
    """Return a track call of an order, which asks for a survey.

    Args:
        user_id: Who ordered.
        order_id: What.
        at: When, in epoch seconds.
    """
    properties = {"order_id": order_id, "total": 12.5}
    return record(
        type="track",
        userId=user_id,
        messageId=order_id,
        event="Order Completed",
        timestamp=iso(at),
        properties=properties,
    )


def state(number: int) -> dict[str, Any]:
    """Return a STATE that covers everything before it."""
    return {"type": "STATE", "value": {"read": number}}


@dataclass(slots=True)
class Shop:
    """Customers who are identified, order (some twice), and are identified anew with other traits.

    Attributes:
        people: How many customers.
        seed: The same seed gives the same data.
        now: The time, in epoch seconds.
        messages: The data as a tap sends it, a STATE after every few records.
        orders: The ids of the orders of each address.
        plans: The trait `plan` that each address must have in the end.
    """

    people: int
    seed: int
    now: float = field(default_factory=time.time)
    messages: list[dict[str, Any]] = field(default_factory=list)
    orders: dict[str, list[str]] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the data."""
        chance = random.Random(self.seed)  # noqa: S311 - repeatable, not secret
        before, after = [], []
        for number in range(self.people):
            user_id, email = f"u{self.seed}-{number}", f"c{self.seed}-{number}@example.com"
            moments = sorted(self.now - chance.uniform(600, 7200) for _ in range(4))
            # Two events of one person and second would be one.
            times = [one + 2 * place for place, one in enumerate(moments)]
            plan = chance.choice(["basic", "plus", "pro"])
            self.plans[email] = f"{plan}-again"
            self.orders[email] = [f"o{user_id}-{one}" for one in range(1 + (number % 8 == 0))]
            before.append(identify(user_id, times[0], email=email, firstName="Ann", plan=plan))
            after += [order(user_id, one, times[1 + at]) for at, one in enumerate(self.orders[email])]
            after.append(identify(user_id, times[3], email=email, firstName="Ann", plan=f"{plan}-again"))
        chance.shuffle(after)
        records = before[::2] + after[: len(after) // 2] + before[1::2] + after[len(after) // 2 :]
        self.messages.append(SCHEMA)
        for number, one in enumerate(records, start=1):
            self.messages.append(one)
            if number % 5 == 0:
                self.messages.append(state(number))
        self.messages.append(state(len(records)))

    def after(self, printed: list[Any]) -> list[dict[str, Any]]:
        """Return what a tap sends that goes on from the last printed state.

        Args:
            printed: The states that were printed.
        """
        if not printed:
            return self.messages
        return [SCHEMA, *self.messages[self.messages.index({"type": "STATE", "value": printed[-1]}) + 1 :]]


class Watch:
    """Notes what an account is asked for, and says so before the answer leaves.

    Args:
        account: The account.

    Attributes:
        asked: Of each order, when its survey was asked for, granted or not, in monotonic seconds.
        emails: Of each address, the orders whose survey it was asked for.
        carried_out: Called after each request, before its answer leaves.
    """

    def __init__(self, account: Account) -> None:
        """Begin to watch."""
        self.asked: dict[str, list[float]] = defaultdict(list)
        self.emails: dict[str, set[str]] = defaultdict(set)
        self.carried_out: Callable[[], object] = bool
        self._lock = threading.Lock()
        self._survey, self._save_contact = account.survey, account.save_contact
        account.survey = self._note_survey  # type: ignore[method-assign] # a test looks over its shoulder
        account.save_contact = self._note_contact  # type: ignore[method-assign] # the same

    def _note_survey(self, form: SurveyForm) -> Contact:
        with self._lock:
            order_id = str(form.attributes["order_id"])
            self.asked[order_id].append(time.monotonic())
            self.emails[form.contact.email].add(order_id)
        try:
            return self._survey(form)
        finally:
            self.carried_out()

    def _note_contact(self, form: ContactForm) -> tuple[Contact, bool]:
        try:
            return self._save_contact(form)
        finally:
            self.carried_out()

    def closest(self) -> float:
        """Return the least time between two requests for one survey, in seconds; infinite if there were never two."""
        gaps = (b - a for times in self.asked.values() for a, b in pairwise(times))
        return min(gaps, default=float("inf"))


def check(shop: Shop, account: Account, store_url: str) -> Counter[str]:
    """Hold the account and the store to what must be true in the end; return how many surveys came to each outcome.

    Args:
        shop: Whose data was sent.
        account: The account.
        store_url: The store's address.
    """
    assert {email: account.surveys_by_email.get(email, 0) for email in shop.plans} == dict.fromkeys(shop.plans, 1)
    for email, plan in shop.plans.items():
        contact = account.contacts[email]
        assert (contact.first_name, contact.attributes["plan"]) == ("Ann", plan)
        assert contact.attributes["order_completed_order_id"] in shop.orders[email]
    store = open_store(store_url, now=shop.now)
    try:
        surveys = store.read(
            lambda one: list(one.execute(select(schema.surveys.c.message_id, schema.surveys.c.status)))
        )
        contacts = store.read(lambda one: list(one.execute(select(schema.contacts.c.email, schema.contacts.c.status))))
    finally:
        store.close()
    outcomes = Counter(row.status for row in surveys)
    assert sorted(row.message_id for row in surveys) == sorted(one for some in shop.orders.values() for one in some)
    assert set(outcomes) <= {"sent", "presumed", "throttled"}
    assert outcomes["sent"] + outcomes["presumed"] == len(shop.plans)
    assert {row.email: row.status for row in contacts} == dict.fromkeys(shop.plans, "synced")
    return outcomes
