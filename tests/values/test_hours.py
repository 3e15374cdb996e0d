"""The hours in which surveys may be sent: when they begin next, by the clock of a place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_promoter.values.times import SurveyHours

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
WORKDAYS = (0, 1, 2, 3, 4)
BERLIN = "Europe/Berlin"


def opening(hours: str, at: str, days: tuple[int, ...] = EVERY_DAY, zone: str = BERLIN) -> str:
    """Return when hours such as `09:00-18:00` begin next, both times being ISO 8601 with their offset."""
    start, end = (int(one[:2]) * 60 + int(one[3:]) for one in hours.split("-"))
    found = SurveyHours(start, end, days, ZoneInfo(zone)).next_opening(datetime.fromisoformat(at).timestamp())
    return datetime.fromtimestamp(found, ZoneInfo(zone)).isoformat()


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        ("2024-05-06T09:00:00+02:00", "2024-05-06T09:00:00+02:00"),
        ("2024-05-06T12:34:56+02:00", "2024-05-06T12:34:56+02:00"),
        ("2024-05-06T17:59:59+02:00", "2024-05-06T17:59:59+02:00"),
        ("2024-05-06T18:00:00+02:00", "2024-05-07T09:00:00+02:00"),
        ("2024-05-06T08:59:59+02:00", "2024-05-06T09:00:00+02:00"),
        ("2024-05-06T06:30:00+00:00", "2024-05-06T09:00:00+02:00"),
        ("2024-05-10T18:00:00+02:00", "2024-05-13T09:00:00+02:00"),
        ("2024-05-11T12:00:00+02:00", "2024-05-13T09:00:00+02:00"),
    ],
)
def test_outside_of_the_hours_they_begin_next_on_one_of_their_days(at: str, begins: str) -> None:
    """A time within them is itself, to the second; the end is outside."""
    assert opening("09:00-18:00", at, WORKDAYS) == begins


@pytest.mark.parametrize(
    ("hours", "days", "at", "ended"),
    [
        ("09:00-18:00", WORKDAYS, "2024-05-06T12:00:00+02:00", "2024-05-03T18:00:00+02:00"),
        ("09:00-18:00", WORKDAYS, "2024-05-06T18:00:00+02:00", "2024-05-06T18:00:00+02:00"),
        ("09:00-18:00", (0,), "2024-05-06T17:00:00+02:00", "2024-04-29T18:00:00+02:00"),
        ("22:00-02:00", (4,), "2024-05-10T23:00:00+02:00", "2024-05-04T02:00:00+02:00"),
        ("00:00-24:00", WORKDAYS, "2024-05-07T12:00:00+02:00", "2024-05-04T00:00:00+02:00"),
        # At 02:00 the clock goes to 03:00, and hours that end at 02:30 end there.
        ("22:00-02:30", EVERY_DAY, "2024-03-31T12:00:00+02:00", "2024-03-31T03:00:00+02:00"),
    ],
)
def test_when_the_hours_ended_last(hours: str, days: tuple[int, ...], at: str, ended: str) -> None:
    """Before the ones of now, if they are on."""
    start, end = (int(one[:2]) * 60 + int(one[3:]) for one in hours.split("-"))
    found = SurveyHours(start, end, days, ZoneInfo(BERLIN)).last_closing(datetime.fromisoformat(at).timestamp())
    assert found is not None
    assert datetime.fromtimestamp(found, ZoneInfo(BERLIN)).isoformat() == ended


def test_hours_that_never_end_ended_at_no_time() -> None:
    """All day, every day."""
    assert SurveyHours(0, 24 * 60, EVERY_DAY, ZoneInfo(BERLIN)).last_closing(1_717_000_000) is None


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        ("2024-05-10T21:00:00+02:00", "2024-05-10T22:00:00+02:00"),
        ("2024-05-10T23:30:00+02:00", "2024-05-10T23:30:00+02:00"),
        ("2024-05-11T01:59:00+02:00", "2024-05-11T01:59:00+02:00"),
        ("2024-05-11T02:00:00+02:00", "2024-05-17T22:00:00+02:00"),
        ("2024-05-10T01:00:00+02:00", "2024-05-10T22:00:00+02:00"),
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(at: str, begins: str) -> None:
    """Friday's last into Saturday, and not from Thursday into Friday."""
    assert opening("22:00-02:00", at, (4,)) == begins


