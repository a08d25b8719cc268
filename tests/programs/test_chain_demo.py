"""The chain as its user gets it: a small one, run once for real, read, interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from openadr_ra.programs.chain_plant import CANCELLED, LEAVING, LOST, RAS, SLOTS, plant
from openadr_ra.programs.chain_summary import HopSlot, Summary
from openadr_ra.programs.demo import INTERRUPTED
from openadr_ra.protocol.model import OPT_IN, VenId

INTERVAL_S = 4
BATTERIES = 10
HOPS = ("dras→ac", "ac→ra-1", "ra-1→edges", "ac→ra-2", "ra-2→edges")
AWAIT_S = 60.0

pytestmark = pytest.mark.timeout(240)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a run left behind."""

    out: Path
    status: int
    stdout: str
    stderr: str
    summary: Summary

    def of(self, hop: str) -> tuple[HopSlot, ...]:
        return tuple(one for one in self.summary.hops if one.hop == hop)


def command(out: Path, *options: str) -> list[str]:
    words = ["--chain", "--out", str(out), "--interval-s", str(INTERVAL_S), "--batteries", str(BATTERIES)]
    return [sys.executable, "-m", "openadr_ra", "demo", *words, *options]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("chain") / "out"
    done = subprocess.run(command(out, "--json"), capture_output=True, text=True, timeout=220, check=False)
    assert (out / "summary.json").exists(), done.stderr
    summary = msgspec.json.decode((out / "summary.json").read_bytes(), type=Summary)
    return Run(out=out, status=done.returncode, stdout=done.stdout, stderr=done.stderr, summary=summary)


def test_what_each_tier_said_is_the_sum_of_what_it_recorded_below(run: Run) -> None:
    """To the watt, at every link and in every slot, whatever befell the plant."""
    assert run.summary.disagree == ()
    assert run.summary.sums_agree
    for one in run.summary.hops:
        assert one.delivered_kw == pytest.approx(one.reported_kw, abs=0.001)


def test_the_exit_status_says_whether_each_slot_that_can_be_is_in_its_band(run: Run) -> None:
    """On a busy machine a slot of some seconds may be out; then it is named."""
    out = [one for one in run.summary.hops if one.feasible and not one.in_band]

    assert run.status == (1 if out else 0), run.stderr
    assert (run.summary.missing == "") == (not out), run.summary.missing
    if out:
        assert f"slot {out[0].slot} is out of its band" in run.summary.missing


def test_each_link_has_each_slot_and_what_was_accepted_has_its_direction(run: Run) -> None:
    assert {one.hop for one in run.summary.hops} == set(HOPS)
    for hop in HOPS:
        slots = run.of(hop)
        assert [one.slot for one in slots] == list(range(1, SLOTS + 1))
        for one in slots:
            assert one.asked_kw is not None
            assert one.delivered_kw is not None
            assert one.asked_kw * one.accepted_kw >= 0
            assert one.in_band is not None


def test_what_is_asked_goes_down_whole(run: Run) -> None:
    """The shares of both RAs add up to what the DRAS asks; where a slot was shared anew within a second, almost."""
    for whole, *parts in zip(run.of("dras→ac"), *(run.of(f"ac→{name}") for name in RAS), strict=True):
        asked = [part.asked_kw or 0.0 for part in parts]
        assert sum(asked) == pytest.approx(whole.asked_kw, rel=0.05, abs=0.001)


def test_the_instruction_changes_three_times_and_one_slot_is_taken_back(run: Run) -> None:
    versions = run.summary.versions

    assert [one.modification for one in versions] == [0, 1, 2, 3, 4]
    assert [one.opts for one in versions[3:]] == [{"ac": OPT_IN}] * 2
    assert versions[3].asked_kw[VenId("ac")][CANCELLED] != 0
    for hop in HOPS:
        assert run.of(hop)[CANCELLED].asked_kw == 0


def test_a_gateway_is_lost_and_another_opts_out(run: Run) -> None:
    assert {f"{LOST} lost", f"{LEAVING} opted out"} <= {one.what for one in run.summary.happened}
    assert "SIGTERM" not in (run.out / "edges" / f"{LOST}.log").read_text()
    assert "SIGTERM" in (run.out / "edges" / f"{LEAVING}.log").read_text()
    assert f"{LOST} has not reported" in (run.out / f"{RAS[0]}.log").read_text()


def test_json_is_all_that_is_on_stdout_of_the_chain(run: Run) -> None:
    assert run.stdout.encode() == (run.out / "summary.json").read_bytes()
    for word in ("要求", "受託", "応動", "偏差"):
        assert word in run.stderr


def test_the_picture_of_the_chain_is_a_picture(run: Run) -> None:
    octets = (run.out / "chain.png").read_bytes()

    assert octets.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(octets) > 50_000


def test_each_node_of_the_chain_leaves_its_settings(run: Run) -> None:
    names = {"dras", "ac", *RAS}
    assert {path.stem for path in run.out.glob("*.toml")} == names
    gateways = {gateway.name for gateway in plant(BATTERIES, INTERVAL_S).gateways}
    assert {path.stem for path in (run.out / "edges").glob("*.toml")} == gateways


def test_no_node_is_left_when_the_chain_is_interrupted(tmp_path: Path) -> None:
    with subprocess.Popen(command(tmp_path / "out"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        said = b""
        while b"are registered" not in said:
            said += (line := process.stdout.readline())
            assert line, said
        nodes = psutil.Process(process.pid).children()

        process.send_signal(signal.SIGINT)

        said += process.stdout.read()
        assert process.wait(AWAIT_S) == INTERRUPTED
    assert len(nodes) == len(RAS) + 4, said
    assert b"Traceback" not in said
    assert b"interrupted" in said
    assert not psutil.wait_procs(nodes, timeout=AWAIT_S)[1]
