"""What must hold for whatever a tap sends, in whatever order and batches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from target_promoter.singer.reader import Reader
from target_promoter.store import schema
from tests.house import COLUMNS, House, at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.slow

Record = tuple[str, dict[str, Any]]

# --- Hostile records -------------------------------------------------------------------------------------------------

_DEEP = json.loads("[" * 150 + "]" * 150)
_TOO_DEEP = json.loads("[" * 300 + "]" * 300)
_ODD: tuple[Any, ...] = (
    *(float("nan"), float("inf"), -0.0, 1e308, 10**30, 10**400, -(2**63) - 1, 0.1, True, False, None),
    *("", " ", "\x00", "a\x00b", "\ud800", "😀", "\u202e", "{", '{"email": 7}', "[" * 500, "null", "NaN", "x" * 5000),
    *(_DEEP, _TOO_DEEP, {"": {"": None}}, {"$.%&": "x"}, [{}], [[1], {"a": 1}], {"email": "ann@example.com"}),
    *(
        "1",
        "".join(map(chr, range(33, 6000))),
        1,
        "ann@example.com",
        "Order Completed",
        "identify",
        "track",
        "page",
        at(-1),
        at(30),
        1_749_999_000,
        -5,
    ),
)
_VALUES = st.sampled_from(_ODD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


_NAMES = st.sampled_from(["", " ", "a\x00b", "a\ud800", "plan", "plan.", "😀", "n" * 4000, "$.%&", "user_id"])
_CONTENTS = st.dictionaries(_NAMES | st.text(max_size=4), _VALUES, max_size=4)
_GOOD: dict[str, dict[str, Any]] = {
    "calls": {"messageId": "1", "userId": "1", "timestamp": at(-1)},
    "customers": {"id": "1", "email": "ann@example.com"},
    "members": {"id": "2", "email": "bob@example.com", "updated_at": at(-1)},
    "orders": {"id": "1", "customer_id": 1, "ordered_at": at(-1)},
    "shop-identifies": {"id": "1", "user_id": "1", "email": "ann@example.com", "received_at": at(-2)},
    "shop-users": {"id": "1", "email": "ann@example.com", "received_at": at(-2)},
    "shop-tracks": {"id": "1", "user_id": "1", "event_text": "Order Completed", "timestamp": at(-1)},
    "shop-order_completed": {"id": "1", "user_id": "1", "event_text": "Order Completed", "timestamp": at(-1)},
}


@st.composite
def _records(draw: st.DrawFn) -> Record:
    """Draw a record of any stream, as it should be but for columns that hold anything, are missing or unheard of."""
    stream = draw(st.sampled_from(sorted(_GOOD)))
    record = dict(_GOOD[stream])
    if stream == "calls":
        traits = {"email": "ann@example.com", **draw(_CONTENTS)}
        identify = {"type": "identify", "traits": traits}
        track = {"type": "track", "event": "Order Completed", "properties": draw(_CONTENTS)}
        record |= draw(st.sampled_from((identify, track)))
    columns = [*COLUMNS[stream].split(), "_sdc_deleted_at", "unheard of"]
    for name in draw(st.lists(st.sampled_from(columns), unique=True, max_size=draw(st.sampled_from((0, 2, 20))))):
        record[name] = draw(_VALUES)
    for name in draw(st.lists(st.sampled_from(columns), unique=True, max_size=1)):
        record.pop(name, None)
    return stream, record


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Yield a house in which everything that was ever taken stays."""
    house = House(tmp_path_factory.mktemp("hostile"), requests_per_minute=60_000, stored_events=["Order Completed"])
    yield house
    house.store.close()


@given(batches=st.lists(st.lists(_records(), max_size=6), max_size=2))
def test_whatever_comes_has_one_outcome(hostile: House, batches: list[list[Record]]) -> None:
    """What was read is the sum of the rest, nothing raises, and what is stored can be read and sent."""
    for batch in batches:
        lines = [json.dumps({"type": "RECORD", "stream": stream, "record": record}) for stream, record in batch]
        messages = [Reader().deserialize_json(line) for line in lines]
        hostile.take(*((message["stream"], message["record"]) for message in messages))
    counts = hostile.summary.as_dict(hostile.now)
    for part in ("identify", "track"):
        outcomes: dict[str, int] = dict(counts[part])  # type: ignore[call-overload]
        assert outcomes.pop("read") == sum(outcomes.values())
    json.dumps([form.contact for form in hostile.forms.values()], allow_nan=False)
    for request in hostile.turn(25).requests:
        json.loads(getattr(request, "body", None) or getattr(request, "request", None) or "{}")


