"""The settings: what is read, what is refused, and in which words."""

from __future__ import annotations

import contextlib
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from target_promoter.config.kinds import declared
from target_promoter.config.settings import CancelRule, Settings, config_schema
from target_promoter.errors import ConfigError
from target_promoter.values import events as globs
from target_promoter.values.printable import masked_url
from target_promoter.values.times import SurveyHours
from tests.conftest import run_program

if TYPE_CHECKING:
    from target_promoter.sandbox.server import SandboxServer

KEY = "0123456789abcdef"
SECRET = "k-2718281828"  # noqa: S105 - a key of no account


def settings(**config: object) -> Settings:
    """Return settings with a key, and what else is given."""
    return Settings.from_config({"api_key": KEY, **config})


def refusal(**config: object) -> str:
    """Return the sentence in which a config is refused."""
    with pytest.raises(ConfigError) as refused:
        settings(**config)
    return str(refused.value)


def test_defaults() -> None:
    """With a key alone every setting has the default that the design names."""
    read = settings()
    assert read.api_key == KEY
    assert read.api_url == "https://app.promoter.io/api"
    assert not read.sandbox
    assert read.streams == ()
    assert read.campaigns == {}
    assert read.contact_lists == ()
    assert read.stored_events == {"ordercompleted": "order_completed"}
    assert read.survey_recipients == ("*",)
    assert read.max_surveys_per_run == 1000
    assert (read.max_event_age_hours, read.throttle_days, read.requests_per_minute) == (72, 1, 600)
    assert read.store_url == "sqlite:///target-promoter.db"
    assert (read.hard_delete, read.dry_run, read.fail_on_rejected) == (False, False, False)
    assert "batch_size_rows" not in read.sdk


def test_null_means_the_default() -> None:
    """Meltano hands over a setting that nobody set as null."""
    assert settings(campaigns=None, throttle_days=None, streams=None) == settings()


def test_campaigns() -> None:
    """A campaign is an id, or an object; it is found by its event however that is written."""
    read = settings(
        campaigns={
            "Order Completed": 78,
            "ticket-closed": {
                "id": 91,
                "delay_hours": 1.5,
                "cancel_on": ["Ticket Opened", {"event": "re-fund", "match": "order_id"}],
                "sample_percent": 12.5,
                "paused": True,
            },
        },
    )
    order, ticket = read.campaigns["ordercompleted"], read.campaigns["ticketclosed"]
    assert (order.event, order.id, order.delay_hours, order.cancel_on) == ("Order Completed", 78, 0, ())
    assert (order.sample_percent, order.paused) == (100, False)
    assert (ticket.id, ticket.delay_hours, ticket.sample_percent, ticket.paused) == (91, 1.5, 12.5, True)
    assert ticket.cancel_on == (
        CancelRule(event="ticketopened", name="Ticket Opened", match=None),
        CancelRule(event="refund", name="re-fund", match="order_id"),
    )


def test_stored_events_give_a_prefix_as_written() -> None:
    """The older name of an event is the same event, but its properties keep the name that was written."""
    assert settings(stored_events=["Completed Order"]).stored_events == {"ordercompleted": "completed_order"}


def test_streams() -> None:
    """What is said of a stream is kept, and what is not said is known to be unsaid."""
    said: dict[str, Any] = {
        "type": "track",
        "event": "Order Completed",
        "fields": {"user_id": "customer_id", "email": ["work", "home"]},
        "traits": ["total"],
        "contact_lists": [5, 5, 6],
    }
    read = settings(streams={"orders": said, "people": {"type": "identify"}})
    orders, people = read.streams
    assert (orders.pattern, orders.type, orders.event) == ("orders", "track", "Order Completed")
    assert (orders.traits, orders.contact_lists) == (("total",), (5, 6))
    assert orders.fields == {"user_id": ("customer_id",), "email": ("work", "home")}
    assert (people.event, people.fields, people.traits, people.contact_lists) == (None, {}, None, ())
    assert orders.as_config() == {**said, "contact_lists": [5, 6]}


