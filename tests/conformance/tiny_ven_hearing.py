"""What the tiny VEN makes of the messages of a VTN: what it says to each, and what it does after that."""

from __future__ import annotations

import msgspec

from conformance.message import SERVICES, Message
from conformance.play_vtn import report_request
from conformance.template import fill
from tests.conformance import tiny_ven_reports as reports
from tests.conformance.tiny_ven_delivery import VenDelivery
from tests.conformance.tiny_ven_events import Word, readable
from tests.conformance.tiny_ven_state import BAD, Answer

CHECKED_VEN_ID = {
    "oadrCreateReport",
    "oadrCancelReport",
    "oadrRegisterReport",
    "oadrUpdateReport",
    "oadrCancelPartyRegistration",
    "oadrRequestReregistration",
}
REPLIES = {
    "oadrCreateReport": "oadrCreatedReport",
    "oadrCancelReport": "oadrCanceledReport",
    "oadrRegisterReport": "oadrRegisteredReport",
    "oadrUpdateReport": "oadrUpdatedReport",
    "oadrCancelPartyRegistration": "oadrCanceledPartyRegistration",
}
"""In what the VEN answers, or refuses; everything else in an oadrResponse."""


class VenHearing(VenDelivery):
    """The part of the VEN that hears."""

    async def register(self, *, anew: bool = False) -> None:
        """Register, or register again."""
        raise NotImplementedError

    async def deliver(self, answer: Answer) -> None:
        """Post an answer to its service, and do what follows."""
        if answer.raw:
            service = "EiOpt" if self.wrong("answers by the wrong service") else answer.service
            await self.send(answer.raw, service)
        if answer.then is not None:
            await answer.then()

    # -- hearing -------------------------------------------------------------------------------------------------

    def hear(self, message: Message) -> Answer | None:
        """What is to be said to a message of the VTN, and done after that. None: nothing."""
        if self.deaf:
            return None
        self.deaf |= b"schemaLocation" in message.raw and self.wrong("deaf after odd bodies")
        if (flaw := self.deaf_to(message)) is not None:
            return self._answer(message, flaw.code) if flaw.code else None
        if code := self.bad(message):
            if message.kind == "oadrCancelPartyRegistration" and self.wrong("unregistered by refused cancellations"):
                self.unregistered()
            self.deaf |= self.wrong("deaf after an error")
            return self._not_taken(message, code)
        match message.kind:
            case "oadrDistributeEvent":
                return self._events(message)
            case "oadrCreateReport":
                return self.create_reports(message, message.request_id)
            case "oadrCancelReport":
                return self._cancel_reports(message)
            case "oadrRegisterReport":
                return self._answer(message, "200", requests=self._wishes(message))
            case "oadrUpdateReport":
                named = set(message.texts("./oadr:oadrReport/ei:reportRequestID"))
                good = named <= self.asked_of_vtn and not self.wrong("takes no data")
                good = good or self.wrong("takes any data")
                return self._answer(message, "200" if good else "452")
            case "oadrCancelPartyRegistration":
                return self._cancel_registration(message)
            case "oadrRequestReregistration":
                return self._reregister(message)
            case "oadrResponse":
                return None
            case "oadrRequestEvent" if self.wrong("answers as a VTN"):
                return Answer(raw=self.write("oadrDistributeEvent", vtn_id="me", events=""), service="EiEvent")
            case _:
                return self._answer(message, "451")

    def bad(self, message: Message) -> str:
        """The code of what is wrong with the message as a whole; "" for nothing."""
        if not message.kind:
            return BAD
        if self.guard_fault(message) and self.guard.able:
            return "459"
        if self.invalid(message) or (message.kind == "oadrDistributeEvent" and not readable(message)):
            return "454"
        said = message.text("./ei:venID")
        if message.kind in CHECKED_VEN_ID and said is not None and said != self.kept.ven_id:
            return "" if self.wrong("takes any ven id") else "452"
        if message.kind == "oadrCancelPartyRegistration" and not self.wrong("cancels for any id"):
            return "" if message.text("./ei:registrationID") == self.kept.registration_id else "452"
        if message.kind in ("oadrDistributeEvent", "oadrRequestEvent") and self.report_only:
            return "" if self.wrong("has events though it only reports") else "451"
        return ""

    def _not_taken(self, message: Message, code: str) -> Answer | None:
        if message.kind == "oadrDistributeEvent":
            return self._created_event(message, code, ())
        return self._answer(message, code) if message.kind else None

    def _answer(self, message: Message, code: str, /, **holes: str | tuple[str, ...] | None) -> Answer:
        """The usual answer to such a message, with that code."""
        kind = REPLIES.get(message.kind, "oadrResponse")
        raw = self.write(
            kind,
            **{
                "request_id": message.request_id,
                "code": code,
                "registration_id": self.kept.registration_id if code == "200" else None,
                "pending": self.pending(),
                **holes,
            },
        )
        return Answer(raw=raw, service=SERVICES.get(message.kind, "EiRegisterParty"))

    # -- events --------------------------------------------------------------------------------------------------

    def _events(self, message: Message) -> Answer | None:
        code, words = self.kept.book.hear(message, self.place)
        bad = code != "200" or any(one.code != "200" for one in words)
        nothing = not message.has("./oadr:oadrEvent")
        self.deaf |= (bad and self.wrong("deaf after an error")) or (nothing and self.wrong("deaf after nothing"))
        if nothing and self.wrong("speaks at nothing"):
            words = (Word(event_id="event-0", number=0),)
        return self._created_event(message, code, words)

    def _created_event(self, message: Message, code: str, words: tuple[Word, ...]) -> Answer | None:
        """The oadrCreatedEvent, or nothing where nothing is to be said. It never is the answer to a push itself."""
        if code == "200" and not words:
            return None
        request = message.text("./pyld:requestID") or ""
        if self.wrong("each request id once") and request in self.requests_seen:
            return None
        self.requests_seen.add(request)
        if self.wrong("another request id each"):
            request = self.fresh("request")
        raw = self.write(
            "oadrCreatedEvent",
            code=code,
            request_id="" if words else request,
            responses="".join(_response(one, request) for one in words) or None,
        )

        async def say() -> None:
            await self.deliver(Answer(raw=raw, service="EiEvent"))

        return Answer(raw=b"", service="EiEvent", code=code, then=say)

    # -- reports -------------------------------------------------------------------------------------------------

    def create_reports(self, message: Message, request_id: str) -> Answer:
        """Take all requests of the message, or refuse them all."""
        asked = reports.requests(message.all("./oadr:oadrReportRequest"))
        codes = [reports.refusal(one, self.offered, self.kept.asked, self.wrong) for one in asked]
        code = next((one for one in codes if one), "")
        taken = () if code and not self.wrong("serves what it refused") else asked
        if self.wrong("serves the first only"):
            taken = taken[:1]
        if self.wrong("serves the first ever only") and self.served_before:
            taken = ()
        self.served_before = True
        self.deaf |= message.has(".//xcal:tolerance") and self.wrong("deaf after odd requests")
        self.kept.asked.update((one.id, one) for one in taken)

        async def serve() -> None:
            for one in taken:
                if one.id in self.kept.asked:
                    self.serve_report(one)

        pending = self.pending(newest=taken[-1:])
        raw = self.write("oadrCreatedReport", request_id=request_id, code=code or "200", pending=pending)
        return Answer(raw=raw, service="EiReport", then=serve)

    def _wishes(self, message: Message) -> str:
        """What the VEN asks of a VTN that offers reports: each of them once."""
        wishes = ""
        for specifier in message.texts("./oadr:oadrReport/ei:reportSpecifierID"):
            path = f"./oadr:oadrReport[ei:reportSpecifierID='{specifier}']/oadr:oadrReportDescription/ei:rID"
            name = self.fresh("wish")
            self.asked_of_vtn.add(name)
            own = f"./oadr:oadrReport[ei:reportSpecifierID='{specifier}']/ei:reportName"
            self.vtn_offers[specifier] = message.text(own) or ""
            wishes += report_request(name, specifier, message.texts(path))
        return "" if self.wrong("asks the VTN for nothing") else wishes

    def _cancel_reports(self, message: Message) -> Answer:
        names = message.texts("./ei:reportRequestID")
        unknown = [one for one in names if one not in self.kept.asked]
        if unknown and not self.wrong("takes any cancellation"):
            return self._answer(message, "452")
        return self.ended(message, names, to_follow=message.text("./pyld:reportToFollow") in ("true", "1"))

    def ended(self, message: Message, names: tuple[str, ...], *, to_follow: bool) -> Answer:
        """End these reports, and send a last one of each if that is wanted (rule 345)."""
        known = [self.kept.asked[name] for name in names if name in self.kept.asked]
        if not self.wrong("cancels nothing"):
            ending = tuple(self.kept.asked) if self.wrong("cancels all") else names
            for name in ending[:1] if self.wrong("cancels the first only") else ending:
                self.end_report(name)

        async def last() -> None:
            wanted = (to_follow or self.wrong("always last data")) and not self.wrong("no last data")
            for one in known * (2 if self.wrong("last data twice") else 1) if wanted else ():
                await self.last_data(one)

        answer = self._answer(message, "200")
        return msgspec.structs.replace(answer, then=last)

    # -- registration --------------------------------------------------------------------------------------------

    def _cancel_registration(self, message: Message) -> Answer:
        answer = self._answer(message, "200")
        if not self.wrong("stays after the cancellation"):
            self.unregistered()
        return answer

    def _reregister(self, message: Message) -> Answer:
        async def again() -> None:
            if not self.wrong("never registers again"):
                await self.register()

        return msgspec.structs.replace(self._answer(message, "200"), then=again)

    def unregistered(self) -> None:
        """Nothing of the registration is left."""
        for name in tuple(self.kept.asked):
            self.end_report(name)
        self.kept.book.forget()
        self.kept.active = False
        if not self.wrong("keeps its ids for the new"):
            self.kept.registration_id = ""


def _response(word: Word, request_id: str) -> str:
    return fill(
        "event_response",
        code=word.code,
        request_id=request_id,
        event_id=word.event_id,
        modification=word.number,
        opt=word.opt,
    )
