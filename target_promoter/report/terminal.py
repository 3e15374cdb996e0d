"""A report on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from target_promoter.progress.fixes import REPLAY
from target_promoter.report.words import E_MAILED, campaign, facts, known_by, moment, run_counts, run_state
from target_promoter.values.times import duration, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType

    from target_promoter.report.data import Group, Report, SurveyFacts
    from target_promoter.report.person import Story


def report_tables(report: Report) -> Iterator[RenderableType]:
    """Yield what a terminal shows of a report."""
    surveys = report.surveys
    account = "the sandbox" if report.store.sandbox else report.store.account or "no account yet"
    yield Text(f"Store {report.store.name}, {account}, as of {moment(report.generated_at)} UTC")
    yield from _now(report)
    yield from _runs(report)
    yield from _surveys(surveys, iso(report.generated_at)[:10])
    if surveys.open:
        rows = [
            [one.email or one.who, f"{one.event} ({campaign(one.campaign_id)})", one.waits_for, moment(one.due_at)]
            for one in surveys.open
        ]
        yield _table("Who waits, and for what", ["Who", "Event", "Waits for", "Due (UTC)"], rows)
    if surveys.uncertain:
        rows = [
            [one.email or "", f"{one.event} ({campaign(one.campaign_id)})", one.reason or ""]
            for one in surveys.uncertain
        ]
        yield _table("Uncertain: look these up at Promoter", ["Who", "Event", "Why"], rows)
    yield from _groups("Rejected records", report.rejected)
    yield from _groups("Refused by Promoter", report.refused)
    if report.rejected or report.refused:
        yield Text(f"When that is mended, replay: {REPLAY}")
    if report.requests.days:
        days = [
            [day.day, f"{day.requests:,}", f"{day.share_of_limit:.1%}", f"{day.rate_limited:,}"]
            for day in reversed(report.requests.days)
        ]
        yield _table("Requests", ["Day", "Requests", "Of the limit", "Refused for it"], days, numbers=3)
    if report.attributes:
        notes = [[one.what, one.name, one.detail] for one in report.attributes]
        yield _table("Attributes changed on their way", ["What", "Name as sent", "Why, or what became of it"], notes)


def story_tables(story: Story) -> Iterator[RenderableType]:
    """Yield what a terminal shows of a person's story."""
    yield Text(f"{story.asked}, known by {known_by(story)}")
    if story.forgotten:
        yield Text("This person was forgotten: what names it is blocked.", style="bold red")
    for known in story.known:
        title = f"User id {known.user_id}{', deleted at its source' if known.deleted else ''}"
        rows = facts(known)
        # Of somebody without facts the title would be as narrow as the empty table.
        yield _table(title, ["Name", "Value"], rows) if rows else Text(title, style="bold")
    if story.moments:
        told = [[moment(one.happened_at, seconds=True), one.what, one.why or ""] for one in story.moments]
        yield _table("In order of time", ["Time (UTC)", "What", "Why"], told)
    elif not story.known:
        yield Text("The store knows nothing of this person.")


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> Table:
    """Return a table whose cells are plain text, whatever stands in them."""
    table = Table(title=title, title_justify="left", title_style="bold", expand=False)
    for position, head in enumerate(heads):
        right = position >= len(heads) - numbers
        table.add_column(head, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_printable(text)) for text in row))
    return table


def _printable(text: str) -> str:
    """Return a text without control characters, which a terminal would obey."""
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)


def _now(report: Report) -> Iterator[RenderableType]:
    surveys, requests, contacts = report.surveys, report.requests, report.contacts
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_row("surveys sent, 30 days", f"{sum(surveys.outcomes[one] for one in E_MAILED):,}")
    table.add_row("surveys waiting", f"{surveys.waiting:,}")
    table.add_row("next due", "none" if surveys.next_due_at is None else f"{moment(surveys.next_due_at)} UTC")
    left = f", about {duration(requests.seconds_left)} left" if requests.pending else ""
    table.add_row("pending", f"{requests.pending:,}{left}")
    if requests.held_until_at is not None:
        table.add_row("Promoter asked to wait", f"until {moment(requests.held_until_at)} UTC")
    statuses = ", ".join(f"{number:,} {status}" for status, number in contacts.statuses.items()) or "none"
    table.add_row("contacts", statuses)
    table.add_row("people", f"{contacts.people:,}, {contacts.people_without_email:,} without an address")
    table.add_row("records rejected", f"{report.rejected_records:,}")
    if contacts.left_behind:
        table.add_row("left behind", f"{contacts.left_behind:,} of an older address, or of somebody deleted")
    yield table


def _runs(report: Report) -> Iterator[RenderableType]:
    if not report.runs:
        yield Text("There was no run yet.")
        return
    rows = []
    for run in report.runs:
        state, _ = run_state(run)
        counts = run_counts(run)
        did = "; ".join(f"{part}: {counts[part]}" for part in ("contacts", "surveys") if part in counts)
        rows.append([moment(run.started_at), run.command, run.problem or state, did or "nothing to deliver"])
    yield _table("Last runs", ["Began (UTC)", "Command", "Ended", "Delivered"], rows)


def _surveys(surveys: SurveyFacts, today: str) -> Iterator[RenderableType]:
    if not surveys.days:
        yield Text("No survey was settled in the last thirty days.")
        return
    names = [name for name, number in surveys.outcomes.items() if number]
    rows = [
        [
            f"{day.day}{' (today)' if day.day == today else ''}",
            f"{campaign(day.campaign_id)}: {', '.join(surveys.events.get(day.campaign_id, ()))}",
            *(f"{day.outcomes.get(name, 0):,}" for name in names),
        ]
        for day in sorted(surveys.days, key=lambda one: one.day, reverse=True)
    ]
    yield _table("Surveys by campaign and day", ["Day", "Campaign", *names], rows, numbers=len(names))


def _groups(title: str, groups: Sequence[Group]) -> Iterator[RenderableType]:
    if groups:
        rows = [
            [f"{group.number:,}", f"{group.reason} ({group.where})", "\n".join(group.examples), group.mend]
            for group in groups
        ]
        table = Table(title=title, title_justify="left", title_style="bold")
        table.add_column("How many", justify="right")
        for head in ("Why", "Such as", "Mend"):
            table.add_column(head, overflow="fold")
        for row in rows:
            table.add_row(*(Text("\n".join(map(_printable, text.split("\n")))) for text in row))
        yield table
