"""A PostgreSQL server for the tests of this folder, started where one is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import Server, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with server() as running:
        yield running
