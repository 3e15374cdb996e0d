"""Every outcome of the summary, each produced by a run of the target over HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import ANY

import pytest

from target_promoter.sandbox.faults import Faults
from target_promoter.store.summary import COUNTS
from tests.programs import SHORT_CLOCK
from tests.tap import Run, hours_ago, record, schema, sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.sandbox.server import SandboxServer

Message = dict[str, Any]

CALLS: Final[dict[str, Any]] = {
    "properties": {
        name: {}
        for name in ("type", "userId", "messageId", "event", "timestamp", "traits", "properties", "integrations")
    }
}
NOT_FOR_PROMOTER: Final = {"All": False}


def identify(user_id: str | None, email: str | None = None, hours: float = 5, **more: object) -> Message:
    """Return an identify call."""
    traits = {} if email is None else {"email": email}
    call = {"type": "identify", "userId": user_id, "timestamp": hours_ago(hours), "traits": traits}
    return record("calls", **{**call, **more})


def order(message_id: str, user_id: str | None, hours: float = 1, **more: object) -> Message:
    """Return a track call of an order."""
    call = {"type": "track", "event": "Order Completed", "messageId": message_id, "userId": user_id}
    return record("calls", **{**call, "timestamp": hours_ago(hours), "properties": {"total": 9}, **more})


ANN: Final = identify("1", "ann@example.com")
BOB: Final = identify("2", "bob@example.com")


class Stage:
    """What a scenario is played on: a config, and the account it talks to.

    Args:
        config: The config.
        sandbox: The account.
        monkeypatch: For the program's own times.
    """

    def __init__(self, config: dict[str, Any], sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """Begin with an empty store and account."""
        self._config = config
        self._sandbox = sandbox
        self._monkeypatch = monkeypatch
        self.shorten(SHORT_CLOCK)

    def run(self, *calls: Message, **settings: object) -> Run:
        """Run the target over calls."""
        return sync({**self._config, **settings}, [schema("calls", CALLS, []), *calls])

    def shorten(self, constants: dict[str, float]) -> None:
        """Have the program go by other times than usual: nobody waits a minute for an answer that never comes."""
        for name, value in constants.items():
            self._monkeypatch.setattr(name, value)

    def fail(self, **faults: Any) -> None:  # noqa: ANN401 - as Faults has them
        """Have requests go wrong from now on."""
        self._sandbox.set_faults(Faults(**faults))


def known(stage: Stage) -> Run:
    """Ann is identified; her first order is surveyed."""
    return stage.run(ANN, order("m", "1"))


def nothing_known(stage: Stage) -> Run:
    """An audience's call, and the order of somebody whom no identify names."""
    return stage.run(identify("3"), order("m", "4"))


def the_same_again(stage: Stage) -> Run:
    """The same person and the same order a second time."""
    known(stage)
    return known(stage)


def two_of_one(stage: Stage) -> Run:
    """Two calls of one person in one batch."""
    return stage.run(ANN, identify("1", None, 4, traits={"plan": "Free"}))


def gone(stage: Stage) -> Run:
    """A person with a waiting survey is deleted, and so is the event of another one."""
    later = {"campaigns": {"Order Completed": {"id": 78, "delay_hours": 24}}, "hard_delete": True}
    stage.run(ANN, BOB, order("m", "1"), order("n", "2"), **later)
    at = hours_ago(0)
    return stage.run(identify("1", _sdc_deleted_at=at), order("n", "2", _sdc_deleted_at=at), **later)


def for_others(stage: Stage) -> Run:
    """Calls whose integrations object leaves Promoter out."""
    out = NOT_FOR_PROMOTER
    return stage.run(identify("1", "ann@example.com", integrations=out), order("m", "1", integrations=out))


def unusable(stage: Stage) -> Run:
    """Calls that name nobody."""
    return stage.run(identify(None, "ann@example.com"), order("m", None))