def test_the_more_specific_pattern_wins() -> None:
    """A name beats every glob, and of two globs the one with more characters of its own."""
    read = settings(
        streams={
            "*": {"type": "ignore"},
            "public-*": {"type": "track"},
            "public-o*": {"type": "segment"},
            "public-orders": {"type": "identify"},
        },
    )
    found = {name: read.stream(name) for name in ("x", "public-x", "public-ox", "public-orders")}
    assert [setting and setting.type for setting in found.values()] == ["ignore", "track", "segment", "identify"]
    assert settings(streams={"a*": {"type": "ignore"}}).stream("b") is None


def test_globs_that_contradict_each_other_are_refused() -> None:
    """Two equally specific globs that match the same name must say the same."""
    sentence = refusal(streams={"public-*": {"type": "track"}, "*-orders": {"type": "identify"}, "*": {}})
    assert "`streams`" in sentence
    assert "differ" not in refusal(streams=[])
    assert settings(streams={"ab*": {"type": "ignore"}, "*cd": {"type": "ignore"}}).stream("abcd") is not None
    contradiction = refusal(streams={"ab*": {"type": "ignore"}, "*cd": {"type": "track"}})
    assert "`ab*` and `*cd`" in contradiction
    assert settings(streams={"ab*": {"type": "ignore"}, "cd*": {"type": "track"}})


HOURS = {"from": "09:00", "to": "18:00", "time_zone": "Europe/Berlin"}

