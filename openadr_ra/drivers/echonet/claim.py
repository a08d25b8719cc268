"""Who rules a device: what we set there, and whether somebody else has set it otherwise since."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from openadr_ra.drivers.echonet import codes
from openadr_ra.drivers.echonet.codes import Values
from openadr_ra.drivers.echonet.frame import Property
from openadr_ra.drivers.echonet.kind import Kind, Phase
from openadr_ra.seams import Clock


class Claim:
    """Ours from the first set-point to the release, unless somebody sets the device otherwise in between.

    Then it is theirs: until they put our settings back, or until we were released and it is its own master. After an
    outage other settings mean nothing: a device that was switched off and on comes back with its own.
    """

    def __init__(self, kind: Kind, clock: Clock, settle_s: float) -> None:
        self._kind = kind
        self._clock = clock
        self._settle = timedelta(seconds=settle_s)
        self._since = clock.now()
        self._written: dict[int, bytes] = {}
        self._orders: tuple[Phase, ...] = ()
        self._doubtful = False
        self._held = False
        self.kw = 0.0
        """The power that was set last."""
        self.own: Phase = ()
        self.lost = ""
        """Who rules instead, and how that is known."""

    @property
    def held(self) -> bool:
        """It does what we set, as far as we know."""
        return self._held and not self.lost

    @property
    def codes(self) -> tuple[int, ...]:
        """Of all that was written for the order."""
        return tuple(self._written)

    def take(self, own: Phase) -> None:
        """From now on we write there; `own` are the settings of its owner, as they were when we began."""
        if not self._held:
            self._held, self.own = True, own

    def wrote(self, properties: Iterable[Property]) -> None:
        """The device took these, which may be the first part of an order."""
        self._written.update((one.epc, one.edt) for one in properties)
        self._since, self._doubtful = self._clock.now(), False

    def began(self) -> None:
        """A new order is under way: what was written for the last one is no longer what should be there."""
        self._written, self._orders = {}, ()

    def completed(self, orders: tuple[Phase, ...], kw: float) -> None:
        self._orders, self.kw = orders, kw

    def interrupted(self) -> None:
        self._doubtful = True

    def stands(self, orders: tuple[Phase, ...], values: Values) -> bool:
        """Has all this been written already, and is it still there?"""
        return orders == self._orders and self.held and self.kept(values)

    def kept(self, values: Values) -> bool:
        """Are our settings those of the device, as far as it shows them?"""
        return not self._strange(values)

    def watch(self, values: Values, *, excused: bool, resting: bool) -> None:
        """Look whose the device is. `excused`: it has left our order of itself; `resting`: it is its own master."""
        strange = self._strange(values)
        if self.lost:
            if (self._held and not strange) or (not self._held and resting):
                self.lost = ""
        elif self._held and not strange:
            self._doubtful = False
        elif self._held and not (excused or self._doubtful) and self._clock.now() >= self._since + self._settle:
            self.lost = _told(strange[0])

    def let_go(self) -> None:
        self._held = False
        self._written, self._orders, self.own, self.kw = {}, (), (), 0.0

    def _strange(self, values: Values) -> tuple[Property, ...]:
        """Settings other than ours."""
        return tuple(
            Property(epc=epc, edt=values[epc])
            for epc, edt in self._written.items()
            if epc in values and not self._kind.same(epc, edt, values[epc])
        )


def _told(strange: Property) -> str:
    if strange.epc == codes.REMOTE:
        return "it was operated on the spot"
    return f"somebody else set its 0x{strange.epc:02X} to 0x{strange.edt.hex().upper()}"
