"""`openadr-ra ven …` as operators type it: at a VTN, and at a VEN, which are both running."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from openadr_ra.protocol.step import Entry
from openadr_ra.run.orders import EventView
from openadr_ra.run.report_orders import OwnOrdered, ResourceNow
from openadr_ra.run.ven_orders import (
    Declared,
    History,
    Leaving,
    Ordered,
    OwnAvailability,
    Registering,
    Reports,
    UpstreamOffer,
    UpstreamSummary,
    VenSummary,
)
from tests.programs.nodes import CONSOLE, VTN, Done, RunningNode, command, edge, node, vens, written

CONSOLE_OF_EDGE = '[console]\nlisten = "127.0.0.1:0"\ntoken_file = "edge.token"'
TOMORROW = ("--from", "+24h", "--to", "+26h")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """Where the operator of the VTN sits, and where that of its VEN does."""

    folder: Path
    vtn: RunningNode
    ven: RunningNode

    def does(self, *words: str) -> Done:
        """At the VTN."""
        return self._at(self.vtn, "console.token", words)

    def edge(self, *words: str) -> Done:
        """At the VEN."""
        return self._at(self.ven, "edge.token", words)

    def _at(self, running: RunningNode, token: str, words: tuple[str, ...]) -> Done:
        assert running.started.console is not None
        where = ("--console", running.started.console, "--token-file", self.folder / token)
        return command("ven", *words, *where, cwd=self.folder)

    def list(self) -> VenSummary:
        """EDGE as the VTN shows it."""
        found = read(self.does("list", "--json"), tuple[VenSummary, ...])
        (one,) = [one for one in found if one.ven_id == "EDGE"]
        return one


def read(done: Done, kind: type[T]) -> T:
    assert done.err == ""
    return msgspec.json.decode(done.out, type=kind)


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    """EDGE is registered and asked for its standing reports; SILENT is known and was never there."""
    folder = tmp_path_factory.mktemp("desks")
    with node(written(folder / "node.toml", VTN, vens("EDGE", "SILENT"), CONSOLE), "--json") as vtn:
        assert vtn.started.vtn is not None
        settings = written(folder / "edge.toml", edge(vtn.started.vtn, ven_id="EDGE"), CONSOLE_OF_EDGE)
        with node(settings, "--json", side="ven") as ven:
            made = Desks(folder=folder, vtn=vtn, ven=ven)
            while not made.list().reports_running:
                pass
            yield made


def test_operator_lists_vens_with_transport_and_availability(desks: Desks) -> None:
    listed = desks.does("list").out.splitlines()
    (line,) = [line for line in listed if line.startswith("EDGE ")]

    assert "registered  transport  last seen" in listed[0]
    assert listed[0].endswith("availability 稼働可否")
    assert " yes         pull " in line


def test_operator_has_a_ven_register_again(desks: Desks) -> None:
    done = desks.does("reregister", "EDGE")
    ordered = read(desks.does("reregister", "EDGE", "--json"), Ordered)

    assert done.out == "EDGE is told: registration again\n"
    assert ordered.ordered == "registration again"


def test_operator_sees_asks_and_stops_reports(desks: Desks) -> None:
    shown = desks.does("reports", "EDGE")
    wish = ("--ask", "TELEMETRY_USAGE", "--point", "battery.kw", "--granularity", "1s", "--back", "1s")
    asked = read(desks.does("reports", "EDGE", *wish, "--json"), Ordered)
    (request,) = asked.ids
    state = ""
    while state != "running":
        (state,) = [
            one.state for one in read(desks.does("reports", "EDGE", "--json"), Reports).asked if one.id == request
        ]
    stopped = desks.does("reports", "EDGE", "--stop", request, "--last")

    assert "TELEMETRY_USAGE   battery.kw" in shown.out
    assert "running, standing" in shown.out
    assert stopped.out == f"EDGE is told: end of reports {request}\n"


def test_operator_reads_the_history_of_a_ven(desks: Desks) -> None:
    """What it measured until now, for people and for programs."""
    wanted = ("history", "EDGE", "--from", "-3s", "--point", "battery.kw")
    shown = desks.does(*wanted)
    found = read(desks.does(*wanted, "--json"), History)

    assert shown.status == 0, shown
    head, line = shown.out.splitlines()[:2]
    assert head.split()[-1] == "battery.kw"
    assert line.split()[2] == "3"
    assert found.came
    (samples,) = found.points.values()
    # What the first command brought is kept: it touches the second one's three seconds if that followed quickly.
    assert {sample.duration_s for sample in samples} == {3.0}


def test_operator_sees_how_the_resources_of_a_ven_stand(desks: Desks) -> None:
    found: tuple[ResourceNow, ...] = ()
    while not found:
        found = read(desks.does("status", "EDGE", "--json"), tuple[ResourceNow, ...])
    shown = desks.does("status", "EDGE").out.splitlines()

    assert [(one.resource, one.online) for one in found] == [("battery", True)]
    assert found[0].load_control is not None
    assert shown[1].startswith("battery ")
    assert " of -5.00…+5.00 " in shown[1]


def test_operator_asks_for_changes(desks: Desks) -> None:
    (request,) = read(desks.does("reports", "EDGE", "--ask", "TELEMETRY_STATUS", "--on-change", "--json"), Ordered).ids
    known = read(desks.does("reports", "EDGE", "--json"), Reports)
    shown = desks.does("reports", "EDGE").out

    assert [(one.granularity, one.back) for one in known.asked if one.id == request] == [("PT0S", "PT30M")]
    assert "PT1S to PT30M, on change" in shown


def test_a_vens_operator_asks_its_vtn_what_it_reports_and_stops_that(desks: Desks) -> None:
    """It reports nothing of its own, but what it offers can be asked for."""
    (request,) = read(desks.edge("vtn-reports", "--ask", "METADATA", "--back", "1h", "--json"), OwnOrdered).ids
    shown = read(desks.edge("vtn-reports", "--json"), Reports)
    nothing = desks.edge("vtn-readings", "TELEMETRY_USAGE", "--from", "-1h")
    stopped = desks.edge("vtn-reports", "--stop", request)

    assert (shown.offered, [one.id for one in shown.asked]) == ((), [request])
    assert nothing.out == "nothing of TELEMETRY_USAGE came of that time\n"
    assert stopped.out == f"the VTN is told: report requests {request}\n"


def test_a_history_that_does_not_come_in_time_is_a_failure(desks: Desks) -> None:
    """It is of a time to come."""
    done = desks.does("history", "EDGE", "--from", "+1h", "--to", "+2h", "--within", "0s")

    assert done.status == 1
    assert done.out.startswith("EDGE has sent no history yet; ask again")


def test_operator_sees_what_had_to_be_repaired(desks: Desks) -> None:
    done = desks.does("warnings", "EDGE")

    assert done.out == "nothing in the messages of EDGE had to be repaired\n"
    assert read(desks.does("warnings", "EDGE", "--json"), tuple[Entry, ...]) == ()


def test_a_ven_declares_when_it_is_away_and_its_vtn_knows(desks: Desks) -> None:
    """The chain from one command line to the other: declaration, the opt-out that follows, and the taking back."""
    made = desks.edge("unavailable", *TOMORROW, "--reason", "economic")
    part = read(desks.edge("available", "--from", "+48h", "--resource", "battery", "--json"), Declared)
    own: tuple[OwnAvailability, ...] = ()
    while len(own) < 2 or not all(one.told for one in own):
        own = read(desks.edge("availability", "--json"), tuple[OwnAvailability, ...])
    name = own[0].id
    shown = desks.list()
    listed = desks.does("list").out
    assert desks.vtn.started.console is not None
    where = ("--console", desks.vtn.started.console, "--token-file", desks.folder / "console.token", "--json")
    order = ("--start", "+25h", "--every", "30m", "--kw", "-1", "--to", "EDGE")
    event = read(command("event", "create", *order, *where, cwd=desks.folder), EventView)
    while event.id not in desks.list().opts or event.id in desks.list().unacknowledged:
        pass
    opt = desks.list().opts[event.id]
    text = desks.edge("availability").out
    taken = desks.edge("retract", name)
    desks.edge("retract", part.id)

    assert made.out == f"declared as {name}; `openadr-ra ven retract {name}` takes it back\n"
    assert [(one.opt, one.reason, one.resources) for one in shown.availability] == [
        ("optOut", "economic", ()),
        ("optIn", "x-schedule", ("battery",)),
    ]
    assert "optOut 20" in listed
    assert "(battery)" in listed
    assert opt == "optOut"
    assert text.splitlines()[1].startswith(name)
    assert taken.out == f"{name} is taken back\n"
    assert read(desks.edge("availability", "--json"), tuple[OwnAvailability, ...]) == ()


def test_a_vens_operator_sees_how_it_stands_with_its_vtn(desks: Desks) -> None:
    found = read(desks.edge("upstreams", "--json"), tuple[UpstreamSummary, ...])
    shown = desks.edge("upstreams").out.splitlines()

    (one,) = found
    assert (one.upstream, one.phase, one.transport, one.ven_id, one.given_up) == (
        "upstream",
        "registered",
        "pull",
        "EDGE",
        (),
    )
    assert (one.link, one.next_try, one.heard_at is not None) == ("connected", None, True)
    assert shown[0].split()[:3] == ["upstream", "state", "link"]
    assert shown[1].split()[:3] == ["upstream", "registered", "connected"]
    assert any(line.startswith("upstream has x-openadr-ra-held-polls: seconds = ") for line in shown[2:])


def test_a_vens_operator_asks_its_vtn_what_it_offers_and_registers_again(desks: Desks) -> None:
    """To ask changes nothing, and to register again leaves the ids as they are."""
    (held,) = read(desks.edge("upstreams", "--json"), tuple[UpstreamSummary, ...])
    said = read(desks.edge("query", "upstream", "--json"), UpstreamOffer)
    shown = desks.edge("query").out.splitlines()
    ordered = desks.edge("register-again")
    again = read(desks.edge("register-again", "upstream", "--json"), Registering)
    (after,) = read(desks.edge("upstreams", "--json"), tuple[UpstreamSummary, ...])

    assert (said.upstream, said.vtn_id, said.profiles) == ("upstream", held.vtn_id, {"2.0b": ("simpleHttp",)})
    assert shown[:3] == [
        f"upstream is {held.vtn_id}; it has no registration of ours",
        "upstream offers profile 2.0b over simpleHttp",
        f"upstream is to be polled every {said.poll_s} s",
    ]
    assert any(line.startswith("upstream has x-openadr-ra-held-polls: seconds = ") for line in shown)
    assert ordered.out == "upstream is asked to register us again; `openadr-ra ven upstreams` shows its answer\n"
    assert again == Registering(upstream="upstream")
    assert (after.ven_id, after.registration_id) == (held.ven_id, held.registration_id)


def test_a_vens_operator_says_why_it_opts_out_of_an_event(desks: Desks) -> None:
    """By oadrCreateOpt, once the event was answered; the VTN keeps the reason."""
    assert desks.vtn.started.console is not None
    where = ("--console", desks.vtn.started.console, "--token-file", desks.folder / "console.token", "--json")
    order = ("--start", "+72h", "--every", "30m", "--kw", "-1", "--to", "EDGE")
    event = read(command("event", "create", *order, *where, cwd=desks.folder), EventView)
    while desks.list().opts.get(event.id) != "optIn":
        pass
    done = desks.edge("opt", event.id, "optOut", "--reason", "economic")
    while desks.list().opts.get(event.id) != "optOut":
        pass
    qualified = [one for one in desks.list().availability if one.event_id == event.id]

    assert done.out == f"event {event.id}: optOut\n"
    assert [(one.opt, one.reason) for one in qualified] == [("optOut", "economic")]


AT_THE_VTN: list[tuple[tuple[str, ...], str]] = [
    (("reregister", "NOBODY"), "VEN NOBODY is unknown here; `openadr-ra ven list` shows those there are"),
    (("cancel", "SILENT"), "VEN SILENT is not registered, so it can be told nothing; it registers by itself"),
    (("reports", "NOBODY"), "VEN NOBODY is unknown here; "),
    (("reports", "EDGE", "--ask", "x-GAS"), "x-GAS is not on offer there; what is: TELEMETRY_USAGE, "),
    (("reports", "EDGE", "--stop", "rr-1"), "report request rr-1 is unknown; "),
    (("reports", "EDGE", "--stop", "rr-1", "--back", "1m"), "--point, --granularity, --back, --on-change, --start and"),
    (("greenbutton", "EDGE"), "HISTORY_GREENBUTTON is not on offer there; what is: TELEMETRY_USAGE, "),
    (("greenbutton", "EDGE", "--duration", "1h"), "--duration belongs to --start"),
    (("status", "NOBODY"), "VEN NOBODY is unknown here; "),
    (("reports", "EDGE", "--on-change"), "--point, --granularity, --back, --on-change, --start and --duration "),
    (("history", "EDGE", "--from", "now", "--to", "-1h"), "end: must be after start"),
    (("history", "EDGE", "--from", "sometime"), "'sometime' is no time; "),
    (("history", "EDGE", "--from", "-1h", "--within", "1h"), "within_s: '3600' is no whole number from 0 to 600"),
    (("warnings", "NOBODY"), "VEN NOBODY is unknown here; "),
    (("availability",), "this node is no VEN: its settings have no [[upstream]]"),
    (("query",), "this node is no VEN: its settings have no [[upstream]]"),
    (("register-again",), "this node is no VEN: its settings have no [[upstream]]"),
]
AT_THE_VEN: list[tuple[tuple[str, ...], str]] = [
    (("unavailable", *TOMORROW, "--resource", "pv"), "resource pv is none of ours; they are battery"),
    (("unavailable", *TOMORROW, "--reason", "lazy"), "reason: 'lazy' is none that OpenADR knows; "),
    (("available", *TOMORROW, "--upstream", "below"), "there is no upstream 'below'; there is upstream"),
    (("available", "--from", "+2h", "--to", "+1h"), "--to +1h is not after --from; "),
    (("vtn-reports", "--stop", "rr-1"), "report request rr-1 is unknown here; "),
    (("vtn-reports", "--ask", "TELEMETRY_USAGE"), "TELEMETRY_USAGE is not on offer there; what is: nothing yet"),
    (("vtn-readings", "TELEMETRY_USAGE", "--from", "-1h", "--upstream", "below"), "there is no upstream 'below'; "),
    (("retract", "opt-1"), "nothing is declared as opt-1; "),
    (("leave", "below"), "there is no upstream 'below'; there is upstream"),
    (("query", "below"), "there is no upstream 'below'; there is upstream"),
    (("register-again", "below"), "there is no upstream 'below'; there is upstream"),
    (("opt", "ev-0", "optOut", "--reason", "economic"), "event ev-0 is unknown here: no upstream has sent it"),
    (("opt", "ev-0", "optOut", "--upstream", "below"), "there is no upstream 'below'; there is upstream"),
    (("reregister", "EDGE"), "this node is no VTN: its settings have no [downstream]"),
]


@pytest.mark.parametrize(("words", "sentence"), AT_THE_VTN, ids=range(len(AT_THE_VTN)))
def test_a_mistake_at_the_vtn_is_answered_in_one_line(desks: Desks, words: tuple[str, ...], sentence: str) -> None:
    done = desks.does(*words)

    assert (done.status, done.out) == (2, "")
    assert done.line.startswith(f"openadr-ra: {sentence}")


@pytest.mark.parametrize(("words", "sentence"), AT_THE_VEN, ids=range(len(AT_THE_VEN)))
def test_a_mistake_at_the_ven_is_answered_in_one_line(desks: Desks, words: tuple[str, ...], sentence: str) -> None:
    done = desks.edge(*words)

    assert (done.status, done.out) == (2, "")
    assert done.line.startswith(f"openadr-ra: {sentence}")


def test_a_ven_leaves_its_vtn(tmp_path: Path) -> None:
    """It stays away until its next start."""
    with node(written(tmp_path / "node.toml", VTN, vens("GOES"), CONSOLE), "--json") as vtn:
        assert vtn.started.vtn is not None
        settings = written(tmp_path / "edge.toml", edge(vtn.started.vtn, ven_id="GOES"), CONSOLE_OF_EDGE)
        with node(settings, "--json", side="ven") as ven:
            desks = Desks(folder=tmp_path, vtn=vtn, ven=ven)
            states: tuple[UpstreamSummary, ...] = ()
            while [one.phase for one in states] != ["registered"]:
                states = read(desks.edge("upstreams", "--json"), tuple[UpstreamSummary, ...])
            done = desks.edge("leave")
            left = read(desks.edge("leave", "upstream", "--json"), Leaving)
            while [one.phase for one in states] != ["ended"]:
                states = read(desks.edge("upstreams", "--json"), tuple[UpstreamSummary, ...])
            (known,) = read(desks.does("list", "--json"), tuple[VenSummary, ...])

    assert done.out == "upstream is told that the registration ends, until the next start or `ven register-again`\n"
    assert left == Leaving(upstream="upstream")
    assert not known.registered


def test_operator_ends_a_registration(desks: Desks) -> None:
    """The last that is heard of that VEN."""
    done = desks.does("cancel", "EDGE")
    while desks.list().registered:
        pass

    assert done.out == "EDGE is told: end of the registration\n"
