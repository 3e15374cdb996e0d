"""Surveys by campaign and day, as an inline drawing."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from target_promoter.report.markup import Markup, join, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_promoter.report.data import SurveyFacts

DAYS: Final = 30
COLOURS: Final = 6
"""How many campaigns have a colour of their own; all others share the last."""

_WIDTH: Final = 720
_HEIGHT: Final = 220
_LEFT: Final = 44
_BOTTOM: Final = 26
_TOP: Final = 12
_LABEL_EVERY: Final = 7
_E_MAILED: Final = ("sent", "presumed")


def last_days(now: float) -> list[str]:
    """Return the days that the chart shows, the last of them today."""
    today = dt.datetime.fromtimestamp(now, tz=dt.UTC).date()
    return [(today - dt.timedelta(days=back)).isoformat() for back in range(DAYS - 1, -1, -1)]


def chart(surveys: SurveyFacts, now: float) -> Markup:
    """Return the drawing with its legend: a bar a day, a part of it for each campaign."""
    sent: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for day in surveys.days:
        number = sum(day.outcomes.get(outcome, 0) for outcome in _E_MAILED)
        if number:
            sent[day.day][day.campaign_id] = number
    days = last_days(now)
    campaigns = sorted({campaign for day in days for campaign in sent[day]})
    if not campaigns:
        return tag("p", "No survey was sent in the last thirty days.", class_="none")
    most = max(sum(sent[day].values()) for day in days)
    total = sum(number for day in days for number in sent[day].values())
    title = f"Surveys sent a day, {days[0]} to {days[-1]}: {total} in all, {most} on the busiest day"
    drawing = tag(
        "svg",
        tag("title", title, id="chart-title"),
        *_scale(most),
        *(bar for position, day in enumerate(days) for bar in _bars(position, day, sent[day], campaigns, most)),
        *_dates(days),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_labelledby="chart-title",
    )
    return join(
        tag("div", drawing, class_="chart", role="region", aria_label="Surveys sent a day", tabindex="0"),
        _legend(campaigns, surveys.events),
    )


def colour(position: int) -> str:
    """Return the class that gives a campaign its colour."""
    return f"colour-{min(position, COLOURS - 1)}"


def _bars(position: int, day: str, sent: Mapping[int, int], campaigns: Sequence[int], most: int) -> list[Markup]:
    room = _HEIGHT - _BOTTOM - _TOP
    step = (_WIDTH - _LEFT) / DAYS
    bottom = float(_HEIGHT - _BOTTOM)
    bars = []
    for campaign, number in sorted(sent.items()):
        height = number / most * room
        bottom -= height
        hint = tag("title", f"{day}: {number} of campaign {campaign}")
        bars.append(
            tag(
                "rect",
                hint,
                x=round(_LEFT + position * step + 2, 1),
                y=round(bottom, 1),
                width=round(step - 4, 1),
                height=round(height, 1),
                class_=colour(campaigns.index(campaign)),
            )
        )
    return bars


def _scale(most: int) -> list[Markup]:
    """Return the lines for nothing, half and the most, with their numbers."""
    room = _HEIGHT - _BOTTOM - _TOP
    marks = []
    for number in sorted({0, most // 2, most}):
        y = round(_HEIGHT - _BOTTOM - number / most * room, 1)
        marks += [
            tag("line", x1=_LEFT, x2=_WIDTH, y1=y, y2=y),
            tag("text", f"{number:,}", x=_LEFT - 6, y=y + 4, text_anchor="end"),
        ]
    return marks


def _dates(days: Sequence[str]) -> list[Markup]:
    step = (_WIDTH - _LEFT) / DAYS
    shown = range(len(days) - 1, -1, -_LABEL_EVERY)
    return [
        tag("text", days[one][5:], x=round(_LEFT + (one + 1) * step - 2, 1), y=_HEIGHT - 8, text_anchor="end")
        for one in shown
    ]


def _legend(campaigns: Sequence[int], events: Mapping[int, Sequence[str]]) -> Markup:
    items = []
    for position, campaign in enumerate(campaigns):
        swatch = tag("span", class_=f"swatch {colour(position)}")
        items.append(tag("li", swatch, f"campaign {campaign}: {', '.join(events.get(campaign, ()))}"))
    return tag("ul", *items, class_="legend")
