"""Times as taps deliver them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_promoter.values.times import epoch_seconds, is_date, is_zero


@pytest.mark.parametrize(
    "value",
    [
        "2024-05-01T10:00:00Z",
        "2024-05-01T10:00:00.000000+00:00",
        "2024-05-01 10:00:00",
        "2024-05-01 10:00",
        "2024-05-01 10:00:00.000 UTC",
        "2024-05-01T12:00:00+02:00",
        "2024-05-01T04:30:00-0530",
        "2024-05-01T12:00:00+02",
        "2024-05-01T05:00-05:00",
        "2024-05-01 10:00:00 +0000 UTC",
        "2024-05-01 12:00:00.000000001 +0200 CEST",
        "2024-05-01 10:00:00.000000001 +0000 UTC m=+0.000000001",
        "2024-05-01 12:00:00 +0200",
        "2024-05-01T10:00:00.0000000000001Z",
        "Wed, 01 May 2024 10:00:00 GMT",
        "Wed, 1 May 2024 12:00:00 +0200",
        "01 May 2024 10:00 UTC",
        1714557600,
        1714557600000,
        1714557600000000,
        1714557600000000000,
        Decimal("1714557600.0"),
        "1714557600",
        "1714557600000",
        "1714557600000000",
        "1714557600000000000",
        "1714557600000.0",
        dt.datetime(2024, 5, 1, 10),  # noqa: DTZ001 - as taps send it
        dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    ],
)
def test_times(value: object) -> None:
    """ISO 8601, Go's and RFC 1123's text, Python's own objects, epoch seconds and their parts; no zone is UTC."""
    assert epoch_seconds(value) == 1714557600.0


def test_a_date_is_its_midnight() -> None:
    """A date alone is the start of that day in UTC."""
    assert epoch_seconds("2024-05-01") == epoch_seconds(dt.date(2024, 5, 1)) == 1714521600.0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "2024-13-01",
        "2024-02-30T10:00:00Z",
        "2024-05-01T25:00:00Z",
        "2024-05-01T10:00:00+99:00",
        "9/23/17",
        "2024-05-01 10:00-11:00",
        "2024-05-01 10:00 - 11:00",
        "2024-05-01 10:00 -11",
        "2018-03-04T12:08:56.235 PDT",
        "Wed, 01 Foo 2024 10:00:00 GMT",
        "Wed, 01 May 2024 10:00:00 PDT",
        "2024-05-01T10:00:00." + "0" * 5000,
        "20240501",
        "0001-01-01T00:00:00Z",
        *("1970-01-01T00:00:00Z", "1970-01-01", "1970-01-01T01:00:00", 0, 0.0, "0", "0000-00-00 00:00:00"),
        -1,
        1e300,
        float("nan"),
        Decimal("sNaN"),
        True,
        [],
        {},
        dt.datetime(1, 1, 1),  # noqa: DTZ001 - as taps send it
        "٢٠٢٤-05-01",
        pytest.param(10**5000, id="huge"),
    ],
)
def test_what_is_no_time(value: object) -> None:
    """What cannot be read, is after the year 9999 or zero, is no time."""
    assert epoch_seconds(value) is None


@given(st.datetimes(min_value=dt.datetime(1970, 1, 4), timezones=st.timezones()))  # noqa: DTZ001 - hypothesis adds the zone
def test_times_survive_their_text(moment: dt.datetime) -> None:
    """A time and its ISO text are the same time, wherever the clock stood."""
    try:
        in_utc = moment.astimezone(dt.UTC)
    except OverflowError:
        return
    text = in_utc.isoformat()
    assert epoch_seconds(text) == epoch_seconds(in_utc)
    assert epoch_seconds(moment) == pytest.approx(in_utc.timestamp(), abs=1e-3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05-01", True),
        (" 2024-05-01\n", True),
        (dt.date(2024, 5, 1), True),
        (dt.datetime(2024, 5, 1, tzinfo=dt.UTC), False),
        ("2024-05-01T00:00:00Z", False),
        (1714521600, False),
        (None, False),
    ],
)
def test_a_date_alone_means_its_whole_day(value: object, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """A date without a time of day is told from midnight."""
    assert is_date(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((zero, True) for zero in (0, 0.0, "0", "0.0", "1970-01-01T00:00:00Z", "0000-00-00", "0001-01-01T00:00:00Z")),
        (dt.date(1970, 1, 1), True),
        *((time, False) for time in (1, "10", "soon", "2024-05-01", Decimal("sNaN"), None)),
    ],
)
def test_zero_is_the_time_of_a_program_that_had_none(value: object, expected: bool) -> None:  # noqa: FBT001
    """Epoch 0, and the zero dates of Go and MySQL."""
    assert is_zero(value) is expected
