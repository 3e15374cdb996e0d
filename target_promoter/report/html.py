"""A report as one page that needs nothing from anywhere else and runs no script."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from target_promoter.progress.fixes import REPLAY
from target_promoter.report.chart import chart
from target_promoter.report.markup import Markup, join, tag
from target_promoter.report.words import E_MAILED, RUN_PARTS, campaign, facts, known_by, moment, run_counts, run_state
from target_promoter.values.times import duration, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_promoter.report.data import Group, Report, RunFacts, SurveyFacts
    from target_promoter.report.person import Known, Story

_STYLE: Final = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Even if something from outside were taken for markup, the browser would run and fetch nothing.
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def report_page(report: Report) -> str:
    """Return a report as HTML."""
    surveys, requests = report.surveys, report.requests
    today = requests.days[-1] if requests.days and requests.days[-1].day == iso(report.generated_at)[:10] else None
    figures = [
        ("Surveys sent, 30 days", f"{sum(surveys.outcomes[one] for one in E_MAILED):,}"),
        ("Waiting", f"{surveys.waiting:,}"),
        ("Next due", moment(surveys.next_due_at) if surveys.next_due_at is not None else "none"),
        ("Pending", f"{requests.pending:,}"),
        ("Time left", f"about {duration(requests.seconds_left)}" if requests.pending else "none"),
        ("Uncertain", f"{surveys.outcomes['uncertain']:,}"),
        ("Rejected", f"{report.rejected_records:,}"),
        ("Requests today", f"{today.requests:,}, {today.share_of_limit:.1%} of the limit" if today else "0"),
    ]
    account = report.store.account or "no account yet"
    return _page(
        "Promoter surveys: report",
        tag("p", f"Store {report.store.name}, {'the sandbox' if report.store.sandbox else account}.", class_="soft"),
        report.generated_at,
        _section(
            "Now",
            tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in figures), class_="figures"),
        ),
        _section("Surveys by campaign and day", chart(surveys, report.generated_at), *_survey_tables(surveys)),
        _section("Who waits, and for what", _open(surveys)),
        _section("Uncertain", _uncertain(surveys)),
        _section("Rejected records", *_groups(report.rejected, "No record was rejected.")),
        _section("Refused by Promoter", *_groups(report.refused, "Promoter refused nothing.")),
        _section("Last runs", *(_run(run) for run in report.runs), _unless(report.runs, "There was no run yet.")),
        _section("Requests", _requests(report)),
        _section("Contacts", _contacts(report)),
        _section("Attributes changed on their way", _attributes(report)),
    )


def story_page(story: Story) -> str:
    """Return the story of a person as HTML."""
    rows = [[_time(one.happened_at, seconds=True), one.what, one.why or ""] for one in story.moments]
    forgotten = tag("p", "This person was forgotten: what names it is blocked.", class_="bad")
    return _page(
        f"The story of {story.asked}",
        join(tag("p", f"Known by {known_by(story)}.", class_="soft"), forgotten if story.forgotten else None),
        story.generated_at,
        *(_section(f"User id {known.user_id}", _known(known)) for known in story.known),
        _section(
            "In order of time",
            _table("What happened", ["Time (UTC)", "What", "Why"], rows) if rows else _none("The store knows nothing."),
        ),
    )


def _page(title: str, under_title: Markup, now: float, *sections: Markup) -> str:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(_STYLE)),
    )
    body = tag(
        "body",
        tag("a", "To the contents", href="#contents", class_="skip"),
        tag(
            "div",
            tag("header", tag("h1", title), under_title, tag("p", f"As of {moment(now)} UTC.", class_="soft")),
            tag("main", *sections, id="contents"),
            class_="page",
        ),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _section(title: str, *children: Markup | None) -> Markup:
    name = "".join(one if one.isalnum() else "-" for one in title.lower())
    return tag("section", tag("h2", title, id=name), *children, aria_labelledby=name)


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> Markup:
    """Return a table that a keyboard can scroll; its last columns may be numbers."""
    first_number = len(heads) - numbers

    def cell(position: int, text: str) -> Markup:
        if isinstance(text, Markup):
            return text
        return tag("td", text, class_="number" if position >= first_number else "text")

    head = tag(
        "tr",
        *(tag("th", one, scope="col", class_="number" if at >= first_number else None) for at, one in enumerate(heads)),
    )
    body = (tag("tr", *(cell(at, text) for at, text in enumerate(row))) for row in rows)
    table = tag("table", tag("thead", head), tag("tbody", *body))
    return tag("div", table, class_="scroll", role="region", aria_label=caption, tabindex="0")


def _time(time: float | None, *, seconds: bool = False) -> Markup:
    return tag("td", moment(time, seconds=seconds) if time is not None else "", class_="time")


def _none(text: str) -> Markup:
    return tag("p", text, class_="none")


def _unless(found: Sequence[object], text: str) -> Markup | None:
    return None if found else _none(text)


def _details(summary: Markup, *children: Markup | None) -> Markup:
    return tag("details", tag("summary", summary), *children)


def _survey_tables(surveys: SurveyFacts) -> tuple[Markup | None, ...]:
    if not surveys.days:
        return (None,)
    names = [name for name, number in surveys.outcomes.items() if number]
    totals: dict[int, dict[str, int]] = {}
    for day in surveys.days:
        of_campaign = totals.setdefault(day.campaign_id, {})
        for name, number in day.outcomes.items():
            of_campaign[name] = of_campaign.get(name, 0) + number
    rows = [
        [f"{campaign(one)}: {', '.join(surveys.events.get(one, ()))}", *(f"{found.get(name, 0):,}" for name in names)]
        for one, found in sorted(totals.items())
    ]
    by_day = [
        [
            tag("td", day.day, class_="time"),
            campaign(day.campaign_id),
            *(f"{day.outcomes.get(name, 0):,}" for name in names),
        ]
        for day in sorted(surveys.days, key=lambda one: one.day, reverse=True)
    ]
    return (
        tag("h3", "By outcome, the last thirty days"),
        _table("Surveys by campaign and outcome", ["Campaign", *names], rows, len(names)),
        _details(join("Day by day"), _table("Surveys by day", ["Day", "Campaign", *names], by_day, len(names))),
    )


def _open(surveys: SurveyFacts) -> Markup:
    if not surveys.open:
        return _none("Nobody.")
    rows = [
        [one.who, one.email or "", f"{one.event} ({campaign(one.campaign_id)})", one.waits_for, _time(one.due_at)]
        for one in surveys.open
    ]
    more = surveys.pending + surveys.waiting - len(rows)
    return join(
        _table("Surveys that wait", ["Who", "E-mail address", "Event", "Waits for", "Due (UTC)"], rows),
        tag("p", f"And {more:,} more.", class_="soft") if more > 0 else None,
    )


def _uncertain(surveys: SurveyFacts) -> Markup:
    if not surveys.uncertain:
        return _none("Of every survey it is known whether it was sent.")
    rows = [
        [one.email or "", f"{one.event} ({campaign(one.campaign_id)})", _time(one.requested_at), one.reason or ""]
        for one in surveys.uncertain
    ]
    heads = ["E-mail address", "Event", "Requested (UTC)", "Why"]
    return join(
        tag("p", "These may or may not have been sent, and are not sent again: look them up at Promoter."),
        _table("Uncertain surveys", heads, rows),
    )


def _groups(groups: Sequence[Group], none: str) -> list[Markup]:
    if not groups:
        return [_none(none)]
    replay = tag("p", "When it is mended, replay: ", tag("code", REPLAY))
    return [
        *(
            _details(
                join(f"{group.number:,}: {group.reason} ", tag("span", f"({group.where})", class_="soft")),
                tag("p", f"Mend: {group.mend}."),
                tag("ul", *(tag("li", example) for example in group.examples)) if group.examples else None,
            )
            for group in groups
        ),
        replay,
    ]


def _run(run: RunFacts) -> Markup:
    state, good = run_state(run)
    took = "" if run.finished_at is None else f", {duration(run.finished_at - run.started_at)}"
    title = join(
        tag("span", moment(run.started_at)),
        f" {run.command}{took}: ",
        tag("span", state, class_="good" if good else "bad"),
    )
    counts = run_counts(run)
    return _details(
        title,
        tag("p", run.problem, class_="bad") if run.problem else None,
        tag("ul", *(tag("li", f"{part}: {counts[part]}") for part in RUN_PARTS if part in counts)) if counts else None,
    )


def _requests(report: Report) -> Markup:
    requests = report.requests
    held = requests.held_until_at
    limit, used = f"{requests.limit_per_minute:,g}", f"{requests.used_per_minute:,.0f}"
    said = f"The limit is {limit} requests a minute, of which {used} are used at the most."
    wait = tag("p", f"Promoter asked to wait until {moment(held)}.", class_="bad") if held is not None else None
    rows = [
        [tag("td", day.day, class_="time"), f"{day.requests:,}", f"{day.share_of_limit:.1%}", f"{day.rate_limited:,}"]
        for day in reversed(requests.days)
    ]
    heads = ["Day", "Requests", "Of the limit", "Refused for the limit"]
    table = _table("Requests by day", heads, rows, 3) if rows else _none("There was no request yet.")
    return join(tag("p", said), wait, table)


def _contacts(report: Report) -> Markup:
    contacts = report.contacts
    statuses = ", ".join(f"{number:,} {status}" for status, number in contacts.statuses.items()) or "none"
    return join(
        tag("p", f"Contacts: {statuses}."),
        tag("p", f"People: {contacts.people:,}, of whom {contacts.people_without_email:,} have no address yet."),
        tag("p", f"Left behind at Promoter, of an older address or of somebody deleted: {contacts.left_behind:,}."),
    )


def _attributes(report: Report) -> Markup:
    if not report.attributes:
        return _none("None.")
    rows = [[one.what, one.name, one.detail] for one in report.attributes]
    return _table("Attributes", ["What", "Name as sent", "Why, or what became of it"], rows)


def _known(known: Known) -> Markup:
    deleted = tag("p", "Deleted at its source.", class_="bad") if known.deleted else None
    return join(deleted, _table(f"What is known of user id {known.user_id}", ["Name", "Value"], facts(known)))
