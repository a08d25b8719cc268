"""How the commands find the console, and what they show of what it says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from openadr_ra.errors import SettingsError, TransportError
from openadr_ra.programs import operate
from openadr_ra.programs.tables import moment
from openadr_ra.protocol.model import ACTIVE, OPT_IN, EventId, ResourceId, VenId
from openadr_ra.protocol.parts import GOOD, NO_VALUE, UNCERTAIN
from openadr_ra.protocol.step import Entry
from openadr_ra.protocol.times import FOREVER
from openadr_ra.run.orders import EventDetail, EventView, Order, Other, Report, Row

START = datetime(2026, 11, 21, 3, tzinfo=UTC)
ORDER = Order(start=START, every_s=1800, asks={"VEN1": (-5.0, -8.0), "VEN2": (-1.0, 0.5)}, comment="下げ\x1b")
VIEW = EventView(
    id=EventId("ev-1"),
    modification=0,
    status=ACTIVE,
    end=START + timedelta(hours=1),
    created=START,
    modified=None,
    order=ORDER,
)
ROW = Row(
    event_id=EventId("ev-1"),
    ven=VenId("VEN1"),
    resource=ResourceId("battery"),
    start=START,
    duration_s=1800.0,
    asked_kw=-5.0,
    instructed_kw=-5.0,
    accepted=OPT_IN,
    baseline_kw=0.0,
    mean_kw=-4.5,
    delivered_kw=-4.5,
    deviation_kw=0.5,
    in_band=True,
    coverage_percent=99.6,
    quality=GOOD,
    final=True,
)


def test_an_event_without_an_end_lasts_until_it_is_cancelled() -> None:
    """Nobody has to read of the year 9999."""
    order = replace(ORDER, every_s=0, asks={"VEN1": (-5.0,)})
    view = replace(VIEW, order=order, end=FOREVER)
    detail = EventDetail(**asdict(view), opts={}, journal=())
    texts = operate.event_list((view,)), operate.event_text(detail), operate.event_said(view, "published")

    for text in texts:
        assert "until cancelled" in text
        assert "0 min" not in text
        assert "9999" not in text


def test_an_event_is_shown_with_what_few_events_have() -> None:
    order = replace(
        ORDER,
        others=(
            Other(signal="SIMPLE/level", values=(1.0, 2.0)),
            Other(signal="x-A/price", values=(3, 4), unit="therm"),
        ),
        resources={"VEN1": ("battery",)},
        baseline="plan",
        notification_s=3600,
        ramp_up_s=90,
        startafter_s=300,
        response_required="never",
    )
    lines = operate.event_text(EventDetail(**asdict(replace(VIEW, order=order)), opts={}, journal=())).splitlines()

    assert lines[3:11] == [
        "beside it SIMPLE/level: 1, 2",
        "beside it x-A/price: 3, 4 therm",
        "of VEN1 for battery alone",
        "VENs are told the baseline plan",
        "to be known 60 min before the start",
        "ramp-up 90 s before the start",
        "starts are spread over 5 min",
        "no answer is wanted",
    ]


def settings(tmp_path: Path, console: str = "", token: str | None = "x" * 43) -> Path:
    """A node's settings with that [console] table, and the token that its node would have made."""
    file = tmp_path / "ac.toml"
    file.write_text(f"[downstream]\n{console}")
    if token is not None:
        (tmp_path / "console.token").write_text(token)
    return file


def cells(line: str) -> list[str]:
    """What stands in the columns of a line."""
    return re.split(r"\s{2,}", line)


def test_commands_find_the_console_in_the_nodes_settings(tmp_path: Path) -> None:
    """A node that listens on all addresses is reached on this machine's own."""
    for listen in ("127.0.0.1:9", "0.0.0.0:9", "[::]:9"):
        file = settings(tmp_path, f'[console]\nlisten = "{listen}"\n')
        with pytest.raises(TransportError, match=r"no console at http://(127\.0\.0\.1|\[::1\]):9 "):
            operate.connect(file, None, None).events()


def test_commands_need_no_settings_where_url_and_token_are_given(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 43)
    operate.connect(tmp_path / "nowhere.toml", "http://127.0.0.1:9", token)


def test_a_url_alone_goes_with_the_token_of_the_settings(tmp_path: Path) -> None:
    file = settings(tmp_path, '[console]\nlisten = "127.0.0.1:0"\n')
    with pytest.raises(
        SettingsError, match=r"console\.listen takes any free port; give --console URL as the node said"
    ):
        operate.connect(file, None, tmp_path / "console.token")


