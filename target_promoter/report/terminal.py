"""A report on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from target_promoter.progress.words import REPLAY, campaign, moment
from target_promoter.report.data import Group, Report
from target_promoter.report.person import Story, facts, known_by
from target_promoter.report.words import by_campaign, figures, run_counts, run_state, with_campaign
from target_promoter.values.printable import Lines, printable
from target_promoter.values.times import iso


def report_tables(report: Report) -> Iterator[RenderableType]:
    """Yield what a terminal shows of a report; what is empty is left out."""
    account = "the sandbox" if report.store.sandbox else report.store.account or "no account yet"
    yield _text(Lines.of((f"Store {report.store.name}, {account}", f"As of {moment(report.generated_at)} UTC")))
    style = "bold green" if report.is_well else "bold"
    yield _text(Lines.of(f"- {sentence}" for sentence in report.verdict), style)
    yield _figures(report)
    yield from _overview(report)
    yield from _runs(report)
    yield from _surveys(report)
    yield from _events(report)
    yield from _open(report)
    yield from _groups("Rejected records", report.rejected)
    yield from _groups("Refused by Promoter", report.refused)
    if report.rejected or report.refused:
        yield _text(f"When that is fixed, replay: {REPLAY}")
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
    yield _text(f"{story.asked}, known by {known_by(story)}")
    if story.forgotten:
        yield _text("This person was forgotten: records that name them are blocked.", "bold red")
    for known in story.known:
        title = f"User id {known.user_id}{', deleted at its source' if known.deleted else ''}"
        rows = facts(known)
        # Of somebody without facts the title would be as narrow as the empty table.
        yield _table(title, ["Name", "Value"], rows) if rows else _text(title, "bold")
    if story.moments:
        yield Text("In order of time, in UTC", style="bold")
        told = (Lines.of([one.what, f"  {one.why}"] if one.why else [one.what]) for one in story.moments)
        times = (moment(one.happened_at, seconds=True) for one in story.moments)
        yield _grid(zip(times, told, strict=True))
    elif not story.known:
        yield _text("The store knows nothing of this person.")


def _table(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0, whole: int | None = None
) -> Table:
    """Return a table whose cells are plain text, whatever stands in them.

    Args:
        numbers: How many of its last columns are numbers.
        whole: The column that holds addresses, which are not broken.
    """
    table = Table(title=_text(title), title_justify="left", title_style="bold", min_width=min(len(title), 80))
    for position, head in enumerate(heads):
        right = position >= len(heads) - numbers
        table.add_column(head, justify="right" if right else "left", overflow="fold", no_wrap=position == whole)
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _grid(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column(overflow="fold")
    for name, words in rows:
        table.add_row(_text(name), _text(words))
    return table


def _text(text: str, style: str = "") -> Text:
    """Return a text as it stands: rich would take what is in brackets for markup, a terminal obey the rest."""
    return Text(printable(text), style=style)


def _figures(report: Report) -> Table:
    return _grid((name, f"{value}{f' ({note})' if note else ''}") for name, value, note in figures(report))


def _overview(report: Report) -> Iterator[RenderableType]:
    if report.overview:
        yield _text("From event to survey, the last thirty days", "bold")
        rows = []
        for step in report.overview:
            rows.append((f"{step.number:,}", step.what))
            for one in step.fell_out:
                rows.append(("", f"{one.number:,} {one.words} ({one.outcome})"))
                rows += [("", f"  {number:,}: {reason}") for reason, number in one.reasons.items()]
        yield _grid(rows)


def _runs(report: Report) -> Iterator[RenderableType]:
    if not report.runs:
        yield _text("There was no run yet.")
        return
    rows = []
    for run in report.runs:
        state, _ = run_state(run)
        counts = run_counts(run)
        did = "; ".join(f"{part}: {counts[part]}" for part in ("contacts", "surveys") if part in counts)
        rows.append([moment(run.started_at), run.command, run.problem or state, did or "nothing to deliver"])
    yield _table("Last runs", ["Began (UTC)", "Command", "Ended", "Delivered"], rows, whole=0)
    yield Text("All runs of the last thirty days: target-promoter export runs --format csv")
    changed = [[moment(run.started_at), change] for run in report.runs for change in run.changes]
    if changed:
        yield _table("Settings changed", ["Before the run of (UTC)", "What"], changed, whole=0)


def _surveys(report: Report) -> Iterator[RenderableType]:
    surveys, today = report.surveys, iso(report.generated_at)[:10]
    names = [name for name, number in surveys.outcomes.items() if number]

    def numbers(outcomes: Mapping[str, int]) -> list[str]:
        return [f"{outcomes.get(name, 0):,}" for name in names]

    if surveys.days:
        rows = [[title, *numbers(outcomes)] for title, outcomes in by_campaign(surveys)]
        yield _table("Surveys by campaign, the last thirty days", ["Campaign", *names], rows, numbers=len(names))
        by_id = {day.campaign_id: campaign(day.campaign_id, surveys.campaigns) for day in surveys.days}
        rows = [
            [f"{day.day}{' (today)' if day.day == today else ''}", by_id[day.campaign_id], *numbers(day.outcomes)]
            for day in sorted(surveys.days, key=lambda one: one.day, reverse=True)
        ]
        yield _table("Surveys by day", ["Day", "Campaign", *names], rows, numbers=len(names))


def _events(report: Report) -> Iterator[RenderableType]:
    rows = [
        [
            f"{event.name}{f' (did you mean {event.meant}?)' if event.meant else ''}",
            moment(event.last_at),
            *(f"{number:,}" for number in (event.read, event.surveyed, event.stale, event.unmatched)),
        ]
        for event in report.events
    ]
    if rows:
        heads = ["Event", "Last seen (UTC)", "Read", "Surveyed", "Too old", "Unmatched"]
        yield _table("Events", heads, rows, numbers=4)
        yield from _more(report.more_events, "events")


def _open(report: Report) -> Iterator[RenderableType]:
    surveys = report.surveys
    if surveys.open:
        rows = [
            [
                one.email or one.who,
                f"{with_campaign(one, surveys)}: {one.waits_for}, due {moment(one.due_at)}",
            ]
            for one in surveys.open
        ]
        yield _table("Who waits, and for what", ["Who", "For what (UTC)"], rows, whole=0)
        yield from _more(surveys.pending + surveys.waiting - len(rows), "surveys")
    if surveys.uncertain:
        rows = [[one.email or "", f"{with_campaign(one, surveys)}: {one.reason or ''}"] for one in surveys.uncertain]
        yield _table("Uncertain: look these up at Promoter", ["Who", "What, and why"], rows, whole=0)
        yield from _more(surveys.outcomes["uncertain"] - len(rows), "surveys")


def _groups(title: str, groups: Sequence[Group]) -> Iterator[RenderableType]:
    if groups:
        yield Text(title, style="bold")
        yield _grid((f"{group.number:,}", Lines.of(_lines(group))) for group in groups)


def _lines(group: Group) -> Iterator[str]:
    yield f"{group.reason} ({group.where})"
    yield from (f"  such as {example}" for example in group.examples)
    yield f"  what to do: {group.fix}"


def _more(number: int, stream: str) -> Iterator[RenderableType]:
    if number > 0:
        yield _text(f"All of them, {number:,} more: target-promoter export {stream} --format csv")
