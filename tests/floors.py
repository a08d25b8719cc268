"""The plan of the house, and what in a source tree departs from it.

Who may import whom, who reads the clock, who may catch everything, how long things get.
`ROOMS` is the whole plan; a new file needs a line there only if it is a new room.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


class Room(NamedTuple):
    """Files that may import one another: a path stands for `path.py`, `path_*.py` and the folder `path/`."""

    floor: int
    name: str
    paths: tuple[str, ...]
    only: tuple[str, ...] | None = None
    """The rooms it may reach at all, where that is less than its floor allows."""


ROOMS = (
    Room(0, "errors", ("errors",)),
    Room(0, "protocol", ("protocol/__init__",), only=()),
    Room(0, "shape", ("protocol/shape",)),
    Room(0, "times", ("protocol/times",)),
    Room(0, "model", ("protocol/model", "protocol/parts")),
    Room(0, "schedule", ("protocol/schedule",)),
    Room(0, "messages", ("protocol/messages",)),
    Room(0, "refusal", ("protocol/refusal",)),
    Room(0, "step", ("protocol/step",)),
    Room(0, "pacing", ("protocol/pacing",)),
    Room(0, "seams", ("seams",)),
    Room(1, "registration", ("protocol/registration",)),
    Room(
        1,
        "event",
        (
            "protocol/event",
            "protocol/instruction",
            "protocol/makers",
            "protocol/signals",
            "protocol/distribution",
            "protocol/agenda",
        ),
    ),
    Room(1, "report", ("protocol/report", "protocol/producer", "protocol/delivery", "protocol/requester")),
    Room(1, "opt", ("protocol/opt",)),
    Room(2, "vtn", ("protocol/vtn", "protocol/party", "protocol/outbox", "protocol/reporting")),
    Room(
        2,
        "ven",
        (
            "protocol/ven",
            "protocol/hearing",
            "protocol/declaring",
            "protocol/saying",
            "protocol/node",
            "protocol/debts",
        ),
    ),
    Room(2, "fleet", ("fleet",)),
    Room(2, "market", ("market",)),
    Room(3, "wire", ("wire",)),
    Room(3, "net", ("net",), only=("errors",)),
    Room(3, "store", ("store",)),
    Room(3, "drivers", ("drivers",)),
    Room(4, "settings", ("settings",)),
    Room(4, "run", ("run",)),
    # The public names are those of the hall and below; commands and console use them like anyone else.
    Room(4, "openadr_ra", ("__init__",)),
    Room(5, "console", ("console",), only=("run",)),
    Room(5, "programs", ("programs",)),
    Room(5, "cli", ("cli",)),
    Room(5, "__main__", ("__main__",)),
)

CHAINS = (0, 4, 5)
"""Floors where a room may import those named before it; on the other floors rooms are strangers."""

PURE_FLOORS = (0, 1, 2)
PURE_IMPORTS = frozenset(
    [
        "__future__",
        "bisect",
        "collections.abc",
        "datetime",
        "enum",
        "functools",
        "heapq",
        "itertools",
        "math",
        "msgspec",
        "operator",
        "re",
        "typing",
    ]
)

CLOCK_ROOMS = {"run": "it owns the one Clock that it hands to whoever waits"}
CLOCKS = (
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
)
TIMERS = ("asyncio.sleep", "time.")

CATCH_ALLS = (
    ("run/", None, "the top of each loop: one failure must not end the service"),
    ("drivers/guard", None, "a driver is foreign code: whatever it raises becomes bad quality"),
    ("store/jobs", 1, "a step's error belongs to its caller; the writer's thread must live"),
    ("store/postgres_pump", 1, "the same, of the task that stores"),
)
"""Path, how many it may have (None: any number), and why."""


class Source(NamedTuple):
    path: str
    """Relative to the package, without the suffix: `protocol/vtn`, `net/__init__`."""
    lines: int
    tree: ast.Module


class Import(NamedTuple):
    line: int
    module: str
    name: str | None


def read(package: Path) -> tuple[Source, ...]:
    """Every module of the package in `package`, ordered by path."""
    return tuple(
        Source(path.relative_to(package).with_suffix("").as_posix(), len(text.splitlines()), ast.parse(text))
        for path in sorted(package.rglob("*.py"))
        for text in (path.read_text("utf-8"),)
    )


def room_of(path: str) -> Room | None:
    """The room that holds `path`."""
    for room in ROOMS:
        if any(path == own or path.startswith((f"{own}_", f"{own}/")) for own in room.paths):
            return room
    return None


def imports(source: Source) -> Iterator[Import]:
    """What `source` imports, wherever it does: at the top, in a function, for type checking, by importlib."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                yield from (Import(node.lineno, alias.name, None) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = absolute("." * level + (module or ""), source.path)
                yield from (Import(node.lineno, base, alias.name) for alias in names)
            case ast.Call(
                func=ast.Name("import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield Import(node.lineno, absolute(module, source.path), None)


def absolute(module: str, path: str) -> str:
    """The full name of `module` as the file at `path` means it: leading dots count from its own folder."""
    bare = module.lstrip(".")
    level = len(module) - len(bare)
    if not level:
        return module
    folder = ("openadr_ra", *path.split("/")[:-1])
    return ".".join((*folder[: len(folder) - level + 1], *(part for part in (bare,) if part)))


def target(wanted: Import, paths: frozenset[str]) -> str:
    """The path of the file that `wanted` reaches: the name's own module if there is one, else the module."""
    inner = wanted.module.split(".")[1:]
    named = "/".join((*inner, wanted.name or ""))
    for path in (named, f"{named}/__init__", "/".join(inner)):
        if path in paths:
            return path
    return "/".join((*inner, "__init__"))


def may_import(here: Room, there: Room) -> bool:
    """Down the floors; sideways within a room, and along a chain to what comes before."""
    if here == there:
        return True
    if here.only is not None and there.name not in here.only:
        return False
    if here.floor == there.floor:
        return here.floor in CHAINS and ROOMS.index(there) < ROOMS.index(here)
    return there.floor < here.floor


def wrong_imports(sources: tuple[Source, ...]) -> Iterator[str]:
    """Files without a room, imports up or sideways, and on the pure floors what is not on their list."""
    paths = frozenset(source.path for source in sources)
    for source in sources:
        here = room_of(source.path)
        if here is None:
            yield f"{source.path}.py has no room in ROOMS"
            continue
        for wanted in imports(source):
            if wrong := wrong_import(here, wanted, paths):
                yield f"{source.path}.py:{wanted.line}: {wrong}"


def wrong_import(here: Room, wanted: Import, paths: frozenset[str]) -> str | None:
    """Why a file of the room `here` may not import `wanted`, or None."""
    name = f"{wanted.module}.{wanted.name}" if wanted.name else wanted.module
    if wanted.module.split(".")[0] != "openadr_ra":
        allowed = PURE_IMPORTS & {name, wanted.module, wanted.module.split(".")[0]}
        if here.floor in PURE_FLOORS and not allowed:
            return f"{name} is not for floor {here.floor}, which is pure"
        return None
    there = room_of(target(wanted, paths))
    if there is None:
        return f"{name} has no room in ROOMS"
    if not may_import(here, there):
        return f"{here.name} (floor {here.floor}) may not import {name} of {there.name} (floor {there.floor})"
    if (here.name, there.name) == ("run", "messages") and wanted.name != "Message":
        return f"run names no payload, only Message; not {name}"
    return None


def read_clocks(sources: tuple[Source, ...]) -> Iterator[str]:
    """Clocks and sleeps outside the rooms that own one."""
    for source in sources:
        room = room_of(source.path)
        if room is not None and room.name in CLOCK_ROOMS:
            continue
        known = dict(local_names(source))
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Attribute | ast.Name):
                continue
            name = full_name(node, known) or ""
            if name in CLOCKS or name.startswith(TIMERS):
                yield f"{source.path}.py:{node.lineno}: {name} is for run only; take `now` or a Clock"


def local_names(source: Source) -> Iterator[tuple[str, str]]:
    """What each imported name stands for: (`dt`, `datetime.datetime`)."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    top = alias.name.split(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (top, top)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((alias.asname or alias.name, f"{module}.{alias.name}") for alias in names)


def full_name(node: ast.expr, known: Mapping[str, str]) -> str | None:
    """The dotted name that `node` spells, its first part looked up in the module's imports."""
    match node:
        case ast.Name(id=name):
            return known.get(name)
        case ast.Attribute(value=value, attr=attr):
            owner = full_name(value, known)
            return None if owner is None else f"{owner}.{attr}"
        case _:
            return None


def catch_alls(sources: tuple[Source, ...]) -> Iterator[str]:
    """Handlers of Exception, BaseException or everything, beyond what `CATCH_ALLS` admits."""
    for source in sources:
        found = sorted(line for node in ast.walk(source.tree) if (line := catch_all(node)) is not None)
        limit = catch_alls_allowed(source.path)
        for line in () if limit is None else found[limit:]:
            yield f"{source.path}.py:{line}: catch only what you can answer"


def catch_alls_allowed(path: str) -> int | None:
    """How many `path` may have; None: any number."""
    for allowed, limit, _ in CATCH_ALLS:
        if path == allowed or (allowed.endswith("/") and path.startswith(allowed)):
            return limit
    return 0


def catch_all(node: ast.AST) -> int | None:
    """The line of `node` if it is a handler for everything, or a `suppress` of it."""
    caught: list[ast.expr] = []
    match node:
        case ast.ExceptHandler(type=None):
            return node.lineno
        case ast.ExceptHandler(type=ast.Tuple(elts=elements)):
            caught = elements
        case ast.ExceptHandler(type=ast.expr() as element):
            caught = [element]
        case ast.Call(func=ast.Name("suppress") | ast.Attribute(attr="suppress"), args=arguments):
            caught = arguments
        case _:
            return None
    everything = any(isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"} for one in caught)
    return node.lineno if everything else None


def too_long(sources: tuple[Source, ...]) -> Iterator[str]:
    """Files and functions beyond their limits."""
    for source in sources:
        if source.lines > MAX_FILE_LINES:
            yield f"{source.path}.py: {source.lines} lines, at most {MAX_FILE_LINES}"
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    where = f"{source.path}.py:{node.lineno}: {node.name}"
                    yield f"{where} has {lines} lines, at most {MAX_FUNCTION_LINES}"
