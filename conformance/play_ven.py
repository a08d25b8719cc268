"""The VEN that the harness plays against a VTN under test: right by default, wrong where a case says so."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence

from conformance import template
from conformance.case import Failed, Mode, expect, expect_code, expect_kind
from conformance.identity import Identity
from conformance.listen import Arrived, Reply
from conformance.message import SERVICES, Message
from conformance.play import Caller, Sign, fresh, seconds, utc
from conformance.record import Record
from conformance.template import Hole

POINTS = ("power", "energy")
"""rIDs of the usage report that the played VEN offers; `status` is that of its status report."""

Answerer = Callable[[Message], bytes | None]
Where = Callable[[Message], bool]


class PlayVen(Caller):
    """One VEN. `ven_id`, `registration_id`, `vtn_id` and `poll_s` are what the VTN gave."""

    def __init__(
        self,
        url: str,
        record: Record,
        identity: Identity,
        *,
        mode: Mode,
        tls: ssl.SSLContext | None = None,
        within_s: float = 5.0,
        sign: Sign | None = None,
        address: str = "",
        pause_s: float = 0.25,
    ) -> None:
        super().__init__(url, record, tls=tls, within_s=within_s, sign=sign)
        self.identity, self.mode, self.address, self.pause_s = identity, mode, address, pause_s
        self.ven_id = ""
        self.registration_id = ""
        self.vtn_id = ""
        self.poll_s: float | None = None
        self.pending: list[str] = []
        self.requests: dict[str, Message] = {}
        self.inbox: list[Message] = []
        self.news = asyncio.Event()
        self.answers: dict[str, Answerer] = {
            "oadrRegisterReport": self.registered_report,
            "oadrCreateReport": self.created_report,
            "oadrCancelReport": self.canceled_report,
            "oadrUpdateReport": self.updated_report,
            "oadrCancelPartyRegistration": self.canceled_registration,
            "oadrRequestReregistration": self.response,
        }
        """What is answered to the VTN's payloads without being told; a case may replace or drop one."""

    # -- saying --------------------------------------------------------------------------------------------------

    def write(self, kind: str, /, **holes: Hole) -> bytes:
        """A right message of that kind; `holes` say otherwise."""
        usual: dict[str, Hole] = {
            "request_id": fresh("request"),
            "ven_id": self.ven_id or None,
            "code": "200",
            "profile": "2.0b",
            "transport": "simpleHttp",
            "report_only": False,
            "xml_signature": self.sign is not None,
            "ven_name": self.identity.name,
            "pull": self.mode == "pull",
            "address": self.address or None,
            "reports": "",
            "created": utc(),
        }
        return template.message(kind, **{**usual, **holes})

    async def say(self, kind: str, /, **holes: Hole) -> Message:
        """Write it and post it to its service; the answer."""
        return await self.post(self.write(kind, **holes))

    async def register(self, **holes: Hole) -> Message:
        """oadrCreatePartyRegistration; keeps what the VTN gives. Failed if it refuses."""
        reply = await self.say("oadrCreatePartyRegistration", **holes)
        expect_kind(reply, "oadrCreatedPartyRegistration")
        expect_code(reply, "200")
        self.adopt(reply)
        return reply

    def adopt(self, reply: Message) -> None:
        """Take the ids and the poll frequency of an oadrCreatedPartyRegistration."""
        self.ven_id = reply.text("./ei:venID") or self.ven_id
        self.registration_id = reply.text("./ei:registrationID") or self.registration_id
        self.vtn_id = reply.text("./ei:vtnID") or ""

    async def bootstrap(self, **holes: Hole) -> Message:
        """Everything up to steady polling, as in section 4 of the reference. The oadrCreatedPartyRegistration."""
        reply = await self.register(**holes)
        await self.offer()
        await self.say("oadrRequestEvent")
        if self.mode == "pull":
            await self.drain()
        return reply

    async def offer(self, reports: str | None = None, **holes: Hole) -> Message:
        """Register the METADATA of `reports`, or of a usage and a status report; requests in the answer are noted and
        acknowledged."""
        reply = await self.say("oadrRegisterReport", reports=metadata() if reports is None else reports, **holes)
        expect_kind(reply, "oadrRegisteredReport")
        if reply.has("./oadr:oadrReportRequest"):
            self._note(reply)
            await self.say("oadrCreatedReport", request_id=reply.request_id, pending=tuple(self.pending))
        return reply

    # -- hearing -------------------------------------------------------------------------------------------------

    async def poll(self) -> Message:
        """One oadrPoll; what came, not yet answered."""
        return await self.say("oadrPoll")

    async def drain(self, *, most: int = 20) -> tuple[Message, ...]:
        """Poll without delay until a plain oadrResponse (rule 500), then answer what came."""
        found: list[Message] = []
        while (message := await self.poll()).kind != "oadrResponse":
            found.append(message)
            if len(found) > most:
                raise Failed("a plain oadrResponse after the queue is empty", f"{most} payloads in a row", message, ".")
        for message in found:
            await self.answer(message)
        return tuple(found)

    async def receive(self, kind: str, *, where: Where = lambda message: True, within_s: float = 8.0) -> Message:
        """The next payload of that kind from the VTN, by poll or push; what else comes is answered. Failed in time."""
        if (found := await self._within(kind, where, within_s)) is None:
            how = "a poll's answer" if self.mode == "pull" else "a push"
            raise Failed(f"{kind} as {how} within {within_s:g} s", "it did not come")
        return found

    async def nothing(self, kind: str, *, where: Where = lambda message: True, for_s: float = 2.0) -> None:
        """No such payload comes for so long."""
        found = await self._within(kind, where, for_s)
        expect(found is None, f"no {kind}", "there came one", found, ".")

    async def _within(self, kind: str, where: Where, limit_s: float) -> Message | None:
        try:
            async with asyncio.timeout(limit_s):
                return await (self._polled(kind, where) if self.mode == "pull" else self._pushed(kind, where))
        except TimeoutError:
            return None

    async def _polled(self, kind: str, where: Where) -> Message:
        while True:
            message = await self.poll()
            if message.kind == "oadrResponse":
                await asyncio.sleep(self.pause_s)
                continue
            await self.answer(message)
            if message.kind == kind and where(message):
                return message

    async def _pushed(self, kind: str, where: Where) -> Message:
        while True:
            for message in self.inbox:
                if message.kind == kind and where(message):
                    self.inbox.remove(message)
                    return message
            self.news.clear()
            await self.news.wait()

    async def handle(self, arrived: Arrived) -> Reply:
        """What the VTN posts to a push VEN: noted, and answered in the same exchange; an event by an empty 200."""
        message = Message(arrived.body, sender="subject", headers=arrived.headers)
        exchange = self.record.begin("subject", arrived.path.rsplit("/", 1)[-1], message)
        self._note(message)
        answerer = self.answers.get(message.kind)
        body = answerer(message) if answerer is not None else None
        sent = self.sign(body) if body and self.sign is not None else body or b""
        exchange.ended(200, Message(sent, sender="harness"))
        self.inbox.append(message)
        self.news.set()
        return Reply(body=sent)

    async def answer(self, message: Message) -> Message | None:
        """Post what belongs to a polled payload; None where nothing does."""
        self._note(message)
        answerer = self.answers.get(message.kind)
        body = answerer(message) if answerer is not None else None
        if body is None:
            return None
        return await self.post(body, SERVICES.get(message.kind))

    def _note(self, message: Message) -> None:
        for request in message.all("./oadr:oadrReportRequest"):
            found = request.findtext("ei:reportRequestID", namespaces={"ei": NAMESPACE_EI}) or ""
            self.requests[found] = message
            if found not in self.pending:
                self.pending.append(found)
        if message.kind == "oadrCancelReport":
            self.pending = [one for one in self.pending if one not in message.texts("./ei:reportRequestID")]

    # -- answers -------------------------------------------------------------------------------------------------

    def registered_report(self, message: Message) -> bytes:
        return self.write("oadrRegisteredReport", request_id=message.request_id, requests="")

    def created_report(self, message: Message) -> bytes:
        return self.write("oadrCreatedReport", request_id=message.request_id, pending=tuple(self.pending))

    def canceled_report(self, message: Message) -> bytes:
        return self.write("oadrCanceledReport", request_id=message.request_id, pending=tuple(self.pending))

    def updated_report(self, message: Message) -> bytes:
        return self.write("oadrUpdatedReport", request_id=message.request_id, cancel="")

    def canceled_registration(self, message: Message) -> bytes:
        return self.write(
            "oadrCanceledPartyRegistration", request_id=message.request_id, registration_id=self.registration_id
        )

    def response(self, message: Message) -> bytes:
        return self.write("oadrResponse", request_id="")

    # -- events --------------------------------------------------------------------------------------------------

    async def event(self, event_id: str, *, modification: int | None = None, within_s: float = 8.0) -> Message:
        """The next oadrDistributeEvent that has this event, in this modification if one is given."""

        def has(message: Message) -> bool:
            number = number_of(message, event_id)
            return number is not None and (modification is None or number == modification)

        return await self.receive("oadrDistributeEvent", where=has, within_s=within_s)

    async def opt(self, message: Message, event_id: str, opt: str = "optIn", **holes: Hole) -> Message:
        """Answer one event of an oadrDistributeEvent; the VTN's oadrResponse."""
        response = event_response(message, event_id, opt, **holes)
        return await self.say("oadrCreatedEvent", request_id="", responses=response)


