"""Delivery as it runs: nothing hangs, nothing goes unnoticed, nothing is sent that must not be."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from target_promoter.delivery import limit as clock
from target_promoter.delivery.delivery import Delivery, Patience
from target_promoter.delivery.sender import Sender
from target_promoter.delivery.turn import Turns, is_dead, lease_names
from target_promoter.errors import DeliveryError
from target_promoter.promoter.answers import Answer, Outcome
from target_promoter.store import runs
from target_promoter.store.database import open_store
from tests.delivering import Process, survey
from tests.house import House, identify, track

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


YES = Answer(Outcome.ACCEPTED, 200)


@dataclass
class Promoter:
    """Somebody who answers for Promoter, as a test wants it.

    Attributes:
        answer: Answers every request.
        asked: What was asked for.
    """

    answer: Callable[[], Answer]
    asked: list[bytes] = field(default_factory=list)

    def survey(self, body: bytes) -> Answer:
        """Answer a request for a survey."""
        self.asked.append(body)
        return self.answer()

    def save_contact(self, body: bytes) -> Answer:
        """Answer a request for a contact."""
        self.asked.append(body)
        return self.answer()

    def leave_list(self, contact_list: int, body: bytes) -> Answer:
        """Take the contact off whatever list it is on."""
        del contact_list, body
        return Answer(Outcome.ACCEPTED, 204)

    def remove_contact(self, email: str) -> Answer:
        """Answer a request to remove a contact."""
        self.asked.append(email.encode())
        return self.answer()


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house where a hundred people were identified."""
    house = House(tmp_path, requests_per_minute=600_000)
    house.take(*(identify(str(number), f"c{number}@example.com") for number in range(1, 101)))
    return house


def delivery(house: House, promoter: Promoter) -> Delivery:
    """Return a delivery that ends when nothing is left, its time that of the machine."""
    made = Delivery(house.store, promoter, house.settings, house.summary)
    made.finish()
    return made


def test_a_mistake_does_not_go_unnoticed(house: House) -> None:
    """An unexpected exception ends delivery with a sentence, and its request counts as unanswered."""

    def mistaken() -> Answer:
        raise ZeroDivisionError

    made = delivery(house, Promoter(mistaken))
    made.run()
    assert isinstance(made.problem, DeliveryError)
    assert "ZeroDivisionError" in str(made.problem)


def test_a_mistake_in_deciding_does_not_go_unnoticed(house: House) -> None:
    """The same of the thread that decides: it never dies in silence."""
    promoter = Promoter(lambda: YES)
    made = Delivery(house.store, promoter, house.settings, house.summary, clock=lambda: "no time")  # type: ignore[arg-type, return-value] # the mistake
    made.start()
    assert made.join(10)
    assert "TypeError" in str(made.problem)
    assert promoter.asked == []


