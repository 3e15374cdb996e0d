"""Where the config comes from: files, several of them, the environment, Meltano; before and behind a command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.config.files import environment_warnings
from tests.conftest import run_program
from tests.tap import CUSTOMERS, STREAMS, record, schema

if TYPE_CHECKING:
    from pathlib import Path

    from target_promoter.sandbox.server import SandboxServer

MESSAGES = [schema("customers", CUSTOMERS), record("customers", id="1", email="ann@example.com", plan="Free")]
PREFIX = "TARGET_PROMOTER_"
SECRET = "k-3141592653"  # noqa: S105 - a key of no account


def written(path: Path, config: dict[str, Any]) -> Path:
    """Write a config file and return its path."""
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def environment(**settings: object) -> dict[str, str]:
    """Return settings as environment variables: text as it is, all else as JSON."""
    return {
        PREFIX + name.upper(): value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }


def test_the_later_of_two_files_overrules(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """Settings of several files are joined; one that stands in two is taken whole from the later."""
    first = written(tmp_path / "first.json", {**config, "api_url": "https://elsewhere.invalid/api", "streams": STREAMS})
    second = written(tmp_path / "second.json", {"api_url": sandbox.url})
    run = run_program("--config", first, "--config", second, messages=MESSAGES, cwd=tmp_path)
    assert run.status == 0, run.log
    assert list(sandbox.account.contacts) == ["ann@example.com"]


@pytest.mark.parametrize("order", [("ENV", "file"), ("file", "ENV")])
def test_the_environment_overrules_files(
    config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path, order: tuple[str, str]
) -> None:
    """Wherever `ENV` stands; so a secret in the environment needs no file."""
    given = {**config, "api_key": "wrong", "streams": STREAMS}
    path = written(tmp_path / "config.json", given)
    arguments = [part for one in order for part in ("--config", "ENV" if one == "ENV" else path)]
    run = run_program(*arguments, messages=MESSAGES, cwd=tmp_path, env=environment(api_key="sandbox"))
    assert run.status == 0, run.log
    assert list(sandbox.account.contacts) == ["ann@example.com"]


def test_without_env_the_environment_is_not_read(config: dict[str, Any], tmp_path: Path) -> None:
    """A variable that lies about changes nothing of a config that does not ask for it."""
    given = {**config, "streams": STREAMS}
    run = run_program(config=given, messages=MESSAGES, cwd=tmp_path, env=environment(api_key="wrong"))
    assert run.status == 0, run.log


def test_everything_may_come_from_the_environment(
    config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path
) -> None:
    """Text, numbers with a point, booleans, lists and objects, the SDK's settings among them."""
    env = environment(
        **config,
        streams=STREAMS,
        throttle_days=1.5,
        max_surveys_per_run=7,
        survey_recipients=["*@example.com"],
        contact_lists=[5],
        hard_delete="false",
        stream_maps={"customers": {"plan": "plan.upper()"}},
        batch_size_rows=1,
    )
    run = run_program("--config=ENV", messages=MESSAGES, cwd=tmp_path, env=env)
    assert run.status == 0, run.log
    contact = sandbox.account.contacts["ann@example.com"]
    assert contact.attributes["plan"] == "FREE"
    assert contact.lists == (5,)


