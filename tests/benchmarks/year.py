"""A year of a shop: a run a day, and what it costs as time passes, who was surveyed, and what the store then holds."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.account import Account
from tests.benchmarks.databases import rows, size
from tests.benchmarks.figures import Figure, at_most
from tests.benchmarks.processes import Program, median

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR + 60
"""From run to run. The minute is for what a run takes: so many days later is surely not a little less than that."""

_DELAY_HOURS: Final = 47
_DELAY_DAYS: Final = 2
"""A survey is sent by the second run after that which brought its order, one to 22 hours old."""

_THROTTLE_DAYS: Final = 30
_QUIET_DAYS: Final = 28
_QUIET_RUNS: Final = 15
_MEDIAN_OF: Final = 7
_FOR_EVER: Final = ("people", "contacts", "kept_properties", "messages", "facts")
"""The tables whose rows stay: people until they are forgotten, with what they did last, and what makes an order known
that comes again."""

_TEXT: Final = {"type": ["null", "string"]}
_SCHEMA: Final = {
    "type": "SCHEMA",
    "stream": "calls",
    "key_properties": ["messageId"],
    "schema": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("type", "userId", "anonymousId", "messageId", "event"), _TEXT),
            "timestamp": {"type": ["null", "string"], "format": "date-time"},
            "traits": {"type": ["null", "object"]},
            "properties": {"type": ["null", "object"]},
        },
    },
}


@dataclass(slots=True)
class _Order:
    """An order, and the survey that it leads to: due in the order of `at`."""

    number: int
    day: int
    customer: int
    at: float
    """Hours before the run of its day."""


@dataclass(slots=True)
class _Shop:
    """A shop that knows who must be surveyed.

    Attributes:
        customers: How many it has in the end; half of them from the first day.
        orders: How many orders a day.
        days: How many days.
        surveyed: The orders whose surveys must be sent, by number.
        plans: The customers known so far, with the plan of each.
    """

    customers: int
    orders: int
    days: int
    surveyed: set[int] = field(default_factory=set)
    plans: dict[int, str] = field(default_factory=dict)
    _made: dict[int, list[_Order]] = field(default_factory=dict)
    _cancelled: set[int] = field(default_factory=set)
    _last: dict[int, int] = field(default_factory=dict)
    _random: random.Random = field(default_factory=lambda: random.Random(17))  # noqa: S311 - the same in every run

    def calls(self, day: int, now: float) -> Iterator[dict[str, Any]]:
        """Yield what a tap reads on a day, and have it lead to the surveys that it must."""
        draw = self._random
        number = self.customers // 2 if day == 0 else self.customers // 2 // self.days
        new = range(len(self.plans), min(len(self.plans) + number, self.customers))
        changed = draw.sample(range(len(self.plans)), len(self.plans) // 100)
        for customer in (*new, *changed):
            self.plans[customer] = f"plan-{day}"
            yield self._identify(customer, now)
        # The last of yesterday come again, as from every tap that goes on from its state.
        yesterday = self._made.get(day - 1, [])
        for order in yesterday[-self.orders // 20 :]:
            yield _completed(order, now - _DAY)
        known = len(self.plans)
        today = [
            _Order(day * self.orders + one, day, draw.randrange(known), hours)
            for one, hours in enumerate(sorted((draw.uniform(1, 22) for _ in range(self.orders)), reverse=True))
        ]
        self._made[day] = today
        for order in today:
            yield _completed(order, now)
        # Whose survey of the day before yesterday is just now due is not cancelled for sure.
        due = {order.customer for order in self._made.get(day - _DELAY_DAYS, [])}
        for order in draw.sample(yesterday, len(yesterday) // 20):
            if order.customer not in due:
                self._cancelled.update(one.number for one in yesterday if one.customer == order.customer)
                yield _track("Order Refunded", f"refund-{order.number}", now - 23.5 * _HOUR, customer=order.customer)
        for one in range(self.orders):
            customer, visit = draw.randrange(known), f"{day}-{one}"
            at = now - draw.uniform(1, 22) * _HOUR
            yield _track("Page Viewed", f"page-{visit}", at, customer=customer, anonymousId=f"visit-{visit}")
        for one in range(max(1, self.orders // 50)):
            some = f"{day}-{one}"
            # A guest, a user that never comes, a property of a name of its own, and a record that says nothing.
            yield _track("Order Completed", f"guest-{some}", now - _HOUR, anonymousId=f"guest-{some}")
            yield _track("Order Completed", f"ghost-{some}", now - _HOUR, userId=f"ghost-{some}")
            yield _track("Cart Shared", f"cart-{some}", now - _HOUR, customer=0, properties={f"cart-{some}": 1})
            yield _track("Order Completed", f"bad-{some}", now - _HOUR, userId=None)
        self._survey(day)

    def _identify(self, customer: int, now: float) -> dict[str, Any]:
        traits = {"email": _email(customer), "firstName": "Alexandra", "plan": self.plans[customer]}
        return {
            "type": "identify",
            "userId": f"user-{customer}",
            "messageId": f"identify-{customer}-{traits['plan']}",
            "timestamp": _iso(now - 23.9 * _HOUR),
            "traits": traits,
        }

    def _survey(self, day: int) -> None:
        for order in self._made.pop(day - _DELAY_DAYS, []):
            last = self._last.get(order.customer)
            if order.number not in self._cancelled and (last is None or day - last >= _THROTTLE_DAYS):
                self._last[order.customer] = day
                self.surveyed.add(order.number)


def _completed(order: _Order, now: float) -> dict[str, Any]:
    at, more = now - order.at * _HOUR, {"order_id": f"{order.number}", "total": order.number % 20_000 / 100}
    return _track("Order Completed", f"order-{order.number}", at, customer=order.customer, properties=more)


def _track(event: str, message_id: str, at: float, *, customer: int | None = None, **more: object) -> dict[str, Any]:
    user = {} if customer is None else {"userId": f"user-{customer}"}
    of_call = {"type": "track", "event": event, "messageId": message_id, "timestamp": _iso(at), "properties": {}}
    return of_call | user | more


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03}Z"


def _email(customer: int) -> str:
    return f"person.{customer}@example.com"


def measure(folder: Path, *, customers: int, orders: int, days: int, store: str | None = None) -> Iterator[Figure]:
    """Measure a year, and a second one in which nothing happens but a run now and then.

    Args:
        folder: Where files are kept.
        customers: How many customers the shop has in the end.
        orders: How many orders a day.
        days: How many days the year has.
        store: The address of an empty store; without one it is a file in the folder.
    """
    if store is None:
        for old in folder.glob("year.db*"):
            old.unlink()
        store = f"sqlite:///{folder / 'year.db'}"
    shop = _Shop(customers, orders, days)
    marks: dict[int, list[dict[str, Any]]] = {max(_MEDIAN_OF, days * part // 365): [] for part in (10, 100, 365)}
    held: list[tuple[int, int, Counter[str]]] = []
    with Account(folder) as account:
        config = {
            "api_url": account.url,
            "api_key": "sandbox",
            "store_url": store,
            "campaigns": {
                "Order Completed": {"id": 78, "delay_hours": _DELAY_HOURS, "cancel_on": ["Order Refunded"]},
            },
            "stored_events": ["Order Completed", "Cart Shared"],
            "throttle_days": _THROTTLE_DAYS,
            "max_surveys_per_run": 1_000_000,
            "requests_per_minute": 10_000_000,
        }
        days_of = _Days(folder, config, account)
        for day in range(days):
            ran = days_of.run(shop.calls(day, time.time() + days_of.ahead))
            for last, took in marks.items():
                if last - _MEDIAN_OF <= day < last:
                    took.append(ran)
            if day + 1 in marks:
                held.append((day + 1, size(store), rows(store)))
        state = account.state()
        requests = account.totals()["requests"]
        for _ in range(_QUIET_RUNS):
            days_of.run(iter(()), after=_QUIET_DAYS * _DAY)
        days_of.end()
    yield from _surveyed(shop, state, days_of.totals)
    yield from _costs(marks, requests, days, orders)
    yield from _held(held, size(store), rows(store))


class _Days:
    """The runs of the days, in a process of their own, which is as far ahead in time as the account is."""

    def __init__(self, folder: Path, config: dict[str, Any], account: Account) -> None:
        self.ahead = 0.0
        self.totals: Counter[str] = Counter()
        self._read = folder / "day.jsonl"
        self._account = account
        self._program = Program("tests.benchmarks.daily", config=config, folder=folder, talks=True)

    def run(self, calls: Iterator[dict[str, Any]], *, after: float = _DAY) -> dict[str, Any]:
        """Have a day's run read the calls, and let time pass; return what it took."""
        with self._read.open("w", encoding="utf-8") as file:
            file.write(json.dumps(_SCHEMA) + "\n")
            for call in calls:
                file.write(json.dumps({"type": "RECORD", "stream": "calls", "record": call}) + "\n")
        ran: dict[str, Any] = json.loads(self._program.ask({"ahead": self.ahead, "read": str(self._read)}))
        if ran["status"]:
            raise RuntimeError(self._program.log())
        for part in ("track", "surveys", "contacts"):
            self.totals.update({f"{part} {name}": number for name, number in ran["summary"][part].items()})
        self.ahead += after
        self._account.advance(after / _HOUR)
        return ran

    def end(self) -> None:
        """End the process."""
        self._program.end()


