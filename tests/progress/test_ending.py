"""How a run's end is told in words."""

from __future__ import annotations

from typing import Any

from target_promoter.progress.ending import rows, verdict
from target_promoter.store.summary import Part, Summary


def summary(*, dry_run: bool = False, **counts: dict[str, int]) -> dict[str, Any]:
    """Return a summary with some counts."""
    whole = Summary(sandbox=False, dry_run=dry_run, started_at=0.0)
    parts: dict[str, Part] = {"identify": "identify", "track": "track", "contacts": "contacts", "surveys": "surveys"}
    for part, outcomes in counts.items():
        for outcome, number in outcomes.items():
            whole.count(parts[part], outcome, number)
    return whole.as_dict(1.0)


def test_a_run_that_sent_all_says_so_in_one_sentence() -> None:
    """Nothing else is to be read then."""
    assert list(verdict(summary(surveys={"sent": 140, "presumed": 2}))) == ["All 142 surveys that were due were sent."]


def test_a_run_that_surveyed_nobody_says_why() -> None:
    """Of what was due, and of what never became due."""
    track = {"unmatched": 1, "stale": 3, "stored": 2}
    told = list(verdict(summary(surveys={"throttled": 1, "withheld": 2}, track=track)))
    assert told == [
        "0 of 3 surveys that were due were sent.",
        "1 was not sent: the person was surveyed a short time ago.",
        "2 were not sent: not in the sample, not among survey_recipients, or unsubscribed.",
        "2 events are kept on the contact, and lead to no survey.",
        "3 events were too old to survey.",
        "1 event matches no campaign.",
    ]


def test_what_waits_is_told_with_the_next_day() -> None:
    """Whoever waits for a survey learns when to look again."""
    told = list(verdict(summary(surveys={"waiting": 1}), next_due_at=86_400.0))
    assert told[0] == "No survey was due."
    waits = "1 survey waits for its person, its day or the survey_hours"
    assert told[1] == f"{waits}; the next is due 1970-01-02 00:00 UTC."


def test_a_dry_run_claims_to_have_sent_nothing() -> None:
    """What it would have sent is pending."""
    told = list(verdict(summary(dry_run=True, surveys={"sent": 2}, contacts={"synced": 3})))
    assert told[0] == "This was a dry run: nothing was sent, and nothing was stored."
    assert len(told) == 2
    assert told[-1] == "2 surveys and 3 contacts are to be sent."


def test_every_count_has_its_words_and_what_is_nought_is_left_out() -> None:
    """The table has a line for each outcome that there was."""
    found = list(rows(summary(identify={"read": 3, "changed": 2, "waiting": 1}, track={"read": 1, "queued": 1})))
    assert found == [
        ("read", 4, "records: 3 of people, 1 of events"),
        ("people", 2, "changed what is known of a person"),
        ("", 1, "names a person without an e-mail address yet"),
        ("events", 1, "leads to a survey now"),
    ]
