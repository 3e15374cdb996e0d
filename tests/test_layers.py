"""A record goes one way, and nothing lower knows what is above it."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import target_promoter

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = target_promoter.__name__
FOLDER: Final = Path(target_promoter.__file__).parent

LAYERS: Final = (
    "values",
    "errors",
    "config",
    "store",
    "promoter",
    "records",
    "people",
    "contacts",
    "surveys",
    "intake",
    "delivery",
    "progress",
    "report",
    "singer",
    "run",
    "sinks",
    "target",
    "commands",
    "hub",
    "__main__",
)
"""The rooms of the program, the lowest first; each may import those below it. The sandbox stands beside them all."""


def imports(path: Path) -> Iterator[str]:
    """Yield the modules of the program that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith(f"{PACKAGE}."):
            module = node.module.removeprefix(f"{PACKAGE}.")
            yield from (module, *(f"{module}.{one.name}" for one in node.names))
        elif isinstance(node, ast.Import):
            yield from (one.name.removeprefix(f"{PACKAGE}.") for one in node.names if one.name.startswith(PACKAGE))


@functools.cache
def imported_by_part() -> dict[str, set[str]]:
    """Return, of every part, the parts that it imports."""
    found: dict[str, set[str]] = {}
    for path in FOLDER.rglob("*.py"):
        part = path.relative_to(FOLDER).parts[0].removesuffix(".py")
        found.setdefault(part, set()).update(one.split(".")[0] for one in imports(path))
    return {part: others - {part} for part, others in found.items() if part != "__init__"}


def test_every_room_has_its_place() -> None:
    """Whoever adds one says here what it may know."""
    assert imported_by_part().keys() == {*LAYERS, "sandbox"}


def test_nothing_knows_what_is_above_it() -> None:
    """Imports run one way, also those for types alone."""
    up = {(room, one) for place, room in enumerate(LAYERS) for one in imported_by_part()[room] & {*LAYERS[place:]}}
    assert up == set()


def test_the_sandbox_imports_nothing_of_the_rest() -> None:
    """It stands in for Promoter, and shares no mistake with what is tried on it."""
    assert imported_by_part()["sandbox"] == set()


def test_only_the_way_to_the_account_and_its_command_start_a_sandbox() -> None:
    """Nothing else may tell it from Promoter."""
    assert {part for part, others in imported_by_part().items() if "sandbox" in others} == {"promoter", "commands"}


def test_a_run_loads_nothing_that_is_optional() -> None:
    """An installation without the extras runs; what only a terminal needs costs others no time."""
    loaded = "import sys, target_promoter.run, target_promoter.target; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True).stdout.split()
    assert {"uvicorn", "psycopg", "rich", "jinja2", "target_promoter.store.migrations"}.isdisjoint(modules)


def test_imports_in_functions_are_of_what_is_optional() -> None:
    """The sandbox is an extra, rich is for a terminal, migrations for an older store; all else stands at the top."""
    inside = {
        one
        for path in FOLDER.rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for one in ast.walk(function)
        if isinstance(one, ast.Import | ast.ImportFrom)
    }
    modules = {one.module if isinstance(one, ast.ImportFrom) else one.names[0].name for one in inside}
    optional = ("sandbox.server", "sandbox.account", "progress.terminal", "store.migrations")
    assert modules == {f"{PACKAGE}.{one}" for one in optional}


def test_no_module_imports_what_imports_it() -> None:
    """No circle, also within a room, in a function and for types alone."""
    paths = {".".join(path.relative_to(FOLDER).with_suffix("").parts): path for path in FOLDER.rglob("*.py")}
    graphlib.TopologicalSorter({name: {*imports(path)} & {*paths} for name, path in paths.items()}).prepare()
