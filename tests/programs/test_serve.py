"""`openadr-ra run | vtn | ven node.toml` as processes: how they start, what they refuse, how they stop."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest

from tests.programs.nodes import CONSOLE, VTN, command, edge, node, vens, written

NO_VTN = "http://127.0.0.1:9/OpenADR2/Simple/2.0b"
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG  |INFO   |WARNING|ERROR  ) \S.*")


def test_a_node_says_in_one_line_where_it_listens(tmp_path: Path) -> None:
    with node(written(tmp_path / "ac.toml", VTN, CONSOLE)) as running:
        line = running.first

    assert re.fullmatch(
        r"openadr-ra node ac; VTN listens on http://127\.0\.0\.1:[1-9]\d*/OpenADR2/Simple/2\.0b;"
        r" console listens on http://127\.0\.0\.1:[1-9]\d*\n",
        line,
    )


def test_a_node_says_so_to_a_program(tmp_path: Path) -> None:
    with node(written(tmp_path / "edge.toml", edge(NO_VTN)), "--json", side="ven") as running:
        started = running.started

    assert (started.name, started.vtn, started.upstreams, started.console) == ("edge", None, (NO_VTN,), None)


def test_the_log_is_in_the_dialect_on_stderr(tmp_path: Path) -> None:
    with node(written(tmp_path / "ac.toml", VTN, CONSOLE)) as running:
        running.stop()
        lines = running.log.splitlines()

    assert [line for line in lines if not LOG_LINE.fullmatch(line)] == []
    assert any(" INFO    = VTN VTN listens on http://" in line for line in lines)
    assert lines[-1].endswith("= stopped")


def test_the_log_level_can_be_chosen(tmp_path: Path) -> None:
    with node(written(tmp_path / "ac.toml", VTN), "--log-level", "error") as running:
        running.stop()

        assert running.log == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_stops_cleanly_when_told(tmp_path: Path, number: signal.Signals) -> None:
    """Also a second time: what it held is free again."""
    settings = written(tmp_path / "ac.toml", VTN, CONSOLE, edge(NO_VTN))
    for _ in range(2):
        with node(settings) as running:
            assert running.stop(number) == 0
            assert f"= {number.name}: stopping" in running.log
            assert "Traceback" not in running.log


@pytest.mark.parametrize(
    ("side", "has_vtn", "has_ven"), [("run", True, True), ("vtn", True, False), ("ven", False, True)]
)
def test_what_is_present_is_the_role_and_one_side_can_be_chosen(
    tmp_path: Path, side: str, has_vtn: bool, has_ven: bool
) -> None:
    """An RA is both, on one store."""
    with node(written(tmp_path / "ra.toml", VTN, edge(NO_VTN)), "--json", side=side) as running:
        started = running.started

    assert (started.vtn is not None, bool(started.upstreams)) == (has_vtn, has_ven)


def test_a_misspelt_command_is_no_settings_file(tmp_path: Path) -> None:
    done = command("ven", "lsit", cwd=tmp_path)

    assert done.status == 2
    assert "No such command 'lsit'. Did you mean 'list'?" in done.err


BAD: list[tuple[str, str, str]] = [
    ("run", "", "ra.toml: a node needs [downstream] (it is a VTN), [[upstream]] (it is a VEN) or both; see README"),
    ("vtn", edge(NO_VTN), "ra.toml: downstream: is missing; a VTN needs this table, see README"),
    ("ven", VTN, "ra.toml: upstream: is missing; a VEN needs at least one [[upstream]], see README"),
    ("run", VTN + "\npol_s = 3", "ra.toml: downstream.pol_s: there is no such setting; see README for those there are"),
    ("run", VTN + '\nslot_s = "3"', "ra.toml: downstream.slot_s: expected `int`, got `str`"),
    ("run", "[downstream", "ra.toml: not TOML: "),
    ("run", '[downstream]\nlisten = "here"', "ra.toml: downstream.listen: 'here' is not host:port"),
    (
        "run",
        edge(NO_VTN) + "\npower = 3",
        'ra.toml: device "battery": driver "simulated-battery" knows no setting `power`',
    ),
    ("run", edge(NO_VTN).replace("-battery", "-bat"), 'ra.toml: device "battery": there is no driver "simulated-bat"'),
    ("run", edge("https://here"), "ra.toml: "),
    ("run", VTN + '\n[console]\nlisten = "9"', "ra.toml: console.listen: '9' is not host:port"),
    ("run", VTN + '\n[console]\nlisten = "127.0.0.1:0"\ntoken_file = "no/where"', "ra.toml: console.token_file: "),
    ("run", VTN + '\nclient_ca = "ca.pem"', "ra.toml: "),
]


@pytest.mark.parametrize(("side", "tables", "sentence"), BAD, ids=range(len(BAD)))
def test_a_mistake_in_the_settings_is_one_line_with_file_and_key(
    tmp_path: Path, side: str, tables: str, sentence: str
) -> None:
    """Exit status 2, no traceback; a foreign driver's settings too, and those that only show at the start."""
    written(tmp_path / "ra.toml", tables)
    done = command(side, "ra.toml", "--log-level", "ERROR", cwd=tmp_path)

    assert done.status == 2
    assert done.line.startswith(f"openadr-ra: {sentence}")
    assert done.out == ""


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = command("run", "nowhere.toml", cwd=tmp_path)

    assert (done.status, done.line) == (
        2,
        "openadr-ra: nowhere.toml: No such file or directory; is the path right?",
    )


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """Before anything was said upward."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        written(tmp_path / "ra.toml", VTN.replace(":0", f":{port}"), edge(NO_VTN))
        done = command("run", "ra.toml", "--log-level", "ERROR", cwd=tmp_path)

    assert (done.status, done.line) == (
        2,
        f"openadr-ra: ra.toml: cannot listen on 127.0.0.1 port {port}: it is in use;"
        " stop the other program or choose another port",
    )


def test_a_store_that_another_node_has_is_named(tmp_path: Path) -> None:
    """No mistake in the settings but a failure: exit status 1."""
    settings = written(tmp_path / "ac.toml", VTN)
    with node(settings):
        done = command("run", "ac.toml", "--log-level", "ERROR", cwd=tmp_path)

    assert done.status == 1
    assert re.fullmatch(
        r"openadr-ra: .*ac\.db is in use by another process: stop that one, or name another file", done.line
    )


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    settings = written(tmp_path / "ac.toml", VTN, vens("VEN1"), CONSOLE)
    where = ("--token-file", tmp_path / "console.token")
    words = ("--start", "+1h", "--every", "30m", "--kw", "-5", "--to", "VEN1")
    with node(settings, "--json") as running:
        assert running.started.console is not None
        made = command("event", "create", *words, "--console", running.started.console, *where, cwd=tmp_path)
        running.stop(signal.SIGKILL)
    with node(settings, "--json") as running:
        assert running.started.console is not None
        listed = command("event", "list", "--console", running.started.console, *where, cwd=tmp_path)

    assert made.status == 0, made.err
    assert len(listed.out.splitlines()) == 2
