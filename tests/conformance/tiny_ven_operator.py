"""The tiny VEN's user, in the test's own process."""

from __future__ import annotations

from datetime import datetime

from conformance import template
from conformance.operator import Refused
from conformance.play import seconds, utc
from conformance.play_vtn import report_request
from conformance.ven_operator import Availability
from tests.conformance.tiny_ven import TinyVen


class TinyVenOperator:
    """Tells it what conformance/ven_operator.py has."""

    def __init__(self, ven: TinyVen) -> None:
        self.ven = ven

    async def opt_event(self, event_id: str, opt: str) -> None:
        ven, book = self.ven, self.ven.kept.book
        if ven.wrong("no opt"):
            return
        if ven.wrong("opts once") and event_id in book.chosen:
            return
        held = book.held.get(event_id)
        if held is None:
            raise ValueError(f"the VEN has no event {event_id}")
        book.chosen[event_id] = opt
        spans = template.fill("availability", spans=_span(held.event.start, 3600))
        number = held.event.number - 1 if ven.wrong("opts for the old number") else held.event.number
        await self._opt(
            "for-event",
            opt,
            availability=spans if ven.wrong("schedule and event") else "",
            event_id=event_id,
            modification=max(number, 0),
            market_context=None,
        )

    async def _opt(self, name: str, opt: str, *, target: str = "", **holes: str | int | None) -> None:
        ven = self.ven
        await ven.say(
            "oadrCreateOpt",
            **{
                "opt_id": name,
                "opt": opt,
                "reason": "economic",
                "created": utc(),
                "target": target or f"<ei:venID>{ven.kept.ven_id}</ei:venID>",
                "device_class": None,
                **holes,
            },
        )
        ven.kept.opts[name] = str(holes.get("event_id") or "")

    async def declare(self, wish: Availability) -> str:
        ven = self.ven
        name = wish.name or ven.fresh("schedule")
        said = ven.fresh("schedule") if ven.wrong("new id for the same") else name
        if ven.wrong("no opt"):
            return name
        if ven.report_only and not ven.wrong("opts though it only reports"):
            raise Refused("a VEN that only reports has no opts")
        spans = wish.spans[:1] if ven.wrong("one span only") else wish.spans
        await self._opt(
            said,
            wish.opt,
            availability=template.fill("availability", spans="".join(_span(*one) for one in spans)),
            market_context=wish.market_context or None,
            event_id="some-event" if ven.wrong("schedule and event") else None,
            modification=0,
            target="".join(f"<ei:resourceID>{one}</ei:resourceID>" for one in wish.resources),
        )
        return name

    async def retract(self, name: str) -> None:
        ven = self.ven
        if ven.wrong("no cancelled opt") or (name not in ven.kept.opts and not ven.wrong("keeps opts from the old")):
            return
        await ven.say("oadrCancelOpt", opt_id="another" if ven.wrong("cancels another opt") else name)
        ven.kept.opts.pop(name, None)

    async def cancel_registration(self) -> None:
        ven = self.ven
        await ven.say("oadrCancelPartyRegistration", registration_id=ven.kept.registration_id)
        if not ven.wrong("stays after the cancellation"):
            ven.unregistered()

    async def query_registration(self) -> None:
        if not self.ven.wrong("no query"):
            await self.ven.say("oadrQueryRegistration")
        self.ven.deaf |= self.ven.wrong("deaf after a query")

    async def register_again(self) -> None:
        if not self.ven.wrong("never registers again"):
            await self.ven.register()

    async def request_report(self, name: str, point: str) -> None:
        ven = self.ven
        for specifier, offer in ven.vtn_offers.items():
            if offer == name:
                wish = ven.fresh("wish")
                ven.asked_of_vtn.add(wish)
                request = report_request(wish, specifier, (point,))
                await ven.say("oadrCreateReport", requests=request)

    async def close(self) -> None:
        return


def _span(start: datetime, length_s: int) -> str:
    return template.fill("span", start=utc(start), duration=seconds(length_s), more="")