REFUSED: list[tuple[dict[str, object], str, str]] = [
    ({"campaign": {}}, "`campaign`", "`campaigns`"),
    ({"zzz": 1}, "`zzz`", "api_url"),
    ({"campaigns": {"A": "78x"}}, "`campaigns.A`", "plain integer"),
    ({"campaigns": {"A": "7_8"}}, "`campaigns.A`", "plain integer"),
    ({"campaigns": {"A": 10**400}}, "`campaigns.A`", "plain integer"),
    ({"campaigns": {"A": True}}, "`campaigns.A`", "plain integer"),
    ({"campaigns": {"A": 78.5}}, "`campaigns.A`", "plain integer"),
    ({"campaigns": {"A": 0}}, "`campaigns.A`", "78"),
    ({"campaigns": {"A": {"delay_hours": 1}}}, "`campaigns.A.id`", "add"),
    ({"campaigns": {"A": {"id": 1, "delay": 1}}}, "`campaigns.A.delay`", "`delay_hours`"),
    ({"campaigns": {"A": {"id": 1, "delay_hours": -1}}}, "`campaigns.A.delay_hours`", "from 0"),
    ({"campaigns": {"A": {"id": 1, "delay_hours": "1,5"}}}, "`campaigns.A.delay_hours`", "plain number"),
    ({"campaigns": {"A": {"id": 1, "sample_percent": 0}}}, "`campaigns.A.sample_percent`", "above 0"),
    ({"campaigns": {"A": {"id": 1, "sample_percent": 101}}}, "`campaigns.A.sample_percent`", "100 at the most"),
    ({"campaigns": {"A": {"id": 1, "paused": "yess"}}}, "`campaigns.A.paused`", "true or false"),
    ({"campaigns": {"A": {"id": 1, "cancel_on": [{"match": "x"}]}}}, "`campaigns.A.cancel_on.event`", "add"),
    (
        {"campaigns": {"A": {"id": 1, "cancel_on": [{"event": "B", "mach": "x"}]}}},
        "cancel_on.mach`",
        "`match`",
    ),
    ({"campaigns": {"A": {"id": 1, "cancel_on": "B"}}}, "`campaigns.A.cancel_on`", "list"),
    ({"campaigns": {"A": {"id": 1, "cancel_on": ["-"]}}}, "`campaigns.A.cancel_on`", "name"),
    ({"campaigns": {" - ": 1}}, "`campaigns`", "name"),
    ({"campaigns": [78]}, "`campaigns`", "object"),
    ({"campaigns": {"Order Completed": 1, "completed-order": 2}}, "`campaigns`", "keep one"),
    ({"stored_events": ["Order Completed", "order_completed"]}, "`stored_events`", "keep one"),
    ({"stored_events": ["!!"]}, "`stored_events`", "letters"),
    ({"stored_events": "Order Completed"}, "`stored_events`", "list"),
    ({"contact_lists": ["5a"]}, "`contact_lists`", "plain integer"),
    ({"contact_lists": 5}, "`contact_lists`", "list"),
    ({"survey_recipients": [7]}, "`survey_recipients`", "text"),
    ({"max_surveys_per_run": 0}, "`max_surveys_per_run`", "above 0"),
    ({"max_surveys_per_run": 1.5}, "`max_surveys_per_run`", "integer"),
    ({"max_event_age_hours": math.nan}, "`max_event_age_hours`", "number"),
    ({"max_event_age_hours": math.inf}, "`max_event_age_hours`", "number"),
    ({"max_event_age_hours": 10**400}, "`max_event_age_hours`", "number"),
    ({"throttle_days": 0}, "`throttle_days`", "above 0"),
    ({"throttle_days": "1,5"}, "`throttle_days`", "plain number"),
    ({"throttle_days": "1e400"}, "`throttle_days`", "plain number"),
    ({"throttle_days": "nan"}, "`throttle_days`", "plain number"),
    ({"requests_per_minute": True}, "`requests_per_minute`", "plain number"),
    ({"batch_size_rows": -1}, "`batch_size_rows`", "above 0"),
    ({"batch_size_rows": "secret"}, "`batch_size_rows`", "plain integer"),
    ({"stream_maps": "secret"}, "`stream_maps`", "object"),
    ({"stream_map_config": ["secret"]}, "`stream_map_config`", "object"),
    ({"faker_config": "secret"}, "`faker_config`", "object"),
    ({"flattening_enabled": "secret"}, "`flattening_enabled`", "true or false"),
    ({"flattening_enabled": True}, "`flattening_max_depth`", "set it"),
    ({"flattening_max_depth": "secret"}, "`flattening_max_depth`", "plain integer"),
    ({"flattening_separator": 7}, "`flattening_separator`", "text"),
    ({"add_record_metadata": "secret"}, "`add_record_metadata`", "true or false"),
    ({"validate_records": 1}, "`validate_records`", "true or false"),
    ({"load_method": "secret"}, "`load_method`", "append-only"),
    ({"dry_run": "ture"}, "`dry_run`", "true or false"),
    ({"dry_run": ""}, "`dry_run`", "true or false"),
    ({"hard_delete": 1}, "`hard_delete`", "true or false"),
    ({"streams": {"a": {"type": "tracks"}}}, "`streams.a.type`", "did you mean `track`"),
    ({"streams": {"a": {"typ": "track"}}}, "`streams.a.typ`", "`type`"),
    ({"streams": {"a": "track"}}, "`streams.a`", "object"),
    ({"streams": {"a": {"fields": {"userid": "x"}}}}, "`streams.a.fields.userid`", "`user_id`"),
    ({"streams": {"a": {"fields": {"user_id": 7}}}}, "`streams.a.fields.user_id`", "text"),
    ({"streams": {"a": {"fields": {"user_id": []}}}}, "`streams.a.fields.user_id`", "fill it in"),
    ({"streams": {"a": {"fields": {"user_id": "NAME OF THE COLUMN"}}}}, "`streams.a.fields.user_id`", "placeholder"),
    ({"streams": {"a": {"event": "NAME OF THE EVENT"}}}, "`streams.a.event`", "placeholder"),
    ({"streams": {"a": {"mirrored": True}}}, "`streams.a.mirrored`", "did you mean `mirror`"),
    ({"streams": {"a": {"type": "track", "mirror": True}}}, "`streams.a.mirror`", "remove one of the two"),
    ({"streams": {"a": {"traits": "*"}}}, "`streams.a.traits`", "list"),
    ({"streams": {"a": {"type": "identify", "event": "X"}}}, "`streams.a.event`", "remove"),
    ({"streams": {"a": {"contact_lists": ["x"]}}}, "`streams.a.contact_lists`", "integer"),
    ({"api_url": "app.promoter.io/api"}, "`api_url`", "https://app.promoter.io/api"),
    ({"api_url": "ftp://app.promoter.io/api"}, "`api_url`", "https://"),
    ({"api_url": "http://app.promoter.io/api"}, "`api_url`", "https"),
    ({"api_url": "https://me:secret@app.promoter.io/api"}, "`api_url`", "remove"),
    ({"api_url": "https://app.promoter.io/api?x=1"}, "`api_url`", "remove"),
    ({"api_url": "https://app.promoter.io:x/api"}, "`api_url`", "https://"),
    ({"api_url": "https://[::1/api"}, "`api_url`", "https://"),
    ({"api_key": " "}, "`api_key`", "fill it in"),
    ({"api_key": 7}, "`api_key`", "text"),
    ({"api_key": "Token abc"}, "`api_key`", "Token"),
    ({"api_key": None}, "`api_key`", "sandbox"),
    ({"store_url": "target-promoter.db"}, "`store_url`", "sqlite:///"),
    ({"store_url": "mysql://u:secret@h/d"}, "`store_url`", "postgresql://"),
    ({"store_url": "sqlite://"}, "`store_url`", "sqlite:///"),
    ({"store_url": "sqlite:///:memory:"}, "`store_url`", "sqlite:///"),
    ({"store_url": "postgresql://u:secret@h"}, "`store_url`", "DATABASE"),
    ({"store_url": "postgresql://u:secret@secret@h/d"}, "`store_url`", "%40"),
    ({"survey_hours": "9-18"}, "`survey_hours`", "object"),
    ({"survey_hours": {**HOURS, "from": "9"}}, "`survey_hours.from`", "09:00"),
    ({"survey_hours": {**HOURS, "from": "24:01"}}, "`survey_hours.from`", "09:00"),
    ({"survey_hours": {**HOURS, "from": True}}, "`survey_hours.from`", "09:00"),
    ({"survey_hours": {**HOURS, "to": "09:60"}}, "`survey_hours.to`", "09:00"),
    ({"survey_hours": {**HOURS, "to": "9:00"}}, "`survey_hours.to`", "leave out"),
    ({"survey_hours": {**HOURS, "days": []}}, "`survey_hours.days`", "name a day"),
    ({"survey_hours": {**HOURS, "days": ["mo"]}}, "`survey_hours.days`", "mon, tue"),
    ({"survey_hours": {**HOURS, "time_zone": "Europe/Bärlin"}}, "`survey_hours.time_zone`", "Europe/Berlin"),
    ({"survey_hours": {**HOURS, "time_zone": "Europe"}}, "`survey_hours.time_zone`", "Europe/Berlin"),
    ({"survey_hours": {**HOURS, "time_zone": "../../etc/passwd"}}, "`survey_hours.time_zone`", "Europe/Berlin"),
    ({"survey_hours": {**HOURS, "time_zone": None}}, "`survey_hours.time_zone`", "Europe/Berlin"),
    ({"survey_hours": {"to": "18:00", "time_zone": "UTC"}}, "`survey_hours.from`", "add it"),
]


