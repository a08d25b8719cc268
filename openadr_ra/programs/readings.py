"""What the commands about status, feeds and a VTN's own reports ask and show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec.structs import asdict

from openadr_ra.console.client import Client
from openadr_ra.errors import SettingsError
from openadr_ra.programs.spelling import span, when
from openadr_ra.programs.tables import NOTHING, moment, number, printable, table, yes, zone
from openadr_ra.programs.vens import report_wish, samples_text
from openadr_ra.protocol.parts import GOOD, LoadControlLevel, LoadControlState
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.report_orders import (
    FeedOrder,
    GreenButton,
    OwnOrdered,
    OwnReadings,
    OwnReportOrder,
    ReadingsOrder,
    ResourceNow,
)
from openadr_ra.run.ven_orders import Reports

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def status_text(ven_id: str, resources: Iterable[ResourceNow]) -> str:
    """One line a resource."""
    found = tuple(resources)
    if not found:
        return f"{printable(ven_id)} has said nothing of its resources today; `openadr-ra ven reports` shows what runs"
    heads = (
        "resource", f"at ({zone(found[0].at)})", "online", "by hand", "set-point kW", "capacity %", "level", "percent",
        "quality",
    )  # fmt: skip
    return table(heads, map(_status, found), right=range(4, 8))


def _status(now: ResourceNow) -> tuple[str, ...]:
    load = now.load_control or LoadControlState()
    return (
        now.resource,
        moment(now.at),
        yes(now.online),
        yes(now.manual_override),
        _level(load.setpoint),
        _level(load.capacity, 100),
        _level(load.level_offset),
        _level(load.percent_offset),
        "" if now.quality == GOOD else now.quality.removeprefix("Quality "),
    )


def _level(level: LoadControlLevel | None, factor: float = 1) -> str:
    """Where it stands, and between what it may."""
    if level is None:
        return NOTHING
    bounds = [None if each is None else number(each * factor) for each in (level.minimum, level.maximum)]
    known = f" of {bounds[0] or ''}…{bounds[1] or ''}" if any(each is not None for each in bounds) else ""
    return number(level.current * factor) + known


def feeds(
    client: Client, ven_id: str, points: tuple[str, ...], start: str | None, duration: str | None, within: str
) -> GreenButton:
    """The VEN's Green Button feeds, after waiting so long at most. Raises SettingsError for what is misspelt."""
    if start is None and duration is not None:
        raise SettingsError("--duration belongs to --start")
    order = FeedOrder(
        points=points,
        start=None if start is None else when(start, SystemClock().now()),
        duration_s=0 if duration is None else int(span(duration).total_seconds()),
    )
    return client.green_button(ven_id, order, int(span(within).total_seconds()))


def saved(found: GreenButton, folder: Path) -> Iterator[Path]:
    """Each feed as a file in `folder`, which is made. Raises SettingsError where that cannot be."""
    for point, texts in found.points.items():
        for text in texts:
            path = folder / f"{_UNSAFE.sub('_', point)}-{text.start:%Y%m%dT%H%M%SZ}.xml"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                path.write_text(text.feed, "utf-8")
            except OSError as error:
                raise SettingsError(f"{path}: {error.strerror}; name another folder with --out") from error
            yield path


def feeds_text(found: GreenButton, paths: Iterable[Path]) -> str:
    """One line a feed, with where it is now."""
    if not found.came:
        return f"{printable(found.ven_id)} has sent no feed yet; ask again"
    lines = [
        (point, moment(text.start), f"{text.duration_s:g}") for point, each in found.points.items() for text in each
    ]
    if not lines:
        return f"{printable(found.ven_id)} has sent nothing that is a feed"
    files = [str(path) for path in paths]
    rows = [(*line, file) for line, file in zip(lines, files or [NOTHING] * len(lines), strict=True)]
    return table(("point", "from", "s", "file"), rows)


def wanted(
    client: Client,
    ask: str | None,
    stop: tuple[str, ...],
    upstream: str | None,
    wish: Mapping[str, object],
    *,
    last: bool,
) -> Iterator[OwnOrdered]:
    """At a VEN: ask its VTNs for that report, or end those requests; nothing where neither is said.

    Raises SettingsError for what is misspelt or does not go together.
    """
    order = report_wish(ask, stop, wish, last=last)
    if order is not None:
        yield client.want(OwnReportOrder(**asdict(order), upstream=upstream))
    for request in stop:
        yield client.unwant(request, to_follow=last)


def wanted_text(ordered: OwnOrdered) -> str:
    """One line after an order."""
    return f"the VTN is told: report requests {', '.join(ordered.ids) or 'none'}"


def vtn_reports(client: Client, upstream: str | None) -> Reports:
    """At a VEN: what a VTN above offers of its own, and what was asked of it."""
    return client.own_reports(upstream)


def vtn_readings(
    client: Client, name: str, start: str, end: str, points: tuple[str, ...], upstream: str | None
) -> OwnReadings:
    """At a VEN: what came of a VTN's report. Raises SettingsError for what is misspelt."""
    now = SystemClock().now()
    order = ReadingsOrder(
        name=name, start=when(start, now), end=when(end, now), points=points, upstream=upstream or "upstream"
    )
    return client.own_readings(order)


def readings_text(name: str, found: OwnReadings) -> str:
    """One line an interval, one column a point."""
    if not found.points:
        return f"nothing of {printable(name)} came of that time"
    return samples_text(found.points)
