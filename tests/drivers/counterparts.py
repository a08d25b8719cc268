"""The real counterparts of drivers. Where one cannot be had a test is skipped with its reason, but never where all of
them have to be there: `OPENADR_RA_COUNTERPARTS=all`, as in this project's own checks."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest


def absent(what: str, cure: str) -> NoReturn:
    """There is no such counterpart here."""
    if os.environ.get("OPENADR_RA_COUNTERPARTS") == "all":
        pytest.fail(f"{what} is not here: {cure}")
    pytest.skip(f"{what} is not here: {cure}", allow_module_level=True)


def need_package(module: str, extra: str) -> None:
    """A Python package that comes with an extra of ours."""
    if find_spec(module) is None:
        absent(f"the package {module}", f"pip install 'openadr-ra[{extra}]'")


def need_program(name: str, package: str) -> Path:
    """A program of the operating system; Debian puts servers where not everybody looks."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        absent(f"the program {name}", f"apt-get install {package}")
    return Path(found)
