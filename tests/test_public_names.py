"""The public names of the package: what is promised is there, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import openadr_ra

PAGE = (Path(__file__).parent.parent / "docs" / "api.md").read_text()


@pytest.mark.parametrize("name", openadr_ra.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    """A name in `__all__` can be imported, has a docstring or is a constant, and stands in docs/api.md."""
    found = getattr(openadr_ra, name)

    assert found is not None
    assert f"`{name}`" in PAGE, f"docs/api.md does not mention {name}"


def test_the_api_page_promises_nothing_that_is_not_there() -> None:
    """Every name in the first column of docs/api.md is public."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {part.strip(" `") for line in rows for part in line.split("|")[1].split(",")}

    assert named == set(openadr_ra.__all__)


def test_dir_lists_the_public_names() -> None:
    """`dir(openadr_ra)` shows what there is before anything is imported."""
    assert dir(openadr_ra) == sorted(openadr_ra.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError, match="Vnt"):
        _ = openadr_ra.Vnt  # type: ignore[attr-defined] # that is the point


def test_importing_the_package_loads_none_of_its_rooms() -> None:
    """A gateway pays for what it uses: the names are imported when first used."""
    code = "import sys, openadr_ra; print(sorted(m for m in sys.modules if m.startswith('openadr_ra.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
