"""The ledger: what was asked and what was acknowledged, kept outside of what is tortured.

It is lines of JSON. A line is written in one call before its writer goes on, so that it outlives a SIGKILL of the writer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

Verb = Literal["publish", "change", "cancel"]


class Heard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A post of a VEN's and what came back, as its tap saw them. `at_s` is the machine's monotonic clock; `status` 0 is no
    answer."""

    at_s: float
    service: str
    status: int
    request: bytes
    reply: bytes = b""


class Ordered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the operator asked of a VTN, and what it said: `modification` is the one that it acknowledged, None if it did
    not; `why` is what it said instead. `sure`: it said that nothing was done."""

    at_s: float
    cell: str
    verb: Verb
    event: str
    near: bool = False
    vens: tuple[str, ...] = ()
    kw: tuple[float, ...] = ()
    modification: int | None = None
    sure: bool = False
    why: str = ""


class Declared(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a VEN's operator declared at its console; `acknowledged` by the VEN."""

    at_s: float
    ven: str
    opt_id: str
    acknowledged: bool


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a device was told: a power for `lease_s`, or to be let go."""

    at_s: float
    device: str
    verb: Literal["apply", "release"]
    kw: float = 0.0
    lease_s: float = 0.0
    event: str = ""


class Alive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A process from its start to its end; `killed` by us. `served`: it had come up, and said so."""

    name: str
    began_s: float
    ended_s: float
    killed: bool
    served: bool = True


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fault as it was carried out."""

    kind: str
    target: str
    what: str
    began_s: float
    ended_s: float
    vens: tuple[str, ...] = ()


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run, to be judged."""

    orders: tuple[Ordered, ...] = ()
    declared: tuple[Declared, ...] = ()
    heard: dict[str, tuple[Heard, ...]] = {}
    told: tuple[Told, ...] = ()
    alive: tuple[Alive, ...] = ()
    done: tuple[Done, ...] = ()


class Writer:
    """Appends lines to a file."""

    def __init__(self, path: Path, *, sync: bool = False) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._sync = sync

    def write(self, line: msgspec.Struct) -> None:
        """One line, in one piece."""
        os.write(self._file, msgspec.json.encode(line) + b"\n")
        if self._sync:
            os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def lines(path: Path, kind: type[T]) -> tuple[T, ...]:
    """What was written; a last line that was torn by the end of its writer was never there."""
    return tuple(_lines(path, kind)) if path.exists() else ()


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield msgspec.json.decode(line, type=kind)


def stamp(when: datetime) -> str:
    """For people."""
    return when.strftime("%H:%M:%S")