def test_meltano_hands_objects_flat(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """In a plugin's environment Meltano joins names with dots, and escapes the dots of a name."""
    env = environment(
        **{
            **config,
            "campaigns": {"Order Completed.id": 78, "Order Completed.delay_hours": 0.5, "v2\\.0 Reached": 91},
            "streams": {"public\\.people.type": "identify", "public\\.people.fields.user_id": "id"},
        },
        MELTANO=True,
    )
    del env[f"{PREFIX}MELTANO"]
    env["MELTANO_LOADER_NAME"] = "target-promoter"
    messages = [schema("public.people", CUSTOMERS), record("public.people", id="1", email="ann@example.com")]
    run = run_program("--config=ENV", messages=messages, cwd=tmp_path, env=env)
    assert run.status == 0, run.log
    assert list(sandbox.account.contacts) == ["ann@example.com"]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("dry_run", "ture", "write true or false"),
        ("dry_run", "", "write true or false"),
        ("max_surveys_per_run", "ten", "write a plain integer"),
        ("throttle_days", "1,5", "write a plain number"),
        ("campaigns", f'{{"{SECRET}"', "make it an object"),
        ("contact_lists", f"{SECRET}", "make it a list"),
        ("stream_maps", f"[{SECRET}", "make it an object"),
    ],
)
def test_a_wrong_variable_is_named_and_not_shown(
    config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path, name: str, value: str, wanted: str
) -> None:
    """A misspelt `true` is never taken for false: nothing is read and nothing sent."""
    run = run_program(
        "--config=ENV", messages=MESSAGES, cwd=tmp_path, env={**environment(**config), f"{PREFIX}{name.upper()}": value}
    )
    assert run.status == 1
    assert f"Setting `{name}` " in run.log
    assert wanted in run.log
    assert SECRET not in run.log
    assert "Traceback" not in run.log
    assert sandbox.account.requests == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("", "is not valid JSON at line 1, column 1"),
        ("{", "is not valid JSON at line 1, column 2"),
        (f'{{\n"api_key": "{SECRET}",}}', "is not valid JSON at line 2, column 27"),
        (f'{{"api_key": "{SECRET}", "api_key": "x"}}', "names `api_key` twice"),
        (f'{{"campaigns": {{"A": 1, "A": "{SECRET}"}}}}', "names `A` twice"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "is not a JSON object"),
        ("\ud800".encode("utf-8", "surrogatepass"), "is not valid JSON"),
        (f'{{"api_kye": "{SECRET}"}}', "did you mean `api_key`?"),
    ],
)
def test_a_wrong_file_is_named_and_not_shown(tmp_path: Path, content: str | bytes | None, words: str) -> None:
    """Exit status 1 and a sentence, for the target as for a command; no store is made."""
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for arguments in ((), ("deliver",))[: 2 if content in {None, "{"} else 1]:
        run = run_program("--config", path, *arguments, cwd=tmp_path)
        assert run.status == 1
        assert words in run.log
        assert SECRET not in run.log
        assert "Traceback" not in run.log
        assert ("Run summary: " in run.log.splitlines()[-1]) is (not arguments)
    assert {one.name for one in tmp_path.iterdir()} <= {"config.json"}


def test_a_check_says_of_a_wrong_file_what_it_says_of_any_fault(tmp_path: Path) -> None:
    """Wherever on the command line the file is named."""
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    fault = "FAIL config: The config file config.json is not valid JSON at line 1, column 2: "
    for arguments in (("--config", "config.json", "check"), ("check", "--config", "config.json")):
        run = run_program(*arguments, cwd=tmp_path)
        assert run.status == 1
        assert run.output.startswith(fault)
        assert run.log == ""


@pytest.mark.parametrize(
    "argument",
    [f'{{"api_key": "{SECRET}"}}', f"api_key={SECRET}", SECRET, f"postgresql://u:{SECRET}@h/d", f'{SECRET}\n.json"'],
)
def test_what_is_no_path_is_not_repeated(tmp_path: Path, argument: str) -> None:
    """Whoever gives the settings themselves in place of a path finds no key in the log."""
    run = run_program("--config", argument, cwd=tmp_path)
    assert run.status == 1
    assert "What --config names is not a file: give the path of a JSON file, or ENV." in run.log
    assert SECRET not in run.log
    assert "Traceback" not in run.log


@pytest.mark.parametrize("variable", ["LOGLEVEL", f"{PREFIX}LOGLEVEL"])
def test_a_wrong_level_of_logging_is_a_sentence(tmp_path: Path, variable: str) -> None:
    """It is told before anything else is done."""
    run = run_program("--version", cwd=tmp_path, env={variable: "loud"})
    assert run.status == 1
    assert (
        run.log
        == f"The environment variable {variable} does not name a log level: use DEBUG, INFO, WARNING or ERROR.\n"
    )


def test_variables_that_are_no_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is that settings lie in the environment which are not read; Meltano's own variables are no fault."""
    for name in ("CAMPAIGNS", "CAMPAINS", "ZZZ", "LOGLEVEL"):
        monkeypatch.setenv(PREFIX + name, "{}")
    near = f"The environment variable {PREFIX}CAMPAINS is not a setting: did you mean {PREFIX}CAMPAIGNS?"
    far = f"The environment variable {PREFIX}ZZZ is not a setting: unset it, or see the settings in `--about`."
    assert environment_warnings(["ENV"]) == [near, far]
    unread = f"The environment holds settings that are not read ({PREFIX}CAMPAIGNS): add --config=ENV."
    assert environment_warnings(["config.json"]) == [near, far, unread]
    monkeypatch.setenv("MELTANO_LOADER_NAME", "target-promoter")
    monkeypatch.setenv(f"{PREFIX}_LOAD_SCHEMA", "x")
    monkeypatch.setenv(f"{PREFIX}CAMPAIGNS_ORDER_COMPLETED", "78")
    assert environment_warnings(["config.json"]) == [near, far]


