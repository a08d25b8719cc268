"""What other implementations put on the wire, said again to a running VTN: each message gets the answer that is right.

A peer's requests are said in their order, with the ids that our VTN gives in place of those that were given then. Where the
recorded traffic is not beside this repository, there are the samples of it in `tests/wire/captures`, each on its own.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from openadr_ra import Vtn, dispatch
from openadr_ra.errors import OadrError, WireError
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.messages import (
    PAYLOADS,
    CancelOpt,
    CancelPartyRegistration,
    CancelReport,
    CreatedEvent,
    CreatedPartyRegistration,
    CreateOpt,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    QueryRegistration,
    RequestReregistration,
    UpdateReport,
)
from openadr_ra.protocol.model import EventId, RegistrationId, VenId
from openadr_ra.protocol.parts import ReportRequest, Result
from openadr_ra.protocol.refusal import requested
from openadr_ra.protocol.vtn import Party
from openadr_ra.settings import from_table
from openadr_ra.store import open_store
from openadr_ra.wire.codec import decode
from openadr_ra.wire.lenient import decode_lenient
from tests.run.peer import Answer, Peer
from tests.run.site import Table, soon

SAMPLES = Path(__file__).parents[1] / "wire" / "captures"
ALL = Path(__file__).parents[3] / "shared" / "captures"

HOUR = timedelta(hours=1)


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was recorded, and what it was answered then."""

    name: str
    service: str
    body: bytes
    reply: bytes = b""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to know of a recorded exchange."""

    n: int
    path: str
    request_xsd: str


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """What one peer said, in order."""

    peer: str
    captures: tuple[Capture, ...]


def recordings() -> Iterator[Recording]:
    """Those that are at hand; the samples always are."""
    for file in sorted((*SAMPLES.glob("*/*.xml"), *(ALL / "xmldsig").glob("*.xml"))):
        yield Recording(peer=f"{file.parent.name}-{file.stem}", captures=(sample(file),))
    for index in sorted(ALL.glob("*/index.json")):
        entries = msgspec.json.decode(index.read_bytes(), type=list[Entry])
        yield Recording(peer=index.parent.name, captures=tuple(recorded(index.parent, entry) for entry in entries))


def recorded(folder: Path, entry: Entry) -> Capture:
    (request,) = folder.glob(f"{entry.n:02}-*.request.xml")
    replies = [file.read_bytes() for file in folder.glob(f"{entry.n:02}-*.response.xml")]
    return Capture(
        name=f"{folder.name}/{request.name}",
        service=entry.path.rpartition("/")[2],
        body=request.read_bytes(),
        reply=b"".join(replies),
    )


_PAYLOAD = re.compile(rb"<(?:\w+:)?(oadr(?!Payload|SignedObject)\w+)")
_SERVICES = {message.xml.removeprefix("oadr:"): message.service for message in PAYLOADS}


def sample(file: Path) -> Capture:
    """One of which only the message was kept; it goes to its own service."""
    body = file.read_bytes()
    found = _PAYLOAD.search(body)
    assert found is not None
    return Capture(name=file.name, service=_SERVICES[found[1].decode()] or "EiRegisterParty", body=body)


RECORDINGS = tuple(recordings())


def understood(body: bytes, *, lenient: bool) -> Message | None:
    """The message, if a VTN of that mode takes it at all."""
    try:
        return decode_lenient(body)[0] if lenient else decode(body)
    except WireError:
        return None


class Known:
    """What a VTN that was told the same as ours has to know of the peer."""

    def __init__(self) -> None:
        self.ven_id: VenId | None = None
        self.registration: RegistrationId | None = None
        self.pushed = False
        self.events: set[EventId] = set()
        self.requests: dict[str, ReportRequest] = {}
        self.opts: set[str] = set()

    def code(self, message: Message, *, signed: bool) -> str:
        """The right response code (reference 1.6)."""
        match message:
            case _ if signed:
                # By a certificate that is not this VEN's.
                return "463"
            case QueryRegistration():
                return "200"
            case CreatePartyRegistration():
                return "200" if message.registration_id in (None, self.registration) else "452"
            case _ if getattr(message, "ven_id", None) != self.ven_id or self.ven_id is None:
                # Without TLS nothing but its venID tells who speaks.
                return "452"
            case _ if self.registration is None:
                return "463"
            case DistributeEvent() | CreatedPartyRegistration() | RequestReregistration():
                return "451"
            case Poll():
                return "451" if self.pushed else "200"
        return "200" if self._ids_are_known(message) else "452"

    def _ids_are_known(self, message: Message) -> bool:
        match message:
            case CreatedEvent():
                return all(
                    item.event.event_id in self.events and not item.event.modification for item in message.responses
                )
            case UpdateReport():
                return all(report.request_id in self.requests for report in message.reports)
            case CancelOpt():
                return message.opt_id in self.opts
            case CreateOpt():
                return message.event is None or message.event.event_id in self.events
            case CancelPartyRegistration():
                return message.registration_id == self.registration
            case CancelReport() | CreateReport():
                return False
        return True


class Replay:
    """Says a recording to our VTN, as the VEN that this VTN makes of it."""

    def __init__(self, vtn: Vtn, recording: Recording, *, lenient: bool) -> None:
        self._vtn = vtn
        self._peer = Peer(url=vtn.url)
        self._recording = recording
        self._lenient = lenient
        self._given_then: dict[str, set[str]] = {}
        self._requests: dict[str, str] = {}
        self.known = Known()

    async def register(self) -> None:
        """Where the peer is not heard to do it itself."""
        said = [self.understood(capture.body) for capture in self._recording.captures]
        if any(isinstance(message, CreatePartyRegistration) for message in said):
            return
        named = [name for message in said if (name := getattr(message, "ven_id", None))]
        if named:
            reply = await self._peer.register(named[0])
            assert isinstance(reply, CreatedPartyRegistration)
            await self._registered(reply)

    def understood(self, body: bytes) -> Message | None:
        return understood(body, lenient=self._lenient)

    def now(self, capture: Capture) -> bytes:
        """The request with the ids of now: a recording is one VEN's, whatever it called itself. An address leads nowhere."""
        body, known = _with(capture.body, "oadrTransportAddress", "http://127.0.0.1:9"), self.known
        if known.ven_id is not None:
            body = _with(body, "venID", known.ven_id)
        if known.registration is not None:
            body = _with(body, "registrationID", known.registration)
        for then, now in self._requests.items():
            body = body.replace(f"reportRequestID>{then}<".encode(), f"reportRequestID>{now}<".encode())
        return body

    async def post(self, capture: Capture, body: bytes) -> Answer:
        return await self._peer.post(capture.service, body)

    async def learn(self, capture: Capture, message: Message, reply: Message) -> None:
        """What message and reply change at both ends, and which ids of then are those of now."""
        known, then = self.known, recorded_reply(capture)
        if isinstance(message, CreatePartyRegistration) and isinstance(reply, CreatedPartyRegistration):
            known.pushed = message.pull is False
            await self._registered(reply)
        for request in getattr(then, "requests", ()):
            self._given_then.setdefault(request.specifier_id, set()).add(request.id)
        for request in getattr(reply, "requests", ()):
            known.requests[request.id] = request
        for request in known.requests.values():
            for name in self._given_then.get(request.specifier_id, ()):
                self._requests[name] = request.id
        if code_of(reply) == "200":
            self._done(message)

    def _done(self, message: Message) -> None:
        match message:
            case CreateOpt():
                self.known.opts.add(message.opt_id)
            case CancelOpt():
                self.known.opts.discard(message.opt_id)
            case CancelPartyRegistration():
                self.known.registration = None

    async def _registered(self, reply: CreatedPartyRegistration) -> None:
        known = self.known
        if reply.registration_id != known.registration:
            known.requests, known.opts = {}, set()
        first = known.ven_id is None
        known.ven_id, known.registration = reply.ven_id, reply.registration_id
        assert known.ven_id is not None
        if first:
            await self._publish(known.ven_id)

    async def _publish(self, ven: VenId) -> None:
        """The events that the recording speaks of, under their ids."""
        for number, name in enumerate(sorted(set(self._events_then()))):
            start = soon(3600) + number * 2 * HOUR
            order = dispatch(start=start, every=HOUR, delta_kw=(-1,), to=(ven,))
            await self._vtn.publish(replace(order, id=name))
            self.known.events.add(name)

    def _events_then(self) -> Iterator[EventId]:
        for capture in self._recording.captures:
            match self.understood(capture.body):
                case CreatedEvent(responses=responses):
                    yield from (item.event.event_id for item in responses)
                case CreateOpt(event=event) if event is not None:
                    yield event.event_id


