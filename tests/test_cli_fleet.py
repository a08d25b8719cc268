"""`openadr-ra fleet …` and `event … --fleet` as operators type them, at a coordinator and at a gateway which both run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from openadr_ra.fleet.aggregate import sums_agree
from openadr_ra.protocol.step import Entry
from openadr_ra.run.fleet_orders import FleetView, MemberView
from openadr_ra.run.orders import EventDetail, EventView, Report, Row
from tests.programs.nodes import CONSOLE, VTN, Done, RunningNode, command, edge, node, written

HURRY = "[fleet]\nread_every_s = 0.2\ntrack_every_s = 0.5\nsettle_s = 0.5\nlease_s = 5\nbelow_every_s = 1\ngrace_s = 5"
OWN = '[[device]]\nid = "own"\ndriver = "simulated-battery"'
CONSOLE_OF_EDGE = '[console]\nlisten = "127.0.0.1:0"\ntoken_file = "edge.token"'
IN_AN_HOUR = ("--start", "+1h", "--every", "30m")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where an operator sits."""

    folder: Path
    node: RunningNode
    token: str

    def does(self, *words: str) -> Done:
        assert self.node.started.console is not None
        where = ("--console", self.node.started.console, "--token-file", self.folder / self.token)
        return command(*words, *where, cwd=self.folder)

    def reads(self, kind: type[T], *words: str) -> T:
        done = self.does(*words, "--json")
        assert done.err == ""
        return msgspec.json.decode(done.out, type=kind)

    def fleet(self) -> FleetView:
        return self.reads(FleetView, "fleet", "show")


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, Desk]]:
    """A coordinator with a battery of its own and the VEN of a gateway below it, and that gateway; both are counted on."""
    folder = tmp_path_factory.mktemp("fleet")
    with node(written(folder / "ac.toml", HURRY, VTN, OWN, CONSOLE), "--json") as vtn:
        assert vtn.started.vtn is not None
        settings = written(folder / "edge.toml", HURRY, edge(vtn.started.vtn, ven_id="EDGE"), CONSOLE_OF_EDGE)
        with node(settings, "--json") as ven:
            ac, gateway = (
                Desk(folder=folder, node=one, token=f"{name}.token") for one, name in ((vtn, "console"), (ven, "edge"))
            )
            while ac.fleet().total.can_reduce_kw < 10 - 0.01:
                pass
            yield ac, gateway


@pytest.fixture
def ac(desks: tuple[Desk, Desk]) -> Desk:
    return desks[0]


def test_operator_sees_devices_and_vens_as_one_fleet(ac: Desk) -> None:
    shown = ac.does("fleet", "show").out.splitlines()
    found = ac.fleet()

    assert shown[0].startswith("fleet of ac, ")
    assert [line.split()[0] for line in shown[2:5]] == ["own", "EDGE", "all"]
    assert [(one.id, one.what, one.available) for one in found.members] == [
        ("own", "device", True),
        ("EDGE", "VEN", True),
    ]


def test_operator_gives_the_fleet_its_schedule_changes_and_cancels_it(ac: Desk) -> None:
    made = ac.does("event", "create", "--fleet", "--kw", "-6", "--kw", "-4", "--id", "peak", *IN_AN_HOUR)
    shown = ac.does("event", "show", "peak", "--within", "30s")
    detail = ac.reads(EventDetail, "event", "show", "peak")
    listed = ac.does("event", "list")
    promised = ac.does("fleet", "show").out
    changed = ac.does("event", "change", "peak", "--kw", "-5")
    cancelled = ac.does("event", "cancel", "peak")
    gone = ac.reads(EventDetail, "event", "show", "peak")

    assert re.fullmatch(
        r"event peak published: -6\.00, -4\.00 kW against the baseline 基準値, every 30 min from \S+ \S+ JST, to fleet;"
        r" the fleet accepts 受託\n",
        made.out,
    ), made
    assert detail.opts == {"fleet": "optIn", "EDGE": "optIn"}
    assert {id: sum(each) for id, each in detail.shares.items()} == pytest.approx({"own": -5, "EDGE": -5})
    assert "covered 確保量 kW" in shown.out
    assert re.search(r"^EDGE +optIn +-3\.00, -2\.00$", shown.out, re.MULTILINE), shown.out
    assert re.search(r"^peak .* far +fleet +-6\.00, -4\.00 kW", listed.out, re.MULTILINE), listed.out
    assert re.search(r"^peak +operator +promised ", promised, re.MULTILINE), promised
    assert changed.out.startswith("event peak changed, modification 1: -5.00 kW")
    assert cancelled.out.startswith("event peak cancelled: -5.00 kW")
    assert (gone.status, gone.promise is not None and gone.promise.state) == ("cancelled", "released")


