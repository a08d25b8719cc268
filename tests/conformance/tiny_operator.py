"""Who tells the tiny VTN what to do: an operator in the same process."""

from __future__ import annotations

import msgspec

from conformance import clock
from conformance.operator import EventWish, Refused, ReportWish
from tests.conformance import tiny_events, tiny_reports
from tests.conformance.tiny_party import Asked, Party, TinyEvent
from tests.conformance.tiny_state import Maker, State


class TinyOperator:
    """Each wish is done at once."""

    def __init__(self, vtn: State) -> None:
        self.vtn = vtn

    async def create_event(self, wish: EventWish) -> str:
        vtn = self.vtn
        tiny_events.check(wish, vtn.events.values(), vtn.wrong)
        event = TinyEvent(id=vtn.fresh("event"), wish=wish, made=clock.now())
        vtn.events[event.id] = event
        vtn.events_changed(event)
        return event.id

    async def change_event(self, event_id: str, wish: EventWish) -> None:
        vtn, event = self.vtn, self._event(event_id)
        tiny_events.check(wish, (one for one in vtn.events.values() if one.id != event_id), vtn.wrong)
        if not vtn.wrong("no change"):
            event.former, event.wish = event.wish, wish
        self._raise(event)
        if not vtn.wrong("changes are not told"):
            vtn.events_changed(event)

    async def cancel_event(self, event_id: str) -> None:
        event = self._event(event_id)
        if event.cancelled or (self.vtn.wrong("no cancellation of the open") and event.wish.every_s == 0):
            return
        event.cancelled = True
        self._raise(event)
        self.vtn.events_changed(event)

    def _event(self, event_id: str) -> TinyEvent:
        if event_id not in self.vtn.events:
            raise ValueError(f"there is no event {event_id}")
        return self.vtn.events[event_id]

    def _raise(self, event: TinyEvent) -> None:
        stuck = self.vtn.wrong("counts once") and event.number > 0
        if not self.vtn.wrong("keeps the number") and not stuck:
            event.number += 2 if self.vtn.wrong("counts by two") else 1

    async def opt_of(self, event_id: str, ven_id: str) -> str:
        return self._party(ven_id).opts.get(event_id, "")

    def _party(self, ven_id: str) -> Party:
        party = self.vtn.parties.get(ven_id)
        if party is None or not party.active:
            raise ValueError(f"there is no VEN {ven_id}")
        return party

    async def request_report(self, wish: ReportWish) -> str:
        vtn, party = self.vtn, self._party(wish.ven_id)
        name = vtn.fresh("report")
        if vtn.wrong("request id 0"):
            name = "0"
        if vtn.wrong("same request id"):
            name = "tiny-report"
        asked = Asked(wish=wish, points=tiny_reports.points_of(wish, party, vtn.wrong))
        if not vtn.wrong("periodic ends before it begins"):
            party.asked[name] = asked
        self._tell(party, lambda: vtn.write("oadrCreateReport", party, requests=tiny_reports.asking(name, asked)))
        return name

    def _tell(self, party: Party, maker: Maker) -> None:
        self.vtn.tell(party, *(maker,) * (3 if self.vtn.wrong("asks again and again") else 1))

    async def cancel_report(self, ven_id: str, request_id: str, *, to_follow: bool) -> None:
        vtn, party = self.vtn, self._party(ven_id)
        asked = party.asked.get(request_id)
        if asked is None:
            raise Refused(f"there is no request {request_id}")
        follows = to_follow and not vtn.wrong("no final update")
        over = not follows and not vtn.wrong("updates after the end")
        for name, one in tuple(party.asked.items()):
            if name == request_id or vtn.wrong("one cancellation ends all"):
                party.asked[name] = msgspec.structs.replace(one, closing=follows, over=over)
        self._tell(
            party, lambda: vtn.write("oadrCancelReport", party, report_request_ids=(request_id,), to_follow=to_follow)
        )

    async def request_reregistration(self, ven_id: str) -> None:
        party = self._party(ven_id)
        self._tell(party, lambda: self.vtn.write("oadrRequestReregistration", party))

    async def cancel_registration(self, ven_id: str) -> None:
        party = self._party(ven_id)
        self.vtn.tell(
            party,
            lambda: self.vtn.write("oadrCancelPartyRegistration", party, registration_id=party.registration_id),
        )

    async def close(self) -> None:
        return
