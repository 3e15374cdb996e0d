"""Random rows, calls, configs and runs against a model written from the design: the same contacts, the same surveys."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from target_promoter.store import schema
from target_promoter.surveys.claims import Claim
from tests.conftest import Postgres
from tests.delivering import Process
from tests.house import HOUR, NOW, House, at, identify

pytestmark = pytest.mark.slow

EMAILS = ("ann@example.com", "bob@example.com", "carl@example.com", None)
IDS = (1, 2, 3)
FIELDS = {"timestamp": "updated"}
ORDERED = {"timestamp": "ordered_at"}

Config = dict[str, Any]


class Model:
    """A shop's tables, and what contacts and surveys the design has come of them."""

    def __init__(self) -> None:
        self.people: dict[int, dict[str, Any]] = {}
        self.calls: list[dict[str, Any]] = []
        self.orders: dict[int, dict[str, Any]] = {}
        self.surveys: list[dict[str, Any]] = []
        self.messages: dict[tuple[str, int], dict[str, Any]] = {}
        self.occurrences: dict[tuple[int, str, float], dict[str, Any]] = {}
        self.of = ""

    def said(self, config: Config) -> dict[str, dict[str, tuple[float, Any]]]:
        """Return who is known, by user id, with what was said last, by name, and when."""
        said: dict[str, dict[str, tuple[float, Any]]] = {}
        standing: dict[str, dict[str, Any]] = {}
        for row in sorted(self.people.values(), key=lambda row: (row["updated"], str(row["id"]))):
            standing[str(row[config["user_id"]])] = row
        rows = [] if config["ignored"] else [(user_id, row, config["traits"]) for user_id, row in standing.items()]
        rows += [(call["user_id"], call, config["call_traits"]) for call in self.calls]
        for user_id, row, traits in rows:
            person = said.setdefault(user_id, {})
            for name in ("email", "updated", *traits):
                if row.get(name) is not None or (name in row and "id" in row):
                    person[name] = max(
                        person.get(name, (0.0, None)), (row["updated"], row[name]), key=lambda one: one[0]
                    )
        return said

    def contacts(self, config: Config) -> dict[str, tuple[dict[str, str], tuple[int, ...]]]:
        """Return the attributes and lists of every contact, by address."""
        found: dict[str, tuple[dict[str, str], tuple[int, ...]]] = {}
        said = self.said(config)
        from_table = {str(row[config["user_id"]]) for row in self.people.values()} if not config["ignored"] else set()
        for user_id in sorted(said, key=lambda one: (said[one]["updated"], one)):
            email = said[user_id].get("email", (0.0, None))[1]
            if email is not None:
                values = {name: one[1] for name, one in said[user_id].items() if name in {"plan", "city"}}
                lists = set(config["lists"]) if user_id in from_table else set()
                attributes = {name: value for name, value in values.items() if value is not None}
                before = found.get(email, ({}, ()))[1]
                found[email] = {**attributes, "user_id": user_id}, tuple(sorted({*lists, *before}))
        return found

    def read_orders(self, config: Config) -> None:
        """Take the orders: an event is known by message id, and by campaign, person and second."""
        event, campaign = config["event"], config["campaign"]
        for survey in self.surveys if self.of != config["of"] else ():
            survey["held"] = survey["state"] == "waits"
        self.of = config["of"]
        for order in self.orders.values() if campaign else ():
            person = str(order[config["of"]])
            message, occurrence = (event, order["id"]), (campaign, person, order["time"])
            # One that is held is known by its row.
            held = [one for one in self.surveys if one["held"] and one["id"] == order["id"]]
            found = (self.messages.get(message), self.occurrences.get(occurrence), *held)
            survey = next((one for one in found if one is not None), {"state": "new"})
            if survey["state"] == "new":
                survey["state"] = "waits"
                self.surveys.append(survey)
            other = self.occurrences.get(occurrence, survey)
            if other is not survey and other["state"] != "waits":
                survey["state"] = "settled"  # What its row is by now was surveyed.
            if survey["state"] == "waits":
                survey["held"] = False
                for one in [one for one, whose in self.occurrences.items() if whose is survey]:
                    del self.occurrences[one]
                survey |= {"id": order["id"], "event": event, "person": person, "time": order["time"]}
                self.occurrences[occurrence] = survey
            self.messages[message] = survey

    def send(self, config: Config, now: float) -> list[tuple[str, str, int]]:
        """Return whom a run surveys, at which address and for which order, in order."""
        said, sent = self.said(config), list[tuple[str, str, int]]()
        if config["paused"] or not config["campaign"]:
            return sent
        for survey in self.surveys:
            email = said.get(survey["person"], {}).get("email", (0.0, None))[1]
            is_due = survey["time"] + config["delay"] * HOUR <= now and survey["event"] == config["event"]
            if survey["state"] == "waits" and is_due and email is not None and not survey["held"]:
                survey["state"] = "settled"
                sent.append((survey["person"], email, survey["id"]))
        return sorted(sent)


