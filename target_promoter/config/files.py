"""Reading the config from files and from the environment."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from dotenv import find_dotenv, load_dotenv

from target_promoter.config.kinds import did_you_mean
from target_promoter.config.settings import config_schema
from target_promoter.errors import ConfigError
from target_promoter.values.printable import Lines

ENVIRONMENT: Final = "ENV"
"""What stands for the environment among the files of a config."""

_PREFIX: Final = "TARGET_PROMOTER_"
_MELTANO: Final = "MELTANO_LOADER_NAME"
_LOG_LEVEL: Final = "LOGLEVEL"
_DOT: Final = re.compile(r"(?<!\\)\.")
_FILE: Final = re.compile(r"[^{}\"=@\n]*\.\w{1,9}")


def read_config(files: Iterable[str]) -> dict[str, Any]:
    """Return the config of several files, the later overruling the earlier, and of the environment where asked for.

    Args:
        files: Their paths; `ENV` means the environment variables `TARGET_PROMOTER_…`.

    Returns:
        The config as given, unchecked.

    Raises:
        ConfigError: A file cannot be read, or is not a JSON object.
    """
    config: dict[str, Any] = {}
    from_environment = False
    for path in files:
        if path == ENVIRONMENT:
            from_environment = True
        else:
            config |= _read_file(path)
    return config | environment_config() if from_environment else config


def environment_config() -> dict[str, Any]:
    """Return the settings that environment variables, or a file `.env`, hold; lists and objects are JSON there."""
    load_dotenv(find_dotenv(usecwd=True))
    config: dict[str, Any] = {}
    for name, schema in config_schema().items():
        if _variable(name) in os.environ:
            value = os.environ[_variable(name)]
            config[name] = _parsed(value) if {"array", "object"} & set(schema["type"]) else value
    return config


def environment_warnings(files: Iterable[str]) -> list[str]:
    """Return what is odd about the environment, a sentence each; `files` are what `read_config` takes."""
    variables = {_variable(name) for name in config_schema()}
    known = {*variables, _PREFIX + _LOG_LEVEL}
    # Meltano's own, such as TARGET_PROMOTER__LOAD_SCHEMA and TARGET_PROMOTER_CAMPAIGNS_ORDER_COMPLETED.
    of_meltano = (_PREFIX + "_", *(f"{one}_" for one in variables)) if _MELTANO in os.environ else ()
    sentences = []
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in known and not name.startswith(of_meltano):
            near = did_you_mean(name.removeprefix(_PREFIX).lower(), config_schema())
            hint = f"did you mean {_variable(near)}?" if near else "unset it, or see the settings in `--about`."
            sentences.append(f"The environment variable {name} is not a setting: {hint}")
    unread = sorted(variables & os.environ.keys())
    if unread and ENVIRONMENT not in files and _MELTANO not in os.environ:
        sentences.append(f"The environment holds settings that are not read ({', '.join(unread)}): add --config=ENV.")
    return sentences


def check_meltano(config: Mapping[str, Any]) -> None:
    """Refuse a config that lacks what Meltano itself has put into the environment.

    It loses objects that the parent of an inherited plugin has in `environments`: campaigns, or the filters of a map.

    Raises:
        ConfigError: It does; a line for each setting.
    """
    if _MELTANO not in os.environ:
        return
    lost = [
        f"Setting `{name}` came from Meltano without its value: an inherited loader gets no object of its parent from "
        "an environment, so write it there below the loader's own name, or below the parent in `plugins`."
        for name, schema in config_schema().items()
        if "object" in schema["type"] and not config.get(name) and os.environ.get(_variable(name), "{}") != "{}"
    ]
    if lost:
        raise ConfigError(Lines.of(lost))


def check_log_level() -> None:
    """Refuse a level of logging that there is not.

    Raises:
        ConfigError: `LOGLEVEL` or `TARGET_PROMOTER_LOGLEVEL` holds none.
    """
    for variable in (_PREFIX + _LOG_LEVEL, _LOG_LEVEL):
        level = os.environ.get(variable)
        if level and level.upper() not in logging.getLevelNamesMapping():
            raise ConfigError(
                f"The environment variable {variable} does not name a log level: use DEBUG, INFO, WARNING or ERROR."
            )


def _parsed(text: str) -> object:
    """Return what JSON text holds; text that is none is refused as a wrong value of its setting."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _nested(value) if isinstance(value, dict) and _MELTANO in os.environ else value


def _nested(flat: Mapping[str, object]) -> dict[str, Any]:
    """Return an object that Meltano made flat: `{"orders.type": "track"}`; a dot of the key itself has a backslash."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, name = (part.replace("\\.", ".") for part in _DOT.split(key))
        inner = nested
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"The config has `{key}` beside a plain value of `{parent}`: keep one of the two.")
        inner[name] = value
    return nested


def _variable(name: str) -> str:
    return _PREFIX + name.upper()


def _read_file(path: str) -> dict[str, Any]:
    try:
        config: object = json.loads(Path(path).read_bytes().decode("utf-8-sig"), object_pairs_hook=_without_repetition)
    except OSError as error:
        if not _FILE.fullmatch(path):  # It may be a secret.
            raise ConfigError("What --config names is not a file: give the path of a JSON file, or ENV.") from None
        message = f"The config file {path} cannot be read ({error.strerror or 'not found'}): name another in --config."
        raise ConfigError(message) from error
    except json.JSONDecodeError as error:
        message = f"The config file {path} is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}."
        raise ConfigError(message) from None  # The error holds the whole text.
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The config file {path} is not valid JSON in UTF-8: save it again.") from error
    if not isinstance(config, dict):
        raise ConfigError(f"The config file {path} is not a JSON object: put the settings between braces.")
    return config


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of a config file; of two values of one name JSON's reader would drop the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"The config names `{twice}` twice: keep one of the two.")
    return found
