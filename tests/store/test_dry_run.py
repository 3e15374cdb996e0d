"""A dry run's store: it has what was asked for, holds up nobody, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.people import people, stored_events
from target_promoter.people.stored_events import Place
from target_promoter.progress.preview import preview
from target_promoter.store import schema
from target_promoter.store.database import find_store
from target_promoter.store.dry_run import DryRunStore, open_dry_run
from target_promoter.store.outcomes import ContactStatus
from target_promoter.surveys import surveys
from tests.benchmarks import large_store
from tests.benchmarks.large_store import CAMPAIGN, EVENT, Size, email, user_id
from tests.tap import STREAMS, hours_ago, record, sync
from tests.tap import schema as stream_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_promoter.store.transaction import Transaction

SIZE = Size(people=300, surveys=300, pending=200, due=20, waiting=50)

KILLED = """
import contextlib, os, stat, sys
from target_promoter.store import database
database._PRIVATE_CACHE_KIB = 10  # So that it does not stay in memory.
from sqlalchemy import select
from target_promoter.progress.preview import preview
from target_promoter.store import schema
from target_promoter.store.dry_run import open_dry_run
store = open_dry_run(sys.argv[1], 1.0)
store.write(lambda tx: tx.bring(select(schema.people)))
nameless = 0
for number in range(3, 256):
    with contextlib.suppress(OSError):
        found = os.fstat(number)
        nameless += stat.S_ISREG(found.st_mode) and found.st_nlink == 0
print(nameless, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def url(store_url: str) -> str:
    """Return the address of a store with some hundred people, on either database."""
    large_store.fill(store_url, SIZE, time.time())
    return store_url


@pytest.fixture
def dry(url: str) -> Iterator[DryRunStore]:
    """Yield a dry run's store on it."""
    with closing(open_dry_run(url, time.time())) as store:
        yield store


def rows(tx: Transaction, table: str) -> int:
    """Return how many rows a table has."""
    return tx.scalar(select(func.count()).select_from(schema.metadata.tables[table])) or 0


def test_only_what_is_asked_for_is_taken_over(dry: DryRunStore) -> None:
    """People by user id or address, contacts by address: of hundreds the few that were asked for."""
    found = dry.read(lambda tx: (people.load(tx, [user_id(7), "nobody"]), people.load_by_email(tx, [email(8)])))
    assert set(found[0]) == {user_id(7)}
    assert [row.user_id for row in found[1][email(8)]] == [user_id(8)]
    dry.write(lambda tx: contacts.mark_dirty(tx, {email(7): user_id(7), "new@example.com": "n"}, 5.0))
    assert dry.read(lambda tx: rows(tx, "people")) == 2
    assert dry.read(lambda tx: rows(tx, "contacts")) == 2
    assert dry.read(lambda tx: rows(tx, "surveys")) == 1  # The last one, so that new ones get the next numbers.


def test_what_was_not_asked_for_is_counted(dry: DryRunStore, url: str) -> None:
    """What changed counts as it is now, all else as it stands in the store."""

    def count(tx: Transaction) -> Counter[str]:
        return Counter(pending=contacts.count_pending(tx), people=rows(tx, "people"))

    assert dry.count(count) == {"pending": SIZE.pending, "people": SIZE.people}
    changed = {email(3): None, email(299): None, "new@example.com": None}
    dry.write(lambda tx: contacts.mark_dirty(tx, changed, 5.0))
    dry.write(lambda tx: people.remove(tx, people.load(tx, [user_id(3)])))
    assert dry.count(count) == {"pending": SIZE.pending + 2, "people": SIZE.people - 1}
    assert dry.untouched(count) == {"pending": SIZE.pending - 1, "people": SIZE.people - 1}
    kept = f"{SIZE.pending - 1} have waited since earlier runs: some of them may be up to date already."
    waits = f"  Of these contacts {kept}"
    assert waits in list(preview(dry, Settings.from_config({"api_key": "a-key-of-the-tests"}), time.time()))
    store = find_store(url)
    assert store is not None
    assert store.count(count) == {"pending": SIZE.pending, "people": SIZE.people}
    store.close()


def test_what_it_changed_or_removed_stays_so(url: str) -> None:
    """A row that is asked for once more does not come back from the store."""
    place = Place("u:9", "orders", "order_completed")
    store = find_store(url)
    assert store is not None
    store.write(lambda tx: stored_events.keep(tx, {place: ({"total": 1}, 5.0)}))
    store.close()
    with closing(open_dry_run(url, 1.0)) as dry:
        assert dry.write(lambda tx: stored_events.of_user(tx, "9")).keys() == {place}
        dry.write(lambda tx: stored_events.end_before(tx, "9", 5.0))
        assert dry.write(lambda tx: stored_events.of_user(tx, "9")) == {}
        dry.write(lambda tx: contacts.mark_dirty(tx, {email(299): "other"}, 5.0))
        [again] = dry.read(lambda tx: contacts.load(tx, [email(299)])).values()
        assert (again.status, again.user_id, again.revision) == (ContactStatus.PENDING, "other", 2)
        dry.write(lambda tx: tx.bring(select(schema.kept_properties)))
        assert dry.read(lambda tx: rows(tx, "kept_properties")) == 0


def test_a_row_beside_those_that_were_asked_for_is_brought(dry: DryRunStore) -> None:
    """Before a statement that is about rows by no key: all of them, each once, and another time nothing new."""
    mine = select(schema.surveys).where(schema.surveys.c.status == "waiting")
    for _ in range(2):
        dry.write(lambda tx: tx.bring(mine))
        assert dry.read(lambda tx: len(tx.execute(mine).all())) == SIZE.waiting


def test_existence_is_asked_of_the_store(dry: DryRunStore) -> None:
    """Though nothing of it was taken over."""
    assert dry.read(surveys.any_open)
    assert not dry.read(people.any_rows)


def test_no_other_program_waits(dry: DryRunStore, url: str) -> None:
    """In the middle of a batch of a dry run another one writes."""
    other = find_store(url)
    assert other is not None

    def batch(tx: Transaction) -> float:
        contacts.mark_dirty(tx, {email(1): None}, 5.0)
        began = time.monotonic()
        other.write(lambda real: contacts.mark_dirty(real, {email(1): None, email(2): None}, 6.0))
        return time.monotonic() - began

    assert dry.write(batch) < 1
    assert dry.read(lambda tx: contacts.load(tx, [email(1)]))[email(1)].revision == 2
    other.close()


def test_a_failed_batch_leaves_nothing(dry: DryRunStore) -> None:
    """Neither what it changed nor what it took over."""

    def batch(tx: Transaction) -> None:
        people.remove(tx, people.load(tx, [user_id(1)]))
        msg = "no"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="no"):
        dry.write(batch)
    assert dry.count(lambda tx: Counter(people=rows(tx, "people"))) == {"people": SIZE.people}
    assert user_id(1) in dry.read(lambda tx: people.load(tx, [user_id(1)]))


