"""The VTN that the harness plays for a VEN under test: right by default, wrong where a case says so."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from msgspec.structs import replace

from conformance import template
from conformance.case import Failed
from conformance.listen import Arrived, Reply
from conformance.message import SERVICES, Message
from conformance.operator import SIMPLE, EventWish, SignalWish
from conformance.play import PREFIX, Caller, Sign, fresh, seconds, utc
from conformance.record import Exchange, Record
from conformance.template import Hole

VTN_ID = "Conformance-VTN"
MARKET = "http://conformance.invalid/market"

Answerer = Callable[[Message], bytes | Reply]
Where = Callable[[Message], bool]


class PlayVtn:
    """One VTN for one VEN. `ven_id`, `registration_id`: what it gave. `registered`: the last oadrCreatePartyRegistration.

    Every request of the VEN is kept in `heard`, in order; `answers` has what is answered by kind of payload and may be
    replaced by a case. `queue` is what polls bring; a push VEN is posted to instead.
    """

    def __init__(
        self,
        record: Record,
        *,
        poll_s: int = 1,
        sign: Sign | None = None,
        client_tls: ssl.SSLContext | None = None,
        ven_id: str = "",
    ) -> None:
        self.record, self.poll_s, self.sign, self.client_tls = record, poll_s, sign, client_tls
        self.fixed_ven_id = ven_id
        self.vtn_id = VTN_ID
        self.ven_id = ""
        self.registration_id = ""
        self.registered: Message | None = None
        self.events: tuple[str, ...] = ()
        self.queue: list[tuple[bytes, asyncio.Future[Exchange]]] = []
        self.heard: list[Message] = []
        self.paths: list[Arrived] = []
        self.news = asyncio.Event()
        self.offers: Message | None = None
        self.answers: dict[str, Answerer] = {
            "oadrQueryRegistration": self.created_registration,
            "oadrCreatePartyRegistration": self.created_registration,
            "oadrCancelPartyRegistration": self.canceled_registration,
            "oadrRegisterReport": self.registered_report,
            "oadrUpdateReport": self.updated_report,
            "oadrCreateReport": self.created_report,
            "oadrCancelReport": self.canceled_report,
            "oadrRequestEvent": self.distribute,
            "oadrCreateOpt": self.created_opt,
            "oadrCancelOpt": self.canceled_opt,
        }

    # -- serving -------------------------------------------------------------------------------------------------

    async def handle(self, arrived: Arrived) -> Reply:
        """Any request of the VEN: noted and answered."""
        message = Message(arrived.body, sender="subject", headers=arrived.headers)
        exchange = self.record.begin("subject", arrived.path.rsplit("/", 1)[-1], message)
        self.heard.append(message)
        self.paths.append(arrived)
        self._note(message)
        delivered: asyncio.Future[Exchange] | None = None
        if message.kind == "oadrPoll" and "oadrPoll" not in self.answers and self.queue:
            body, delivered = self.queue.pop(0)
            reply = Reply(body=self._signed(body))
        else:
            answerer = self.answers.get(message.kind, self.response)
            said = answerer(message)
            reply = said if isinstance(said, Reply) else Reply(body=self._signed(said))
        exchange.ended(reply.status, Message(reply.body, sender="harness"))
        if delivered is not None and not delivered.done():
            delivered.set_result(exchange)
        self.news.set()
        return reply

    def _signed(self, body: bytes) -> bytes:
        return self.sign(body) if self.sign is not None and body else body

    def _note(self, message: Message) -> None:
        if message.kind == "oadrCreatePartyRegistration":
            known = message.text("./ei:registrationID") == self.registration_id and self.registration_id
            self.ven_id = message.text("./ei:venID") or self.fixed_ven_id or self.ven_id or fresh("VEN")
            if not known:
                self.registration_id = fresh("registration")
            self.registered = message
        if message.kind == "oadrRegisterReport":
            self.offers = message
        if message.kind == "oadrCancelPartyRegistration":
            self.registered = None

    # -- waiting -------------------------------------------------------------------------------------------------

    async def hears(
        self, kind: str, *, where: Where = lambda message: True, within_s: float = 10.0, after: int = 0
    ) -> Message:
        """The first request of that kind since `after` requests had come (`len(heard)` before). Failed in time."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for message in self.heard[after:]:
                        if message.kind == kind and where(message):
                            return message
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise Failed(f"{kind} from the VEN within {within_s:g} s", "it did not come") from None

    async def hears_one_of(self, kinds: Sequence[str], *, after: int = 0, within_s: float = 10.0) -> Message:
        """The first request of one of these kinds. Failed in time."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    message = await self.hears_any(after=after, within_s=within_s)
                    if message.kind in kinds:
                        return message
                    after += 1
        except TimeoutError:
            raise Failed(f"{' or '.join(kinds)} from the VEN within {within_s:g} s", "it did not come") from None

    async def hears_any(self, *, after: int = 0, within_s: float = 10.0) -> Message:
        """The first request since, whatever it is. Failed in time."""
        try:
            async with asyncio.timeout(within_s):
                while len(self.heard) <= after:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise Failed(f"a word of the VEN within {within_s:g} s", "nothing came") from None
        return self.heard[after]

    async def hears_no(
        self, kind: str, *, where: Where = lambda message: True, for_s: float = 3.0, after: int = 0
    ) -> None:
        """No request of that kind comes for so long."""
        try:
            found = await self.hears(kind, where=where, within_s=for_s, after=after)
        except Failed:
            return
        raise Failed(f"no {kind}", "there came one", found, ".")

    @property
    def pushes(self) -> bool:
        """Did the VEN register to be pushed to?"""
        return self.registered is not None and self.registered.text("./oadr:oadrHttpPullModel") == "false"

    # -- telling -------------------------------------------------------------------------------------------------

    async def deliver(self, body: bytes, *, within_s: float = 10.0) -> Exchange:
        """Bring a payload to the VEN: with the answer to its next poll, or by a post to where it listens. The exchange
        in which it went; of a push it holds the VEN's answer."""
        if self.pushes:
            return await self.push(body)
        delivered = self.queued(body)
        try:
            return await asyncio.wait_for(delivered, within_s)
        except TimeoutError:
            raise Failed(f"a poll within {within_s:g} s", "the VEN did not poll") from None

    def queued(self, body: bytes) -> asyncio.Future[Exchange]:
        """Have a poll bring that payload, after those that are queued; the exchange in which it will have gone."""
        delivered: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self.queue.append((body, delivered))
        return delivered

    async def push(self, body: bytes, *, service: str | None = None) -> Exchange:
        """Post a payload to a push VEN."""
        asked = Message(body, sender="harness")
        return await self.caller().try_(body, service or SERVICES.get(asked.kind, "EiEvent"))

    def caller(self) -> Caller:
        """To the address under which the VEN registered, with or without the path that it may carry."""
        address = (self.registered.text("./oadr:oadrTransportAddress") if self.registered is not None else None) or ""
        root = address.split(PREFIX)[0].rstrip("/")
        if "://" not in root:
            root = f"{'https' if self.client_tls else 'http'}://{root}"
        tls = self.client_tls if urlsplit(root).scheme == "https" else None
        return Caller(root, self.record, tls=tls, within_s=5.0, sign=self.sign)

    async def ask(self, body: bytes, reply: str, *, within_s: float = 10.0) -> Message:
        """Deliver a payload and get the VEN's answer to it, of that kind, by whichever way it comes."""
        before = len(self.heard)
        exchange = await self.deliver(body, within_s=within_s)
        if self.pushes:
            if exchange.answer is not None and exchange.answer.kind:
                return exchange.answer
            raise Failed(
                f"{reply} in the answer to the push", exchange.fault or f"status {exchange.status}, no payload"
            )
        return await self.hears(reply, within_s=within_s, after=before)

    async def send_events(self, *events: str, request_id: str | None = None, within_s: float = 10.0) -> int:
        """Deliver an oadrDistributeEvent with these events, which from now on are all that the VEN has. Returns how many
        requests had been heard before, for `hears(…, after=…)`."""
        self.events = events
        before = len(self.heard)
        await self.deliver(self.distribution(*events, request_id=request_id), within_s=within_s)
        return before

    async def answered(
        self, event_id: str, *, modification: int | None = None, after: int = 0, within_s: float = 10.0
    ) -> Message:
        """The oadrCreatedEvent with which the VEN answers that event (in that modification)."""
        where = response_path(event_id, modification)
        return await self.hears("oadrCreatedEvent", where=lambda one: one.has(where), after=after, within_s=within_s)

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, kind: str, /, **holes: Hole) -> bytes:
        """A right message of that kind; `holes` say otherwise."""
        usual: dict[str, Hole] = {
            "request_id": fresh("request"),
            "ven_id": self.ven_id or None,
            "vtn_id": self.vtn_id,
            "code": "200",
            "profiles": ("2.0b",),
            "more": "",
            "reports": "",
            "requests": "",
            "cancel": "",
            "pending": (),
        }
        return template.message(kind, **{**usual, **holes})

    def distribution(self, *events: str, request_id: str | None = None, **holes: Hole) -> bytes:
        """An oadrDistributeEvent with these events, as it answers a poll."""
        code = None if self.pushes else "200"
        name = request_id or fresh("request")
        return self.write("oadrDistributeEvent", **{"events": events, "request_id": name, "code": code, **holes})

    def response(self, message: Message) -> bytes:
        return self.write("oadrResponse", request_id=own_request_id(message))

    def created_registration(self, message: Message) -> bytes:
        known = self.registered is not None
        return self.write(
            "oadrCreatedPartyRegistration",
            request_id=own_request_id(message),
            registration_id=self.registration_id if known else None,
            ven_id=self.ven_id if known else None,
            poll_freq=seconds(self.poll_s),
        )

    def canceled_registration(self, message: Message) -> bytes:
        return self.write(
            "oadrCanceledPartyRegistration",
            request_id=own_request_id(message),
            registration_id=message.text("./ei:registrationID"),
        )

    def registered_report(self, message: Message) -> bytes:
        return self.write("oadrRegisteredReport", request_id=own_request_id(message))

    def updated_report(self, message: Message) -> bytes:
        return self.write("oadrUpdatedReport", request_id=own_request_id(message))

    def created_report(self, message: Message) -> bytes:
        pending = message.texts("./oadr:oadrReportRequest/ei:reportRequestID")
        return self.write("oadrCreatedReport", request_id=own_request_id(message), pending=pending)

    def canceled_report(self, message: Message) -> bytes:
        return self.write("oadrCanceledReport", request_id=own_request_id(message))

    def distribute(self, message: Message) -> bytes:
        return self.distribution(*self.events, code="200")

    def created_opt(self, message: Message) -> bytes:
        return self.write("oadrCreatedOpt", request_id=own_request_id(message), opt_id=message.text("./ei:optID") or "")

    def canceled_opt(self, message: Message) -> bytes:
        return self.write("oadrCanceledOpt", request_id=own_request_id(message), opt_id=message.text("./ei:optID"))


