"""The package keeps to the plan of the house; and the check that says so finds every kind of departure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import floors

PACKAGE = Path(__file__).parent.parent / "openadr_ra"

Rule = Callable[[tuple[floors.Source, ...]], Iterator[str]]


@pytest.mark.parametrize(
    "rule",
    [floors.wrong_imports, floors.read_clocks, floors.catch_alls, floors.too_long],
    ids=lambda r: r.__name__,
)
def test_the_package_keeps_to_the_plan(rule: Rule) -> None:
    """Every file of openadr_ra is in its room and does what its room may."""
    found = tuple(rule(floors.read(PACKAGE)))

    assert not found, "\n" + "\n".join(found)


def test_the_plan_names_each_room_and_each_path_once() -> None:
    names = [room.name for room in floors.ROOMS]
    paths = [path for room in floors.ROOMS for path in room.paths]

    assert len(names) == len(set(names))
    assert len(paths) == len(set(paths))
    assert [room.floor for room in floors.ROOMS] == sorted(room.floor for room in floors.ROOMS)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        # up
        ("errors", "from openadr_ra.protocol import shape"),
        ("protocol/times", "from openadr_ra.protocol.model import Event"),
        ("protocol/model_report", "from openadr_ra.protocol.messages import Message"),
        ("protocol/step", "from openadr_ra import seams"),
        ("protocol/event", "from openadr_ra.protocol.vtn import Party"),
        ("fleet/track", "from openadr_ra.run.node import Node"),
        ("store/sqlite", "from openadr_ra.settings import StoreSettings"),
        ("settings", "from openadr_ra.run import Vtn"),
        ("run/vtn", "from openadr_ra import Vtn"),
        ("programs/demo", "from openadr_ra.cli import main"),
        # sideways
        ("protocol/event", "from openadr_ra.protocol.opt import Opt"),
        ("protocol/vtn", "from openadr_ra.protocol.ven import EndNode"),
        ("fleet/fleet", "from openadr_ra.protocol.vtn import Party"),
        ("market/jepx", "from openadr_ra.fleet.allocate import allocate"),
        ("wire/codec", "from openadr_ra.net.client import post"),
        ("drivers/guard", "from openadr_ra.store import memory"),
        # less than the floor allows
        ("net/client", "from openadr_ra.protocol.times import Duration"),
        ("net/server", "from openadr_ra.seams import Clock"),
        ("console/api", "from openadr_ra.store.memory import Memory"),
        ("protocol/__init__", "from openadr_ra.errors import OadrError"),
        ("run/vtn", "from openadr_ra.protocol.messages import Poll"),
        ("run/vtn", "from openadr_ra.protocol import messages"),
        ("run/vtn", "import openadr_ra.protocol.messages"),
        # not pure
        ("errors", "import logging"),
        ("protocol/shape", "from lxml import etree"),
        ("protocol/registration", "import random"),
        ("protocol/ven", "import collections"),
        ("fleet/allocate", "import asyncio"),
        ("market/baseline", "from zoneinfo import ZoneInfo"),
        # wherever and however
        ("wire/codec", "if TYPE_CHECKING:\n    from openadr_ra.net import client"),
        ("wire/codec", "def late() -> None:\n    import openadr_ra.net.client"),
        ("wire/codec", "from ..net import client"),
        ("wire/codec", "from .. import net"),
        ("wire/codec", "importlib.import_module('openadr_ra.net.client')"),
        ("wire/codec", "import_module('..net.client', __package__)"),
        ("wire/codec", "__import__('openadr_ra.net')"),
        # no such room
        ("utils", "import re"),
        ("protocol/helper", "import re"),
        ("run/vtn", "from openadr_ra.utils import fix"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, path: str, line: str) -> None:
    """Up, sideways, out of a pure floor, beyond a room's own limits, or to where there is no room."""
    assert list(floors.wrong_imports(tree(tmp_path, path, line)))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("protocol/shape", "from openadr_ra.errors import OadrError"),
        ("protocol/messages_event", "from openadr_ra.protocol.messages import Message"),
        ("protocol/messages", "from .model import Event"),
        ("seams", "from openadr_ra.protocol.step import Outcome"),
        ("protocol/report", "from openadr_ra.protocol.delivery import due"),
        ("protocol/vtn", "from openadr_ra.protocol import event"),
        ("protocol/ven", "import msgspec.structs"),
        ("fleet/fleet", "from openadr_ra.fleet.allocate import allocate"),
        ("fleet/fleet", "from collections import abc"),
        ("wire/codec", "from lxml import etree"),
        ("net/client", "from openadr_ra.net.tls import context"),
        ("net/client", "from openadr_ra.errors import WireError"),
        ("drivers/simulated", "from openadr_ra.fleet.fleet import Fleet"),
        ("run/vtn", "from openadr_ra.protocol.messages import Message"),
        ("run/vtn", "from openadr_ra.settings import Settings"),
        ("__init__", "from openadr_ra.run.vtn import Vtn"),
        ("console/api", "from openadr_ra.run.vtn import Vtn"),
        ("programs/demo", "from openadr_ra import Vtn"),
        ("cli", "def demo() -> None:\n    from openadr_ra.programs import demo"),
        ("__main__", "from openadr_ra.cli import main"),
    ],
)
def test_a_right_import_is_left_alone(tmp_path: Path, path: str, line: str) -> None:
    """Down the floors, within a room, and along the chains of floors 0, 4 and 5."""
    assert not list(floors.wrong_imports(tree(tmp_path, path, line)))


