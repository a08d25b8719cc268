"""What a VEN does with an event, as far as its own usage report shows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from conformance.case import Failed, NotSupported, expect, expect_code
from conformance.message import NAMESPACES, Message
from conformance.operator import DISPATCH, SignalWish, in_
from conformance.play import fresh
from conformance.tested import Ven
from conformance.ven_steps import POWER, Point, length_s, moment, offer_of, ordered, point_of, report_path, wanted

SHOWS_WITHIN_S = 10.0
"""A VEN that acts at all shows it in its report within that time."""


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """The power of an interval that began then."""

    at: datetime
    watts: float


class Meter:
    """The first real-power point of the VEN's TELEMETRY_USAGE, reported as often as the VEN offers."""

    def __init__(self, ven: Ven, request_id: str, point: Point) -> None:
        self.ven, self.request_id, self.point = ven, request_id, point
        self._next = len(ven.heard)

    @classmethod
    async def of(cls, ven: Ven) -> Meter:
        """Ask for the report. NotSupported where power cannot be had every five seconds."""
        offer = offer_of(ven, "TELEMETRY_USAGE")
        point = point_of(offer, POWER)
        only = offer.only(point.rid)
        if only.step_s > 5:
            raise NotSupported("the VEN reports its power too seldom for its effect to be seen")
        meter = cls(ven, fresh("meter"), point)
        reply = await ordered(ven, wanted(meter.request_id, only, granularity_s=only.step_s, back_s=only.step_s))
        expect_code(reply, "200")
        return meter

    async def until(self, good: Callable[[float], bool], *, within_s: float = SHOWS_WITHIN_S) -> Value | None:
        """The first value yet to be looked at that is good; None if none came in time."""
        ends = in_(0) + timedelta(seconds=within_s)
        while (left_s := (ends - in_(0)).total_seconds()) > 0:
            for value in await self._more(left_s):
                if good(value.watts):
                    return value
        return None

    async def shows(self, watts: float, *, within_s: float = SHOWS_WITHIN_S) -> Value:
        """The first value that is about `watts`. Failed in time."""
        found = await self.until(lambda one: near(one, watts), within_s=within_s)
        if found is None:
            raise Failed(f"about {watts:g} W in the VEN's report within {within_s:g} s", "it was not there")
        return found

    async def leaves(self, watts: float, *, within_s: float = SHOWS_WITHIN_S) -> Value:
        """The first value that is not about `watts`. Failed in time."""
        found = await self.until(lambda one: not near(one, watts), within_s=within_s)
        if found is None:
            raise Failed(f"another power than {watts:g} W within {within_s:g} s", "it stayed")
        return found

    async def stays(self, good: Callable[[float], bool], what: str, *, for_s: float) -> None:
        """Every value for so long is good, and there is one. Failed at the first that is not."""
        seen: list[float] = []

        def bad(watts: float) -> bool:
            seen.append(watts)
            return not good(watts)

        found = await self.until(bad, within_s=for_s)
        if found is not None:
            raise Failed(what, f"{found.watts:g} W at {found.at:%H:%M:%S}Z")
        if not seen and await self.until(good) is None:
            raise Failed(what, "no value of the power at all")

    async def _more(self, within_s: float) -> tuple[Value, ...]:
        """The values of the next update; none if there comes none in time."""
        where = report_path(self.request_id)
        try:
            message = await self.ven.hears(
                "oadrUpdateReport", where=lambda one: one.has(where), after=self._next, within_s=within_s
            )
        except Failed:
            return ()
        self._next = self.ven.heard.index(message) + 1
        return self._values(message)

    def _values(self, message: Message) -> tuple[Value, ...]:
        report = report_path(self.request_id)
        at = moment(message.text(f"{report}/xcal:dtstart/xcal:date-time"))
        found: list[Value] = []
        for interval in message.all(f"{report}/strm:intervals/ei:interval"):
            start = interval.findtext("xcal:dtstart/xcal:date-time", namespaces=NAMESPACES)
            at = moment(start) if start else at
            for payload in interval.findall("oadr:oadrReportPayload", NAMESPACES):
                text = payload.findtext("ei:payloadFloat/ei:value", namespaces=NAMESPACES)
                if payload.findtext("ei:rID", namespaces=NAMESPACES) == self.point.rid and text:
                    found.append(Value(at=at, watts=float(text) * self.point.times))
            at += timedelta(
                seconds=length_s(interval.findtext("xcal:duration/xcal:duration", namespaces=NAMESPACES) or "PT0S")
            )
        return tuple(found)


def near(value: float, watts: float) -> bool:
    """Is it that power, as closely as devices keep one?"""
    return abs(value - watts) <= max(0.15 * abs(watts), 20.0)


def dispatch(*watts: float) -> SignalWish:
    """A setpoint of real power for each interval."""
    return msgspec.structs.replace(DISPATCH, values=watts)


def expect_not_before(value: Value, start: datetime, step_s: float) -> None:
    """The value's interval does not end before `start`: a mean over it may show what began at its end."""
    good = value.at + timedelta(seconds=step_s) >= start
    expect(good, f"no effect before {start:%H:%M:%S}Z", f"{value.watts:g} W in the interval at {value.at:%H:%M:%S}Z")
