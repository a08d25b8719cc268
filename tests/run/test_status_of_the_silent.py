"""The status of a VEN's resources, of which some have not been heard of for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.status import resources_now
from openadr_ra.store import MemoryStore

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def online(resource: str, ago: timedelta) -> Reading:
    return Reading(series=f"VEN1/TELEMETRY_STATUS/{resource}.online", start=NOW - ago, value=1.0)


@pytest.mark.parametrize("ago", [4 * MINUTE, 6 * MINUTE, 59 * MINUTE, 61 * MINUTE, DAY], ids=str)
async def test_a_resource_that_was_heard_of_within_a_day_is_shown_beside_those_that_spoke_just_now(
    ago: timedelta,
) -> None:
    """Each with the time that its status is of."""
    store = MemoryStore()
    await store.record([online("fresh", 3 * MINUTE), online("fresh", MINUTE), online("quiet", ago)])

    found = await resources_now(store, "VEN1", NOW)

    assert [(one.resource, one.at) for one in found] == [("fresh", NOW - MINUTE), ("quiet", NOW - ago)]


async def test_a_resource_that_was_silent_for_a_day_is_not_shown() -> None:
    store = MemoryStore()
    await store.record([online("fresh", MINUTE), online("gone", DAY + MINUTE)])

    assert [one.resource for one in await resources_now(store, "VEN1", NOW)] == ["fresh"]
    assert await resources_now(store, "VEN2", NOW) == ()
