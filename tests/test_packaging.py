"""What is installed is what was declared and locked, and the wheel holds what the package needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import EntryPoint, packages_distributions
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from openadr_ra.drivers.discovery import GROUP, OWN

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "constraints.txt").read_text("utf-8")

MADE_BY_MAKE = {"out", "build", "dist"}

PIN = re.compile(r"(?P<name>[a-z0-9.-]+)==(?P<version>[0-9a-z.+]+)( ; (?P<marker>[A-Za-z0-9_<>=!.' ()]+))?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}")


class BuildSystem(msgspec.Struct, frozen=True, kw_only=True):
    requires: tuple[str, ...]


class Project(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    name: str
    dependencies: tuple[str, ...]
    optional_dependencies: dict[str, tuple[str, ...]]
    scripts: dict[str, str]
    entry_points: dict[str, dict[str, str]]


class Mypy(msgspec.Struct, frozen=True, kw_only=True):
    files: tuple[str, ...]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    mypy: Mypy


class Pyproject(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What these tests read of pyproject.toml."""

    build_system: BuildSystem
    project: Project
    tool: Tool


PYPROJECT = msgspec.convert(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")), Pyproject)
PROJECT = PYPROJECT.project


def test_the_lock_holds_pins_and_hashes_and_no_host_or_path() -> None:
    """Whoever installs from it uses an index of their own choice, and nothing says where it was made."""
    for line in LOCK.splitlines():
        if line.lstrip().startswith("#"):
            assert not re.search(r"/|\\|\w\.(com|org|net|io|dev|local)\b", line), line
        else:
            entry = line.removesuffix(" \\")
            assert PIN.fullmatch(entry) or HASH.fullmatch(entry), line


def test_every_pin_of_the_lock_has_a_hash() -> None:
    lines = [line.removesuffix(" \\") for line in LOCK.splitlines() if not line.lstrip().startswith("#")]

    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert not PIN.fullmatch(line) or HASH.fullmatch(following), line


@pytest.mark.parametrize("requirement", sorted(set(PYPROJECT.build_system.requires).union(PROJECT.dependencies)))
def test_what_is_needed_to_build_and_to_run_is_locked(requirement: str) -> None:
    assert_locked(requirement)


@pytest.mark.parametrize("extra", sorted(PROJECT.optional_dependencies))
def test_what_an_extra_needs_is_locked(extra: str) -> None:
    for requirement in PROJECT.optional_dependencies[extra]:
        assert_locked(requirement)


def test_the_extra_all_has_every_extra_for_users() -> None:
    (everything,) = PROJECT.optional_dependencies["all"]

    assert Requirement(everything).extras == PROJECT.optional_dependencies.keys() - {"all", "test"}


def test_the_package_imports_only_what_it_declares() -> None:
    """Whoever installs openadr-ra with its extras has all that it imports."""
    extras = (wanted for extra, wanted in PROJECT.optional_dependencies.items() if extra != "test")
    users = [*PROJECT.dependencies, *(one for wanted in extras for one in wanted)]

    assert set(third_party(ROOT / "openadr_ra")) <= names(users)


def test_the_package_never_imports_openleadr() -> None:
    """Of that distribution only the XSD files are read."""
    assert "openleadr" not in set(third_party(ROOT / "openadr_ra"))


@pytest.mark.parametrize("folder", [name for name in PYPROJECT.tool.mypy.files if name != "openadr_ra"])
def test_what_stands_round_the_package_imports_only_what_is_declared(folder: str) -> None:
    declared = [
        *PROJECT.dependencies,
        *(one for extra in PROJECT.optional_dependencies.values() for one in extra),
    ]

    assert set(third_party(ROOT / folder)) <= names(declared)


def test_mypy_reads_every_folder_that_holds_python() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}

    assert {name for name in folders - MADE_BY_MAKE if any((ROOT / name).rglob("*.py"))} == set(
        PYPROJECT.tool.mypy.files
    )


@pytest.mark.parametrize("group", ["scripts", *PROJECT.entry_points])
def test_every_name_that_the_distribution_promises_exists(group: str) -> None:
    for name, value in (PROJECT.scripts if group == "scripts" else PROJECT.entry_points[group]).items():
        assert callable(EntryPoint(name=name, value=value, group=group).load())


def test_our_own_drivers_are_those_that_the_distribution_names() -> None:
    """They are looked up in a table, which spares a gateway the reading of all that is installed on it."""
    promised = PROJECT.entry_points[GROUP]

    assert {name: value.partition(" ")[0] for name, value in promised.items()} == OWN


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    """Every file of openadr_ra, also those that are not Python, and the licence."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=50)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]

    package = (path for path in (ROOT / "openadr_ra").rglob("*") if path.is_file())
    assert held == {path.relative_to(ROOT).as_posix() for path in package if path.suffix != ".pyc"}
    assert licences


def assert_locked(requirement: str) -> None:
    """The lock has versions of what `requirement` names, each of them one that it admits."""
    wanted = Requirement(requirement)
    if wanted.name == PROJECT.name:
        return
    pins = [pin for pin in map(PIN.match, LOCK.splitlines()) if pin]
    versions = [pin["version"] for pin in pins if pin["name"] == canonicalize_name(wanted.name)]

    assert versions
    assert all(wanted.specifier.contains(Version(version), prereleases=True) for version in versions)


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


def third_party(folder: Path) -> Iterator[str]:
    """The distributions that the files in `folder` import."""
    ours = {path.name for path in ROOT.iterdir() if path.is_dir()} | sys.stdlib_module_names
    distributions = packages_distributions()
    for path in folder.rglob("*.py"):
        for module in imported(ast.parse(path.read_text("utf-8"))):
            top = module.split(".")[0]
            if top not in ours:
                yield from map(canonicalize_name, set(distributions.get(top, [top])))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
