"""A seed is a schedule: it does the same again, in any process, and says what it did."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from simulation.__main__ import shown
from simulation.build import Kind
from simulation.runner import Summary, simulated
from simulation.scenario import Result, kind_of, run

KINDS: dict[Kind, int] = {"protocol": 11, "fleet": 3, "chain": 7}


def program(*arguments: str, hash_seed: str = "0") -> bytes:
    """What `python -m simulation` prints; nothing fails."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "simulation", *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, timeout=50).stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_transcript_twice(kind: Kind) -> None:
    first, second = (run(KINDS[kind], kind=kind, written=True) for _ in range(2))

    assert first == second
    assert first.digest


def test_a_seed_gives_the_same_transcript_in_another_process() -> None:
    """Whatever order that one has for its sets."""
    first, second = (
        msgspec.json.decode(program("--seed", "11", "--json", hash_seed=each), type=Result) for each in ("1", "2")
    )

    assert first == second == run(11, written=True)


def test_to_write_it_down_changes_nothing() -> None:
    assert run(11).counts == run(11, written=True).counts


def test_all_kinds_of_worlds_are_among_the_first_seeds() -> None:
    assert {kind_of(seed) for seed in range(100)} == set(KINDS)


def test_a_transcript_has_the_time_the_node_the_message_and_what_changed() -> None:
    lines = shown(run(11, written=True)).splitlines()

    assert lines[0] == "seed 11 (protocol)"
    assert any("= node/VTN: " in line or "= party/" in line for line in lines)
    assert any(" > " in line for line in lines)
    assert lines[-2] == "seed 11: all invariants held"
    assert "--seed 11" in lines[-1]


def test_the_summary_counts_seeds_hours_messages_and_faults() -> None:
    told: list[tuple[int, int]] = []

    summary, failed = simulated(range(20, 26), 1, lambda done, failed: told.append((done, failed)))

    assert (summary.seeds, summary.first, failed, summary.failed) == (6, 20, (), {})
    assert summary.ven_hours > 6
    assert summary.messages > 100
    assert {"crashes", "requests lost"} <= summary.counts.keys()


def test_the_program_tells_other_programs() -> None:
    summary = msgspec.json.decode(program("--seeds", "4", "--from", "2", "--jobs", "1", "--json"), type=Summary)

    assert (summary.seeds, summary.first, summary.failed) == (4, 2, {})
