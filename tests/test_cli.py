"""`openadr-ra` as an operator types it, against a node that runs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from openadr_ra.cli import plain_node
from openadr_ra.programs.certs import Check, Initialised, Issued, Named
from openadr_ra.protocol.model import VenId
from openadr_ra.run.orders import Enrolled, EventDetail, EventView, OwnOpt, Report
from openadr_ra.run.ven_orders import VenSummary
from tests.programs.nodes import COMMAND, CONSOLE, VTN, Done, RunningNode, command, edge, node, vens, written

CONSOLE_OF_EDGE = '[console]\nlisten = "127.0.0.1:0"\ntoken_file = "edge.token"'
PRINT = ":".join(["0A"] * 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where an operator sits: a folder, a running VTN, and how commands reach it."""

    folder: Path
    vtn: RunningNode

    def does(self, *words: str | Path) -> Done:
        return command(*words, "--console", self.url, "--token-file", self.folder / "console.token", cwd=self.folder)

    @property
    def url(self) -> str:
        assert self.vtn.started.console is not None
        return self.vtn.started.console

    def creates(self, *words: str) -> EventView:
        """An event in an hour, in a market context of its own: those of one context must not overlap."""
        context = ("--market-context", f"http://example.org/{uuid4().hex}")
        done = self.does("event", "create", "--start", "+1h", "--every", "30m", "--json", *context, *words)
        assert done.status == 0, done.err
        return msgspec.json.decode(done.out, type=EventView)

    def shows(self, event_id: str, *words: str) -> EventDetail:
        return msgspec.json.decode(self.does("event", "show", event_id, "--json", *words).out, type=EventDetail)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with node(written(folder / "node.toml", VTN, vens("VEN1", "VEN2", "VEN4"), CONSOLE), "--json") as running:
        yield Desk(folder=folder, vtn=running)


def test_help_names_every_command(tmp_path: Path) -> None:
    done = command("--help", cwd=tmp_path)

    assert done.status == 0
    assert re.findall(r"^  (\w+)  ", done.out, re.MULTILINE) == [
        "certs", "db", "demo", "event", "export", "fleet", "report", "run", "ven", "vtn",
    ]  # fmt: skip


def test_version_is_that_of_the_distribution(tmp_path: Path) -> None:
    done = command("--version", cwd=tmp_path)

    assert re.fullmatch(r"openadr-ra, version \d+\.\d+\.\d+\n", done.out)


@pytest.mark.parametrize(
    ("words", "node"),
    [
        (["run", "a.toml"], ("both", Path("a.toml"))),
        (["vtn", "a"], ("vtn", Path("a"))),
        (["ven", "a.toml"], ("ven", Path("a.toml"))),
        (["ven", "./a"], ("ven", Path("a"))),
        (["ven", "run", "a"], ("ven", Path("a"))),
        (["ven", "list"], None),
        (["ven", "-h"], None),
        (["ven", "./a", "--json"], None),
        (["run", "--help"], None),
        (["vtn", "--workers", "2", "a.toml"], None),
        (["run"], None),
        (["demo"], None),
        ([], None),
    ],
)
def test_a_node_without_options_starts_without_a_parser(words: list[str], node: tuple[str, Path] | None) -> None:
    """A gateway runs for years, and what parses options would stay in its memory."""
    assert plain_node(words) == node


