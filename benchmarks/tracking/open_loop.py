"""What ours is compared with: the figure is shared out once, when it comes, and nobody looks what becomes of it."""

from __future__ import annotations

from typing import Literal

from benchmarks.tracking.agenda import Agenda
from benchmarks.tracking.homes import Homes, Version
from benchmarks.tracking.plant import Unit
from benchmarks.tracking.scene import EVENT_S, SLOT_S, Scene
from openadr_ra.protocol.model import OptType, ResourceId
from openadr_ra.seams import Measurement

Split = Literal["equal", "pro-rata"]
"""equal: the same for everyone; pro-rata: in proportion to what is rated."""


class OpenLoop:
    """Shares go to all who can be set to any power. What is changed from above is shared out again in the same way."""

    def __init__(self, split: Split, scene: Scene, units: dict[ResourceId, Unit], agenda: Agenda) -> None:
        self._scene = scene
        self._units = units
        self._agenda = agenda
        self._homes: Homes = {}
        takers = {id: unit.one for id, unit in units.items() if unit.one.rated_kw and id != "line"}
        if split == "equal":
            self._parts = {id: 1 / len(takers) for id in takers if id != "genset"}
            self._parts = {id: 1 / len(self._parts) for id in self._parts}
        else:
            rated_kw = sum(one.rated_kw for one in takers.values())
            self._parts = {id: one.rated_kw / rated_kw for id, one in takers.items()}

    def starts(self, homes: Homes) -> None:
        self._homes = homes

    def instructed(self, modification: int) -> None:
        now_s = self._agenda.now_s
        asked = self._scene.kw_by_slot(now_s)
        for id, part in self._parts.items():
            unit = self._units[id]
            slots = tuple(
                (EVENT_S + number * SLOT_S, EVENT_S + (number + 1) * SLOT_S, unit.one.plan_kw + part * kw)
                for number, kw in enumerate(asked)
            )
            if id in self._homes:
                self._homes[id].publish(Version("E1", modification, slots))
            else:
                unit.follows(now_s, slots)

    def opted(self, id: ResourceId, version: Version, opt: OptType) -> None:
        """It is taken note of."""

    def reported(self, id: ResourceId, stated: Measurement) -> None:
        """It is taken note of."""
