"""A report as one page that needs nothing from anywhere else and runs no script."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any, Final

import jinja2

from target_promoter.progress.words import REPLAY
from target_promoter.report import chart, person, words
from target_promoter.report.data import Report
from target_promoter.report.figures import figures
from target_promoter.report.person import Story
from target_promoter.values.printable import printable
from target_promoter.values.times import duration

_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?)")
_HERE: Final = files(__package__)
_STYLE: Final = _HERE.joinpath("style.css").read_text(encoding="utf-8")
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Even if something from outside were taken for markup, the browser would run and fetch nothing.
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def report_page(report: Report) -> str:
    """Return a report as HTML."""
    drawing = chart.chart(report.surveys, report.generated_at)
    return _page("report.html.j2", report=report, figures=figures(report), drawing=drawing, chart=chart, replay=REPLAY)


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