def test_what_the_fleet_refuses_is_told_with_the_reason_and_status_1(ac: Desk) -> None:
    done = ac.does("event", "create", "--fleet", "--kw", "-600", *IN_AN_HOUR)
    made = ac.reads(EventView, "event", "create", "--fleet", "--kw", "-600", *IN_AN_HOUR)

    assert (done.status, done.err) == (1, "")
    assert re.search(r"; the fleet refuses 受託不可: 59\d.* kW of 600 kW from .* cannot be covered", done.out), done.out
    assert made.promise is not None
    assert made.promise.state == "refused"


def test_operator_follows_the_response_of_the_fleet_and_the_gateway_has_its_own(desks: tuple[Desk, Desk]) -> None:
    """Each tier from its own records: what the gateway's fleet gave is what the coordinator's fleet has of it."""
    ac, gateway = desks
    words = ("event", "create", "--fleet", "--start", "+4s", "--every", "2s", "--kw", "-4", "--id", "now")
    made = ac.does(*words)
    followed = ac.does("report", "show", "now", "--follow")
    report = ac.reads(Report, "report", "show", "now")
    below = gateway.reads(Report, "report", "show", "now")
    shown = ac.does("report", "show", "now")

    assert made.status == 0, made
    assert "fleet EDGE: asked 指令値 -2.00, response 応動値 " in followed.out
    rows: dict[str, Row] = {row.resource: row for row in report.rows if row.ven == "fleet"}
    assert set(rows) == {"own", "EDGE", "*"}
    assert sums_agree(rows.values())
    whole = next(row for row in below.rows if row.resource == "*")
    assert rows["EDGE"].mean_kw == pytest.approx(whole.mean_kw)
    assert "response value 応動値 in each interval, time JST" in shown.out.splitlines()[0]


def test_operator_withdraws_a_member_and_gives_it_back(ac: Desk) -> None:
    told = ac.does("fleet", "withdraw", "EDGE", "--for", "2h", "--reason", "line works")
    without = ac.fleet()
    back = ac.does("fleet", "give-back", "EDGE")
    journal = ac.reads(tuple[Entry, ...], "fleet", "journal", "EDGE")
    shown = ac.does("fleet", "journal", "EDGE")

    assert re.fullmatch(
        r"EDGE is withdrawn 除外 until .*: line works; `openadr-ra fleet give-back EDGE` .*\n", told.out
    )
    assert [one.id for one in without.members if not one.available] == ["EDGE"]
    assert back.out == "EDGE is given back to the fleet\n"
    assert [(one.by, one.what) for one in journal] == [("operator", "withdrawn"), ("operator", "given back")]
    assert "line works" in shown.out


def test_operator_holds_a_device_at_a_power(ac: Desk) -> None:
    held = ac.reads(MemberView, "fleet", "override", "own", "--kw", "-1.5", "--until", "+30m")
    ac.does("fleet", "give-back", "own")

    assert (held.held_kw, held.word is not None and held.word.kw) == (-1.5, -1.5)
    assert ac.fleet().members[0].word is None


def test_operator_of_a_gateway_has_a_fleet_of_devices(desks: tuple[Desk, Desk]) -> None:
    """Also without a VTN of its own."""
    _, gateway = desks
    made = gateway.reads(EventView, "event", "create", "--fleet", "--kw", "-1", *IN_AN_HOUR)
    gateway.does("event", "cancel", made.id)

    assert made.promise is not None
    assert made.promise.state == "promised"
    assert [one.id for one in gateway.fleet().members] == ["battery"]


MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("fleet", "withdraw", "nobody"), "resource nobody is none of the fleet's; `openadr-ra fleet show` lists them"),
    (("fleet", "give-back", "nobody"), "resource nobody is none of the fleet's; "),
    (("fleet", "journal", "nobody"), "resource nobody is none of the fleet's; "),
    (("fleet", "withdraw", "own", "--until", "2020-01-01T00:00Z"), "until: 2020-01-01T00:00:00Z is past"),
    (("fleet", "withdraw", "own", "--for", "1h", "--until", "+1h"), "--for and --until exclude one another"),
    (("fleet", "override", "EDGE", "--kw", "1"), "EDGE is a VEN; it is asked by an event, `openadr-ra event create"),
    (("event", "create", "--fleet", "--kw", "-1", "--to", "EDGE", *IN_AN_HOUR), "--fleet has the node's own fleet"),
    (("event", "create", "--fleet", "--price", "1", *IN_AN_HOUR), "kind: a fleet is asked for power"),
    (("event", "create", "--fleet", "--kw", "-1", "--test", *IN_AN_HOUR), "test: a fleet's own event has none"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_about_the_fleet_is_answered_in_one_line(ac: Desk, words: tuple[str, ...], sentence: str) -> None:
    """And exit status 2."""
    done = ac.does(*words)

    assert (done.status, done.out) == (2, "")
    assert done.line.startswith(f"openadr-ra: {sentence}")