@st.composite
def _configs(draw: st.DrawFn) -> Config:
    """Draw a config; as a rule the plain one, with one or two things otherwise."""
    config: Config = {"user_id": "id", "traits": ("city", "plan"), "call_traits": ("city", "plan"), "ignored": False}
    config |= {"lists": (5,), "event": "Order Completed", "campaign": 78, "of": "customer", "paused": False, "delay": 0}
    others: dict[str, tuple[Any, ...]] = {
        "user_id": ("account",),
        "traits": (("plan",), ("city",), ()),
        "call_traits": (("plan",), ()),
        "ignored": (True,),
        "lists": ((), (5, 6)),
        "event": ("Order Paid",),
        "campaign": (None,),
        "of": ("seller",),
        "paused": (True,),
        "delay": (3,),
    }
    for name in draw(st.lists(st.sampled_from(sorted(others)), max_size=3, unique=True)):
        config[name] = draw(st.sampled_from(others[name]))
    return config


_TRAITS = {"plan": st.sampled_from(("a", "b", None)), "city": st.sampled_from(("c", "d", None))}
_ROWS = st.fixed_dictionaries(
    {"id": st.sampled_from(IDS), "account": st.sampled_from(IDS), "email": st.sampled_from(EMAILS), **_TRAITS}
)
_CALLS = st.fixed_dictionaries({"user_id": st.sampled_from("123"), "email": st.sampled_from(EMAILS), **_TRAITS})
_ORDERS = st.fixed_dictionaries({"customer": st.sampled_from(IDS), "seller": st.sampled_from(IDS)})
_RUNS = st.tuples(_configs(), st.lists(_ROWS, max_size=3), st.lists(_CALLS, max_size=2), st.lists(_ORDERS, max_size=2))


def _settings(config: Config) -> dict[str, Any]:
    people = {"type": "identify", "fields": {**FIELDS, "user_id": config["user_id"]}, "traits": list(config["traits"])}
    orders = {"type": "track", "event": config["event"], "fields": {**ORDERED, "user_id": config["of"]}}
    campaign = {"id": config["campaign"], "delay_hours": config["delay"], "paused": config["paused"]}
    return {
        "streams": {
            "people": {"type": "ignore"} if config["ignored"] else {**people, "contact_lists": list(config["lists"])},
            "calls": {"traits": list(config["call_traits"])},
            "deeds": {**orders, "traits": []},
        },
        "campaigns": {config["event"]: campaign} if config["campaign"] else {},
        "stored_events": [],
        "throttle_days": 1e-12,
        "requests_per_minute": 60_000,
    }