@pytest.mark.parametrize(("config", "names", "fix"), REFUSED, ids=[str(config) for config, _, _ in REFUSED])
def test_refusals_name_setting_and_fix(config: dict[str, object], names: str, fix: str) -> None:
    """Every refusal is one sentence that names the setting and the fix, and shows no secret."""
    sentence = refusal(**config)
    assert sentence.startswith("Setting ")
    assert names in sentence
    assert fix in sentence
    assert "\n" not in sentence
    assert "secret" not in sentence
    assert KEY not in sentence


@pytest.mark.parametrize(
    ("wrong", "setting", "command"),
    [
        ({"campaigns": {"Order Completed": SECRET}}, "campaigns.Order Completed", ""),
        ({"streams": {"orders": {"fields": {"user_id": {"a": SECRET}}}}}, "streams.orders.fields.user_id", ""),
        ({"api_key": f"Token {SECRET}"}, "api_key", ""),
        ({"store_url": f"postgres//user:{SECRET}@host"}, "store_url", ""),
        ({"batch_size_rows": SECRET}, "batch_size_rows", ""),
        ({"stream_maps": SECRET}, "stream_maps", "deliver"),
        ({"unheard_of": SECRET}, "unheard_of", "report"),
    ],
)
def test_the_program_refuses_with_a_sentence(
    wrong: dict[str, Any], setting: str, command: str, tmp_path: Path, config: dict[str, Any], sandbox: SandboxServer
) -> None:
    """Exit status 1, one line that names the setting, no traceback; nothing is read, sent or made, no secret shown."""
    run = run_program(*filter(None, [command]), config={**config, **wrong}, messages="not even JSON\n", cwd=tmp_path)
    assert run.status == 1
    (line,) = (line for line in run.log.splitlines() if "ERROR" in line)
    assert f"Setting `{setting}`" in line
    assert "Traceback" not in run.log
    assert SECRET not in run.log
    assert run.output == ""
    assert sandbox.account.requests == []
    assert [one.suffix for one in tmp_path.iterdir()] == [".json"]


