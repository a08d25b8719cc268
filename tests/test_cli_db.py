"""`openadr-ra db` and `openadr-ra export`: a node's store, while the node runs on it."""

from __future__ import annotations

import asyncio
import csv
import io
import pkgutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

import openadr_ra
from openadr_ra import dispatch
from openadr_ra.programs.db import KINDS, Checked, Copied
from openadr_ra.programs.export import JOURNAL, READINGS
from openadr_ra.programs.export_events import EVENTS
from openadr_ra.protocol.instruction import Instruction, key, party
from openadr_ra.protocol.model import EventId, PowerReal, Rid, SpecifierId, VenId
from openadr_ra.protocol.parts import DIRECT_READ, Report, ReportDescription, ReportName, ReportType
from openadr_ra.protocol.producer import NO_REQUEST
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import AnyLetter, Entry, Key, Outcome, State
from openadr_ra.protocol.vtn import Party
from openadr_ra.seams import Store
from openadr_ra.store import SqliteStore
from openadr_ra.store.database import newest_schema
from tests.programs.nodes import COMMAND, CONSOLE, VTN, Done, command, node, vens, written

NOON = datetime(2027, 7, 1, 12, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a VTN that runs, with an event."""
    folder = tmp_path_factory.mktemp("db")
    with node(written(folder / "node.toml", VTN, vens("VEN1", "VEN2"), CONSOLE), "--json") as running:
        at = ("--console", str(running.started.console), "--token-file", folder / "console.token")
        done = command("event", "create", "--id", "E1", "--start", "2099-11-21T12:00+09:00", "--every", "30m",
                       "--kw=-5,-8", "--to", "VEN1", *at, cwd=folder)  # fmt: skip
        assert done.status == 0, done.err
        yield folder


def rows(done: Done) -> list[dict[str, str]]:
    assert (done.status, done.err) == (0, "")
    return list(csv.DictReader(io.StringIO(done.out)))


def test_backup_of_a_running_node_is_a_store_that_a_node_runs_on(running: Path, tmp_path: Path) -> None:
    """With the event, and what each VEN was told of it; by its settings or by its file."""
    for number, store in enumerate(("node.toml", "node.db")):
        target = tmp_path / f"copy-{number}.db"
        done = command("db", "backup", target, "--store", running / store, "--json", cwd=tmp_path)
        copied = msgspec.json.decode(done.out, type=Copied)
        assert (copied.file, copied.schema, done.status) == (str(target), newest_schema(), 0)

    settings = written(tmp_path / "restored.toml", VTN, vens("VEN1", "VEN2"), CONSOLE)
    (tmp_path / "copy-0.db").rename(tmp_path / "restored.db")
    with node(settings, "--json") as restored:
        at = ("--console", str(restored.started.console), "--token-file", tmp_path / "console.token")
        shown = command("event", "show", "E1", *at, cwd=tmp_path)
    assert shown.status == 0
    assert "VEN1" in shown.out


def test_backup_over_a_file_is_a_failure_in_one_line(running: Path) -> None:
    done = command("db", "backup", "node.toml", cwd=running)
    assert done.status == 1
    assert done.line == "openadr-ra: node.toml exists already; name another file, or remove it"


def test_check_of_a_running_node_finds_nothing_wrong(running: Path) -> None:
    """The settings are those of a node here where nothing is said."""
    done = command("db", "check", "--json", cwd=running)
    found = msgspec.json.decode(done.out, type=Checked)
    assert (done.status, found.faults, found.schema) == (0, (), newest_schema())
    assert {size.table: size.rows for size in found.tables}["states"] >= 3
    text = command("db", "check", cwd=running)
    assert (text.status, text.out.splitlines()[-1]) == (0, "sound: all rows and letters can be read")


def test_check_of_a_damaged_store_says_what_and_ends_with_1(tmp_path: Path) -> None:
    asyncio.run(filled(tmp_path / "node.db"))
    with closing(sqlite3.connect(tmp_path / "node.db")) as other, other:
        other.execute("UPDATE states SET body = '{' WHERE key = 'event/E1'")
    done = command("db", "check", "--store", "node.db", cwd=tmp_path)
    assert done.status == 1
    assert "FAULT: row event/E1 cannot be read as Instruction" in done.out


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (("db", "check", "--store", "gone.db"), 1, "gone.db is no file; name the store's file"),
        (("db", "check"), 2, "node.toml: No such file or directory"),
        (("db", "check", "--store", "memory.toml"), 2, "memory.toml: store.url: is 'memory', which has no file"),
        (("export", "journal", "--store", "gone.db"), 1, "gone.db is no file"),
        (("export", "journal", "--store", "gone.db", "--from", "noon"), 2, "'noon' is no time"),
        (("export", "journal", "--store", "gone.db", "--from", "now", "--to", "now"), 2, "--to is not after --from"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, words: tuple[str, ...], status: int, line: str) -> None:
    (tmp_path / "memory.toml").write_text('[store]\nurl = "memory"\n')
    done = command(*words, cwd=tmp_path)
    assert done.status == status
    assert line in done.line


def test_every_kind_of_row_can_be_checked() -> None:
    """A row of a kind that the check does not know would be called a fault."""
    for module in pkgutil.walk_packages(openadr_ra.__path__, "openadr_ra."):
        if module.name.split(".")[1] in ("protocol", "fleet", "run"):
            import_module(module.name)
    own = {kind.__name__: kind for kind in State.__subclasses__() if kind.__module__.startswith("openadr_ra.")}
    assert own == KINDS


async def put(store: Store, name: Key, state: State) -> None:
    def step(held: State | None, letters: tuple[AnyLetter, ...]) -> Outcome[State]:
        return Outcome(state=state)

    await store.update(name, type(state), step)


def order(name: str, *ven: str) -> Instruction:
    made = dispatch(start=NOON, every=HALF_HOUR, delta_kw=dict.fromkeys(ven, (-2.0, -3.0)))
    return replace(made, id=EventId(name))


async def filled(file: Path) -> None:
    """A file with what a VTN and a fleet keep."""
    store = await SqliteStore.open(file)
    await fill(store)
    await store.close()


async def fill(store: Store) -> None:
    """What a VTN and a fleet keep, as short as can be."""
    await put(store, key(EventId("E1")), order("E1", "V1", "V2"))
    await put(store, Key("own/E2"), order("E2", "fleet"))
    point = ReportDescription(
        rid=Rid("meter"), unit=PowerReal(), type=ReportType(Token("usage")), reading_type=DIRECT_READ
    )
    name = ReportName(Token("METADATA_TELEMETRY_USAGE"))
    offered = Report(
        descriptions=(point,), request_id=NO_REQUEST, specifier_id=SpecifierId("s"), name=name, created=NOON
    )
    await put(store, party(VenId("V2")), Party(ven_id=VenId("V2"), reports=Requester(offered=(offered,))))
    said = {"asked": -2.0, "kw": -1.5, "baseline": 0.5, "delta": -2.0, "coverage": 100.0, "final": 1.0}
    responses = ("V1/x-RESPONSE/E1", "response/E2", "response/E3.dras")
    await store.record(
        [
            *(
                Reading(series=f"{prefix}/*.{name}", start=NOON, span=HALF_HOUR, value=value)
                for prefix in responses
                for name, value in said.items()
            ),
            *(
                Reading(series="V2/TELEMETRY_USAGE/meter", start=NOON + n * timedelta(seconds=1), value=n / 4)
                for n in range(2500)
            ),
            Reading(series="live/bat-1.soc", start=NOON, span=timedelta(milliseconds=1500), value=50.0, confidence=90),
        ],
        [
            Entry(subject="event/E1", at=NOON, by="V1", what="optIn", detail="=cmd()"),
            Entry(subject="event/E1", at=NOON + HALF_HOUR, by="V2", what="optOut"),
            Entry(subject="party/V1", at=NOON, by="settings", what="enrolled", detail="a,b"),
        ],
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    asyncio.run(filled(folder / "node.db"))
    return folder


def exported(folder: Path, *words: str | Path) -> list[dict[str, str]]:
    return rows(command("export", *words, "--store", "node.db", cwd=folder))


def test_readings_are_exported_with_their_units_in_utc(full: Path) -> None:
    """All of them, once, page after page; units of ours by name, of others as their METADATA has them."""
    found = exported(full, "readings")
    assert tuple(found[0]) == READINGS
    meter = [one for one in found if one["point"] == "meter"]
    assert [float(one["value"]) for one in meter] == [n / 4 for n in range(2500)]
    assert {one["unit"] for one in meter} == {"kW"}
    assert (meter[1]["source"], meter[1]["start_utc"], meter[1]["span_s"]) == ("V2", "2027-07-01T12:00:01Z", "0.0")
    (soc,) = (one for one in found if one["report"] == "live")
    assert (soc["source"], soc["point"], soc["unit"], soc["span_s"]) == ("", "bat-1.soc", "percent", "1.5")
    assert (soc["confidence_percent"], soc["accuracy"]) == ("90", "")
    said = {one["point"]: one["unit"] for one in found if one["report"] == "x-RESPONSE"}
    assert said["E1/*.kw"] == "kW"
    assert len(found) == 2500 + 1 + 18


def test_export_is_of_the_time_and_the_vens_that_are_asked_for(full: Path) -> None:
    """From the first instant on, up to the second; what is asked for in two parts comes once."""
    words = ("readings", "--ven", "V2", "--from")
    middle = "2027-07-01T21:00:10+09:00"
    first = exported(full, *words, "2027-07-01T12:00:00Z", "--to", middle)
    second = exported(full, *words, middle, "--to", "2027-07-01T12:00:12Z")
    assert [float(one["value"]) * 4 for one in first + second] == list(range(12))
    assert exported(full, "readings", "--ven", "V3") == []


def test_events_are_exported_by_interval_with_the_response(full: Path) -> None:
    """Those of VENs, of the node's own fleet, and those from above that it answered for."""
    found = exported(full, "events")
    assert tuple(found[0]) == EVENTS
    assert [(one["event"], one["ven"], one["interval"], one["asked"], one["unit"]) for one in found] == [
        ("E1", "V1", "0", "-2.0", "kW"),
        ("E1", "V1", "1", "-3.0", "kW"),
        ("E1", "V2", "0", "-2.0", "kW"),
        ("E1", "V2", "1", "-3.0", "kW"),
        ("E2", "fleet", "0", "-2.0", "kW"),
        ("E2", "fleet", "1", "-3.0", "kW"),
        ("E3.dras", "fleet", "", "", ""),
    ]
    first, *_, above = found
    assert (first["start_utc"], first["end_utc"]) == ("2027-07-01T12:00:00Z", "2027-07-01T12:30:00Z")
    assert (first["opt"], found[2]["opt"], above["opt"]) == ("optIn", "optOut", "")
    for one in (found[0], found[4], above):
        figures = [one[name] for name in EVENTS[-6:]]
        assert figures == ["-2.0", "-1.5", "0.5", "-2.0", "100.0", "yes"]
    assert found[2]["response_kw"] == found[1]["response_kw"] == ""
    late = exported(full, "events", "--from", "2027-07-01T12:00:01Z", "--ven", "V1")
    assert [(one["event"], one["interval"]) for one in late] == [("E1", "1")]


def test_the_journal_is_exported_and_no_cell_is_a_formula(full: Path) -> None:
    """What a peer said is text to a spreadsheet, too."""
    found = exported(full, "journal")
    assert tuple(found[0]) == JOURNAL
    assert [(one["at_utc"], one["by"], one["what"], one["detail"]) for one in found] == [
        ("2027-07-01T12:00:00Z", "V1", "optIn", "'=cmd()"),
        ("2027-07-01T12:30:00Z", "V2", "optOut", ""),
        ("2027-07-01T12:00:00Z", "settings", "enrolled", "a,b"),
    ]
    assert [one["number"] for one in exported(full, "journal", "--ven", "V1")] == ["1", "3"]


def test_export_goes_into_a_new_file(full: Path) -> None:
    """For its owner alone; one that is there is not overwritten."""
    words = ("export", "journal", "--store", "node.db", "--out", "journal.csv")
    assert (command(*words, cwd=full).out, command(*words, cwd=full).status) == ("", 2)
    assert oct((full / "journal.csv").stat().st_mode & 0o777) == "0o600"
    assert (full / "journal.csv").read_text("utf-8") == command(*words[:4], cwd=full).out


def test_reader_who_leaves_ends_the_export_quietly(full: Path) -> None:
    """As `head` does."""
    with subprocess.Popen(
        [*COMMAND, "export", "readings", "--store", "node.db"],
        cwd=full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("source,report")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_export_from_a_running_node_sees_what_it_has_committed(running: Path) -> None:
    found = rows(command("export", "events", cwd=running))
    assert [(one["event"], one["ven"], one["asked"]) for one in found] == [
        ("E1", "VEN1", "-5.0"),
        ("E1", "VEN1", "-8.0"),
    ]


def test_export_of_an_older_schema_is_refused_with_the_cure(full: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(full / "node.db")) as source, closing(sqlite3.connect(tmp_path / "old.db")) as copy:
        source.backup(copy)
        copy.execute("PRAGMA user_version = 1")
    done = command("export", "readings", "--store", "old.db", cwd=tmp_path)
    assert done.status == 1
    assert done.line == (
        "openadr-ra: old.db is of an older openadr-ra (schema 1); start its node once, which updates it"
    )