def test_nothing_is_left_of_a_killed_one(tmp_path: Path) -> None:
    """What does not stay in memory is in a file that has no name any more while it is used."""
    url, temporary = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "tmp"
    temporary.mkdir()
    large_store.fill(url, Size(people=300, surveys=0), time.time())
    before = sorted(tmp_path.iterdir())
    environment = {**os.environ, "TMPDIR": str(temporary), "SQLITE_TMPDIR": str(temporary)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url], check=False, capture_output=True, text=True, env=environment
    )
    assert killed.returncode == -signal.SIGKILL
    assert int(killed.stdout) >= 2
    assert list(temporary.iterdir()) == []
    assert sorted(one for one in tmp_path.iterdir() if one.suffix not in {".db-wal", ".db-shm"}) == before


@pytest.fixture
def shop(config: dict[str, Any], store_url: str) -> dict[str, Any]:
    """Return a config of plain tables, with a store on either database."""
    return {**config, "store_url": store_url, "streams": STREAMS}


CUSTOMERS = stream_schema("customers", {"properties": {name: {} for name in ("id", "email", "plan", "city")}})
ORDERS = stream_schema("orders", {"properties": {name: {} for name in ("id", "customer_id", "ordered_at", "total")}})
FIRST = [
    CUSTOMERS,
    *(record("customers", id=str(n), email=f"p{n}@example.com", plan="pro", city="Oslo") for n in range(1, 7)),
    ORDERS,
    record("orders", id="1", customer_id="1", ordered_at=hours_ago(2), total=1),
    record("orders", id="2", customer_id="2", ordered_at=hours_ago(3), total=2),
    record("orders", id="3", customer_id="later", ordered_at=hours_ago(3), total=3),
]
NEXT = [
    CUSTOMERS,
    record("customers", id="1", email="p1@example.com", plan="free", city="Oslo"),
    record("customers", id="7", email="p7@example.com", plan="pro", city="Oslo"),
    record("customers", id="later", email="later@example.com", plan="pro", city="Oslo"),
    ORDERS,
    record("orders", id="1", customer_id="1", ordered_at=hours_ago(2), total=1),
    record("orders", id="4", customer_id="4", ordered_at=hours_ago(1), total=4),
    record("orders", id="5", customer_id="1", ordered_at=hours_ago(1), total=5),
]
PEOPLE_WITHOUT_CITY = {**STREAMS["customers"], "traits": ["plan"]}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"campaigns": {"Order Completed": 91}},
        {"campaigns": {"Order Completed": {"id": 78, "delay_hours": 24}}},
        {"campaigns": {"Order Completed": {"id": 78, "paused": True}}},
        {"campaigns": {}},
        {"contact_lists": [5]},
        {"hard_delete": True},
        {"stored_events": []},
        {"survey_recipients": ["p4@*"]},
        {"max_event_age_hours": 2.5},
        {"throttle_days": 0.01},
        {"streams": {**STREAMS, "customers": PEOPLE_WITHOUT_CITY}},
        {"streams": {**STREAMS, "customers": {"type": "ignore"}}},
        {"streams": {**STREAMS, "orders": {**STREAMS["orders"], "event": "Order Shipped"}}},
    ],
    ids=str,
)
@pytest.mark.slow
@pytest.mark.parametrize("paused", [False, True])
def test_a_dry_run_tells_what_the_run_does(shop: dict[str, Any], changed: dict[str, Any], *, paused: bool) -> None:
    """Whatever the config changes, and though surveys and contacts wait: what it counts, the run after it does."""
    orders = {"Order Completed": {"id": 78, "paused": paused}}
    sync({**shop, "campaigns": orders}, FIRST)
    if paused:
        send_all_contacts_again(shop["store_url"])
    config = {**shop, **changed}
    dry, real = sync({**config, "dry_run": True}, NEXT), sync(config, NEXT)
    for part in ("identify", "track"):
        assert dry.summary[part] == real.summary[part]
    for part, sent in (("surveys", ("sent", "presumed")), ("contacts", ("synced", "removed"))):
        would_be = dict(real.summary[part])
        would_be["pending"] += sum(would_be[one] for one in sent)
        assert {**dry.summary[part], **dict.fromkeys(sent)} == {**would_be, **dict.fromkeys(sent)}
    assert dry.status == real.status


