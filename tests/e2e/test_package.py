"""What is published: it is complete, holds nothing else, and runs the sample without a clone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from itertools import chain
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.documentation import ROOT

PYPROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME: Final = f"target_promoter-{PYPROJECT['project']['version']}"
UV: Final = (sys.executable, "-m", "uv", "-q")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build wheel and source distribution, and return their folder."""
    folder = tmp_path_factory.mktemp("dist")
    command = [*UV, "build", "--python", sys.executable, "--out-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    return folder


def files(*places: str) -> set[str]:
    """Return the files in folders of the repository, without what Python makes of them."""
    paths = [path for place in places for path in (ROOT / place).rglob("*")]
    return {str(path.relative_to(ROOT)) for path in paths if path.is_file() and "__pycache__" not in path.parts}


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    """The pages' styles and scripts, the sample's config and the mark of its types are in it."""
    about = {
        f"{NAME}.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    held = set(zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl").namelist())
    assert held == files("target_promoter") | about
    assert {"target_promoter/commands/sample_config.json", "target_promoter/py.typed"} <= held


def test_the_source_distribution_holds_all_that_its_own_tests_need(built: Path) -> None:
    """Package, tests, documentation and what makes and checks them."""
    with tarfile.open(built / f"{NAME}.tar.gz") as archive:
        held = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    pages = {path.name for path in ROOT.glob("*.md")}
    named = {".gitignore", "LICENSE", "meltano.yml", "pyproject.toml", "sample_config.json"}
    assert held == files(".ci", ".github", "target_promoter", "tests", "docs") | pages | named | {"PKG-INFO"}


def test_a_package_index_takes_what_is_built(built: Path) -> None:
    """The README can be shown as it is, and the metadata are whole."""
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.glob("target_promoter-*"))]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_wheel_alone_runs_the_sample(built: Path, tmp_path: Path) -> None:
    """In an environment of its own and a folder without a clone, by two commands."""
    wheel = built / f"{NAME}-py3-none-any.whl"
    subprocess.run([*UV, "venv", "--python", sys.executable, tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([*UV, "pip", "install", "--python", python, f"{wheel}[sandbox]"], check=True)
    program = python.with_name("target-promoter")
    pipe = f"{program} sample --config-file > config.json && {program} sample | {program} --config config.json"
    ended = subprocess.run(["bash", "-c", pipe], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S607
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])


def test_the_constraints_hold_every_dependency_in_a_version_that_is_allowed() -> None:
    """If this fails, make them anew: CONTRIBUTING, "Set-up"."""
    text = (ROOT / ".ci/constraints.txt").read_text(encoding="utf-8")
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE):
        versions.setdefault(name, []).append(version)
    project = PYPROJECT["project"]
    groups = [one for group in PYPROJECT["dependency-groups"].values() for one in group if isinstance(one, str)]
    for line in [*project["dependencies"], *chain(*project["optional-dependencies"].values()), *groups]:
        one = Requirement(line)
        found = versions.get(canonicalize_name(one.name), [])
        assert found, line
        assert all(one.specifier.contains(version) for version in found), line
    assert text.count("--hash=sha256:") >= len(versions)
    assert "://" not in text