# --- Any order, any batches ------------------------------------------------------------------------------------------

_IDENTIFY_HOURS = (-30, -12, -12, -8, -7, -4, -1)
_EVENT_HOURS = (-20, -19, -18, -17, -16, -15)
_DELETED_HOURS = (-9, -7, -5)
_OWN = {"1": "anon-1", "2": "anon-2", "3": None}
_EMAILS = ("home@example.com", "ann@example.com", "bob@example.com")
_TRAITS: dict[str, Sequence[Any]] = {
    "plan": ("Free", "Team", None),
    "vip": (True, 1, None),
    "city": ("Oslo", {"name": "Oslo", "zip": 1}),
    "city_name": ("Rome",),
    "firstName": ("Ann", "Anna"),
}


@st.composite
def _identifies(draw: st.DrawFn) -> Record:
    """Draw what identifies or deletes one of three people, two of whom may share an anonymous id."""
    user_id = draw(st.sampled_from(sorted(_OWN)))
    kind = draw(st.sampled_from(("call", "call", "call", "call", "users", "members", "members", "deletion", "key")))
    time = at(draw(st.sampled_from(_IDENTIFY_HOURS)))
    email = draw(st.sampled_from((None, *_EMAILS)))
    plan = draw(st.sampled_from(_TRAITS["plan"]))
    deleted = at(draw(st.sampled_from(_DELETED_HOURS)))
    match kind:
        case "users":
            return "shop-users", {"id": user_id, "email": email, "plan": plan, "received_at": time}
        case "members":
            return "members", {"id": int(user_id), "email": email, "plan": plan, "updated_at": time}
        case "deletion":
            return "calls", {"type": "identify", "userId": user_id, "_sdc_deleted_at": deleted}
        case "key":
            return "members", {"id": int(user_id), "_sdc_deleted_at": deleted}
        case _:
            names = draw(st.lists(st.sampled_from(sorted(_TRAITS)), unique=True, max_size=3))
            traits = {name: draw(st.sampled_from(_TRAITS[name])) for name in names}
            anonymous_id = draw(st.sampled_from((None, _OWN[user_id], "shared")))
            call = {"type": "identify", "userId": user_id, "timestamp": time, "anonymousId": anonymous_id}
            return "calls", {**call, "traits": {**traits, **({"email": email} if email else {})}}