def own_request_id(message: Message) -> str:
    """The requestID that a request carries, wherever its kind has it."""
    return message.text("./pyld:requestID | ./pyld:eiRequestEvent/pyld:requestID") or ""


def response_path(event_id: str, modification: int | None = None) -> str:
    """The eventResponse to that event, from an oadrCreatedEvent."""
    number = "" if modification is None else f" and ei:modificationNumber[normalize-space()='{modification}']"
    return (
        "./pyld:eiCreatedEvent/ei:eventResponses/ei:eventResponse"
        f"[ei:qualifiedEventID[ei:eventID[normalize-space()='{event_id}']{number}]]"
    )


def event(event_id: str, wish: EventWish, *, status: str = "far", modification: int = 0, **holes: Hole) -> str:
    """An oadrEvent as a right VTN writes it; `holes` of `payloads/event.xml` say otherwise."""
    length = wish.every_s * wish.count
    usual: dict[str, Hole] = {
        "event_id": event_id,
        "modification": modification,
        "priority": wish.priority,
        "market_context": wish.market_context or MARKET,
        "created": utc(),
        "status": status,
        "test": "true" if wish.test else None,
        "comment": wish.comment or None,
        "start": utc(wish.start),
        "duration": seconds(length),
        "startafter": seconds(wish.startafter_s) if wish.startafter_s else None,
        "notification": seconds(wish.notification_s),
        "ramp_up": seconds(wish.ramp_up_s) if wish.ramp_up_s else None,
        "signals": "".join(signal(one, wish, number, status) for number, one in enumerate(wish.signals, 1)),
        "baseline": "",
        "target": "",
        "required": "always" if wish.response_required else "never",
    }
    return template.fill("event", **{**usual, **holes})