@pytest.mark.parametrize(
    ("console", "token", "sentence"),
    [
        ("", "x", r"ac\.toml: console: is missing; add a \[console\] table and start the node again"),
        ("[console]\nlissen = 'a'\n", "x", r"ac\.toml: console\.lissen: there is no such setting"),
        ("[console]\n", None, r"cannot read the token in .*console\.token: No such file .*; the node makes it"),
        ("[console]\n", " \n", r"console\.token holds no token; give the console's token_file"),
        ("[console]\n", "é" * 20, r"console\.token holds no token"),
        ("[console]\n", "a\nb", r"console\.token holds no token"),
    ],
)
def test_settings_without_a_usable_console_are_named(
    tmp_path: Path, console: str, token: str | None, sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        operate.connect(settings(tmp_path, console, token), None, None)


def test_list_has_one_line_an_event_with_what_is_asked_in_sum() -> None:
    text = operate.event_list((VIEW, replace(VIEW, id=EventId("ev-2"), modification=3)))
    head, first, second = text.splitlines()

    assert "asked 指令値, in sum" in head
    assert "-6.00, -7.50 kW against the baseline 基準値" in first
    assert first.endswith("下げ")
    assert "\x1b" not in text
    assert "active (modification 3)" in second
    assert moment(START) in first


def test_list_cuts_what_is_long() -> None:
    order = replace(ORDER, asks={"VEN1": (1.0,) * 7}, kind="setpoint")

    assert "+1.00, " * 6 + "… kW at the measuring point" in operate.event_list((replace(VIEW, order=order),))


def test_prices_and_levels_have_their_own_units() -> None:
    price = replace(VIEW, order=replace(ORDER, kind="price", currency="EUR", asks={"VEN1": (12.5,), "VEN2": (12.5,)}))
    level = replace(VIEW, order=replace(ORDER, kind="level", asks={"VEN1": (1.0, 3.0)}, test=True))

    assert "12.5 EUR/kWh" in operate.event_list((price,))
    assert "1, 3 (SIMPLE level)" in operate.event_list((level,))
    assert "active TEST" in operate.event_list((level,))


def test_an_event_is_shown_with_opts_and_history() -> None:
    entry = Entry(subject="event/ev-1", at=START, by="VEN1", what="optIn", detail="modification 0")
    shown = {name: getattr(VIEW, name) for name in VIEW.__struct_fields__}
    detail = EventDetail(**shown, opts={VenId("VEN1"): OPT_IN, VenId("VEN2"): None}, journal=(entry,))
    text = operate.event_text(detail)

    assert "event ev-1: active" in text
    assert "2 intervals of 30 min" in text
    assert "import +, export -" in text
    assert "VEN1  optIn     -5.00, -8.00\nVEN2  -         -1.00, +0.50\n" in text
    assert f"{moment(START)}  VEN1  optIn  modification 0" in text


def test_report_has_one_line_an_interval_and_resource() -> None:
    all_of_it = replace(ROW, ven=VenId("*"), resource="*", in_band=False, quality=UNCERTAIN, final=False, revision=2)
    nothing = replace(ROW, delivered_kw=None, mean_kw=None, quality=NO_VALUE, in_band=None, counted=False)
    head, columns, one, whole, none = operate.report_text(
        Report(event_id=EventId("ev-1"), band=0.1, rows=(ROW, all_of_it, nothing))
    ).splitlines()

    assert "応動値" in head
    assert "in ±10 %" in columns
    assert cells(one)[1:] == ["VEN1", "battery", "optIn", "-5.00", "0.00", "-4.50", "+0.50", "yes", "100", "final 確定"]
    assert "all 合計" in whole
    assert "sum 計" in whole
    assert whole.endswith("provisional 速報, Uncertain - Non Specific, revision 2")
    assert " NO " in whole
    assert none.endswith("no value 値なし")


def test_an_event_without_power_has_no_report() -> None:
    report = Report(event_id=EventId("ev-1"), band=0.1, rows=())

    assert operate.report_text(report) == "event ev-1 asks for no power, so it has no response"


def test_a_row_is_told_in_one_line_as_it_comes() -> None:
    assert operate.row_text(replace(ROW, resource="a\nb"), 0.05).endswith(
        " VEN1 a b: asked 指令値 -5.00, response 応動値 -4.50, deviation 偏差 +0.50 kW, in ±5 %: yes, final 確定"
    )


def test_an_empty_list_says_what_to_do() -> None:
    assert operate.event_list(()).startswith("there are no events; `openadr-ra event create")
