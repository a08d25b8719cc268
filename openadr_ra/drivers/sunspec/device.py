"""A SunSpec device on the wire: its map is found once, its points are read in few blocks and written in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from openadr_ra.drivers.sunspec.link import Link, Refused, Unreachable
from openadr_ra.drivers.sunspec.registers import Image, Placed, Span, Write, blocks

BASES = (40000, 50000, 0)
"""Where a SunSpec map may begin, in the order in which they are tried."""

MARKER = (0x5375, 0x6E53)
"""'SunS'."""

END = 0xFFFF
"""The model that ends the chain."""

LAST_ADDRESS = 0xFFFF

IDENTITY_REGISTERS = 2 + 65
"""The common model, which comes first: maker, model, version and serial number."""

NAMEPLATE: Mapping[int, Sequence[str]] = {
    120: ("DERTyp", "WRtg", "WHRtg", "MaxChaRte", "MaxDisChaRte"),
    121: ("WMax", "WGra"),
    124: ("WChaMax", "WChaGra", "StorCtl_Mod"),
    702: (*("WMaxRtg", "WChaRteMaxRtg", "WDisChaRteMaxRtg", "CtrlModes", "WMax", "WChaRteMax", "WDisChaRteMax"),),
    704: ("WMaxLimPctEna", "WMaxLimPct", "WSetEna", "WSet", "WSetPct", "WRmp"),
    123: ("WMaxLimPct", "WMaxLim_Ena"),
    713: ("WHRtg",),
    802: ("WHRtg", "WChaRteMax", "WDisChaRteMax", "CtrlHb"),
}
"""What is read when a device is met: it is what the device is."""

_INVERTER = ("W", "WH", "St", "Evt1")

LIVE: Mapping[int, Sequence[str]] = {
    101: _INVERTER,
    102: _INVERTER,
    103: _INVERTER,
    122: ("WAval",),
    123: ("Conn", "WMaxLimPct", "WMaxLimPct_RvrtTms", "WMaxLim_Ena"),
    124: (
        *("StorCtl_Mod", "MinRsvPct", "ChaState", "ChaSt"),
        *("OutWRte", "InWRte", "InOutWRte_RvrtTms", "ChaGriSet"),
    ),
    701: ("InvSt", "ConnSt", "Alrm", "W", "TotWhInj", "TotWhAbs"),
    703: ("ES",),
    704: (
        *("WMaxLimPctEna", "WMaxLimPct", "WMaxLimPctRvrt", "WMaxLimPctEnaRvrt", "WMaxLimPctRvrtTms"),
        *("WSetEna", "WSetMod", "WSet", "WSetRvrt", "WSetPct", "WSetPctRvrt", "WSetEnaRvrt", "WSetRvrtTms"),
    ),
    713: ("SoC", "Sta"),
    802: (
        *("SoCMax", "SoCMin", "SocRsvMax", "SoCRsvMin", "SoC", "ChaSt", "LocRemCtl"),
        *("Hb", "CtrlHb", "State", "W"),
    ),
}
"""What is read each time."""


class Device:
    """Every coroutine raises Unreachable or Refused; one at a time, and after `ready`."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.nameplate: Image | None = None
        """As read when the device was met; None before. Another one after another device, or another firmware."""
        self._identity: tuple[int, ...] = ()
        self._base: int | None = None
        self._placed: dict[int, Placed] = {}
        self._next = 0
        self._one_by_one = False

    async def ready(self) -> None:
        """Connected, and the map known. What was found before a failure is not looked for again."""
        if not self.link.connected:
            await self.link.connect()
            await self._recognised()
        if self._base is None:
            await self._found()
        while self._next:
            await self._walked()
        if self.nameplate is None:
            self.nameplate = await self._image(NAMEPLATE)

    async def look(self) -> Image:
        """What the device says now."""
        return await self._image(LIVE)

    async def write(self, image: Image, writes: Iterable[Write]) -> None:
        """In their order; `image` says which of them the device has, and at what scale."""
        for span in image.spans(writes):
            await self.link.write(span.address, span.words)

    async def _recognised(self) -> None:
        """Forget the map unless this is the same device, with the same firmware, as before."""
        if self._base is None:
            return
        if await self._common(self._base) != self._identity:
            self._base, self.nameplate, self._next = None, None, 0

    async def _found(self) -> None:
        """The base, and what stands there."""
        for base in BASES:
            try:
                marked = await self.link.read(base, len(MARKER)) == MARKER
            except Refused:
                continue
            if marked:
                self._identity = await self._common(base)
                self._base, self._next, self._placed, self._one_by_one = base, base + len(MARKER), {}, False
                return
        places = ", ".join(str(base) for base in BASES)
        raise Unreachable(f"there is no SunSpec map at {places}; is `unit` the right one?")

    async def _common(self, base: int) -> tuple[int, ...]:
        return await self.link.read(base + len(MARKER), IDENTITY_REGISTERS)

    async def _walked(self) -> None:
        """One model further."""
        model, length = await self.link.read(self._next, 2)
        if model == END:
            self._next = 0
            return
        # Of several of a kind the first one is the device's own.
        self._placed.setdefault(model, Placed(self._next, length))
        further = self._next + 2 + length
        self._next = further if further < LAST_ADDRESS else 0

    async def _image(self, wanted: Mapping[int, Sequence[str]]) -> Image:
        """Some devices refuse a request that spans two models: those are asked model by model."""
        if not self._one_by_one:
            try:
                return Image(self._placed, [await self._span(*block) for block in blocks(self._placed, wanted)])
            except Refused:
                self._one_by_one = True
        each = [block for model in wanted for block in blocks(self._placed, {model: wanted[model]})]
        return Image(self._placed, [await self._span(*block) for block in each])

    async def _span(self, address: int, count: int) -> Span:
        return Span(address, await self.link.read(address, count))