CLOCK_READERS = [
    "from datetime import datetime\nnow = datetime.now(UTC)",
    "import datetime as dt\nnow = dt.datetime.utcnow()",
    "from datetime import date\ntoday = date.today()",
    "import time\nbegan = time.monotonic()",
    "from time import time\nnow = time()",
    "from asyncio import sleep\nasync def wait() -> None:\n    await sleep(1)",
    "import asyncio\ndef loop(wait=asyncio.sleep) -> None: ...",
]


@pytest.mark.parametrize("text", CLOCK_READERS)
@pytest.mark.parametrize("path", ["drivers/simulated", "net/ca", "programs/demo", "store/sqlite"])
def test_a_clock_outside_the_hall_is_found(tmp_path: Path, path: str, text: str) -> None:
    """Under whatever name the clock was imported."""
    assert list(floors.read_clocks(tree(tmp_path, path, text)))


@pytest.mark.parametrize("text", CLOCK_READERS)
def test_the_hall_owns_the_clock(tmp_path: Path, text: str) -> None:
    assert not list(floors.read_clocks(tree(tmp_path, "run/clock", text)))


@pytest.mark.parametrize(
    "text",
    [
        "from datetime import datetime\ndef age(now: datetime, then: datetime) -> float: ...",
        "async def wait(clock: Clock) -> None:\n    await clock.sleep_until(clock.now())",
        "from datetime import time\nnoon = time(12)",
        "import asyncio\nasync def bounded() -> None:\n    async with asyncio.timeout(5): ...",
    ],
)
def test_a_time_that_was_handed_over_is_no_clock(tmp_path: Path, text: str) -> None:
    assert not list(floors.read_clocks(tree(tmp_path, "drivers/simulated", text)))


CATCH_ALL = "try:\n    go()\nexcept {}:\n    pass\n"


@pytest.mark.parametrize(
    "text",
    [
        CATCH_ALL.format("Exception"),
        CATCH_ALL.format("Exception as error"),
        CATCH_ALL.format("(OSError, BaseException)"),
        "try:\n    go()\nexcept:\n    pass\n",
        "with contextlib.suppress(Exception):\n    go()",
    ],
)
@pytest.mark.parametrize("path", ["store/sqlite", "drivers/guardian", "programs/demo"])
def test_a_catch_all_is_found(tmp_path: Path, path: str, text: str) -> None:
    assert list(floors.catch_alls(tree(tmp_path, path, text)))


@pytest.mark.parametrize(
    ("path", "count", "found"),
    [("run/vtn", 3, 0), ("drivers/guard", 3, 0), ("store/jobs", 1, 0), ("store/jobs", 2, 1)],
)
def test_a_catch_all_stands_only_where_it_is_answered_for(tmp_path: Path, path: str, count: int, found: int) -> None:
    assert len(list(floors.catch_alls(tree(tmp_path, path, CATCH_ALL.format("Exception") * count)))) == found


def test_a_named_error_may_be_caught_anywhere(tmp_path: Path) -> None:
    text = CATCH_ALL.format("(OSError, ValueError)")

    assert not list(floors.catch_alls(tree(tmp_path, "store/sqlite", text)))


@pytest.mark.parametrize(("lines", "found"), [(400, 0), (401, 1)])
def test_a_file_ends_at_400_lines(tmp_path: Path, lines: int, found: int) -> None:
    assert len(list(floors.too_long(tree(tmp_path, "run/vtn", "x = 1\n" * lines)))) == found


@pytest.mark.parametrize("head", ["def long() -> None:", "class C:\n  async def long(self) -> None:"])
@pytest.mark.parametrize(("lines", "found"), [(60, 0), (61, 1)])
def test_a_function_ends_at_60_lines(tmp_path: Path, head: str, lines: int, found: int) -> None:
    text = head + "\n" + "    x = 1\n" * (lines - 1)

    assert len(list(floors.too_long(tree(tmp_path, "run/vtn", text)))) == found


def tree(root: Path, path: str, text: str) -> tuple[floors.Source, ...]:
    """A package with one module of `text` at `path`, and modules that imports may reach."""
    there = (
        "net/client",
        "net/__init__",
        "protocol/messages",
        "protocol/opt",
        "protocol/event",
        "protocol/vtn",
    )
    for module in {*there, "protocol/__init__", "__init__"} - {path}:
        write(root, module, "")
    write(root, path, text)
    return floors.read(root)


def write(root: Path, module: str, text: str) -> None:
    file = root / f"{module}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