def test_a_day_may_last_until_midnight() -> None:
    """24:00 is the end of the day."""
    assert opening("00:00-24:00", "2024-05-12T23:59:59+02:00", (6,)) == "2024-05-12T23:59:59+02:00"
    assert opening("00:00-24:00", "2024-05-13T00:00:00+02:00", (6,)) == "2024-05-19T00:00:00+02:00"


@pytest.mark.parametrize(
    ("hours", "at", "begins"),
    [
        # On 31 March 2024 the clock of Berlin went from 02:00 to 03:00.
        ("09:00-18:00", "2024-03-30T18:00:00+01:00", "2024-03-31T09:00:00+02:00"),
        ("02:30-05:00", "2024-03-31T00:00:00+01:00", "2024-03-31T03:00:00+02:00"),
        ("02:15-02:45", "2024-03-31T00:00:00+01:00", "2024-04-01T02:15:00+02:00"),
        ("01:00-02:30", "2024-03-31T03:10:00+02:00", "2024-04-01T01:00:00+02:00"),
        # On 27 October 2024 it went from 03:00 back to 02:00.
        ("09:00-18:00", "2024-10-26T18:00:00+02:00", "2024-10-27T09:00:00+01:00"),
        ("02:15-02:45", "2024-10-27T00:00:00+02:00", "2024-10-27T02:15:00+02:00"),
        ("02:15-02:45", "2024-10-27T02:50:00+02:00", "2024-10-27T02:15:00+01:00"),
        ("02:15-02:45", "2024-10-27T02:45:00+01:00", "2024-10-28T02:15:00+01:00"),
    ],
)
def test_the_clock_of_the_place_counts_when_it_is_changed(hours: str, at: str, begins: str) -> None:
    """Hours that a day does not have do not come on that day; those that it has twice come twice."""
    assert opening(hours, at) == begins


def test_a_midnight_that_is_left_out() -> None:
    """In Beirut the clock goes from 00:00 to 01:00."""
    begins = opening("00:00-06:00", "2024-03-30T12:00:00+02:00", zone="Asia/Beirut")
    assert begins == "2024-03-31T01:00:00+03:00"


def test_a_day_that_is_left_out() -> None:
    """Samoa had no 30 December 2011, a Friday."""
    begins = opening("09:00-18:00", "2011-12-29T19:00:00-10:00", (4,), zone="Pacific/Apia")
    assert begins == "2012-01-06T09:00:00+14:00"


def test_hours_that_never_come_are_refused() -> None:
    """Without a day, or without a minute, a survey would wait for ever."""
    zone = ZoneInfo(BERLIN)
    for start, end, days in ((540, 1080, ()), (540, 540, EVERY_DAY)):
        with pytest.raises(ValueError, match="never"):
            SurveyHours(start, end, days, zone)


@given(
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.sets(st.integers(0, 6), min_size=1),
    st.sampled_from([BERLIN, "Australia/Lord_Howe", "Asia/Kathmandu", "America/New_York", "UTC"]),
    st.datetimes(datetime(2024, 1, 1), datetime(2025, 1, 1)),  # noqa: DTZ001 - hypothesis gives it its zone
)
def test_it_is_the_first_minute_at_which_the_clock_shows_the_hours(
    start: int, end: int, days: set[int], zone: str, at: datetime
) -> None:
    """No earlier minute is within them, and it itself is."""
    if start == end:
        return
    place = ZoneInfo(zone)

    def within(moment: datetime) -> bool:
        local = moment.astimezone(place)
        minute = local.hour * 60 + local.minute
        if start < end:
            return local.weekday() in days and start <= minute < end
        before = (local - timedelta(days=1)).weekday()
        return (local.weekday() in days and minute >= start) or (before in days and minute < end)

    at = at.replace(second=0, microsecond=0, tzinfo=UTC)
    found = SurveyHours(start, end, tuple(sorted(days)), place).next_opening(at.timestamp())
    begins = datetime.fromtimestamp(found, UTC)
    assert within(begins)
    minutes = int((begins - at).total_seconds() // 60)
    assert not any(within(at + timedelta(minutes=n)) for n in range(minutes))