def without_campaign(stage: Stage) -> Run:
    """An order whose properties are kept, and an event that means nothing."""
    return stage.run(ANN, order("m", "1"), order("n", "1", event="Product Viewed"), campaigns={})


def old(stage: Stage) -> Run:
    """An order of last year."""
    return stage.run(ANN, order("m", "1", 24 * 365))


def twice(stage: Stage) -> Run:
    """Two orders of one person: one survey, and one within the throttle."""
    return stage.run(ANN, order("m", "1"), order("n", "1", 0.5))


def outside(stage: Stage) -> Run:
    """A person whom the settings keep from being surveyed."""
    return stage.run(ANN, order("m", "1"), survey_recipients=["*@our-company.com"])


def refused_by_promoter(stage: Stage) -> Run:
    """Promoter takes neither the survey nor the contact."""
    stage.fail(rate=1.0, kinds=("error",), statuses=(400,))
    return stage.run(ANN, order("m", "1"))


def without_answer(stage: Stage) -> Run:
    """A survey is carried out and its answer lost; the very same request again is refused by Promoter's throttle."""
    stage.fail(rate=1.0, kinds=("reset_after",), times=1, only="/survey/")
    return stage.run(ANN, order("m", "1"))


def never_answered(stage: Stage) -> Run:
    """No answer comes for so long that nobody may send the request again."""
    stage.fail(rate=1.0, kinds=("reset_before",), only="/survey/")
    stage.shorten({"target_promoter.surveys.claims.CLAIM_SECONDS": 0.0})
    return stage.run(ANN, order("m", "1"))


def too_late(stage: Stage) -> Run:
    """A survey that waits for its person grows too old."""
    stage.run(order("m", "1", 2))
    return stage.run(max_event_age_hours=1)


def too_many(stage: Stage) -> Run:
    """More surveys are due than max_surveys_per_run lets through."""
    return stage.run(ANN, BOB, order("m", "1"), order("n", "2"), max_surveys_per_run=1)


def outage(stage: Stage) -> Run:
    """Promoter refuses the key while a contact and a survey are due."""
    return stage.run(ANN, order("m", "1"), BOB, api_key="wrong")


def over_the_limit(stage: Stage) -> Run:
    """Promoter asks to wait."""
    stage.fail(rate=1.0, kinds=("burst_429",), burst=1, times=1, retry_after=0)
    return stage.run(ANN)