def test_the_settings_of_the_sdk_are_known() -> None:
    """What the SDK itself reads from the config is not refused."""
    read = settings(
        stream_maps={},
        stream_map_config={},
        batch_size_rows=50,
        add_record_metadata=True,
        flattening_enabled=True,
        flattening_max_depth=3,
    )
    assert read.sdk["batch_size_rows"] == 50


def test_a_line_break_after_the_key_is_no_part_of_it() -> None:
    """A key read from a file ends in a line break, which no header may hold."""
    assert settings(api_key=f"{KEY}\n").api_key == KEY


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/api/", "http://localhost/api", "http://[::1]:80/api"])
def test_plain_http_to_this_machine(url: str) -> None:
    """A stand-in on this machine needs no certificate; a slash at the end is dropped."""
    assert settings(api_url=url).api_url == url.rstrip("/")


def test_repr_shows_no_secret() -> None:
    """Settings that end up in a log show neither the key nor the store's password."""
    shown = repr(settings(store_url="postgresql://user:hunter2@db.example.com/store"))
    assert KEY not in shown
    assert "hunter2" not in shown


def test_sandbox(tmp_path: Path) -> None:
    """The sandbox needs no key, and keeps store and account in files of its own beside the configured store."""
    read = Settings.from_config({"api_url": "sandbox", "store_url": f"sqlite:///{tmp_path}/real.db"})
    assert read.sandbox
    assert read.store_url == f"sqlite:///{tmp_path}/target-promoter-sandbox.db"
    assert read.sandbox_account_path == tmp_path / "target-promoter-sandbox-account.db"


def test_sandbox_never_uses_the_real_store_or_key() -> None:
    """With a real key and a PostgreSQL store in the config, the sandbox still uses neither."""
    read = settings(api_url="sandbox", store_url="postgresql://u:p@h/d")
    assert read.api_key != KEY
    assert read.store_url == "sqlite:///target-promoter-sandbox.db"
    assert read.sandbox_account_path == Path("target-promoter-sandbox-account.db")


def test_survey_recipients() -> None:
    """Addresses are compared in lower case; whoever matches no glob is not surveyed."""
    read = settings(survey_recipients=["*@Our-Company.com", "ann@example.com"])
    assert read.may_survey("bob@our-company.com")
    assert read.may_survey("ann@example.com")
    assert not read.may_survey("bob@example.com")
    assert not settings(survey_recipients=[]).may_survey("ann@example.com")


def test_every_setting_is_described() -> None:
    """Every setting of the schema has a title and a description, and only key and store are secret."""
    properties = config_schema()
    assert all(setting["description"] for setting in properties.values())
    assert {name for name, setting in properties.items() if setting.get("secret")} == {"api_key", "store_url"}
    assert not any(isinstance(setting.get("default"), dict) for setting in properties.values())