def test_help_loads_no_server(tmp_path: Path) -> None:
    """A command line answers at once."""
    done = command("event", "create", "--help", cwd=tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"})

    assert "openadr_ra.cli" in done.err
    assert not re.search(
        r"\| +(aiohttp|lxml|cryptography|msgspec|asyncio|openadr_ra\.(run|protocol)\S*)$", done.err, re.MULTILINE
    )


def test_operator_makes_an_event_and_sees_it(desk: Desk) -> None:
    made = desk.does(
        "event", "create", "--start", "2099-11-21T12:00+09:00", "--every", "30m", "--kw", "-5,-8,-6", "--to", "VEN1",
        "--comment", "evening peak", "--market-context", "http://example.org/vpp", "--priority", "1", "--test",
    )  # fmt: skip
    found = re.fullmatch(
        r"event (\S+) published: -5\.00, -8\.00, -6\.00 kW against the baseline 基準値,"
        r" every 30 min from 2099-11-21 12:00:00 JST, to VEN1\n",
        made.out,
    )
    assert found, made
    shown = desk.does("event", "show", found[1])

    assert (made.status, shown.status) == (0, 0)
    assert shown.out.startswith(f"event {found[1]}: far TEST\n")
    for line in ("priority 1", "market context http://example.org/vpp", "comment: evening peak"):
        assert line in shown.out.splitlines()
    assert "VEN1  -         -5.00, -8.00, -6.00" in shown.out


def test_operator_lists_events_for_people_and_programs(desk: Desk) -> None:
    made = desk.creates("--ask", "VEN1=-5,-8", "--ask", "VEN2=-1,0", "--setpoint")
    listed = desk.does("event", "list")
    found = msgspec.json.decode(desk.does("event", "list", "--json").out, type=tuple[EventView, ...])

    assert made in found
    (line,) = [line for line in listed.out.splitlines() if line.startswith(made.id)]
    assert "-6.00, -8.00 kW at the measuring point" in line
    assert "start (JST)" in listed.out.splitlines()[0]


@pytest.mark.parametrize(("option", "kind"), [("--price", "price"), ("--level", "level")])
def test_operator_sends_prices_and_levels(desk: Desk, option: str, kind: str) -> None:
    made = desk.creates(option, "1,2", "--to", "VEN1", "--to", "VEN2")

    assert (made.order.kind, made.order.asks) == (kind, {"VEN1": (1.0, 2.0), "VEN2": (1.0, 2.0)})


def test_operator_changes_and_cancels_an_event(desk: Desk) -> None:
    made = desk.creates("--kw", "-5", "--to", "VEN1", "--to", "VEN2", "--each", "--comment", "stays")
    changed = desk.does("event", "change", made.id, "--kw", "-4", "--each")
    after = desk.shows(made.id)
    cancelled = desk.does("event", "cancel", made.id)

    assert changed.out.startswith(f"event {made.id} changed, modification 1: -8.00 kW")
    assert after.order == msgspec.structs.replace(made.order, asks={"VEN1": (-4.0,), "VEN2": (-4.0,)})
    assert cancelled.out.startswith(f"event {made.id} cancelled: ")
    assert desk.shows(made.id).status == "cancelled"


def test_operator_reads_the_report(desk: Desk) -> None:
    """Before anything was delivered it says what is asked."""
    made = desk.creates("--kw", "-5", "--to", "VEN1")
    shown = desk.does("report", "show", made.id)
    report = msgspec.json.decode(desk.does("report", "show", made.id, "--json").out, type=Report)

    assert "response value 応動値 in each interval, time JST" in shown.out.splitlines()[0]
    assert "in ±10 %" in shown.out.splitlines()[1]
    assert [(row.ven, row.asked_kw, row.delivered_kw) for row in report.rows] == [
        ("VEN1", -5.0, None),
        ("*", -5.0, None),
    ]


def test_operator_follows_a_response_to_the_end(desk: Desk) -> None:
    """An event that is long over is followed to its end at once."""
    done = desk.does(
        "event", "create", "--start", "2020-01-01T00:00Z", "--every", "1s", "--kw", "1", "--to", "VEN1", "--json"
    )
    made = msgspec.json.decode(done.out, type=EventView)
    followed = desk.does("report", "show", made.id, "--follow", "--json")

    assert (followed.status, followed.out) == (0, "")


def test_operator_lists_and_enrols_vens(desk: Desk) -> None:
    enrolled = desk.does("ven", "enrol", "VEN3", PRINT.replace(":", "").lower())
    again = desk.does("ven", "enrol", "VEN3", PRINT, "0b" * 10, "--json")
    listed = desk.does("ven", "list")
    found = msgspec.json.decode(desk.does("ven", "list", "--json").out, type=tuple[VenSummary, ...])

    assert enrolled.out == f"VEN3 may come with {PRINT.replace(':', '').lower()}\n"
    assert msgspec.json.decode(again.out, type=Enrolled).ven_id == "VEN3"
    assert {ven.ven_id: ven.fingerprints for ven in found}[VenId("VEN3")] == (PRINT, ":".join(["0B"] * 10))
    assert "unacknowledged 未応答" in listed.out.splitlines()[0]
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == ["VEN1", "VEN2", "VEN3", "VEN4"]


MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("event", "show", "ev-none"), "event ev-none is unknown; `openadr-ra event list` shows those there are"),
    (("event", "change", "ev-none", "--comment", "x"), "event ev-none is unknown; "),
    (("event", "cancel", "ev-none"), "event ev-none is unknown; "),
    (("event", "show", "ev-none", "--within", "11m"), "event ev-none is unknown; "),
    (("event", "show", "ev-none", "--within", "soon"), "'soon' is no span of time; "),
    (("report", "show", "ev-none"), "event ev-none is unknown; "),
    (("report", "show", "ev-none", "--follow"), "event ev-none is unknown; "),
    (("event", "create", "--kw", "5", "--to", "VEN1"), "--start and --every are needed"),
    (("event", "create", "--start", "now", "--every", "30m", "--kw", "x", "--to", "VEN1"), "'x' in 'x' is no number"),
    (
        ("event", "create", "--start", "now", "--every", "30m", "--kw", "5", "--to", "VEN1", "--to", "VEN2"),
        "is --kw for each of the 2 VENs? Then add --each",
    ),
    (
        ("event", "create", "--start", "now", "--every", "30m", "--kw", "5", "--to", "VEN9"),
        "VEN VEN9 is unknown here; ",
    ),
    (("event", "create", "--start", "now", "--every", "2d", "--kw", "5", "--to", "VEN1"), "every_s: "),
    (("ven", "enrol", "VEN3", "12"), "'12' is no fingerprint: it takes 20 hex digits"),
    (("ven", "opt", "ev-1", "optOut"), "this node is no VEN: its settings have no [[upstream]]"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_answered_in_one_line_with_the_cure(desk: Desk, words: tuple[str, ...], sentence: str) -> None:
    """And exit status 2."""
    done = desk.does(*words)

    assert done.status == 2
    assert done.line.startswith(f"openadr-ra: {sentence}")
    assert done.out == ""


def test_the_wait_for_opts_is_limited_by_the_console(desk: Desk) -> None:
    made = desk.creates("--kw", "-5", "--to", "VEN1")
    done = desk.does("event", "show", made.id, "--within", "601s")

    assert (done.status, done.line) == (2, "openadr-ra: within_s: '601' is no whole number from 0 to 600")


def test_a_wrong_token_is_named(desk: Desk, tmp_path: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("y" * 43)
    done = command("ven", "list", "--console", desk.url, "--token-file", wrong, cwd=tmp_path)

    assert done.status == 2
    assert done.line.startswith("openadr-ra: the token is missing or wrong")


def test_a_console_that_does_not_run_is_a_failure(tmp_path: Path) -> None:
    written(tmp_path / "node.toml", VTN, '[console]\nlisten = "127.0.0.1:9"')
    (tmp_path / "console.token").write_text("x" * 43)
    done = command("event", "list", cwd=tmp_path)

    assert done.status == 1
    assert done.line.startswith(
        "openadr-ra: no console at http://127.0.0.1:9 (Connection refused); start the node with"
    )


def test_commands_look_for_node_toml_here(tmp_path: Path) -> None:
    done = command("event", "list", cwd=tmp_path)

    assert (done.status, done.line) == (
        2,
        "openadr-ra: there is no node.toml here; give --config FILE, or --console URL with --token-file FILE",
    )


def test_a_terminal_without_japanese_shows_the_rest(desk: Desk) -> None:
    done = command(
        "event", "list", "--console", desk.url, "--token-file", desk.folder / "console.token",
        cwd=desk.folder, env={"PYTHONIOENCODING": "latin-1"},
    )  # fmt: skip

    assert done.status == 0
    assert "asked ???, in sum" in done.out


def test_a_reader_that_leaves_early_causes_no_traceback(desk: Desk) -> None:
    """As `| head` does."""
    read, write = os.pipe()
    os.close(read)
    where = ("--console", desk.url, "--token-file", desk.folder / "console.token")
    done = subprocess.run(
        [*COMMAND, "event", "list", *where], stdout=write, stderr=subprocess.PIPE, check=False, timeout=30
    )
    os.close(write)

    assert b"Traceback" not in done.stderr


def test_a_ven_answers_and_its_operator_overrules_it(desk: Desk) -> None:
    """The chain from one command line to the other: instruction, optIn, and the operator's own optOut."""
    assert desk.vtn.started.vtn is not None
    with node(
        written(desk.folder / "edge.toml", edge(desk.vtn.started.vtn, ven_id="VEN4"), CONSOLE_OF_EDGE),
        "--json",
        side="ven",
    ) as ven:
        made = desk.creates("--kw", "-2", "--to", "VEN4")
        answered = desk.shows(made.id, "--within", "30s")
        assert ven.started.console is not None
        where = ("--console", ven.started.console, "--token-file", desk.folder / "edge.token")
        said = command("ven", "opt", made.id, "optOut", "--json", *where, cwd=desk.folder)
        overruled = answered
        while overruled.opts[VenId("VEN4")] != "optOut":
            overruled = desk.shows(made.id)
        summaries = msgspec.json.decode(desk.does("ven", "list", "--json").out, type=tuple[VenSummary, ...])

    assert answered.opts == {"VEN4": "optIn"}
    assert msgspec.json.decode(said.out, type=OwnOpt) == OwnOpt(opt="optOut")
    (one,) = [one for one in summaries if one.ven_id == "VEN4"]
    assert (one.name, one.registered, one.opts[made.id]) == ("edge", True, "optOut")
    assert one.last_seen is not None


def test_certificates_are_made_named_and_checked(tmp_path: Path) -> None:
    made = msgspec.json.decode(command("certs", "init", "--json", cwd=tmp_path).out, type=Initialised)
    issued = msgspec.json.decode(command("certs", "issue", "ven-1", "--json", cwd=tmp_path).out, type=Issued)
    (named,) = msgspec.json.decode(
        command("certs", "fingerprint", "certs/ven-1.pem", "--json", cwd=tmp_path).out, type=tuple[Named, ...]
    )
    checked = command("certs", "check", "certs/ven-1.pem", "--ca", made.trust, "--json", cwd=tmp_path)
    (check,) = msgspec.json.decode(checked.out, type=tuple[Check, ...])
    text = command("certs", "fingerprint", "certs/ven-1.pem", cwd=tmp_path)

    assert [Path(one.certificate).name for one in made.vtn] == ["vtn-rsa.pem", "vtn-ec.pem"]
    assert named.fingerprint == issued.fingerprint
    assert (checked.status, check.problems) == (0, ())
    assert text.out == f"{issued.fingerprint}  certs/ven-1.pem  CN=ven-1\n"


def test_a_check_that_finds_a_problem_has_status_1(tmp_path: Path) -> None:
    for folder in ("ours", "theirs"):
        assert command("certs", "init", folder, "--host", "vtn.example", cwd=tmp_path).status == 0
    done = command("certs", "check", "ours/vtn-ec.pem", "--ca", "theirs/ca.pem", cwd=tmp_path)

    assert done.status == 1
    assert done.out.startswith("FAULTY  ours/vtn-ec.pem  CN=vtn.example, EC 256, ")
    assert "    problem: its issuer " in done.out


def test_certificates_are_not_overwritten(tmp_path: Path) -> None:
    command("certs", "init", cwd=tmp_path)
    done = command("certs", "init", cwd=tmp_path)

    assert done.status == 2
    assert "is not overwritten" in done.line


@pytest.mark.parametrize("package", ["rich", "matplotlib"])
def test_a_demo_without_its_packages_says_which_and_how_to_get_them(tmp_path: Path, package: str) -> None:
    """On a machine with the core install alone."""
    (tmp_path / f"{package}.py").write_text(
        f'raise ModuleNotFoundError("No module named {package!r}", name="{package}")\n'
    )
    done = command("demo", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})

    assert (done.status, done.line) == (
        2,
        f'openadr-ra: the demo needs {package}, which is not installed: pip install "openadr-ra[demo]"',
    )
