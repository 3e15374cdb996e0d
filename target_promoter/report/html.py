"""A report as one page that needs nothing from anywhere else and runs no script."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import jinja2

from target_promoter.progress.words import REPLAY, campaign
from target_promoter.report import person, words
from target_promoter.report.data import Report, SurveyFacts
from target_promoter.report.person import Story
from target_promoter.report.words import figures, with_events
from target_promoter.store.outcomes import E_MAILED
from target_promoter.values.printable import printable
from target_promoter.values.times import duration

_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?)")
_HERE: Final = files(__package__)
_STYLE: Final = _HERE.joinpath("style.css").read_text(encoding="utf-8")
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Even if something from outside were taken for markup, the browser would run and fetch nothing.
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


DAYS: Final = 30
COLOURS: Final = 6
"""How many campaigns have a colour of their own; all others share the last."""

WIDTH: Final = 720
HEIGHT: Final = 220
LEFT: Final = 44
_BOTTOM: Final = 26
_TOP: Final = 12
_ROOM: Final = HEIGHT - _BOTTOM - _TOP
_STEP: Final = (WIDTH - LEFT) / DAYS
_LABEL_EVERY: Final = 7
_TICKS: Final = 4


def report_page(report: Report) -> str:
    """Return a report as HTML."""
    drawing = chart(report.surveys, report.generated_at)
    size = {"width": WIDTH, "height": HEIGHT, "left": LEFT}
    return _page("report.html.j2", report=report, figures=figures(report), drawing=drawing, replay=REPLAY, **size)


def story_page(story: Story) -> str:
    """Return the story of a person as HTML."""
    return _page("story.html.j2", story=story)


def _page(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _HERE.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(policy=_POLICY, style=_STYLE, words=words, person=person, duration=duration)
    environment.filters.update(number="{:,}".format, moments=_MOMENT.split)
    return environment.get_template(template).render(**values)


def _printable(value: Any) -> Any:  # noqa: ANN401 - whatever the template shows
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return "" if value is None else value
    return printable(value)


@dataclass(frozen=True, slots=True)
class Bar:
    """The surveys of one campaign on one day."""

    x: float
    y: float
    width: float
    height: float
    colour: int
    hint: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar a day, a part of it for each campaign; ticks and dates are positions with their labels."""

    title: str
    bars: Sequence[Bar]
    ticks: Sequence[tuple[float, str]]
    dates: Sequence[tuple[float, str]]
    legend: Sequence[tuple[int, str]]


def last_days(now: float) -> list[str]:
    """Return the days that the chart shows, the last of them today."""
    today = dt.datetime.fromtimestamp(now, tz=dt.UTC).date()
    return [(today - dt.timedelta(days=back)).isoformat() for back in range(DAYS - 1, -1, -1)]


def chart(surveys: SurveyFacts, now: float) -> Chart | None:
    """Return the drawing; None if no survey was sent."""
    days = last_days(now)
    sent: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for day in surveys.days:
        number = sum(day.outcomes.get(outcome, 0) for outcome in E_MAILED)
        if number and day.day in days:
            sent[day.day][day.campaign_id] = number
    if not sent:
        return None
    campaigns = sorted({one for day in sent.values() for one in day})
    most = max(sum(sent[day].values()) for day in days)
    total = sum(sum(day.values()) for day in sent.values())
    tick = _tick(most)
    top = -(-most // tick) * tick

    def bars(position: int, day: str) -> list[Bar]:
        found, bottom = [], float(HEIGHT - _BOTTOM)
        for one, number in sorted(sent[day].items()):
            height = number / top * _ROOM
            bottom -= height
            colour = min(campaigns.index(one), COLOURS - 1)
            hint = f"{day}: {number:,} of {campaign(one, surveys.campaigns)}"
            x, width = round(LEFT + position * _STEP + 2, 1), round(_STEP - 4, 1)
            found.append(Bar(x, round(bottom, 1), width, round(height, 1), colour, hint))
        return found

    return Chart(
        title=f"Surveys sent a day, {days[0]} to {days[-1]}: {total:,} in all, {most:,} on the busiest day",
        bars=[bar for position, day in enumerate(days) for bar in bars(position, day)],
        ticks=[(round(HEIGHT - _BOTTOM - n / top * _ROOM, 1), f"{n:,}") for n in range(0, top + 1, tick)],
        dates=[
            (round(LEFT + (position + 1) * _STEP - 2, 1), days[position][5:])
            for position in range(DAYS - 1, -1, -_LABEL_EVERY)
        ],
        legend=[(min(position, COLOURS - 1), with_events(one, surveys)) for position, one in enumerate(campaigns)],
    )


def _tick(most: int) -> int:
    """Return from tick to tick so many surveys that a few whole numbers reach to the most."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor * _TICKS >= most:
                return step * factor
        step *= 10
