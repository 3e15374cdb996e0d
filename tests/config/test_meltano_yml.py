"""What the project says to Meltano: its own `meltano.yml`, and the definition for Meltano Hub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from target_promoter import hub
from target_promoter.singer.program import COMMANDS
from tests.programs import run_program

ROOT = Path(__file__).parent.parent.parent
KINDS = {"string", "password", "integer", "boolean", "array", "object", "options"}
CAPABILITIES = {
    "about",
    "stream-maps",
    "activate-version",
    "batch",
    "soft-delete",
    "hard-delete",
    "datatype-failsafe",
    "schema-flattening",
    "target-schema",
    "validate-records",
    "structured-logging",
}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """Return the project's own `meltano.yml`."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    """Return what the program says of itself."""
    read: dict[str, Any] = json.loads(run_program("--about", "--format", "json", cwd=ROOT).output)
    return read


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    """Return the definition for the hub, as the generator prints it."""
    command = [sys.executable, "-m", "target_promoter.hub"]
    read: dict[str, Any] = yaml.safe_load(subprocess.run(command, capture_output=True, check=True).stdout)
    return read


def test_the_project_declares_the_loader_in_full(project: dict[str, Any]) -> None:
    """If this fails, run `python -m target_promoter.hub meltano.yml`."""
    declared = project["plugins"]["loaders"][-1]
    assert declared == {
        "name": "target-promoter",
        "namespace": "target_promoter",
        "pip_url": "-e .[sandbox,postgres]",
        **hub.loader(),
    }


def test_the_generator_writes_what_the_project_holds(tmp_path: Path) -> None:
    """Rewriting the loader changes nothing of a file that is up to date."""
    path = tmp_path / "meltano.yml"
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    hub.write_loader(path)
    assert path.read_text(encoding="utf-8") == text


def test_the_definition_says_what_about_says(definition: dict[str, Any], about: dict[str, Any]) -> None:
    """Every setting has its name, label, kind, description, default and secrecy from `--about`."""
    settings = {setting["name"]: setting for setting in definition["settings"]}
    schemas = about["settings"]["properties"]
    assert list(settings) == list(schemas)
    for name, schema in schemas.items():
        setting = settings[name]
        assert setting["label"], name
        assert setting["description"] == schema["description"], name
        assert setting.get("value") == schema.get("default"), name
        assert setting.get("sensitive", False) == schema.get("secret", False), name
    assert {name for name, setting in settings.items() if setting.get("sensitive")} == {"api_key", "store_url"}
    assert definition["capabilities"] == about["capabilities"]
    assert definition["description"] == about["description"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("api_key", "password"),
        ("campaigns", "object"),
        ("contact_lists", "array"),
        ("max_surveys_per_run", "integer"),
        ("throttle_days", "string"),
        ("dry_run", "boolean"),
        ("load_method", "options"),
    ],
)
def test_a_setting_has_the_kind_of_its_values(definition: dict[str, Any], name: str, kind: str) -> None:
    """Meltano reads a setting's text by its kind."""
    assert [setting["kind"] for setting in definition["settings"] if setting["name"] == name] == [kind]


def test_the_definition_has_the_hubs_form(definition: dict[str, Any]) -> None:
    """It has what the hub requires, and nothing that the hub does not know."""
    required = {"name", "namespace", "variant", "label", "quality", "repo", "logo_url"}
    known = {"description", "definition", "domain_url", "keywords", "maintenance_status", "pip_url", "executable"}
    known |= {"supported_python_versions"}
    parts = {"capabilities", "commands", "settings", "settings_group_validation"}
    assert required <= definition.keys() <= required | known | parts
    assert definition["quality"] in {"gold", "silver", "bronze", "unknown"}
    assert set(definition["capabilities"]) <= CAPABILITIES
    assert definition["maintenance_status"] in {"active", "beta", "development", "inactive", "unknown"}
    for setting in definition["settings"]:
        assert setting.keys() <= {"name", "label", "kind", "description", "value", "sensitive", "options"}
        assert setting["kind"] in KINDS
        assert ("options" in setting) == (setting["kind"] == "options")
    names = {setting["name"] for setting in definition["settings"]}
    assert all(set(group) <= names for group in definition["settings_group_validation"])


def test_no_number_is_of_a_kind_that_meltano_dies_of(definition: dict[str, Any]) -> None:
    """Meltano 4.4.1 makes a Decimal of a `decimal` from the environment, which it then cannot write."""
    assert not [setting["name"] for setting in definition["settings"] if setting["kind"] == "decimal"]


def test_every_command_is_one_of_meltanos(definition: dict[str, Any]) -> None:
    """Each command of the program is there, with the settings that Meltano hands it in the environment."""
    assert set(definition["commands"]) == set(COMMANDS)
    assert definition["commands"]["deliver"]["args"] == "--config=ENV deliver"
    assert definition["commands"]["sample"]["args"] == "sample"


def test_from_development_nobody_outside_is_surveyed(project: dict[str, Any]) -> None:
    """The default environment is one that e-mails nobody; the other one has no secret in it."""
    assert project["default_environment"] == "dev"
    configs = {
        environment["name"]: environment["config"]["plugins"]["loaders"][0]["config"]
        for environment in project["environments"]
    }
    assert set(configs) == {"dev", "prod"}
    assert configs["dev"]["api_url"] == "sandbox"
    assert "*" not in configs["dev"]["survey_recipients"]
    assert configs["prod"].keys() & {"api_key", "store_url", "survey_recipients", "api_url"} == set()
    assert project["send_anonymous_usage_stats"] is False
