"""How many files a process may have open, against how many VENs there are."""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterator

import pytest

from openadr_ra.run.files import FILES_A_VEN, SPARE_FILES, raise_limit, warn_of_limit

LIMIT = 1024


@pytest.fixture
def hard() -> Iterator[int]:
    """The hard limit; the soft one is as low as many systems have it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_program_of_ours_may_open_as_many_files_as_the_system_lets_it(hard: int) -> None:
    raise_limit()

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


MOST = (LIMIT - SPARE_FILES) // FILES_A_VEN


@pytest.mark.parametrize(("vens", "warned"), [(0, False), (MOST, False), (MOST + 1, True)])
def test_more_vens_than_can_be_connected_are_warned_of(
    hard: int, vens: int, caplog: pytest.LogCaptureFixture, *, warned: bool
) -> None:
    """With what to do about it."""
    warn_of_limit(vens)

    assert [record.levelno for record in caplog.records] == [logging.WARNING] * warned
    assert ("463 VENs need 1026: raise it by `ulimit -n 1026`, or LimitNOFILE=1026" in caplog.text) == warned
