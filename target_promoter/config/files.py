"""Reading the config from files and from the environment."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._util import read_json_file

from target_promoter.config.sdk_settings import all_settings
from target_promoter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ENVIRONMENT: Final = "ENV"
_PREFIX: Final = "TARGET_PROMOTER_"
_MELTANO: Final = "MELTANO_LOADER_NAME"
_DOT: Final = re.compile(r"(?<!\\)\.")
_BOOLEANS: Final = ("true", "1", "yes", "on", "false", "0", "no", "off")


def read_config(files: Iterable[str]) -> dict[str, Any]:
    """Return the config of several files, the later overruling the earlier, and of the environment where asked for.

    Args:
        files: Their paths; `ENV` means the environment variables `TARGET_PROMOTER_…`.

    Returns:
        The config as given, unchecked.

    Raises:
        ConfigError: A file cannot be read, or is no JSON object.
    """
    config: dict[str, Any] = {}
    from_environment = False
    for path in files:
        if path == _ENVIRONMENT:
            from_environment = True
        else:
            config |= _read_file(path)
    return config | environment_config() if from_environment else config


def environment_config() -> dict[str, Any]:
    """Return the settings that environment variables hold.

    Raises:
        ConfigError: One holds nothing that its setting could be.
    """
    config: dict[str, Any] = {}
    for name, setting in all_settings().items():
        try:
            config |= _from_environment(name, setting)
        except ValueError as error:
            # The SDK's message may show the value.
            raise ConfigError.in_environment(_variable(name), _wanted(setting["type"])) from error
    return config


def _from_environment(name: str, setting: Mapping[str, Any]) -> dict[str, Any]:
    """Return one setting as a config of its own, empty without its variable."""
    found: dict[str, Any] = parse_environment_config({"properties": {name: setting}}, _PREFIX)
    if name in found:
        if "boolean" in setting["type"] and os.environ[_variable(name)].lower() not in _BOOLEANS:
            # The SDK would take a misspelt `true` for false, and a dry run would send.
            raise ValueError
        if "number" in setting["type"]:
            found[name] = float(found[name])  # The SDK leaves it as text.
        if "object" in setting["type"] and _MELTANO in os.environ and isinstance(found[name], dict):
            found[name] = _nested(found[name])
    return found


def _nested(flat: Mapping[str, object]) -> dict[str, Any]:
    """Return an object that Meltano made flat: `{"orders.type": "track"}`; a dot of the key itself has a backslash."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, name = (part.replace("\\.", ".") for part in _DOT.split(key))
        inner = nested
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = value
    return nested


def _variable(name: str) -> str:
    return _PREFIX + name.upper()


def _wanted(types: Iterable[str]) -> str:
    words = {"boolean": "true or false", "integer": "an integer", "number": "a number"}
    return next((words[one] for one in types if one in words), "JSON")


def _read_file(path: str) -> dict[str, Any]:
    try:
        config: object = read_json_file(path)
    except OSError as error:
        message = f"The config file {path} cannot be read ({error.strerror or 'not found'}): name another in --config."
        raise ConfigError(message) from error
    except ValueError as error:
        message = f"The config file {path} is no JSON: mend it, a comma or a quote may be missing."
        raise ConfigError(message) from error
    if not isinstance(config, dict):
        message = f"The config file {path} is no JSON object: put the settings between braces."
        raise ConfigError(message)
    return config
