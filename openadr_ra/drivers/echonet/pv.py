"""Home PV (0x0279): it generates what the sun gives; a set-point is a limit to that.

Output is positive in ECHONET Lite and negative here. The limit is 0xA1 in W where that can be set, else 0xA0 in percent
of the rated output; percents are cut down to whole ones, so that no more is generated than was asked.
"""

from __future__ import annotations

from openadr_ra.drivers.echonet import codes
from openadr_ra.drivers.echonet.codes import Values
from openadr_ra.drivers.echonet.frame import Property
from openadr_ra.drivers.echonet.kind import EchonetSettings, Facts, Look, Phase, Writable, narrowed
from openadr_ra.drivers.orders import SAME_KW
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import GOOD, UNCERTAIN
from openadr_ra.seams import Descriptor

NEAR_LIMIT_KW = 0.1
"""So near to its limit a plant that does not say whether it is restrained is taken to be, and a limit to be ours."""

ALL_PERCENT = 100

LARGEST_KW = 65.533
"""The highest value of 0xA1: no limit, where the rated output is not known."""

UNRATED = "its rated output is not known: give min_kw"


class Pv:
    """A `Kind`. It remembers what the sun gave before a limit hid it."""

    code = 0x0279
    patient = True
    fixed: tuple[int, ...] = (codes.RATED_W, codes.APPROVED_W, codes.CLIP_W)
    live: tuple[int, ...] = (
        *(codes.STATUS, codes.FAULT, codes.REMOTE, codes.LIMIT_PERCENT, codes.LIMIT_W),
        *(codes.RESTRAINT, codes.OUTPUT_W, codes.OUTPUT_WH),
    )

    def __init__(self, settings: EchonetSettings) -> None:
        self._settings = settings
        self._sun_kw = 0.0
        self._rated_kw: float | None = None

    def facts(self, values: Values, writable: Writable) -> Facts:
        """What the plant does not say of its output, `min_kw` of the settings does."""
        said = [codes.kilo(codes.unsigned(values, epc, 2)) for epc in (codes.RATED_W, codes.APPROVED_W)]
        self._rated_kw = next((kw for kw in (*said, -(self._settings.min_kw or 0.0)) if kw and kw > 0), None)
        clip_kw = codes.kilo(codes.unsigned(values, codes.CLIP_W, 2))
        largest_kw = min((kw for kw in (self._rated_kw, clip_kw) if kw), default=0.0)
        low_kw, high_kw = narrowed(0.0 - largest_kw, 0.0, self._settings)
        return Facts(low_kw=low_kw, high_kw=high_kw, in_percent=not writable(codes.LIMIT_W))

    def descriptor(self, resource: ResourceId, facts: Facts) -> Descriptor:
        return Descriptor(
            id=resource,
            kind="generator",
            subtype="pv",
            metering_point=self._settings.metering_point,
            min_kw=facts.low_kw,
            max_kw=facts.high_kw,
        )

    def look(self, values: Values, facts: Facts) -> Look:
        output_kw = codes.kilo(codes.unsigned(values, codes.OUTPUT_W, 2))
        kw = None if output_kw is None else 0.0 - output_kw
        if kw is not None:
            self._sun_kw = min(self._sun_kw, kw) if self._hidden(values, -kw) else kw
        faulty = values.get(codes.FAULT) == codes.FAULTY
        return Look(
            kw=kw,
            plan_kw=None if kw is None else self._sun_kw,
            low_kw=min(max(self._sun_kw, facts.low_kw), facts.high_kw),
            high_kw=facts.high_kw,
            export_kwh=codes.kilo(codes.unsigned(values, codes.OUTPUT_WH, 4)),
            local="operation from outside is barred" if values.get(codes.REMOTE) == codes.LOCAL_ONLY else "",
            stuck="it reports a fault" if faulty else "" if self._rated_kw else UNRATED,
            quality=UNCERTAIN if faulty else GOOD,
        )

    def reach(self, kw: float, facts: Facts) -> float:
        if not facts.in_percent or not self._rated_kw:
            return round(kw, 3)
        return 0.0 - self._percent(kw) / 100 * self._rated_kw

    def order(self, kw: float, values: Values, facts: Facts) -> tuple[Phase, ...]:
        limit = (
            Property(epc=codes.LIMIT_PERCENT, edt=bytes((self._percent(kw),)))
            if facts.in_percent
            else Property(epc=codes.LIMIT_W, edt=codes.watts(kw, 2))
        )
        return ((Property(epc=codes.REMOTE, edt=codes.LAST_REMOTE), limit),)

    def may_lack(self, epc: int, values: Values, facts: Facts) -> bool:
        return epc == codes.REMOTE

    def asked_kw(self, values: Values, facts: Facts) -> float | None:
        limit_kw = self._limit_kw(values)
        return None if limit_kw is None or self.resting(values, facts) else 0.0 - limit_kw

    def same(self, epc: int, written: bytes, found: bytes) -> bool:
        if epc == codes.REMOTE:
            return found != codes.LAST_LOCAL
        near = NEAR_LIMIT_KW * 1000 if epc == codes.LIMIT_W else 1
        return abs(int.from_bytes(written) - int.from_bytes(found)) <= near

    def excused(self, kw: float, values: Values, look: Look) -> bool:
        return False

    def own(self, values: Values) -> Phase:
        return ()

    def rest(self, own: Phase, facts: Facts) -> tuple[Phase, ...]:
        if facts.in_percent:
            return ((Property(epc=codes.LIMIT_PERCENT, edt=bytes((ALL_PERCENT,))),),)
        return ((Property(epc=codes.LIMIT_W, edt=codes.watts(self._rated_kw or LARGEST_KW, 2)),),)

    def resting(self, values: Values, facts: Facts) -> bool:
        limit_kw = self._limit_kw(values)
        return limit_kw is None or limit_kw >= (self._rated_kw or -facts.low_kw) - SAME_KW

    def _percent(self, kw: float) -> int:
        """Whole percents of the rated output; a hair below one is rounding."""
        rated_kw = self._rated_kw
        return ALL_PERCENT if not rated_kw else min(int(-kw / rated_kw * 100 + SAME_KW), ALL_PERCENT)

    def _limit_kw(self, values: Values) -> float | None:
        """The lower of its two limits."""
        limits = [codes.kilo(codes.unsigned(values, codes.LIMIT_W, 2))]
        percent = codes.percent(values, codes.LIMIT_PERCENT)
        if percent is not None and self._rated_kw:
            limits.append(percent / 100 * self._rated_kw)
        return min((limit for limit in limits if limit is not None), default=None)

    def _hidden(self, values: Values, output_kw: float) -> bool:
        """May the sun give more than the plant puts out?"""
        limit_kw = self._limit_kw(values)
        at_limit = limit_kw is not None and output_kw >= limit_kw - NEAR_LIMIT_KW
        return at_limit and values.get(codes.RESTRAINT) != codes.UNRESTRAINED
