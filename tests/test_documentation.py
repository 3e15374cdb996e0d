"""What the README says of settings, fields, commands and outcomes is what the program knows, and all of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from target_promoter.config.files import environment_config
from target_promoter.config.settings import FIELDS, STREAM_TYPES, Settings, config_schema
from target_promoter.records.fields import candidates
from target_promoter.singer.program import COMMANDS
from target_promoter.sinks import PromoterSink
from target_promoter.store.summary import OUTCOMES

ROOT: Final = Path(__file__).parent.parent
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
CODE: Final = re.compile(r"`([^`]*)`")


def section(title: str) -> str:
    """Return what stands under a heading of the README."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert match is not None, f"The README has no section {title}."
    return match[1]


def rows(text: str) -> list[list[str]]:
    """Return the rows of all tables in a text without their heads; a bar in code is no border."""
    lines = [line for line in text.splitlines() if re.match(r"\| ?`", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


SETTINGS: Final = {
    name: (meaning, default) for names, meaning, default in rows(section("Settings")) for name in CODE.findall(names)
}
"""What the README says of each setting: its meaning and its default."""


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    """Return the settings as the program itself shows them."""
    command = [sys.executable, "-m", "target_promoter", "--about", "--format", "json"]
    shown: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    properties: dict[str, Any] = shown["settings"]["properties"]
    return properties


@pytest.fixture(scope="module")
def meltano() -> dict[str, dict[str, Any]]:
    """Return the settings as `meltano.yml` declares them."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (loader,) = (one for one in project["plugins"]["loaders"] if one["name"] == "target-promoter")
    return {setting["name"]: setting for setting in loader["settings"]}


def test_every_setting_stands_in_all_four_places(about: dict[str, Any], meltano: dict[str, Any]) -> None:
    """Code, `--about`, meltano.yml and README name the same settings."""
    assert set(about) == set(meltano)
    assert sorted(SETTINGS) == sorted(about)
    assert set(config_schema()) == set(about)


def test_defaults_are_the_same_in_all_four_places(about: dict[str, Any], meltano: dict[str, Any]) -> None:
    """The README shows a default as JSON, a text without its quotes."""
    read = Settings.from_config({"api_key": "k"})
    for name, schema in about.items():
        default = schema.get("default")
        assert meltano[name].get("value") == default, name
        if default is not None:
            shown = default if isinstance(default, str) else json.dumps(default)
            assert SETTINGS[name][1] == f"`{shown}`", name
        if hasattr(read, name) and isinstance(default, (int, str)):
            assert getattr(read, name) == default, name
    assert SETTINGS["batch_size_rows"][1] == f"`{PromoterSink.MAX_SIZE_DEFAULT}`"
    assert SETTINGS["streams"][1].startswith("`{}`")
    assert SETTINGS["campaigns"][1].startswith("`{}`")
    assert (read.streams, read.campaigns) == ((), {})


def test_the_same_settings_are_secret_in_all_four_places(about: dict[str, Any], meltano: dict[str, Any]) -> None:
    """Key and store, whose address may hold a password."""
    secret = {"api_key", "store_url"}
    assert {name for name, schema in about.items() if schema.get("secret")} == secret
    assert {name for name, setting in meltano.items() if setting.get("sensitive")} == secret
    assert {name for name, (meaning, _) in SETTINGS.items() if re.search(r"; secret\b", meaning)} == secret


def test_durations_and_rates_say_their_unit(about: dict[str, Any]) -> None:
    """A number without a unit is a trap."""
    for name, unit in (
        ("max_event_age_hours", "hours"),
        ("throttle_days", "days"),
        ("requests_per_minute", "requests a minute"),
        ("campaigns", "hours"),
    ):
        assert unit in about[name]["description"], name


def test_every_command_is_described() -> None:
    """The README's table has each command of the program, and no other."""
    named = [CODE.findall(cells[0])[0].split()[0] for cells in rows(section("Commands"))]
    assert sorted(named) == sorted(COMMANDS)


def test_every_outcome_is_described() -> None:
    """The README names the outcomes of a part of the summary in the item of that part."""
    text = section("What becomes of a record")
    for part, names in OUTCOMES.items():
        if part == "api":
            continue
        item = re.search(rf"\*\*{part}\*\* →(.*?)(?=\n- \*\*|\n\n|\Z)", text, re.DOTALL)
        assert item is not None, part
        said = set(CODE.findall(item[1])) - {"integrations", "survey_recipients"}
        assert said == set(names) - {"read"}, part


def test_every_field_and_stream_type_is_described() -> None:
    """The README names every logical field that `fields` takes, and where it is looked for first."""
    text = section("What your streams are")
    said = {name: cells[1] for cells in rows(text) for name in CODE.findall(cells[0])}
    assert set(said) == set(FIELDS)
    places: dict[str, set[str]] = {}
    for kind in ("identify", "track"):
        found = candidates(kind, users=True, segment=True, call_id=True, keyed=False)
        for logical, paths in found.items():
            places.setdefault(logical, set()).update(path[-1] for path in paths)
    for logical in ("user_id", "anonymous_id", "email", "timestamp", "message_id"):
        named = CODE.findall(said[logical])
        assert named, logical
        assert set(named) - {"users"} <= places[logical], logical
    assert all(f"`{kind}`" in text for kind in STREAM_TYPES)


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", README, re.DOTALL))
def test_configs_of_the_readme_are_accepted(block: str) -> None:
    """What is copied from the README works."""
    Settings.from_config(
        {"api_key": "k", **{name: one for name, one in json.loads(block).items() if name != "api_key"}}
    )


def test_variables_of_the_readme_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is copied from the README into an environment works."""
    variables = re.findall(r"`(TARGET_PROMOTER_[A-Z_]+)(?:='([^']*)')?`", README)
    assert variables
    for name, value in variables:
        monkeypatch.setenv(name, " ".join(value.split()) or "k")
    assert {f"TARGET_PROMOTER_{name.upper()}" for name in environment_config()} == {name for name, _ in variables}
