"""What a VEN said last of each of its resources, by TELEMETRY_STATUS."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from openadr_ra.protocol.model import Rid
from openadr_ra.protocol.parts import TELEMETRY_STATUS, LoadControlState, Quality
from openadr_ra.protocol.report_status import STATUS_SERIES, load_control
from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.wanted import Readings, readings
from openadr_ra.seams import Store

LOOK_BACK = (timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))
"""How far back is looked, one after the other, until there is something."""

MAX_SKEW = timedelta(minutes=5)
"""A VEN's clock may be ahead of ours by as much."""


class ResourceNow(msgspec.Struct, frozen=True, kw_only=True):
    """A resource as it was `at`: there or not, in the hands of somebody on the spot or not, and how it is controlled."""

    resource: Rid
    at: datetime
    online: bool
    manual_override: bool
    quality: Quality
    load_control: LoadControlState | None = None


async def resources_now(store: Store, source: str, now: datetime) -> tuple[ResourceNow, ...]:
    """The newest status of each resource of `source`, by name; none of those that were silent for a day."""
    prefix = f"{source}/{TELEMETRY_STATUS}/"
    missing = _points(name.removeprefix(prefix) for name in await store.series(prefix))
    newest: dict[Rid, ResourceNow] = {}
    for back in LOOK_BACK:
        found = await readings(store, source, TELEMETRY_STATUS, missing, now - back, now + MAX_SKEW) if missing else {}
        newest |= {point: _newest(point, found) for point in _points(found)}
        missing -= newest.keys()
    return tuple(newest[point] for point in sorted(newest))


def _points(series: Iterable[str]) -> set[Rid]:
    return {Rid(name.removesuffix(".online")) for name in series if name.endswith(".online")}


def _newest(point: Rid, found: Readings) -> ResourceNow:
    """All that came together with the newest word on whether it is online."""
    online = max(found[f"{point}.online"], key=_end)
    said = {
        name: one.value
        for name in STATUS_SERIES
        for one in found.get(f"{point}.{name}", ())
        if (one.start, one.span) == (online.start, online.span)
    }
    return ResourceNow(
        resource=point,
        at=online.start + online.span,
        online=bool(online.value),
        manual_override=bool(said.get("override")),
        quality=online.quality,
        load_control=load_control(said),
    )


def _end(reading: Reading) -> tuple[datetime, datetime]:
    return reading.start + reading.span, reading.start
