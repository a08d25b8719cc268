"""All that a VTN and its VENs ever say."""

from __future__ import annotations

import pytest

from tests.by_rule.session import Heard, everything_said


@pytest.fixture
def heard() -> Heard:
    """The same for each test: nobody changes it."""
    return everything_said()