def send_all_contacts_again(store_url: str) -> None:
    """Have all contacts of a store wait as if none was ever sent."""
    store = find_store(store_url)
    assert store is not None
    store.write(lambda tx: contacts.mark_all_dirty(tx, time.time(), forget_sent=True))
    store.close()


def test_what_waits_is_counted_and_surveys_that_are_due_are_looked_at(config: dict[str, Any], url: str) -> None:
    """Of a large store a dry run tells who would be surveyed, and how many contacts wait, and looks at few of them."""
    calls = [CUSTOMERS, record("customers", id=user_id(1), email=email(1), plan="new", city="Oslo")]
    dry = sync({**config, "store_url": url, "streams": STREAMS, "campaigns": {EVENT: CAMPAIGN}, "dry_run": True}, calls)
    others = dict.fromkeys(dry.summary["surveys"], 0)
    assert dry.summary["surveys"] == {**others, "pending": SIZE.due, "waiting": SIZE.waiting}
    assert dry.summary["contacts"]["pending"] == SIZE.pending
    assert dry.status == 0


def test_a_dry_run_on_a_new_store_has_one_transaction_at_a_time(tmp_path: Path) -> None:
    """Its intake and its delivery ask for the same rows at once: what is in no file has one connection for both."""
    with closing(open_dry_run(f"sqlite:///{tmp_path / 'new.db'}", 1.0)) as store:
        failed: list[BaseException] = []

        def read() -> None:
            try:
                store.read(lambda tx: people.load(tx, ["1"]))
            except BaseException as error:  # noqa: BLE001 - told by the test's own thread
                failed.append(error)

        def meanwhile(_: Transaction) -> threading.Thread:
            other = threading.Thread(target=read)
            other.start()
            other.join(0.2)
            return other

        store.write(meanwhile).join()
        assert not failed
