"""One turn of delivery: a transaction that records answers, claims what is to be sent next, and reserves its times."""

from __future__ import annotations

import itertools
import math
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.contacts.attributes import Note
from target_promoter.contacts.delivery import ContactDelivery, ContactRequest
from target_promoter.delivery import limit as clock
from target_promoter.delivery.sender import Answered, Plan, Request
from target_promoter.promoter.answers import Outcome
from target_promoter.store import runs
from target_promoter.store.database import Store
from target_promoter.store.outcomes import ContactStatus
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import claims, throttle
from target_promoter.surveys.claims import Claim
from target_promoter.surveys.delivery import SurveyDelivery, SurveyLimit

_HORIZON_SECONDS: Final = 0.25
"""For how long requests are claimed at once; a turn ends early when a survey falls due, which then leaves next."""

_OTHERS_AHEAD_SECONDS: Final = 1.0
"""How far ahead each other process may have claimed: as far as this one, by a clock that may be ahead of this one's."""


@dataclass(frozen=True, slots=True)
class Turn(Plan):
    """What a turn decided: what is to be sent, and what else became known.

    Attributes:
        surveys: How many surveys came to each final outcome.
        contacts: How many contacts came to each outcome.
        notes: What became of attributes.
        stopped_by_max_surveys: Whether surveys are due that the limit does not let through.
        again: Whether there is more to look at in the store at once.
        next_at: When there may be something to do next, in epoch seconds; None if nothing that is due is left, which
            only a turn without requests looks for.
        paused_until: Until when Promoter asked to wait, in epoch seconds.
    """

    surveys: Counter[str] = field(default_factory=Counter)
    contacts: Counter[str] = field(default_factory=Counter)
    notes: tuple[Note, ...] = ()
    stopped_by_max_surveys: bool = False
    again: bool = False
    next_at: float | None = None
    paused_until: float = 0.0