NAMESPACE_EI = "http://docs.oasis-open.org/ns/energyinterop/201110"


def event_path(event_id: str) -> str:
    """The eiEvent of that eventID, from an oadrDistributeEvent."""
    return f"./oadr:oadrEvent/ei:eiEvent[ei:eventDescriptor/ei:eventID[normalize-space()='{event_id}']]"


def event_response(message: Message, event_id: str, opt: str = "optIn", **holes: Hole) -> str:
    """One eventResponse of an oadrCreatedEvent, to that event of an oadrDistributeEvent."""
    usual: dict[str, Hole] = {
        "code": "200",
        "request_id": message.text("./pyld:requestID") or "",
        "event_id": event_id,
        "modification": number_of(message, event_id) or 0,
        "opt": opt,
    }
    return template.fill("event_response", **{**usual, **holes})


def number_of(message: Message, event_id: str) -> int | None:
    """The modificationNumber with which the message has that event."""
    found = message.text(f"{event_path(event_id)}/ei:eventDescriptor/ei:modificationNumber")
    return None if found is None else int(found)


def metadata(*, specifier: str = "usage", created: str | None = None) -> str:
    """A TELEMETRY_USAGE with a power and an energy point, and a TELEMETRY_STATUS: what every VEN has to offer."""
    power, energy = template.fill("powerReal", scale="none"), template.fill("energyReal", scale="none")
    usage = "".join(
        described(rid, "usage", unit, "Direct Read") for rid, unit in zip(POINTS, (power, energy), strict=True)
    )
    return metadata_report(specifier, "METADATA_TELEMETRY_USAGE", usage, created=created) + metadata_report(
        "status",
        "METADATA_TELEMETRY_STATUS",
        described("status", "x-resourceStatus", "", "x-notApplicable"),
        created=created,
    )


