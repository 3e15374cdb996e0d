"""The sample: a tap's messages that this target reads without any stream configured."""

from __future__ import annotations

import json
from typing import Any

import pytest

from target_promoter.commands.sample import CONFIG_FILE
from target_promoter.commands.sample import messages as sample
from target_promoter.config.settings import Settings
from target_promoter.records.calls import Identify, Track
from target_promoter.records.streams import Stream, recognize
from tests.documentation import ROOT

NOW = 1_750_000_000.0
HOUR = 3600.0
CONFIG = json.loads(CONFIG_FILE.read_text(encoding="utf-8"))


def messages(now: float = NOW) -> list[dict[str, Any]]:
    """Return the sample's messages."""
    return [json.loads(line) for line in sample(now)]


def calls(now: float = NOW) -> list[Identify | Track | None]:
    """Return what the sample's records say."""
    settings = Settings.from_config(CONFIG)
    streams: dict[str, Stream] = {}
    found: list[Identify | Track | None] = []
    for message in messages(now):
        if message["type"] == "SCHEMA":
            stream = message["stream"]
            streams[stream] = recognize(stream, message["schema"], message["key_properties"], settings)
        elif message["type"] == "RECORD":
            found.append(streams[message["stream"]].read(message["record"]))
    return found


def test_it_is_a_taps_output() -> None:
    """SCHEMA comes before RECORD, states stand in between and one stands at the end."""
    kinds = [message["type"] for message in messages()]
    assert kinds[0] == "SCHEMA"
    assert kinds[-1] == "STATE"
    assert kinds.count("STATE") == kinds.count("SCHEMA")
    assert {stream.split("-")[0] for stream in (m.get("stream", "calls") for m in messages())} == {"calls", "shop"}


def test_every_kind_of_call_is_there() -> None:
    """A person in two places, blocked and deleted ones, a bad address, events with no user and with nobody known."""
    found = calls()
    identifies = [call for call in found if isinstance(call, Identify)]
    tracks = [call for call in found if isinstance(call, Track)]
    assert found.count(None) == 2, "a page call, and an anonymous visitor's identify call"
    assert {call.problem for call in identifies} == {None}
    assert any(call.bad_email for call in identifies)
    assert {call.problem for call in tracks} == {None, "no user id, anonymous id or usable e-mail address"}
    for some in (identifies, tracks):
        assert any(call.blocked for call in some)
        assert any(call.deleted_at for call in some)
    ids = [(call.canonical, call.message_id) for call in tracks]
    assert len(ids) == len(set(ids)) + 1
    assert {call.user_id for call in tracks} - {call.user_id for call in identifies} == {"1098", None}
    stored = set(Settings.from_config(CONFIG).stored_events)
    assert stored - set(Settings.from_config(CONFIG).campaigns) <= {call.canonical for call in tracks}


@pytest.mark.parametrize("hours", [0, 1, 5.9, 11.99])
def test_events_are_young_whenever_it_is_printed(hours: float) -> None:
    """Events that are to be surveyed are due within the last 23 hours, which even a new store surveys."""
    now = NOW - NOW % (12 * HOUR) + hours * HOUR
    orders = [c for c in calls(now) if isinstance(c, Track) and c.canonical == "ordercompleted" and not c.problem]
    ages = sorted((now - call.time) / HOUR for call in orders if call.time is not None)
    assert ages[0] < -24, "one event is in the future"
    assert ages[1] > 0
    assert ages[-1] < 23
    ticket = next(call for call in calls(now) if isinstance(call, Track) and call.message_id == "t-08")
    assert ticket.time is not None
    assert ticket.time + 24 * HOUR > now, "the delayed survey still waits"


def test_printed_again_it_is_the_same() -> None:
    """Minutes later nothing in it has changed, so that nothing is sent again."""
    start = NOW - NOW % (12 * HOUR)
    assert list(sample(start + 60)) == list(sample(start + 6 * HOUR))


def test_a_day_later_only_the_times_of_events_differ() -> None:
    """People never change, and events keep their ids."""
    before, after = calls(NOW), calls(NOW + 24 * HOUR)
    assert [c for c in before if isinstance(c, Identify)] == [c for c in after if isinstance(c, Identify)]
    assert [c.message_id for c in before if isinstance(c, Track)] == [
        c.message_id for c in after if isinstance(c, Track)
    ]


def test_the_config_beside_the_readme_is_the_one_that_is_installed() -> None:
    """If this fails, run `target-promoter sample --config-file > sample_config.json`."""
    assert (ROOT / "sample_config.json").read_bytes() == CONFIG_FILE.read_bytes()