class Turns:
    """Takes turns.

    Args:
        clock: The time when a turn has the store, in epoch seconds; without one it is that of the turn.

    Attributes:
        surveys: Claims surveys and settles them.
        contacts: The same of contacts.
        is_stopped_by_max_surveys: Whether this run has sent as many surveys as it may, and more are due.
    """

    def __init__(self, store: Store, settings: Settings, *, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._store = store
        self._settings = settings
        names = lease_names()
        self._name = next(names)
        created_at = store.read(runs.created_at)
        store.write(_reclaim_contacts)
        self.surveys = SurveyDelivery(settings, names, created_at)
        self.contacts = ContactDelivery(settings, names, throttle.surveyed_among)
        self._survey_limit = SurveyLimit(settings.max_surveys_per_run)
        self._bound = False
        self.is_stopped_by_max_surveys = False
        self._noted: set[Note] = set()

    def take(
        self,
        now: float,
        answered: Sequence[Answered],
        *,
        room: int,
        unused: tuple[float, float] | None = None,
        lead: float = 0.0,
    ) -> Turn:
        """Take one turn.

        Args:
            answered: The requests that came back since the last turn, also those that were not sent.
            unused: The time that the next request may have instead of the first of those, and until when times were
                reserved for them.
            lead: How long before the last requests leave the turn is taken, in seconds.
        """
        if room and not self._bound and any(one.outcome is Outcome.ACCEPTED for one in answered):
            # The store belongs to this account from now on; another process may have bound it to another one.
            account = (self._store.name, self._settings.api_url, self._settings.api_key)
            self._store.write(lambda tx: runs.accept_account(tx, *account))
            self._bound = True
        left = self._survey_limit.after(
            (one.request, one.outcome) for one in answered if isinstance(one.request, Claim)
        )

        def work(tx: Transaction) -> Turn:
            if unused is not None:
                clock.give_back(tx, *unused)
            return self._take(tx, now, answered, room, left.allowance, lead)

        turn = self._store.write(work)
        # Only now is it sure that all of it is in the store: the work may have been done twice.
        self._noted.update(turn.notes)
        self.is_stopped_by_max_surveys = turn.stopped_by_max_surveys
        self._survey_limit = left.claiming(one for one in turn.requests if isinstance(one, Claim))
        return turn

    def _take(
        self, tx: Transaction, now: float, answered: Sequence[Answered], room: int, allowance: int, lead: float
    ) -> Turn:
        turn, limit = Turn(), self._settings.requests_per_minute
        if clock.correct(tx, now, limit=limit):
            contacts.correct_times(tx, now)
            claims.correct_times(tx, now)
        self._take_in(tx, now, answered, turn)
        clock.learn(tx, now, [one.answer for one in answered if one.answer is not None], limit=limit)
        paused_until = clock.paused_until(tx, now, limit=limit)
        if not room:
            known = self._next_at(tx, now, 0.0, allowance)
            return replace(
                turn, next_at=known, stopped_by_max_surveys=self.is_stopped_by_max_surveys, paused_until=paused_until
            )
        expired, more_expire = self.surveys.expire(tx, now)
        turn.surveys["expired"] += expired
        # The transaction may have waited for another program, and times that are over would be used all at once.
        begun = now if self._clock is None else max(now, self._clock())
        ahead = lead + _OTHERS_AHEAD_SECONDS * (clock.workers(tx, now, self._name) - 1)
        slots = clock.free(tx, begun, limit=limit, horizon=_HORIZON_SECONDS, most=room, ahead=ahead)
        times = slots.times(slots.number)
        surveys = self.surveys.claim(tx, now, times, allowance)
        turn.surveys.update(surveys.outcomes)
        allowance -= len(surveys.requests)
        found = self.contacts.claim(tx, now, times[len(surveys.requests) :])
        turn.contacts.update(found.outcomes)
        requests: list[Request] = [*surveys.requests, *found.requests]
        reserved_until = clock.take(tx, slots, len(requests))
        free_at = slots.first if times else slots.first - _HORIZON_SECONDS - ahead
        next_at = free_at if requests else self._next_at(tx, now, free_at, allowance)
        if requests or (next_at is not None and next_at <= slots.first):
            clock.register(tx, now, self._name)
        sendable = self.surveys.sendable(now)
        falls_due_at = claims.falls_due(tx, now, sendable) if found.requests else None
        noted = (*surveys.notes, *found.notes)
        contacts.add_notes(tx, set(noted) - self._noted, now)
        return replace(
            turn,
            requests=requests,
            times=times[: len(requests)],
            interval=slots.interval,
            reserved_until=reserved_until,
            falls_due_at=math.inf if falls_due_at is None else falls_due_at,
            notes=noted,
            stopped_by_max_surveys=allowance <= 0 and bool(claims.due(tx, now, sendable, most=1)),
            again=more_expire or (not requests and bool(times) and (found.more or sum(surveys.outcomes.values()) > 0)),
            next_at=next_at,
            paused_until=paused_until,
        )

    def _take_in(self, tx: Transaction, now: float, came: Sequence[Answered], turn: Turn) -> None:
        """Write what became of requests, all of a kind together: they are many."""
        of_surveys = [(one.request, one.answer) for one in came if isinstance(one.request, Claim)]
        of_contacts = [(one.request, one.answer) for one in came if isinstance(one.request, ContactRequest)]
        surveys, synced = self.surveys.record(tx, now, of_surveys)
        turn.surveys.update(surveys)
        if synced:
            turn.contacts[ContactStatus.SYNCED] += synced
        # After the surveys: of a contact whose own request is at work as well, that one's answer decides.
        turn.contacts.update(self.contacts.record(tx, now, of_contacts))

    def _next_at(self, tx: Transaction, now: float, first_slot: float, allowance: int) -> float | None:
        """Return when there may be something to do next; None if nothing that is due is left for this run."""
        sendable = self.surveys.sendable(now)
        if allowance <= 0:
            sendable = replace(sendable, events=())
        times = (self.contacts.next_due(tx), claims.next_due(tx, sendable, now))
        known = [time for time in times if time is not None]
        return max(min(known), first_slot) if known else None


def _reclaim_contacts(tx: Transaction) -> None:
    """Have delivery look at contacts that processes left which died, and at those whose lists may be there by now."""
    contacts.free_leases(tx, is_dead)
    contacts.retry_unknown_lists(tx)


def lease_names() -> Iterator[str]:
    """Yield names under which this process takes leases, one for each request.

    A process that stood still for minutes may take a lease again that it lost to itself: what comes of the first
    request must not be taken for the answer to the second.
    """
    process = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    for number in itertools.count():
        yield f"{process}-{number}"


def is_dead(name: str) -> bool:
    """Return whether the process of a lease's name surely died; of another machine's that cannot be known.

    Containers may share a machine's name and not see each other's processes. So nothing may rest on this but a request
    that is harmless to repeat.
    """
    host, number, _ = name.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