def _wipe(house: House) -> None:
    of_config = schema.facts.c.name.like("campaign:%")
    tables = [table for table in schema.metadata.sorted_tables if table.name not in {"request_clock", "facts"}]
    house.store.write(lambda tx: [tx.execute(table.delete()) for table in tables])
    house.store.write(lambda tx: tx.execute(schema.facts.delete().where(of_config)))
    house.store.write(lambda tx: tx.execute(schema.request_clock.update().values(next_at=0.0)))
    house.now = NOW


def _hours(time: float) -> float:
    return (time - NOW) / HOUR


def _read(house: House, model: Model, turned: int) -> None:
    """Have the tap read all tables, rows and calls in another order each time, and in batches of two."""
    rows = [("people", {**row, "updated": at(_hours(row["updated"]))}) for row in model.people.values()]
    calls = [
        identify(one["user_id"], one["email"], _hours(one["updated"]), plan=one["plan"], city=one["city"])
        for one in model.calls
    ]
    orders = [("deeds", {**one, "ordered_at": at(_hours(one["time"]))}) for one in model.orders.values()]
    for some in (rows, calls, orders):
        order = some[turned:] + some[:turned] if turned % 2 else some[::-1]
        for start in range(0, len(order), 2):
            house.take(*order[start : start + 2])


def _surveyed(house: House) -> list[tuple[str, str, int]]:
    """Deliver all that is due, a turn a minute; the throttle of this test holds nobody back."""
    process, found, seconds = Process(house), list[tuple[str, str, int]](), 0
    while (turn := process.turn(seconds, "accepted")).requests:
        claims = [one for one in turn.requests if isinstance(one, Claim)]
        found += [(one.user_id or "", one.email, int(one.survey.message_id)) for one in claims]
        seconds += 60
    return found


def _play(house: House, played: list[Any]) -> None:
    """Play runs, and see after each that the store has what the model has."""
    _wipe(house)
    model = Model()
    for number, (config, rows, calls, orders) in enumerate(played):
        house.now = NOW + number * HOUR
        house.configure(**_settings(config))
        may_be_sent = {"user_id", *(() if config["ignored"] else config["traits"]), *config["call_traits"]}
        for form in house.forms.values():
            assert form.contact["attributes"].keys() <= may_be_sent
        for place, row in enumerate(rows):
            model.people[row["id"]] = {**row, "updated": house.now - 600 + place}
        model.calls += [{**call, "updated": house.now - 900 + place} for place, call in enumerate(calls)]
        for place, order in enumerate(orders):
            key = len(model.orders) + 1
            model.orders[key] = {**order, "id": key, "time": house.now - 3000 + place}
        _read(house, model, number)
        model.read_orders(config)
        forms = {email: (form.contact["attributes"], form.contact_lists) for email, form in house.forms.items()}
        assert forms == model.contacts(config)
        house.now += 60
        assert sorted(_surveyed(house)) == model.send(config, house.now)
        assert _surveyed(house) == []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Return a house on SQLite."""
    return House(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def house_on_postgresql(postgres: Postgres) -> House:
    """Return a house on PostgreSQL."""
    return House(postgres.new_database())


_PLAYED = given(played=st.lists(_RUNS, min_size=2, max_size=4))
_ANY = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(_ANY, max_examples=40, derandomize=True, phases=[Phase.generate])
@_PLAYED
def test_the_store_has_what_the_model_has(house: House, played: list[Any]) -> None:
    """Whatever the configs and the tables become, contacts and surveys are those of the design."""
    _play(house, played)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@settings(_ANY, max_examples=4000, print_blob=True)
@_PLAYED
def test_the_store_has_what_the_model_has_for_long(house: House, played: list[Any]) -> None:
    """The same, with other draws each time."""
    _play(house, played)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@settings(_ANY, max_examples=1000, print_blob=True)
@_PLAYED
def test_postgresql_has_what_the_model_has_for_long(house_on_postgresql: House, played: list[Any]) -> None:
    """The same on PostgreSQL."""
    _play(house_on_postgresql, played)
