"""The loader's definition for Meltano, made of what the program says of itself.

`python -m target_promoter.hub` prints it in the form of Meltano Hub; with the path of a `meltano.yml` it writes the
loader there anew.
"""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent
from typing import Any, Final

import click
import yaml
from singer_sdk.helpers.capabilities import TargetCapabilities

from target_promoter.singer.program import COMMANDS, load
from target_promoter.target import TargetPromoter

MARK: Final = "    # From here on written by `python -m target_promoter.hub meltano.yml`."
"""The line of `meltano.yml` below which the loader is written; the loader stands last in that file."""

REPOSITORY: Final = "ADDRESS OF THE REPOSITORY"
"""For whoever publishes this: CONTRIBUTING, "Releasing", says where else that address is filled in."""

# Meltano makes a Decimal of a number of kind `decimal` that comes from the environment, and dies of it.
_KINDS: Final = {"boolean": "boolean", "integer": "integer", "number": "string", "array": "array", "object": "object"}


def definition() -> dict[str, Any]:
    """Return the definition of the plugin, as Meltano Hub keeps it."""
    about = TargetPromoter._get_about_info()  # noqa: SLF001 - what `--about` prints
    return {
        "name": TargetPromoter.name,
        "namespace": "target_promoter",
        "variant": "original",
        "label": "Promoter",
        "description": TargetPromoter.__doc__,
        "definition": "keeps Promoter's contacts up to date and triggers NPS surveys, from any Singer tap.",
        "domain_url": "https://www.promoter.io",
        "keywords": ["nps", "surveys", "reverse_etl", "segment", "meltano_sdk"],
        "maintenance_status": "beta",
        "quality": "unknown",
        "repo": REPOSITORY,
        "logo_url": "/assets/logos/loaders/promoter.png",
        "pip_url": "target-promoter[postgres]",
        "supported_python_versions": list(about.supported_python_versions or ()),
        **loader(),
        "capabilities": [str(one) for one in about.capabilities],
    }


def loader() -> dict[str, Any]:
    """Return the part of the definition that a `meltano.yml` repeats."""
    about = TargetPromoter._get_about_info()  # noqa: SLF001 - what `--about` prints
    return {
        "executable": TargetPromoter.name,
        # The hub knows this capability, and a project's own file must not have it.
        "capabilities": [str(one) for one in about.capabilities if one != TargetCapabilities.VALIDATE_RECORDS],
        "settings_group_validation": [["api_key"]],
        "settings": [_setting(name, schema) for name, schema in about.settings["properties"].items()],
        "commands": {name: _command(load(name)) for name in COMMANDS},
    }


def write_loader(path: Path) -> None:
    """Rewrite the loader below the mark of a `meltano.yml`."""
    before, mark, _ = path.read_text(encoding="utf-8").partition(MARK + "\n")
    path.write_text(before + mark + indent(_yaml(loader()), "    "), encoding="utf-8")


def _setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a setting as Meltano declares it."""
    types = schema["type"]
    setting: dict[str, Any] = {
        "name": name,
        "label": schema.get("title", name.replace("_", " ").capitalize()),
        "kind": next((_KINDS[one] for one in types if one in _KINDS), "string"),
        "description": schema["description"],
    }
    if schema.get("secret"):
        setting |= {"kind": "password", "sensitive": True}
    if "enum" in schema:
        setting["kind"] = "options"
        setting["options"] = [{"label": _plain(value), "value": _plain(value)} for value in schema["enum"]]
    if "default" in schema:
        setting["value"] = _plain(schema["default"])
    return setting


def _command(command: click.Command) -> dict[str, str]:
    """Return a command; Meltano hands it the settings in the environment."""
    configured = any(parameter.name == "config_files" for parameter in command.params)
    return {
        "args": f"--config=ENV {command.name}" if configured else str(command.name),
        "description": command.get_short_help_str(limit=200),
    }


def _plain(value: object) -> object:
    """Return a value without the SDK's enumerations, which are texts too."""
    return str.__str__(value) if isinstance(value, str) else value


def _yaml(data: dict[str, Any]) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


if __name__ == "__main__":
    if sys.argv[1:]:
        write_loader(Path(sys.argv[1]))
    else:
        click.echo(_yaml(definition()), nl=False)