def _with(body: bytes, element: str, text: str) -> bytes:
    """With that text wherever the element has one."""
    return re.sub(rf"(<(?:\w+:)?{element}>)[^<]+<".encode(), rf"\g<1>{text}<".encode(), body)


def recorded_reply(capture: Capture) -> Message | None:
    """What the request was answered then, if it was an OpenADR message."""
    try:
        return decode(capture.reply)
    except (WireError, OadrError):
        return None


def code_of(reply: Message) -> str | None:
    """The response code of a reply that has one; a poll may bring one without."""
    result = getattr(reply, "result", None)
    return result.code if isinstance(result, Result) else None


@asynccontextmanager
async def running(folder: Path, *, lenient: bool) -> AsyncIterator[Vtn]:
    """A VTN over plain HTTP; when it has ended, all that it stored can be read again."""
    table: Table = {
        "store": {"url": "sqlite:vtn.db"},
        "downstream": {"listen": "127.0.0.1:0", "admit": "ca", "lenient": lenient},
    }
    settings = from_table(table, folder / "vtn.toml")
    async with Vtn(settings).running() as vtn:
        yield vtn
    store = await open_store(settings.store.url)
    for key in await store.keys("party/"):
        assert await store.load(key, Party) is not None
    for key in await store.keys("event/"):
        assert await store.load(key, Instruction) is not None
    await store.close()


