"""Who is there: cells of one VTN and its VENs each, one of them behind mutual TLS, one in plain HTTP."""

from __future__ import annotations

from typing import Literal

import msgspec

Way = Literal["held", "poll", "push"]


class VenPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A VEN: its polls are held, it polls, or it is posted to."""

    name: str
    way: Way

    @property
    def device(self) -> str:
        return f"{self.name}-device"


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A VTN with its VENs. `database`: it stands on PostgreSQL, with so many `workers`; else on SQLite."""

    name: str
    tls: bool
    vens: tuple[VenPlace, ...]
    database: bool = False
    workers: int = 1

    @property
    def vtn(self) -> str:
        return f"{self.name}-vtn"


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `on_small_disks` are nodes whose store is on a disk that can be filled; `near_s` is the length of an
    interval of an event that is lived through."""

    cells: tuple[Cell, ...]
    near_s: int = 6
    on_small_disks: tuple[str, ...] = ()

    @property
    def vens(self) -> tuple[VenPlace, ...]:
        return tuple(ven for cell in self.cells for ven in cell.vens)

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(name for cell in self.cells for name in (cell.vtn, *(ven.name for ven in cell.vens)))

    def cell_of(self, name: str) -> Cell:
        """The cell of a VTN or a VEN."""
        return next(cell for cell in self.cells if name == cell.vtn or name in {ven.name for ven in cell.vens})


def full_scene(*, database: bool, workers: int, disks: bool) -> Scene:
    """Two cells of three VENs: one over mutual TLS on SQLite, one in plain HTTP, on PostgreSQL where there is one."""
    ways: tuple[Way, ...] = ("held", "poll", "push")
    cells = (
        Cell(name="a", tls=True, vens=tuple(VenPlace(name=f"A-{way}", way=way) for way in ways)),
        Cell(
            name="b",
            tls=False,
            vens=tuple(VenPlace(name=f"B-{way}", way=way) for way in ways),
            database=database,
            workers=workers if database else 1,
        ),
    )
    return Scene(cells=cells, on_small_disks=("a-vtn", "A-poll", "B-push") if disks else ())


def small_scene(*, disks: bool) -> Scene:
    """One cell of two VENs in plain HTTP, for the short form."""
    vens = (VenPlace(name="S-held", way="held"), VenPlace(name="S-push", way="push"))
    cell = Cell(name="s", tls=False, vens=vens)
    return Scene(cells=(cell,), near_s=2, on_small_disks=("s-vtn", "S-held") if disks else ())
