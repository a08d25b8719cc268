"""The command line."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from conformance.run import Plan, run
from conformance.subject import SubjectSettings
from conformance.verdict import Result


def main() -> None:
    settings = SubjectSettings.read(Path(sys.argv[1]))
    out = Path.cwd() / "out" / f"{settings.name}-{settings.role}-{settings.mode}"

    def told(one: Result, number: int, of: int) -> None:
        print(f"{number}/{of} {one.verdict:16} {one.id} {one.took_s} {one.expected} {one.actual} {one.why}")

    results = asyncio.run(run(settings, Plan(only=tuple(sys.argv[2:])), out, told))
    for one in results:
        if one.verdict != "pass":
            print(one.verdict, one.id, one.expected, "|", one.actual, "|", one.why)
    (out / "report.json").write_bytes(msgspec.json.encode(results))