SCENARIOS: Final[tuple[tuple[Callable[[Stage], Run], int, dict[str, dict[str, int]]], ...]] = (
    (
        known,
        0,
        {
            "identify": {"read": 1, "changed": 1},
            "track": {"read": 1, "queued": 1},
            "contacts": {"synced": 1},
            "surveys": {"sent": 1},
            "api": {"requests": 1},
        },
    ),
    (
        nothing_known,
        0,
        {
            "identify": {"read": 1, "waiting": 1},
            "track": {"read": 1, "waiting": 1},
            "contacts": {"waiting": 1},
            "surveys": {"waiting": 1},
        },
    ),
    (the_same_again, 0, {"identify": {"read": 1, "unchanged": 1}, "track": {"read": 1, "duplicate": 1}}),
    (
        two_of_one,
        0,
        {"identify": {"read": 2, "changed": 1, "merged": 1}, "contacts": {"synced": 1}, "api": {"requests": 1}},
    ),
    (
        gone,
        0,
        {
            "identify": {"read": 1, "deleted": 1},
            "track": {"read": 1, "deleted": 1},
            "contacts": {"removed": 1},
            "surveys": {"cancelled": 2},
            "api": {"requests": 1},
        },
    ),
    (for_others, 0, {"identify": {"read": 1, "blocked": 1}, "track": {"read": 1, "blocked": 1}}),
    (unusable, 0, {"identify": {"read": 1, "rejected": 1}, "track": {"read": 1, "rejected": 1}}),
    (
        without_campaign,
        0,
        {
            "identify": {"read": 1, "changed": 1},
            "track": {"read": 2, "stored": 1, "unmatched": 1},
            "contacts": {"synced": 1},
            "api": {"requests": 1},
        },
    ),
    (
        old,
        0,
        {
            "identify": {"read": 1, "changed": 1},
            "track": {"read": 1, "stale": 1},
            "contacts": {"synced": 1},
            "api": {"requests": 1},
        },
    ),
    (
        twice,
        0,
        {
            "identify": {"read": 1, "changed": 1},
            "track": {"read": 2, "queued": 2},
            "contacts": {"synced": 1},
            "surveys": {"sent": 1, "throttled": 1},
            "api": {"requests": 1},
        },
    ),
    (
        outside,
        0,
        {
            "identify": {"read": 1, "changed": 1},
            "track": {"read": 1, "queued": 1},
            "contacts": {"synced": 1},
            "surveys": {"withheld": 1},
            "api": {"requests": 1},
        },
    ),
    (
        refused_by_promoter,
        0,
        {
            "identify": {"read": 1, "changed": 1},
            "track": {"read": 1, "queued": 1},
            "contacts": {"refused": 1},
            "surveys": {"refused": 1},
            "api": {"requests": 2},
        },
    ),
    (
        without_answer,
        0,
        {
            "identify": {"read": 1, "changed": 1},
            "track": {"read": 1, "queued": 1},
            "contacts": {"synced": 1},
            "surveys": {"presumed": 1},
            "api": {"requests": 3, "retries": 1},
        },
    ),
    (
        never_answered,
        0,
        {
            "identify": {"read": 1, "changed": 1},
            "track": {"read": 1, "queued": 1},
            "contacts": {"synced": 1},
            "surveys": {"uncertain": 1},
            "api": {"requests": 2},
        },
    ),
    (too_late, 0, {"surveys": {"expired": 1}}),
    (
        too_many,
        1,
        {
            "identify": {"read": 2, "changed": 2},
            "track": {"read": 2, "queued": 2},
            "contacts": {"synced": 2},
            "surveys": {"sent": 1, "pending": 1},
            "api": {"requests": 2},
        },
    ),
    (
        outage,
        1,
        {
            "identify": {"read": 2, "changed": 2},
            "track": {"read": 1, "queued": 1},
            "contacts": {"pending": 2},
            "surveys": {"pending": 1},
            "api": {"requests": ANY},  # As many as were on their way
        },
    ),
    (
        over_the_limit,
        0,
        {
            "identify": {"read": 1, "changed": 1},
            "contacts": {"synced": 1},
            "api": {"requests": 2, "retries": 1, "rate_limited": 1},
        },
    ),
)


@pytest.mark.parametrize(
    ("scenario", "status", "expected"), [pytest.param(*one, id=one[0].__name__) for one in SCENARIOS]
)
def test_outcomes(
    scenario: Callable[[Stage], Run],
    status: int,
    expected: dict[str, dict[str, int]],
    config: dict[str, Any],
    sandbox: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The summary says exactly what came of everything, and the exit status whether something is left to do."""
    run = scenario(Stage(config, sandbox, monkeypatch))
    found = {part: {name: number for name, number in run.summary[part].items() if number} for part in COUNTS}
    assert {part: counts for part, counts in found.items() if counts} == expected, run.log
    assert run.status == status, run.log
    for part in ("identify", "track"):
        counts = dict(run.summary[part])
        assert counts.pop("read") == sum(counts.values())


def test_every_outcome_is_among_them() -> None:
    """An outcome that nothing produces is one that nobody has seen."""
    seen = {(part, name) for _, _, expected in SCENARIOS for part, counts in expected.items() for name in counts}
    assert seen == {(part, name) for part, names in COUNTS.items() for name in names}


def test_the_summary_is_the_last_line_of_the_log(config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """All its keys are always there, in their order."""
    with caplog.at_level(logging.INFO):
        sync(config, [])
    last = caplog.records[-1].getMessage()
    assert last.startswith("Run summary: {")