def test_a_run_warns_of_them(config: dict[str, Any], tmp_path: Path) -> None:
    """A misspelt or unread setting is seen in the log of the run that it does not reach."""
    run = run_program(config=config, cwd=tmp_path, env=environment(campains={"A": 1}, dry_run=True))
    assert run.status == 0
    assert f"did you mean {PREFIX}CAMPAIGNS?" in run.log
    assert f"not read ({PREFIX}DRY_RUN): add --config=ENV." in run.log


def test_numbers_and_booleans_in_objects_of_the_environment_may_be_text(
    config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path
) -> None:
    """So Meltano delivers them: a survey goes out all the same, and `false` of the SDK's own settings is no yes."""
    env = environment(
        **{**config, "campaigns": {"Order Completed": {"id": "78", "delay_hours": "0"}}},
        streams={**STREAMS, "customers": {**STREAMS["customers"], "contact_lists": ["5"]}},
        flattening_enabled="false",
    )
    run = run_program("--config=ENV", messages=MESSAGES, cwd=tmp_path, env=env)
    assert run.status == 0, run.log
    assert sandbox.account.contacts["ann@example.com"].lists == (5,)


@pytest.mark.parametrize("place", ["before", "behind", "both", "environment"])
def test_a_command_takes_its_config_before_or_behind_its_name(
    config: dict[str, Any], tmp_path: Path, place: str
) -> None:
    """And from both places, what stands behind overruling what stands before."""
    path = written(tmp_path / "config.json", config)
    wrong = written(tmp_path / "wrong.json", {**config, "campaigns": {"Order Completed": "x"}})
    arguments: dict[str, tuple[str | Path, ...]] = {
        "before": ("--config", path, "deliver"),
        "behind": ("deliver", "--config", path),
        "both": ("--config", wrong, "deliver", "--config", path),
        "environment": ("deliver", "--config", path, "--config=ENV"),
    }
    run = run_program(*arguments[place], cwd=tmp_path, env=environment(max_surveys_per_run=5))
    assert run.status == 0, run.log
    assert run.summary["surveys"]["sent"] == 0
    assert (tmp_path / "store.db").exists()


def test_input_may_come_from_a_file(config: dict[str, Any], sandbox: SandboxServer, tmp_path: Path) -> None:
    """`--input` reads what else comes through the pipe."""
    lines = "".join(json.dumps(one) + "\n" for one in MESSAGES)
    (tmp_path / "input.jsonl").write_text(lines, encoding="utf-8")
    run = run_program("--input", "input.jsonl", config={**config, "streams": STREAMS}, cwd=tmp_path)
    assert run.status == 0, run.log
    assert list(sandbox.account.contacts) == ["ann@example.com"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--version",), "target-promoter v"),
        (("--about",), "Name: target-promoter"),
        (("--about", "--format", "json"), '"name": "target-promoter"'),
        (("--about", "--format", "markdown"), "# `target-promoter`"),
        (("--help",), "deliver"),
        (("deliver", "--help"), "--config"),
    ],
)
def test_what_the_program_is_needs_no_config(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """It is said on standard output, with exit status 0, and nothing is made."""
    run = run_program(*arguments, cwd=tmp_path)
    assert run.status == 0, run.log
    assert words in run.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("--input", "nowhere.jsonl"), ("delivr",), ("--format", "xml", "--about")])
def test_a_wrong_command_line_is_refused(config: dict[str, Any], tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A usage error, on standard error, without a traceback."""
    run = run_program(*arguments, config=config, cwd=tmp_path)
    assert run.status == 2
    assert "Usage:" in run.log
    assert "Traceback" not in run.log
    assert run.output == ""


def test_without_config_the_key_is_asked_for(tmp_path: Path) -> None:
    """The first thing a newcomer sees is a sentence with what to do."""
    run = run_program(messages=MESSAGES, cwd=tmp_path)
    assert run.status == 1
    assert "Setting `api_key` is missing" in run.log
    assert "sandbox" in run.log
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [("api_key", SECRET), ("store_url", f"postgresql://user:{SECRET}@127.0.0.1:1/store")],
)
def test_no_secret_is_ever_logged(config: dict[str, Any], tmp_path: Path, setting: str, value: str) -> None:
    """Neither a refused key nor a store's password stands in any log, at any level."""
    env = {"LOGLEVEL": "DEBUG", **environment(**{setting: value})}
    run = run_program("--config=ENV", config={**config, "streams": STREAMS}, messages=MESSAGES, cwd=tmp_path, env=env)
    assert run.status == 1
    assert SECRET not in run.log + run.output