def signal(wish: SignalWish, event: EventWish, number: int, status: str = "far", **holes: Hole) -> str:
    """An eiEventSignal of that event."""
    usual: dict[str, Hole] = {
        "intervals": intervals(wish.values, event.every_s),
        "device_class": wish.device_class or None,
        "name": wish.name,
        "type": wish.type,
        "signal_id": str(number),
        "unit": unit(wish.unit),
        "current": wish.values[0] if status == "active" else 0.0,
    }
    return template.fill("signal", **{**usual, **holes})


def intervals(values: tuple[float, ...], every_s: int) -> str:
    """The intervals of a signal, uid 0 and up."""
    return "".join(
        template.fill(
            "interval",
            duration=seconds(every_s),
            uid=number,
            payloads=template.fill("signal_payload", value=value),
        )
        for number, value in enumerate(values)
    )


def unit(name: str) -> str:
    """An itemBase element; "" for none."""
    return template.fill(name, scale="none") if name else ""


def simple(start: datetime, *, every_s: int = 300, values: tuple[float, ...] = (1.0,)) -> EventWish:
    """A wish for a SIMPLE event, for `event`."""
    return EventWish(ven_id="", start=start, every_s=every_s, signals=(replace(SIMPLE, values=values),))


def report_request(
    request_id: str,
    specifier: str,
    points: tuple[str, ...],
    *,
    granularity_s: int = 0,
    back_s: int = 0,
    start: datetime | None = None,
    duration_s: int = 0,
) -> str:
    """An oadrReportRequest. No `start`: without a reportInterval, unless `back_s` wants one; then from now."""
    begins = utc(start) if start is not None else utc() if back_s else None
    return template.fill(
        "report_request",
        report_request_id=request_id,
        specifier=specifier,
        granularity=seconds(granularity_s),
        back=seconds(back_s),
        start=begins,
        duration=seconds(duration_s),
        points=points,
    )