MODES = pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
PEERS = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.peer)


@MODES
@PEERS
async def test_a_ven_that_is_known_gets_the_right_answer_to_all_it_says(
    recording: Recording, lenient: bool, tmp_path: Path
) -> None:
    """The code, the natural reply (1.3), the request's own id (1.4); and 4xx to what cannot be read, never a 5xx."""
    async with running(tmp_path, lenient=lenient) as vtn:
        replay = Replay(vtn, recording, lenient=lenient)
        await replay.register()
        for capture in recording.captures:
            body = replay.now(capture)
            message = replay.understood(body)
            assert (message is None) == (replay.understood(capture.body) is None)
            answer = await replay.post(capture, body)
            if message is None:
                assert (capture.name, answer.status) == (capture.name, 400)
                continue
            assert (capture.name, answer.status) == (capture.name, 200)
            reply, right = answer.message, replay.known.code(message, signed=b"SignatureValue" in body)
            assert (capture.name, code_of(reply) or "200") == (capture.name, right)
            assert_natural(message, reply)
            await replay.learn(capture, message, reply)


def assert_natural(message: Message, reply: Message) -> None:
    """The reply that belongs to the message, and quotes it; a poll may bring anything that a VTN says first."""
    if isinstance(message, Poll):
        return
    assert reply.xml == (message.answer or "oadr:oadrResponse")
    assert isinstance(result := getattr(reply, "result", None), Result)
    if requested(message):
        assert result.request_id == requested(message)


@pytest.mark.parametrize("enrolled", [False, True], ids=["unknown", "not registered"])
async def test_a_ven_without_registration_may_ask_and_register_and_nothing_else(enrolled: bool, tmp_path: Path) -> None:
    """452 for a venID that nobody has, 463 for one that has not registered; to whatever else, with the natural reply."""
    async with running(tmp_path, lenient=False) as vtn:
        for capture in (one for recording in RECORDINGS for one in recording.captures):
            message = understood(capture.body, lenient=False)
            if message is None or b"SignatureValue" in capture.body or isinstance(message, CreatePartyRegistration):
                continue
            ven = getattr(message, "ven_id", None)
            if enrolled and ven:
                await vtn.enrol(ven, ())
            answer = await Peer(url=vtn.url).post(capture.service, capture.body)

            expected = "200" if isinstance(message, QueryRegistration) else "463" if enrolled and ven else "452"
            assert (capture.name, answer.status) == (capture.name, 200)
            assert (capture.name, code_of(answer.message)) == (capture.name, expected)
            assert_natural(message, answer.message)


def test_whatever_the_index_calls_valid_is_taken_if_it_is_in_its_envelope() -> None:
    if not ALL.is_dir():
        pytest.skip(f"the recorded traffic is not at {ALL.parent.name}/{ALL.name} beside this repository")
    for index in ALL.glob("*/index.json"):
        for entry in msgspec.json.decode(index.read_bytes(), type=list[Entry]):
            body = recorded(index.parent, entry).body
            valid = entry.request_xsd == "valid" and b"oadrPayload" in body
            assert (index.parent.name, entry.n, understood(body, lenient=False) is not None) == (
                index.parent.name,
                entry.n,
                valid,
            )