def _surveyed(shop: _Shop, state: dict[str, Any], totals: Counter[str]) -> Iterator[Figure]:
    """Compare the surveys that the account was asked for with those that had to be sent."""
    sent = Counter(int(survey["attributes"]["order_id"]) for survey in state["surveys"])
    twice = sum(number - 1 for number in sent.values())
    of_address: dict[str, float] = {}
    for survey in state["surveys"]:
        last = of_address.get(survey["email"])
        twice += last is not None and survey["time"] - last < _THROTTLE_DAYS * 24 * _HOUR
        of_address[survey["email"]] = survey["time"]
    what = f"{shop.days} runs, {shop.orders:,} orders a day, {shop.customers:,} customers: surveys"
    expected = len(shop.surveyed)
    is_same = set(sent) == shop.surveyed
    yield Figure(what, f"{len(state['surveys']):,}", f"that had to be sent: {expected:,}", None, "the same", is_same)
    yield Figure("... of one order, or one customer within the throttle, twice", f"{twice}", "", None, "0", not twice)
    lost = len(shop.surveyed - set(sent))
    yield Figure("... missing", f"{lost}", "", None, "0", not lost)
    taken = totals["track queued"] + totals["track waiting"]
    ends = ("sent", "presumed", "throttled", "withheld", "refused", "expired", "cancelled", "uncertain")
    settled = sum(totals[f"surveys {end}"] for end in ends)
    parts = ", ".join(f"{totals[f'surveys {end}']:,} {end}" for end in ends if totals[f"surveys {end}"])
    yield Figure(f"... settled: {parts}", f"{settled:,}", f"taken: {taken:,}", None, "the same", settled == taken)
    plans = {one["email"]: one["attributes"]["plan"] for one in state["contacts"]}
    wrong = sum(plans.get(_email(customer)) != plan for customer, plan in shop.plans.items())
    yield Figure("... contacts that Promoter does not have as they are", f"{wrong}", "", None, "0", not wrong)


