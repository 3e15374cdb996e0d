"""What the store knows of itself: its account, its runs, what events they read, and whom it has to forget."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, cast, insert, literal, select, text

from target_promoter.errors import StoreError
from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import events, facts, forgotten, runs
from target_promoter.store.summary import Tally
from target_promoter.store.transaction import Transaction

_OLDER_SALTS: Final = "older_salts"

# As text, which every run begins and ends with: to put such a statement together takes longer than to carry it out.
_FACT: Final = text("SELECT value FROM facts WHERE name = :name")
_END: Final = text("""
    UPDATE runs SET finished_at = :finished_at, exit_status = :exit_status, problem = :problem, summary = :summary
    WHERE id = :id
""")

_DAY: Final = 86_400
_EVENT_COLUMNS: Final = ("day", "name", "outcome", "number", "first_at", "last_at", "counted_at")
_ADD_EVENTS: Final = """
    ON CONFLICT (day, name, outcome) DO UPDATE SET
        number = events.number + excluded.number, counted_at = excluded.counted_at,
        first_at = CASE WHEN excluded.first_at < events.first_at THEN excluded.first_at ELSE events.first_at END,
        last_at = CASE WHEN excluded.last_at > events.last_at THEN excluded.last_at ELSE events.last_at END
"""
_CAMPAIGN: Final = "name of campaign:"


def fact(tx: Transaction, name: str) -> str | None:
    """Return one of the things the store knows of itself, such as `created_at`."""
    value: str | None = tx.scalar(_FACT, {"name": name})
    return value


def set_fact(tx: Transaction, name: str, value: str) -> None:
    """Set one of the things the store knows of itself."""
    tx.upsert(facts, [{"name": name, "value": value}])


def created_at(tx: Transaction) -> float:
    """Return since when the store knows what was sent, in epoch seconds: its creation, or its return from a backup."""
    return max(float(fact(tx, name) or 0.0) for name in ("created_at", "restored_at"))


def check_account(tx: Transaction, store: str, api_url: str, api_key: str) -> None:
    """Refuse to use a store with another account than its own.

    Raises:
        StoreError: The store belongs to another address or another key.
    """
    address, mark = fact(tx, "api_url"), fact(tx, "key_mark")
    if address is not None and address != api_url:
        fix = (
            "set `api_url` to that again, or `store_url` to a store of its own, or, if it is a new address of the same "
            "account, run `target-promoter --config CONFIG check --rebind`"
        )
        raise StoreError(f"The store {store} belongs to the account at {address}: {fix}.")
    if mark is not None and not hmac.compare_digest(mark, salted_mark(tx, api_key)):
        fix = (
            "name a store of its own in `store_url`, or, if it is a new key of the same account, run "
            "`target-promoter --config CONFIG check --rebind`"
        )
        raise StoreError(f"The store {store} belongs to another API key: {fix}.")


def bind_account(tx: Transaction, api_url: str, api_key: str) -> None:
    """Have the store belong to an account from now on.

    Args:
        api_key: Its API key, of which only a salted mark is kept.
    """
    set_fact(tx, "api_url", api_url)
    set_fact(tx, "key_mark", salted_mark(tx, api_key))


def accept_account(tx: Transaction, store: str, api_url: str, api_key: str) -> None:
    """Have a store that belongs to no account yet belong to the one that answered.

    Raises:
        StoreError: It belongs to another one; another process may have bound it meanwhile.
    """
    if fact(tx, "key_mark") is None:
        bind_account(tx, api_url, api_key)
    check_account(tx, store, api_url, api_key)


def begin(tx: Transaction, command: str, now: float, settings: Mapping[str, object] | None = None) -> int:
    """Record the start of a run, and return its number.

    Args:
        command: Its command, such as `sync` or `deliver`.
        settings: Its settings, without secrets.
    """
    kept = None if settings is None else encode(settings)
    key = tx.execute(insert(runs).values(command=command, started_at=now, settings=kept)).inserted_primary_key
    return int(key[0]) if key else 0


def end(
    tx: Transaction, run: int, now: float, *, exit_status: int, problem: str | None, summary: dict[str, object]
) -> None:
    """Record the end of a run.

    Args:
        problem: What went wrong, a sentence.
        summary: Its summary, as in the summary line.
    """
    values = {"finished_at": now, "exit_status": exit_status, "problem": problem, "summary": encode(summary)}
    tx.execute(_END, {"id": run, **values})


def changes(tx: Transaction, run: int) -> list[str]:
    """Return what differs between the settings of a run and those of the run before it, by name, in words."""
    earlier = select(runs.c.settings).where(runs.c.id < run, runs.c.settings.is_not(None)).order_by(runs.c.id.desc())
    before_text, text = tx.scalar(earlier.limit(1)), tx.scalar(select(runs.c.settings).where(runs.c.id == run))
    if before_text is None or text is None:
        return []
    return list(_differences(decode(before_text), decode(text)))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differences(one, other, f"{prefix}{name}.")
        elif one != other:
            was, now = (encode(settings[name]) if name in settings else "not set" for settings in (before, after))
            yield f"{prefix}{name}: {was} became {now}"


def add_events(tx: Transaction, read: Mapping[tuple[str, str], Tally], now: float) -> None:
    """Count events that were read today, by name as sent and outcome."""
    day = int(now // _DAY)
    rows = [
        (day, name, str(outcome), tally.number, tally.first_at, tally.last_at, now)
        for (name, outcome), tally in sorted(read.items())
    ]
    tx.insert_rows(events, _EVENT_COLUMNS, rows, _ADD_EVENTS)


def learn_campaigns(tx: Transaction, found: Mapping[int, str]) -> None:
    """Keep the names of campaigns, by id."""
    tx.upsert(facts, [{"name": f"{_CAMPAIGN}{number}", "value": name} for number, name in found.items()])


def campaigns(tx: Transaction) -> dict[int, str]:
    """Return the names of campaigns, by id."""
    known = select(facts).where(facts.c.name.startswith(_CAMPAIGN, autoescape=True))
    return {int(name.removeprefix(_CAMPAIGN)): value for name, value in tx.execute(known)}


def of_campaign(number: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition, as SQL, for the fact that is the name of a campaign."""
    return facts.c.name == literal(_CAMPAIGN) + cast(number, Text)