def described(rid: str, kind: str, unit: str, reading: str, *, min_s: int | None = 1, max_s: int = 60) -> str:
    """A oadrReportDescription; `min_s` None: without a sampling rate."""
    return template.fill(
        "description",
        rid=rid,
        data_source=f"<ei:reportDataSource><ei:resourceID>{rid}</ei:resourceID></ei:reportDataSource>",
        type=kind,
        unit=unit,
        reading=reading,
        min_period=None if min_s is None else seconds(min_s),
        max_period=seconds(max_s),
        on_change=False,
    )


def metadata_report(
    specifier: str,
    name: str,
    descriptions: str,
    *,
    created: str | None = None,
    duration: str | None = "PT1H",
    **holes: Hole,
) -> str:
    """One oadrReport of an oadrRegisterReport."""
    return template.fill(
        "report",
        **{
            "duration": duration,
            "descriptions": descriptions,
            "report_request_id": "0",
            "specifier": specifier,
            "name": name,
            "created": created or utc(),
            **holes,
        },
    )


def usage_report(
    request_id: str,
    *,
    specifier: str = "usage",
    name: str = "TELEMETRY_USAGE",
    points: Sequence[str] = POINTS,
    **holes: Hole,
) -> str:
    """One oadrReport of an oadrUpdateReport: one interval of a second, a value for each point."""
    values = "".join(template.fill("report_payload", rid=rid, value=1.5) for rid in points)
    start = utc(plus_s=-1)
    interval = template.fill("report_interval", start=start, duration="PT1S", uid=0, payloads=values)
    return template.fill(
        "report",
        **{
            "start": start,
            "duration": "PT1S",
            "intervals": interval,
            "descriptions": "",
            "report_request_id": request_id,
            "specifier": specifier,
            "name": name,
            "created": utc(),
            **holes,
        },
    )