def _costs(marks: dict[int, list[dict[str, Any]]], requests: int, days: int, orders: int) -> Iterator[Figure]:
    yield Figure("... requests a day", f"{requests / days:,.0f}", f"orders a day: {orders:,}")
    (_, early), *later = [(day, _median(ran)) for day, ran in marks.items()]
    first, *_ = marks
    yield Figure(f"... a daily run about day {first}", _took(early))
    for day, late in later:
        what, least = f"... a daily run about day {day}", f"day {first}: {early['cpu']:.2f} s"
        yield at_most(what, _took(late), least, late["cpu"] / early["cpu"], 1.5)


def _median(ran: list[dict[str, Any]]) -> dict[str, float]:
    return {name: median([one[name] for one in ran]) for name in ("seconds", "cpu")}


def _took(ran: dict[str, float]) -> str:
    return f"{ran['seconds']:.2f} s, {ran['cpu']:.2f} s of the processor"


def _held(held: list[tuple[int, int, Counter[str]]], size_then: int, rows_then: Counter[str]) -> Iterator[Figure]:
    days = " / ".join(f"{day}" for day, *_ in held)
    after = f"after {_QUIET_RUNS * _QUIET_DAYS} quiet days: "
    sizes = " / ".join(f"{number / 2**20:.1f}" for _, number, _ in held)
    yield Figure(f"... size of the store on day {days}", f"{sizes} MiB", f"{after}{size_then / 2**20:.1f} MiB")
    for name, number in sorted(held[-1][2].items()):
        if number > 1:
            left, promise = rows_then[name], "" if name in _FOR_EVER else f"at most {_QUIET_RUNS} then"
            kept = left <= _QUIET_RUNS if promise else None
            numbers = " / ".join(f"{one[name]:,}" for *_, one in held)
            yield Figure(f"... rows of `{name}` on day {days}", numbers, f"{after}{left:,}", None, promise, kept)