@dataclass(frozen=True, slots=True)
class Mark:
    """What is left of one of the names of somebody who was forgotten.

    Attributes:
        mark: A salted hash of the name, in hexadecimal.
        forgotten_at: When, in epoch seconds; the names of one person have the same time. None if that is not known.
    """

    mark: str
    forgotten_at: float | None


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of the forgotten, as another store can add them.

    Attributes:
        salts: The salts that they were made with, in hexadecimal.
        marks: The marks, the oldest first.
    """

    salts: Sequence[str]
    marks: Sequence[Mark]


def forget_marks(tx: Transaction, keys: Iterable[str], now: float) -> None:
    """Remember, without knowing them, the names of a person who was forgotten."""
    marks = _marks(keys, [_salt(tx)])
    tx.upsert(forgotten, [{"who": mark, "forgotten_at": now} for mark in sorted(marks)])


def anybody_forgotten(tx: Transaction) -> bool:
    """Return whether anybody was forgotten."""
    return tx.any(select(forgotten.c.who))


def forgotten_among(tx: Transaction, keys: Iterable[str]) -> set[str]:
    """Return those of the keys whose people were forgotten."""
    marks = _marks(keys, _salts(tx))
    return {marks[bytes(row.who)] for row in tx.rows_among("who", "forgotten", "who", marks)}


def unforget(tx: Transaction, keys: Iterable[str]) -> int:
    """Take back the marks of whoever has any of these names, and return how many they were."""
    marks = _marks(keys, _salts(tx))
    named = {bytes(row.who): row.forgotten_at for row in tx.rows_among("who, forgotten_at", "forgotten", "who", marks)}
    times = {time for time in named.values() if time is not None}
    where = forgotten.c.who.in_(list(named)) | forgotten.c.forgotten_at.in_(times)
    return tx.execute(forgotten.delete().where(where)).rowcount


def all_marks(tx: Transaction) -> Marks:
    """Return the marks of all who were forgotten."""
    rows = tx.execute(select(forgotten).order_by(forgotten.c.forgotten_at, forgotten.c.who))
    return Marks([one.hex() for one in _salts(tx)], [Mark(bytes(row.who).hex(), row.forgotten_at) for row in rows])


def add_marks(tx: Transaction, others: Marks) -> None:
    """Add the marks of those who were forgotten in another store."""
    own, *older = (one.hex() for one in _salts(tx))
    set_fact(tx, _OLDER_SALTS, encode(sorted({*older, *others.salts} - {own})))
    tx.upsert(forgotten, [{"who": bytes.fromhex(one.mark), "forgotten_at": one.forgotten_at} for one in others.marks])


def salted_mark(tx: Transaction, secret: str) -> str:
    """Return a mark of a text, such as of a replayed stream, which nobody can make who does not hold the store."""
    return blake2b(secret.encode(), key=_salt(tx), digest_size=32).hexdigest()


def _marks(keys: Iterable[str], salts: Iterable[bytes]) -> dict[bytes, str]:
    wanted = set(keys)
    return {blake2b(key.encode(), key=salt, digest_size=16).digest(): key for salt in salts for key in wanted}


def _salt(tx: Transaction) -> bytes:
    return bytes.fromhex(fact(tx, "salt") or "")


def _salts(tx: Transaction) -> list[bytes]:
    """Return the store's own salt, and those of stores whose marks were added."""
    return [_salt(tx), *map(bytes.fromhex, decode(fact(tx, _OLDER_SALTS) or "[]"))]
