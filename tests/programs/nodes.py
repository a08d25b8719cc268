"""Nodes and commands as processes of their own, as an operator runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from openadr_ra.programs.serve import Started

COMMAND = (sys.executable, "-m", "openadr_ra")
PATIENCE_S = 30
# Local time is part of what is shown; the rule is spelt out, for a machine may have no zone files.
TOKYO: Mapping[str, str] = {"TZ": "JST-9"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The only line on stderr; no traceback has one line."""
        (line,) = self.err.splitlines()
        return line


def command(*words: str | Path, cwd: Path, env: Mapping[str, str] = TOKYO) -> Done:
    """`openadr-ra WORDS`, to its end."""
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    return Done(status=done.returncode, out=done.stdout, err=done.stderr)


class RunningNode:
    """A node that has said its start line."""

    def __init__(self, process: subprocess.Popen[str], first: str, log: Path) -> None:
        self._process = process
        self._log = log
        self.first = first

    @property
    def started(self) -> Started:
        """What it said, where it was asked for JSON."""
        return msgspec.json.decode(self.first, type=Started)

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    def hear(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop; its exit status."""
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_S)


@contextmanager
def node(settings: Path, *words: str, side: str = "run") -> Iterator[RunningNode]:
    """`openadr-ra SIDE settings`, up and running until the block is left."""
    log = settings.with_suffix(".log")
    with log.open("w") as err:
        process = subprocess.Popen(
            [*COMMAND, side, settings, *words],
            cwd=settings.parent,
            stdout=subprocess.PIPE,
            stderr=err,
            encoding="utf-8",
        )
    with process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first, log.read_text("utf-8")
            yield RunningNode(process, first, log)
        finally:
            process.terminate()


def written(file: Path, *tables: str) -> Path:
    """A settings file with these tables, and with a store of its own beside it."""
    file.write_text("\n".join((f'name = "{file.stem}"', *tables, f'[store]\nurl = "sqlite:{file.stem}.db"', "")))
    return file


VTN = '[downstream]\nlisten = "127.0.0.1:0"\nadmit = "ca"\npoll_s = 1\nlive_s = 1'
CONSOLE = '[console]\nlisten = "127.0.0.1:0"'


def vens(*names: str) -> str:
    """VENs that the VTN knows before they come."""
    return "\n".join(f'[[downstream.ven]]\nid = "{name}"' for name in names)


def edge(vtn: str, *, ven_id: str = "VEN1") -> str:
    """A VEN of that VTN with a battery."""
    battery = '[[device]]\nid = "battery"\ndriver = "simulated-battery"'
    return f'[[upstream]]\nurl = "{vtn}"\nven_id = "{ven_id}"\n{battery}'
