"""What the commands about status, feeds and a VTN's own reports show."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from openadr_ra.console.client import Client
from openadr_ra.errors import SettingsError
from openadr_ra.programs import readings
from openadr_ra.protocol.model import ReportRequestId, Rid
from openadr_ra.protocol.parts import GOOD, LAST_KNOWN, LoadControlLevel, LoadControlState
from openadr_ra.run.report_orders import FeedText, GreenButton, OwnOrdered, OwnReadings, ResourceNow
from openadr_ra.run.ven_orders import Sample

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOBODY = Client("http://127.0.0.1:9", "token")


def test_a_status_has_one_line_a_resource_with_its_controls() -> None:
    control = LoadControlState(
        setpoint=LoadControlLevel(minimum=0.0, maximum=150.0, current=50.0),
        capacity=LoadControlLevel(minimum=0.0, maximum=1.0, current=1 / 3),
        level_offset=LoadControlLevel(current=-1.0),
    )
    line = ResourceNow(
        resource=Rid("line"), at=NOON, online=True, manual_override=False, quality=GOOD, load_control=control
    )
    gone = ResourceNow(resource=Rid("pv"), at=NOON, online=False, manual_override=True, quality=LAST_KNOWN)
    head, first, second = readings.status_text("VEN1", (line, gone)).splitlines()

    assert head.split()[0] == "resource"
    assert "+50.00 of 0.00…+150.00" in first
    assert "+33.33 of 0.00…+100.00" in first
    assert first.rstrip().endswith("-1.00        -")
    assert second.split()[-1] == "Value"
    assert readings.status_text("VEN1", ()).startswith("VEN1 has said nothing of its resources today")


def feeds(*points: str, came: bool = True) -> GreenButton:
    texts: dict[str, tuple[FeedText, ...]] = {
        point: (FeedText(start=NOON, duration_s=3600, feed=f"<feed>{point}</feed>"),) for point in points
    }
    return GreenButton(ven_id="VEN1", came=came, points=texts)


def test_feeds_become_files_whatever_their_points_are_called(tmp_path: Path) -> None:
    found = feeds("bat.greenbutton", "../a b")
    paths = tuple(readings.saved(found, tmp_path / "new"))

    assert [path.name for path in paths] == ["bat.greenbutton-20260601T120000Z.xml", ".._a_b-20260601T120000Z.xml"]
    assert {path.parent for path in paths} == {tmp_path / "new"}
    assert paths[0].read_text("utf-8") == "<feed>bat.greenbutton</feed>"
    text = readings.feeds_text(found, paths)
    assert text.splitlines()[1].endswith(str(paths[0]))


def test_feeds_that_cannot_be_kept_are_a_mistake_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="name another folder with --out"):
        tuple(readings.saved(feeds("a"), tmp_path / "file"))


def test_feeds_that_have_not_come_and_those_that_are_none_are_told_apart() -> None:
    assert readings.feeds_text(feeds(came=False), ()) == "VEN1 has sent no feed yet; ask again"
    assert readings.feeds_text(feeds(), ()) == "VEN1 has sent nothing that is a feed"
    assert readings.feeds_text(feeds("a"), ()).splitlines()[1].split()[-1] == "-"


def test_a_duration_without_a_start_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(SettingsError, match="--duration belongs to --start"):
        readings.feeds(NOBODY, "VEN1", (), None, "1h", "1m")


def test_an_order_to_a_vtn_is_confirmed_in_one_line() -> None:
    assert readings.wanted_text(OwnOrdered(ids=(ReportRequestId("rr-1"),))) == "the VTN is told: report requests rr-1"


def test_what_came_of_a_vtns_report_has_one_line_an_interval() -> None:
    sample = Sample(start=NOON, duration_s=60, value=1.5, quality=GOOD)
    head, line = readings.readings_text("TELEMETRY_USAGE", OwnReadings(points={"area.kw": (sample,)})).splitlines()

    assert head.split()[-1] == "area.kw"
    assert line.split()[-2:] == ["60", "+1.500"]
    assert (
        readings.readings_text("TELEMETRY_USAGE", OwnReadings(points={}))
        == "nothing of TELEMETRY_USAGE came of that time"
    )
