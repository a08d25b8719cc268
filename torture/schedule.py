"""What happens when: drawn from a seed, so that the seed of a failing run has its schedule again."""

from __future__ import annotations

import random
from typing import Literal, get_args

import msgspec

from torture.scene import Cell, Scene

Kind = Literal[
    "kill-vtn", "kill-worker", "kill-ven", "kill-database", "database-away", "locked", "disk-full", "network", "clock"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

NETWORK = ("refuse", "silent", "cut", "delay", "one-way")
"""How a line fails: nobody listens; everything is swallowed; it breaks in the middle of a body; it is late; answers are
swallowed."""

STEP_S = 300
"""How far clocks are stepped."""

GAP_S = (2.0, 6.0)
"""Between the beginnings of two faults."""

FIRST_S = 3.0
"""When the first one begins, after all VENs have registered."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`target` is a node of the scene, a line's VEN or a cell's database; `how` is for the kind to understand."""

    at_s: float
    kind: Kind
    target: str
    lasts_s: float
    how: str = ""

    def line(self) -> str:
        """For people."""
        how = f" {self.how}" if self.how else ""
        return f"{self.at_s:6.1f} s  {self.kind}{how} on {self.target} for {self.lasts_s:.1f} s"


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of fault that cannot be had here, and why."""

    kind: Kind
    why: str


def draw(seed: int, seconds: float, kinds: tuple[Kind, ...], scene: Scene, *, away_s: float) -> tuple[Fault, ...]:
    """Faults for so many seconds: each kind that the scene has a target for in its turn, in an order of its own each round.

    Two faults may overlap, but not on one target. `away_s` is how long a database is away.
    """
    dice = random.Random(seed)  # noqa: S311 - no secret
    able = [kind for kind in kinds if _targets(kind, scene)]
    if not able:
        return ()
    free: dict[str, float] = {}
    found: list[Fault] = []
    at_s, turn = FIRST_S, list[Kind]()
    while at_s < seconds:
        if not turn:
            turn = list(able)
            dice.shuffle(turn)
        fault = _one(dice, turn.pop(), scene, at_s, seconds, away_s)
        if all(free.get(name, 0.0) <= at_s for name in _touched(fault, scene)):
            found.append(fault)
            free |= dict.fromkeys(_touched(fault, scene), at_s + fault.lasts_s + 1.0)
        at_s += dice.uniform(*GAP_S)
    return tuple(found)


def _one(dice: random.Random, kind: Kind, scene: Scene, at_s: float, seconds: float, away_s: float) -> Fault:
    target = dice.choice(_targets(kind, scene))
    lasts_s, how = _lasting(dice, kind, away_s)
    # What is longer than the run would only be waited for.
    return Fault(at_s=round(at_s, 1), kind=kind, target=target, lasts_s=round(min(lasts_s, seconds), 1), how=how)


def _lasting(dice: random.Random, kind: Kind, away_s: float) -> tuple[float, str]:
    """For how long, and how. Who is killed is started again at once, or after a while."""
    match kind:
        case "kill-vtn" | "kill-ven":
            return dice.choice((0.0, dice.uniform(0.5, 12.0))), ""
        case "kill-worker" | "kill-database":
            return dice.choice((0.0, dice.uniform(0.5, 5.0))), ""
        case "database-away":
            return away_s, ""
        case "locked":
            return dice.uniform(2.0, 8.0), ""
        case "disk-full":
            return dice.uniform(5.0, 15.0), ""
        case "network":
            return dice.uniform(3.0, 20.0), dice.choice(NETWORK)
        case "clock":
            return dice.uniform(10.0, 25.0), dice.choice((f"+{STEP_S}", f"-{STEP_S}"))


def _targets(kind: Kind, scene: Scene) -> tuple[str, ...]:
    cells = scene.cells
    match kind:
        case "kill-vtn":
            return tuple(cell.vtn for cell in cells)
        case "kill-worker":
            return tuple(cell.vtn for cell in cells if cell.workers > 1)
        case "kill-ven" | "network":
            return tuple(ven.name for cell in cells for ven in cell.vens)
        case "kill-database" | "database-away":
            return tuple(f"{cell.name}-database" for cell in cells if cell.database)
        case "locked":
            return (*(cell.vtn for cell in cells if not cell.database), *(ven.name for ven in scene.vens))
        case "disk-full":
            return tuple(name for name in scene.on_small_disks)
        case "clock":
            return tuple(name for name in scene.nodes if not _on_workers(name, cells))


def _on_workers(name: str, cells: tuple[Cell, ...]) -> bool:
    """Workers share one clock, which their database has, too: hosts whose clocks differ by minutes are none of this."""
    return any(cell.database and cell.vtn == name for cell in cells)


def _touched(fault: Fault, scene: Scene) -> tuple[str, ...]:
    """What no other fault is to be on meanwhile: with a database its VTN, for one fault would hide the other."""
    if fault.kind == "network":
        return (f"{fault.target} line",)
    for cell in scene.cells:
        if fault.target in (cell.vtn, f"{cell.name}-database"):
            return (cell.vtn, f"{cell.name}-database")
    return (fault.target,)
