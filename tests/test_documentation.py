"""What the documentation says of settings, fields, commands and outcomes is what the program knows, and all of it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from target_promoter.config.files import environment_config
from target_promoter.config.settings import FIELDS, STREAM_TYPES, Campaign, Settings, StreamSetting, config_schema
from target_promoter.records.fields import candidates
from target_promoter.report.export import STREAMS
from target_promoter.singer.program import COMMANDS, load
from target_promoter.sinks import PromoterSink
from target_promoter.store.summary import COUNTS
from tests.documentation import CODE, PAGES, ROOT, anchors, rows, section
from tests.programs import run_program
from tests.test_layers import LAYERS

README: Final = "README.md"
SETTINGS_PAGE: Final = "docs/reference/settings.md"
STREAMS_PAGE: Final = "docs/reference/streams.md"
OUTCOMES_PAGE: Final = "docs/reference/outcomes.md"
COMMANDS_PAGE: Final = "docs/reference/commands.md"

SETTINGS: Final = {
    name: (meaning, default)
    for names, meaning, default in rows(section(SETTINGS_PAGE, "All settings"))
    for name in CODE.findall(names)
}
"""What is said of each setting: its meaning and its default."""

BLOCKS: Final = [
    (page, language, block)
    for page, text in PAGES.items()
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
]


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    """Return the settings as the program itself shows them."""
    shown: dict[str, Any] = json.loads(run_program("--about", "--format", "json", cwd=ROOT).output)
    properties: dict[str, Any] = shown["settings"]["properties"]
    return properties


@pytest.fixture(scope="module")
def meltano() -> dict[str, dict[str, Any]]:
    """Return the settings as `meltano.yml` declares them."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (loader,) = (one for one in project["plugins"]["loaders"] if one["name"] == "target-promoter")
    return {setting["name"]: setting for setting in loader["settings"]}


def test_every_setting_stands_in_all_four_places(about: dict[str, Any], meltano: dict[str, Any]) -> None:
    """Code, `--about`, meltano.yml and documentation name the same settings."""
    assert set(about) == set(meltano)
    assert sorted(SETTINGS) == sorted(about)
    assert set(config_schema()) == set(about)


def test_defaults_are_the_same_in_all_four_places(about: dict[str, Any], meltano: dict[str, Any]) -> None:
    """The documentation shows a default as JSON, a text without its quotes."""
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
        assert unit in SETTINGS[name][0], name


def test_all_that_a_stream_and_a_campaign_may_say_is_described() -> None:
    """And the hours in which surveys may be sent."""
    said = {title: _named(section(SETTINGS_PAGE, title)) for title in ("Streams", "Campaigns", "Survey hours")}
    assert said["Streams"] == {one.name for one in dataclasses.fields(StreamSetting)} - {"pattern"}
    assert said["Campaigns"] == {one.name for one in dataclasses.fields(Campaign)} - {"event"}
    assert said["Survey hours"] == set(config_schema()["survey_hours"]["properties"])
    assert all(f"`{kind}`" in section(SETTINGS_PAGE, "Streams") for kind in STREAM_TYPES)


def _named(text: str) -> set[str]:
    return {name for cells in rows(text) for name in CODE.findall(cells[0])}


@pytest.mark.parametrize(("page", "title"), [(README, "Commands"), (COMMANDS_PAGE, "Commands")])
def test_every_command_is_described(page: str, title: str) -> None:
    """Each table has each command of the program, and no other."""
    text = section(page, title) if page == README else PAGES[page].split("\n## ")[0]
    named = [CODE.findall(cells[0])[0].split()[0] for cells in rows(text)]
    assert sorted(named) == sorted(COMMANDS)


def test_every_option_of_a_command_is_described() -> None:
    """What the help of a command lists, but what all have."""
    text = "".join(text for page, text in PAGES.items() if page.startswith("docs/"))
    for name in COMMANDS:
        if name != "sandbox":  # Its options concern nobody but who tries things.
            options = {option for one in load(name).params for option in one.opts if option.startswith("--")}
            assert [one for one in options - {"--config", "--help"} if f"{one}" not in text] == [], name


def test_every_outcome_is_described() -> None:
    """The outcomes of a part of the summary are the rows of the table behind it."""
    parts = dict(re.findall(r"\nWhat `(\w+)` .*?:\n(.*?)(?=\n## )", PAGES[OUTCOMES_PAGE], re.DOTALL))
    assert parts.keys() == COUNTS.keys() - {"api"}
    for part, text in parts.items():
        assert _named(text) == set(COUNTS[part]) - {"read"}, part


def test_every_reason_of_no_survey_is_told() -> None:
    """Somebody who asks why nobody was surveyed finds each outcome that says so."""
    told = set(CODE.findall(PAGES["docs/why-was-nobody-surveyed.md"]))
    silent = {"sent", "presumed", "pending", "waiting"}
    assert set(COUNTS["surveys"]) - silent - told == set()
    assert {"stale", "unmatched", "duplicate", "blocked", "deleted", "rejected"} - told == set()


