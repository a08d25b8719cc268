"""What the figures of processes stand on. The figures themselves are measured by `make bench`, not here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.child import child, cpu_us, resident_mib, resident_mib_of, tree_us
from benchmarks.figure_poll import distinct
from benchmarks.measure import at_most
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.wire.codec import decode, encode

BURNT_US = 50_000
BURNS = f"""
import time, threading
burn = threading.Thread(target=lambda: [None for _ in iter(lambda: time.thread_time() < {BURNT_US / 1e6}, False)])
burn.start(), burn.join(), print('burnt', flush=True), threading.Event().wait()
"""

STARTS = f"""
import subprocess, sys, threading
burns = subprocess.Popen((sys.executable, '-c', {BURNS!r}), stdout=subprocess.PIPE)
burns.stdout.readline()
ended = subprocess.Popen((sys.executable, '-c', {BURNS!r}), stdout=subprocess.PIPE)
ended.stdout.readline(), ended.kill(), ended.wait()
print('both', flush=True), threading.Event().wait()
"""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are measured through /proc")


def test_an_edge_ven_loads_nothing_that_it_never_uses() -> None:
    """Its memory is a figure with a goal: no server, nothing of a VTN, no other store or device, nothing that parses."""
    code = (
        "import sys, openadr_ra.cli, openadr_ra.programs.serve, openadr_ra.store\n"
        "from openadr_ra.store import SqliteStore\n"
        "from openadr_ra.drivers.simulated import Battery\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True).stdout.split()

    assert "openadr_ra.run.ven" in loaded
    unwanted = {
        "aiohttp.web", "click", "cryptography.hazmat.primitives.serialization", "dataclasses", "importlib.metadata",
        "openleadr", "openadr_ra.cli_root", "openadr_ra.drivers.contract", "openadr_ra.drivers.simulated.ev",
        "openadr_ra.net.ca", "openadr_ra.net.server", "openadr_ra.protocol.distribution", "openadr_ra.protocol.party",
        "openadr_ra.protocol.vtn", "openadr_ra.run.vtn", "openadr_ra.store.memory",
    }  # fmt: skip
    assert unwanted.intersection(loaded) == set()


@on_linux
def test_the_cpu_time_of_all_threads_of_another_process_is_counted_and_its_idle_time_is_not() -> None:
    """A server spends its time in more threads than one, and waits for most of a round."""
    with child("-c", BURNS) as (pid, said):
        spent = cpu_us(pid)

    assert said == "burnt"
    assert BURNT_US <= spent < BURNT_US + 5_000_000


@on_linux
def test_a_server_s_processes_are_counted_with_those_that_have_ended() -> None:
    """A database server starts one for each connection."""
    with child("-c", STARTS) as (pid, said):
        alone, all_ = cpu_us(pid), tree_us(pid)
        for started in psutil.Process(pid).children():
            started.kill()

    assert said == "both"
    assert all_ - alone >= 2 * BURNT_US - 10_000


@on_linux
def test_the_memory_of_another_process_is_read_from_outside() -> None:
    """A process that holds 64 MiB more than another shows them."""
    says = "print('ready', flush=True); import threading; threading.Event().wait()"
    with child("-c", says) as (small, _), child("-c", f"held = b'x' * 2**26; {says}") as (large, _):
        assert 60 < resident_mib_of(large) - resident_mib_of(small) < 68


def test_resident_memory_is_in_mib() -> None:
    """The kernel's kB are of 1024 bytes."""
    assert resident_mib("Name:\tpython\nVmHWM:\t   99999 kB\nVmRSS:\t   66560 kB\n") == 65.0


def test_every_poll_of_a_round_has_bytes_of_its_own_and_means_the_same() -> None:
    """What a server has seen before it could answer without parsing."""
    poll = Poll(ven_id=VenId("ven-1"))
    bodies = distinct(encode(poll), 100)

    assert len(set(bodies)) == 100
    assert {decode(body) for body in bodies} == {poll}


def test_a_goal_is_met_up_to_its_limit_and_not_beyond() -> None:
    """The goal's own unit counts, not the floor."""
    at, above = (at_most("memory", "MiB", 65.0, ours=ours, floor=40.0, peer=58.0) for ours in (65.0, 65.1))

    assert at.met
    assert not above.met
    assert at.goal == "at most 65 MiB"
    assert at.ratio_to_floor == 65.0 / 40.0


def test_a_server_that_ends_at_once_is_an_error_and_no_figure(tmp_path: Path) -> None:
    """A typo in a benchmark must not come out as a very fast server."""
    script = tmp_path / "ends.py"
    script.write_text("")

    with pytest.raises(AssertionError, match="ended before it said anything"), child(str(script)):
        pass
