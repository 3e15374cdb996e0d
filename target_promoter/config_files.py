"""Reading the config from files and from the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._util import read_json_file

from target_promoter.config_schema import CONFIG_SCHEMA
from target_promoter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENVIRONMENT = "ENV"
_PREFIX = "TARGET_PROMOTER_"
_NUMBERS = {name for name, schema in CONFIG_SCHEMA["properties"].items() if "number" in schema["type"]}


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
        ConfigError: One holds no JSON where it must.
    """
    try:
        found: dict[str, Any] = parse_environment_config(CONFIG_SCHEMA, _PREFIX)
    except ValueError as error:
        # The SDK's message may show the value.
        message = f"An environment variable {_PREFIX}… holds no JSON where its setting wants a list or object: mend it."
        raise ConfigError(message) from error
    return {name: _number(value) if name in _NUMBERS else value for name, value in found.items()}


def _number(value: object) -> object:
    """Return the number of a text, which the SDK leaves as text if it has a point."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


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