def _event(number: int) -> list[Record]:
    """Return the records of one event: the same number is always the same event, however often it comes.

    Another stream brings it without its properties; a row of the same stream would take them away.
    """
    event = ("Order Completed", "Ticket Closed", "Ticket Reopened", "Plan Changed")[number % 4]
    by_name = (
        {"userId": "1"},
        {"userId": "2"},
        {"userId": "3"},
        {"anonymousId": "anon-1"},
        {"anonymousId": "anon-2"},
        {"context": {"traits": {"email": "home@example.com"}}},
        {"anonymousId": "anon-9", "context": {"traits": {"email": "bob@example.com"}}},
        {"anonymousId": "shared"},
    )
    by = by_name[number // 4 % 8]
    if event == "Ticket Reopened" and "context" in by:
        by = {"userId": "1"}  # Whose address it was decides at once what is cancelled.
    if event != "Plan Changed" and by == {"anonymousId": "shared"}:
        by = {"userId": "3"}  # And so does whom an anonymous id stood for.
    time = at(_EVENT_HOURS[number % 6] + number / 1000)
    call = {"type": "track", "event": event, "messageId": f"m-{number}", "timestamp": time, **by}
    whole: Record = ("calls", {**call, "properties": {"total": number, "coupon": None}})
    return [whole, ("site-calls", {**call, "properties": {}})]


_EVENTS = st.integers(0, 47).flatmap(lambda number: st.sampled_from(_event(number)))


def _of_one_moment(records: list[Record]) -> list[Record]:
    """Return records with one row of a person in each table: a second one would replace it, whichever came later."""
    rows: dict[tuple[str, object], Record] = {}
    for stream, record in records:
        if stream in {"members", "shop-users"} and "_sdc_deleted_at" not in record:
            rows.setdefault((stream, record["id"]), (stream, record))
    return [
        one
        for one in records
        if one[1].get("id") is None or rows.get((one[0], one[1]["id"]), one) == one or "_sdc_deleted_at" in one[1]
    ]


@st.composite
def _two_orders(draw: st.DrawFn) -> tuple[list[list[Record]], list[list[Record]]]:
    """Draw records, and two ways to bring them: in another order, in other batches, some of them twice."""
    records = _of_one_moment(draw(st.lists(_identifies() | _EVENTS, min_size=2, max_size=12)))
    if any("_sdc_deleted_at" in record for _, record in records):
        # Who has an address when its person is deleted decides at once which guests' surveys are cancelled.
        records = [one for one in records if "context" not in one[1]] or records[:1]
    ways = []
    for _ in range(2):
        order = draw(st.permutations(records))
        order += draw(st.lists(st.sampled_from(records), max_size=2))
        size = draw(st.integers(1, len(order)))
        ways.append([order[start : start + size] for start in range(0, len(order), size)])
    return ways[0], ways[1]


def _wipe(house: House) -> None:
    """Have a house with nobody in it."""
    kept = {"facts", "request_clock"}
    tables = [table for table in schema.metadata.sorted_tables if table.name not in kept]
    house.store.write(lambda connection: [connection.execute(table.delete()) for table in tables])


def _end(house: House, batches: list[list[Record]], *, force: bool) -> dict[str, Any]:
    """Return what a way of bringing records ends in: contacts, open surveys, and what delivery makes of these.

    Args:
        house: The house.
        batches: The records.
        force: Whether to have delivery look at every open survey, also at those that intake has waiting.
    """
    _wipe(house)
    for batch in batches:
        house.take(*batch)
    forms = {email: (form.contact, form.contact_lists) for email, form in house.forms.items()}
    surveys = schema.surveys
    if force:
        waiting = surveys.update().where(surveys.c.status == "waiting")
        house.store.write(lambda connection: connection.execute(waiting.values(status="queued")))
    house.turn(25)
    query = select(surveys.c.message_id, surveys.c.status, surveys.c.request)
    rows = house.store.read(
        lambda connection: connection.execute(
            query.where(surveys.c.status.in_(("waiting", "queued", "claimed"))).order_by(surveys.c.message_id)
        ).all()
    )
    return {"forms": forms, "surveys": [(*row, house.properties(row.message_id)) for row in rows]}


@pytest.fixture(scope="module")
def sqlite_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Yield a house on SQLite."""
    house = House(tmp_path_factory.mktemp("orders"), requests_per_minute=60_000, stored_events=["Plan Changed"])
    yield house
    house.store.close()


@given(ways=_two_orders())
def test_any_order_ends_in_the_same(sqlite_house: House, ways: tuple[list[list[Record]], list[list[Record]]]) -> None:
    """The same calls in any order and any batches end in the same contacts and the same open surveys."""
    first, second = ways
    assert _end(sqlite_house, first, force=False) == _end(sqlite_house, second, force=True)


@settings(max_examples=settings().max_examples // 3)
@given(ways=_two_orders(), records=st.lists(_records(), max_size=4))
def test_both_on_postgresql(
    postgres_house: House, ways: tuple[list[list[Record]], list[list[Record]]], records: list[Record]
) -> None:
    """The other database ends in the same, and takes whatever comes."""
    first, second = ways
    assert _end(postgres_house, first, force=False) == _end(postgres_house, second, force=True)
    messages = [Reader().deserialize_json(json.dumps({"record": record})) for _, record in records]
    streams = [stream for stream, _ in records]
    postgres_house.take(*zip(streams, (message["record"] for message in messages), strict=True))
    assert {request.email for request in postgres_house.turn(25).requests} <= set(postgres_house.forms)


@pytest.fixture(scope="module")
def postgres_house(request: pytest.FixtureRequest) -> Iterator[House]:
    """Yield a house on PostgreSQL."""
    url = request.getfixturevalue("postgres").new_database()
    house = House(url, requests_per_minute=60_000, stored_events=["Plan Changed"])
    yield house
    house.store.close()