def test_sixty_four_that_hang_are_waited_for_in_peace(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """While all that may be in flight is, the store is looked at now and then, and not as fast as it can be."""
    over = threading.Event()
    made = delivery(house, Promoter(lambda: YES if over.wait(20) else Answer(Outcome.UNANSWERED)))
    turns: list[float] = []
    take = made._turns.take

    def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - handed on unread
        turns.append(time.monotonic())
        return take(*arguments, **options)

    monkeypatch.setattr(made._turns, "take", counted)
    made.start()
    while made._sender.flight.number < 64:
        assert made.join(0.01) is False
    before = len(turns)
    assert made.join(1) is False
    assert len(turns) - before <= 5
    over.set()
    assert made.join(20)
    assert made.problem is None
    assert house.summary.value("contacts", "synced") == 100


def test_a_stop_gives_back_what_was_not_sent(house: House) -> None:
    """A slow limit has claimed a survey ahead of its time: a stop leaves it queued, not in doubt."""
    house.take(track("Order Completed", "1", messageId="m"))
    process = Process(house)
    assert len(process.turn(0).requests) > 1
    process.give_back(0)
    assert survey(house, "m").status == "queued"
    assert Process(house).turn(0.5).requests


def test_a_long_wait_with_nothing_left_is_no_failure(tmp_path: Path) -> None:
    """A daily limit that was used up matters only to who has something to send."""
    house = House(tmp_path)
    house.store.write(lambda one: clock.pause(one, time.time() + 7200))
    idle = delivery(house, Promoter(lambda: YES))
    idle.run()
    assert idle.problem is None
    house.take(identify("1", "ann@example.com"))
    busy = delivery(house, Promoter(lambda: YES))
    busy.run()
    assert "asks to wait until" in str(busy.problem)


def test_another_key_does_not_take_the_store_over(house: House) -> None:
    """The store is bound by the first answer that Promoter accepts, once."""
    house.store.write(lambda one: runs.bind_account(one, house.settings.api_url, "first key"))
    made = delivery(house, Promoter(lambda: YES))
    made.run()
    assert "another API key" in str(made.problem)
    house.store.read(lambda one: runs.check_account(one, "s", house.settings.api_url, "first key"))


def test_patience_ends_after_its_time_without_a_success() -> None:
    """One success starts it anew; failures without one for five minutes end it with the last words."""
    patience = Patience()
    failure = Answer(Outcome.UNANSWERED, 500, "no luck")
    assert patience.record(failure, 0.0)
    assert not patience.record(Answer(Outcome.REFUSED, 400), 200.0)
    assert patience.record(failure, 250.0)
    assert patience.record(failure, 549.0)
    with pytest.raises(DeliveryError, match=r"5 minutes.*status 500 no luck"):
        patience.record(failure, 550.0)


def test_failures_in_a_row_slow_everything_down() -> None:
    """After the third all wait, ever longer and never more than half a minute, until one succeeds."""
    patience = Patience()
    for number in range(1500):
        patience.record(Answer(Outcome.UNREACHED), 1.0)
        assert (patience.paused_until > 1.0) == (number >= 2)
        assert patience.paused_until <= 31.0
    patience.record(YES, 2.0)
    assert patience.paused_until == 0.0


def test_the_third_failure_in_a_row_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once, with its cause; two may be a hiccup."""
    patience = Patience()
    told = []
    for _ in range(5):
        patience.record(Answer(Outcome.UNAVAILABLE, 503, "maintenance"), 1.0)
        told.append(caplog.text.count("Three requests in a row failed (status 503 maintenance)"))
    assert told == [0, 0, 1, 1, 1]


def test_a_living_process_is_not_dead() -> None:
    """Its own name belongs to a living process, one of another machine to nobody that is known to be dead."""
    names = lease_names()
    name = next(names)
    assert not is_dead(name)
    assert name != next(names)
    assert not is_dead("elsewhere:999999:x")


def test_a_survey_that_comes_leaves_before_contacts_that_were_claimed(tmp_path: Path) -> None:
    """While contacts wait for their times, a survey that intake brings is the next request to leave."""
    house = House(tmp_path, requests_per_minute=240)
    house.take(*(identify(str(number), f"c{number}@example.com") for number in range(1, 6)))
    began = time.monotonic()

    def answer() -> Answer:
        if len(promoter.asked) == 1:
            house.take(track("Order Completed", "5", messageId="m"))
            made.wake(surveys=True)
        return YES

    promoter = Promoter(answer)
    made = Delivery(
        house.store, promoter, house.settings, house.summary, clock=lambda: house.now + time.monotonic() - began
    )
    made.finish()
    made.run()
    assert [b"campaign_id" in body for body in promoter.asked] == [False, True] + [False] * 3


def test_a_survey_whose_day_comes_leaves_before_contacts_that_were_claimed(tmp_path: Path) -> None:
    """While contacts wait for their times, a survey that falls due by the clock is the next request to leave."""
    later = {"Order Completed": {"id": 78, "delay_hours": 1 + 2 / 3600}}
    house = House(tmp_path, requests_per_minute=400, campaigns=later)
    house.take(*(identify(str(number), f"c{number}@example.com") for number in range(1, 13)))
    house.take(track("Order Completed", "9", hours=-1, messageId="m"))
    promoter = Promoter(lambda: YES)
    began = time.monotonic()

    def now() -> float:
        return house.now + time.monotonic() - began + (3.0 if promoter.asked else 0.0)

    made = Delivery(house.store, promoter, house.settings, house.summary, clock=now)
    made.finish()
    made.run()
    surveyed = next(number for number, body in enumerate(promoter.asked) if b"campaign_id" in body)
    assert 0 < surveyed < 5
    assert len(promoter.asked) == 12


def test_after_a_wait_for_the_store_nothing_is_made_up_for(house: House) -> None:
    """A turn that another program kept waiting has times from now on: those that are over would be used all at once."""
    turn = Turns(house.store, house.settings, clock=lambda: house.now + 2.5).take(house.now, [], room=64)
    assert turn.times[0] == house.now + 2.5


def test_the_end_of_another_process_is_seen_soon(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is on its way from another process: the store is looked at soon, and then ever less often."""
    other = Process(house)
    while len(other.turn(0, "accepted" if other.last else None).requests) == 64:
        pass
    looked: list[float] = []
    now = house.now

    def waited(_: Sender, seconds: float, *, for_answers: bool) -> None:
        nonlocal now
        assert for_answers
        looked.append(round(seconds, 3))
        now += seconds
        if len(looked) == 6:
            other.turn(0, "accepted", room=0)

    monkeypatch.setattr(Sender, "wait", waited)
    promoter = Promoter(lambda: YES)
    made = Delivery(house.store, promoter, house.settings, house.summary, clock=lambda: now)
    made.finish()
    made.run()
    assert (looked, promoter.asked) == ([0.1, 0.2, 0.4, 0.8, 1.0, 1.0], [])
    assert made.is_done


@pytest.mark.slow
@pytest.mark.parametrize("surveyed", [False, True], ids=["contacts", "surveys"])
def test_several_share_the_limit_fairly(store_url: str, *, surveyed: bool) -> None:
    """Of four that deliver from one store none sends twice as much as its share, and none less than half of it."""
    house = House(store_url, requests_per_minute=6000)
    people = range(1, 401)
    house.take(*(identify(str(number), f"c{number}@example.com") for number in people))
    if surveyed:
        house.take(*(track("Order Completed", str(number)) for number in people))
    began = time.time()
    promoters = [Promoter(lambda: YES) for _ in range(4)]
    stores = [open_store(store_url, now=house.now) for _ in promoters]
    several = [
        Delivery(store, one, house.settings, house.summary, clock=lambda: house.now - began + time.time())
        for store, one in zip(stores, promoters, strict=True)
    ]
    for one in several:
        one.finish()
        one.start()
    for one, store in zip(several, stores, strict=True):
        assert one.join(60)
        assert one.problem is None
        store.close()
    shares = [len(one.asked) for one in promoters]
    assert sum(shares) == 400
    assert {b"campaign_id" in body for one in promoters for body in one.asked} == {surveyed}
    assert min(shares) > 50, shares
    assert max(shares) < 200, shares


def test_after_a_run_with_a_wrong_clock_the_next_one_sends(tmp_path: Path) -> None:
    """A run ten years ahead left a claim, a contact that failed and a limit that was refused: none of them waits."""
    house = House(tmp_path)
    house.take(identify("1", "ann@example.com"), identify("2", "bob@example.com"), track("Order Completed", "1"))
    ahead = 10 * 365 * 86_400.0
    process = Process(house)
    with patch.object(house, "settings", replace(house.settings, max_event_age_hours=1e9)):
        process = Process(house)
    assert len(process.turn(ahead).requests) == 2
    process.turn(ahead + 1, "unavailable", room=0, retry_after=60.0)
    turn = Process(house).turn(10)
    assert sorted(one.email for one in turn.requests) == ["ann@example.com", "bob@example.com"]