def test_numbers_true_and_false_may_be_text() -> None:
    """Meltano and environment variables deliver them so, also inside objects; an id may be a number like 78.0."""
    as_text = settings(
        campaigns={"A": "78", "B": {"id": "91", "delay_hours": "1.5", "sample_percent": " 25 ", "paused": "true"}},
        streams={"s": {"type": "identify", "contact_lists": ["5", "6"]}},
        contact_lists=["5", 6.0, "6"],
        max_surveys_per_run="7",
        max_event_age_hours="1e2",
        throttle_days="0.5",
        requests_per_minute=Decimal("90.5"),
        hard_delete="False",
        dry_run="yes",
        batch_size_rows="50",
        flattening_enabled="false",
    )
    assert as_text == settings(
        campaigns={"A": 78, "B": {"id": 91, "delay_hours": 1.5, "sample_percent": 25, "paused": True}},
        streams={"s": {"type": "identify", "contact_lists": [5, 6]}},
        contact_lists=[5, 6],
        max_surveys_per_run=7,
        max_event_age_hours=100,
        throttle_days=0.5,
        requests_per_minute=90.5,
        hard_delete=False,
        dry_run=True,
        batch_size_rows=50,
        flattening_enabled=False,
    )


def test_all_faults_are_told_at_once() -> None:
    """One line for each, whichever settings they are in and however deep."""
    lines = refusal(
        campaigns={"A": {"id": "x", "delay_hours": -1}, "B": 0, "Order Completed": 1, "order_completed": 2},
        streams={"a": {"typ": "track", "fields": {"userid": "x"}}},
        store_url="mysql://h/d",
        batch_size_rows=-1,
        campaing={},
    ).splitlines()
    named = [line.split("`")[1] for line in lines]
    assert sorted(named) == [
        "batch_size_rows",
        "campaigns",
        "campaigns.A.delay_hours",
        "campaigns.A.id",
        "campaigns.B",
        "campaing",
        "store_url",
        "streams.a.fields.userid",
        "streams.a.typ",
    ]
    assert all(line.startswith("Setting `") for line in lines)


def test_names_that_hold_the_key_are_not_shown() -> None:
    """A key that was put where a name belongs is shown nowhere either."""
    assert KEY not in refusal(**{KEY: 1, "campaigns": {KEY: "x"}})


def test_streams_are_matched_without_case() -> None:
    """Snowflake and Oracle write names in capitals; an exact match wins."""
    types = {"Orders": "track", "orders": "identify", "public-*": "ignore"}
    read = settings(streams={name: {"type": one} for name, one in types.items()})
    found = {name: read.stream(name) for name in ("Orders", "orders", "PUBLIC-X")}
    assert [setting and setting.type for setting in found.values()] == ["track", "identify", "ignore"]
    assert "`AB*`" in refusal(streams={"ab*": {"type": "ignore"}, "AB*": {"type": "track"}})


def test_survey_hours() -> None:
    """Days may be written in full; YAML makes an integer, of the same minute, of a time without quotes."""
    read = settings(survey_hours={**HOURS, "days": ["Friday", "mon", "MON"], "to": 18 * 60}).survey_hours
    assert read == SurveyHours(9 * 60, 18 * 60, (0, 4), ZoneInfo("Europe/Berlin"))
    every_day = settings(survey_hours={**HOURS, "to": "24:00"}).survey_hours
    assert every_day == SurveyHours(9 * 60, 24 * 60, tuple(range(7)), ZoneInfo("Europe/Berlin"))


def test_the_record_of_a_run_holds_all_settings_but_secrets() -> None:
    """It is plain JSON, and tells each change of a setting."""
    config: dict[str, Any] = {
        "store_url": "postgresql://user:hunter2@h/d?sslpassword=hunter2",
        "campaigns": {"A": {"id": 78, "cancel_on": ["B"]}},
        "streams": {"s": {"type": "identify"}},
        "survey_hours": HOURS,
        "stream_maps": {"s": {"x": "1"}},
        "stream_map_config": {"hash_seed": "hunter2"},
    }
    record = settings(**config).as_record()
    assert json.loads(json.dumps(record)) == record
    assert "hunter2" not in json.dumps(record)
    assert KEY not in json.dumps(record)
    assert set(record) == {*declared(Settings), "stream_maps"} - {"api_key"}
    for name in ("campaigns", "streams", "survey_hours", "stream_maps"):
        assert settings(**{**config, name: None}).as_record() != record, name


