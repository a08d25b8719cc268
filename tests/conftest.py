"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import Server, server

# Cores are shared with other work: how long one example takes says nothing about the code.
settings.register_profile("shared-cores", deadline=None)
settings.load_profile("shared-cores")


SLOW = ("tests/torture/", "tests/programs/", "tests/conformance/", "tests/test_readme.py", "tests/simulation/")
"""What takes longest comes first, lest all wait for the last of it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, started where the first test asks for it."""
    with server() as running:
        yield running