def test_every_field_is_described() -> None:
    """Every logical field that `fields` takes, and where it is looked for first."""
    said = {name: cells[1] for cells in rows(section(STREAMS_PAGE, "Fields")) for name in CODE.findall(cells[0])}
    assert set(said) == set(FIELDS)
    places: dict[str, set[str]] = {}
    for kind in ("identify", "track"):
        found = candidates(kind, users=True, segment=True, call_id=True, keyed=False)
        for logical, paths in found.items():
            places.setdefault(logical, set()).update(path[-1] for path in paths)
    for logical in ("user_id", "anonymous_id", "email", "event", "timestamp"):
        named = CODE.findall(said[logical])
        assert named, logical
        assert set(named) - {"users"} <= places[logical], logical


def test_every_column_of_the_export_is_described() -> None:
    """Each stream with its keys and columns."""
    said = {
        CODE.findall(stream)[0]: (CODE.findall(keys), set(CODE.findall(columns)) - {"check"})
        for stream, keys, columns in rows(PAGES["docs/reference/export.md"])
    }
    assert said == {name: (list(one.keys), set(one.columns) - set(one.keys)) for name, one in STREAMS.items()}


@pytest.mark.parametrize(
    ("page", "block"), [(page, block) for page, language, block in BLOCKS if language == "json"], ids=str
)
def test_configs_of_the_documentation_are_accepted(page: str, block: str) -> None:
    """What is copied works."""
    config = {name: one for name, one in json.loads(block).items() if name != "api_key"}
    assert Settings.from_config({"api_key": "k", **config}), page


@pytest.mark.parametrize("block", [block for _, language, block in BLOCKS if language == "yaml"])
def test_projects_of_the_documentation_name_settings_and_commands_that_there_are(
    block: str, about: dict[str, Any]
) -> None:
    """What is copied into a Meltano project works."""
    loaders = yaml.safe_load(block).get("plugins", {}).get("loaders", [])
    for loader in loaders:
        names = {one["name"] for one in loader.get("settings", [])}
        assert (names | loader.get("config", {}).keys()) - about.keys() == set()
        assert loader.get("commands", {}).keys() - set(COMMANDS) == set()


def test_variables_of_the_documentation_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is copied into an environment works."""
    text = section(COMMANDS_PAGE, "Environment")
    variables = [
        one for one in re.findall(r"`(TARGET_PROMOTER_[A-Z_]+)(?:='([^']*)')?`", text) if "LOGLEVEL" not in one[0]
    ]
    assert variables
    for name, value in variables:
        monkeypatch.setenv(name, " ".join(value.split()) or "k")
    names = {f"TARGET_PROMOTER_{name.upper()}" for name in environment_config()}
    assert names == {name for name, _ in variables if name != "TARGET_PROMOTER_"}


def test_links_lead_somewhere() -> None:
    """Each page and heading that a page links to is there."""
    broken = []
    for page, text in PAGES.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
            if re.match(r"[a-z]+:", link):
                continue
            place, _, anchor = link.partition("#")
            target = (ROOT / page).parent.joinpath(place).resolve() if place else ROOT / page
            name = str(target.relative_to(ROOT)) if target.is_relative_to(ROOT) else ""
            if not target.exists() or (anchor and anchor not in anchors(name)):
                broken.append(f"{page}: {link}")
    assert broken == []


def test_every_page_is_found_from_the_first() -> None:
    """The documentation's own index links to all of it."""
    linked = {f"docs/{link.partition('#')[0]}" for link in re.findall(r"\]\(([^)\s]+)\)", PAGES["docs/README.md"])}
    assert {page for page in PAGES if page.startswith("docs/")} - linked == {"docs/README.md"}


def test_the_map_of_the_house_is_true() -> None:
    """Every room stands on it, those that it may import above it; and every file that is named is there."""
    page = PAGES["CONTRIBUTING.md"]
    rooms = [CODE.findall(cells[0]) for cells in rows(section("CONTRIBUTING.md", "The map"))]
    named = [name.rstrip("/").removesuffix(".py") for names in rooms for name in names]
    assert named == [*(one for one in LAYERS if one != "__main__"), "sandbox"]
    for name in re.findall(r"`([\w./-]+\.(?:py|md|toml|json))`", page):
        assert (ROOT / name).exists() or (ROOT / "target_promoter" / name).exists(), name


def test_the_readme_is_short() -> None:
    """One reads it from top to bottom."""
    assert len(PAGES[README].split()) <= 1500


def test_a_release_gives_the_readme_links_that_work_on_a_package_index(tmp_path: Path) -> None:
    """There, a link that is no whole address leads nowhere; the workflow knows what address the README lacks."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    (step,) = (step for step in workflow["jobs"]["build"]["steps"] if "README" in step.get("name", ""))
    readme = tmp_path / README
    readme.write_text(PAGES[README], encoding="utf-8")
    github = {
        "GITHUB_SERVER_URL": "https://host.example",
        "GITHUB_REPOSITORY": "a/b",
        "GITHUB_REF_NAME": "v1.2.3",
    }
    command = ["bash", "-euc", step["run"]]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, **github}, check=True)
    links = re.findall(r"\]\(([^)\s]+)\)", readme.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("https://")] == []
    own = "https://host.example/a/b/"
    named = {link.removeprefix(own).split("/", 2)[2] for link in links if link.startswith(own)}
    assert {"docs/report.png", "docs/first-hour.md", "LICENSE"} <= named
    assert [name for name in named if not (ROOT / name.partition("#")[0]).exists()] == []
    assert f"{own}raw/v1.2.3/docs/report.png" in links
    assert f"{own}blob/v1.2.3/docs/first-hour.md" in links