def test_the_record_of_a_run_names_streams_events_and_hours_as_the_config_does() -> None:
    """So what changed of one stream is told of that stream, and not as a list of all of them before and after."""
    stream = {"type": "track", "event": "B", "fields": {"user_id": "who"}, "traits": []}
    campaign = {"id": 78, "delay_hours": 2.0, "cancel_on": ["B", {"event": "C", "match": "order_id"}]}
    record = settings(streams={"s": stream}, campaigns={"Order Done": campaign}, survey_hours=HOURS).as_record()
    assert record["streams"] == {"s": stream}
    assert record["campaigns"] == {"Order Done": {**campaign, "sample_percent": 100, "paused": False}}
    assert record["survey_hours"] == {**HOURS, "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
    assert record["stored_events"] == ["order_completed"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@h/d",
        "postgresql+psycopg://user:hun@ter2:hunter2@h/d",
        "postgresql://user:hunter2/hunter2@h/d",
        "postgresql://user:hunter2?hunter2@h/d",
        "postgresql://h/d?user=me&password=hunter2",
        "postgresql://user@h/d?sslmode=require&sslPassword=hunter2&x=1",
        "postgresql://user:hunter2@h/d?password=hunter2@hunter2",
        "postgresql://user@h/d?%70assword=hunter2",
        "postgresql://user@h/d?oauth_client_secret=hunter2",
        *(f"postgresql://user:hunter2{one}hunter2@h/d" for one in "@/?#:&%="),
        *(f"postgresql://user:hunter2@{one}hunter2{two}hunter2@h/d" for one in "@/?#:" for two in "@/?#"),
    ],
)
def test_a_databases_address_is_shown_without_its_password(url: str) -> None:
    """Wherever in it the password stands, and whatever characters it holds; or it is refused: not all can be read."""
    addresses = [url]
    with contextlib.suppress(ConfigError):
        addresses.append(make_url(settings(store_url=url).store_url).render_as_string(hide_password=False))
    for address in addresses:
        shown = masked_url(address)
        assert "ter2" not in shown
        assert shown.startswith("postgresql")


@pytest.mark.parametrize("place", ["user@me@h/d", "user:a@b@h/d", "user:a@b/c@h/d", "u:p@h/d?application_name=a@b"])
def test_a_databases_address_with_another_at_is_refused(place: str) -> None:
    """What of it is the password would be anybody's guess."""
    with pytest.raises(ConfigError, match="has more than one `@`: write those in its user name"):
        settings(store_url=f"postgresql://{place}")


@pytest.mark.parametrize("url", ["sqlite:////data/a@b.db", "postgresql://user@h:5432/d?sslmode=require"])
def test_an_address_without_a_password_is_shown_as_it_is(url: str) -> None:
    """There is nothing to hide in it."""
    assert masked_url(url) == url


@given(st.text("ab*?", max_size=6), st.text("ab*?", max_size=6), st.text("ab", max_size=6))
def test_overlap_misses_no_common_match(first: str, second: str, name: str) -> None:
    """Globs that both match some name are known to overlap."""
    if globs.matches(first, name) and globs.matches(second, name):
        assert globs.overlap(first, second)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a*", "*b", True),
        ("a*", "b*", False),
        ("a?c", "ab?", True),
        ("a?", "a", False),
        ("*", "", True),
        ("a[b]", "ab", False),
    ],
)
def test_overlap(first: str, second: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """Whether two globs can match the same name is told exactly, brackets being plain characters."""
    assert globs.overlap(first, second) is expected
    assert globs.overlap(second, first) is expected
