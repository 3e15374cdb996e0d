"""The store: its size, and what look-ups cost when it is large."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.intake.intake import Intake
from target_promoter.people import people
from target_promoter.records.streams import recognize
from target_promoter.singer.reader import Reader
from target_promoter.store.database import open_store
from target_promoter.store.summary import Summary
from target_promoter.surveys import claims
from target_promoter.surveys.known_events import KnownEvents
from target_promoter.surveys.rules import Sendable
from tests.benchmarks.figures import Figure, at_most
from tests.benchmarks.inputs import write_users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from target_promoter.store.database import Store
    from target_promoter.store.transaction import Transaction

_SENDABLE: Final = Sendable(("ordercompleted",), 0.0, 0.0)
_SMALL: Final = 10_000
_LOOK_UPS: Final = 500
_REPEATS: Final = 30
_WARM_UPS: Final = 3
_STEP: Final = 5000


def measure(folder: Path, *, people_number: int, messages_number: int) -> Iterator[Figure]:
    """Measure sizes and look-ups: of some hundred at once, asked again and again, the fastest time of each.

    They are asked in the writer's transaction, as a batch and a turn of delivery ask them.
    So what is compared is the work of a look-up; how long a disk takes to bring what is not in memory is another thing.

    Args:
        folder: Where files are kept.
        people_number: How many people the large store knows.
        messages_number: How many message ids.
    """
    small, _, _ = _filled(folder, "small", _SMALL, _SMALL)
    large, a_person, a_message = _filled(folder, "large", people_number, messages_number)
    yield Figure("size of a person and its contact in the store", f"{a_person:,.0f} bytes")
    yield Figure("size of a message id in the store", f"{a_message:,.0f} bytes")
    now = time.time()
    works: dict[str, Callable[[Store, int, int], Callable[[Transaction], object]]] = {
        f"{_LOOK_UPS} people by user id": lambda _, many, __: _look_up_people(many),
        f"{_LOOK_UPS} people by address": lambda _, many, __: _look_up_addresses(many),
        f"{_LOOK_UPS} events by message id": lambda _, __, many: _look_up_events(many),
        "contacts that are due": lambda *_: lambda connection: contacts.due(connection, now, most=50),
        "surveys that are due": lambda *_: lambda connection: claims.due(connection, now, _SENDABLE, most=50),
    }
    for what, work in works.items():
        took: dict[str, list[float]] = {"small": [], "large": []}
        for _ in range(_REPEATS):
            for name, store, sizes in (
                ("small", small, (_SMALL, _SMALL)),
                ("large", large, (people_number, messages_number)),
            ):
                asked = work(store, *sizes)
                for _ in range(_WARM_UPS):
                    store.write(asked)
                began = time.perf_counter()
                store.write(asked)
                took[name].append(time.perf_counter() - began)
        few, many = min(took["small"]) * 1e6, min(took["large"]) * 1e6
        yield at_most(f"look-up of {what}", f"{many:,.0f} µs", f"in a small store: {few:,.0f} µs", many / few, 1.3)
    small.close()
    large.close()


def _filled(folder: Path, name: str, people_number: int, messages_number: int) -> tuple[Store, float, float]:
    path = folder / f"store-{name}.db"
    path.unlink(missing_ok=True)
    config = {"api_key": "sandbox", "api_url": "http://127.0.0.1:9", "store_url": f"sqlite:///{path}"}
    store = open_store(config["store_url"], now=time.time())
    empty = path.stat().st_size
    users = folder / f"store-{name}.jsonl"
    write_users(users, people_number)
    _take(store, Settings.from_config(config), users)
    users.unlink()
    full = _size(store, path)
    for start in range(0, messages_number, _STEP):
        numbers = range(start, min(start + _STEP, messages_number))

        def remember(tx: Transaction, numbers: range = numbers) -> None:
            known = KnownEvents(tx)
            known.remember([_message(known, one) for one in numbers])

        store.write(remember)
    return store, (full - empty) / people_number, (_size(store, path) - full) / messages_number


def _take(store: Store, settings: Settings, users: Path) -> None:
    intake = Intake(store, settings, Summary(sandbox=False, dry_run=False, started_at=0.0))
    reader = Reader()
    records: list[Any] = []
    stream = None
    with users.open(encoding="utf-8") as lines:
        for line in lines:
            message = reader.deserialize_json(line)
            if message["type"] == "SCHEMA":
                stream = recognize(message["stream"], message["schema"], message["key_properties"], settings)
            elif message["type"] == "RECORD" and stream is not None:
                records.append(message["record"])
            if stream is not None and len(records) == _STEP:
                intake.take(stream.split(records, {})[0])
                records = []
    if stream is not None:
        intake.take(stream.split(records, {})[0])


def _size(store: Store, path: Path) -> int:
    with store._engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return path.stat().st_size


def _message(known: KnownEvents, number: int) -> bytes:
    return known.message("ordercompleted", f"order-message-{number:09}")


def _some(number: int) -> Sequence[int]:
    return random.Random(1).sample(range(number), _LOOK_UPS)  # noqa: S311 - the same ones in every run


def _look_up_people(number: int) -> Callable[[Transaction], object]:
    keys = [f"user-{one:07}" for one in _some(number)]
    return lambda connection: people.load(connection, keys)


def _look_up_addresses(number: int) -> Callable[[Transaction], object]:
    emails = [f"person.{one:07}@example.com" for one in _some(number)]
    return lambda connection: people.load_by_email(connection, emails)


def _look_up_events(number: int) -> Callable[[Transaction], object]:
    numbers = _some(number)

    def look_up(tx: Transaction) -> object:
        known = KnownEvents(tx)
        return known.among([_message(known, one) for one in numbers])

    return look_up
