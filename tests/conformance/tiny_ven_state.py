"""What the tiny VEN keeps, and how it says things."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import Awaitable, Callable

import msgspec

from conformance import http, schema, template
from conformance.case import Mode
from conformance.identity import Identity
from conformance.listen import Arrived
from conformance.message import SERVICES, Message
from conformance.play import PREFIX
from conformance.template import Hole
from tests.conformance import tiny_ven_reports as reports
from tests.conformance.tiny_party import Party, Refusal
from tests.conformance.tiny_seal import Guard
from tests.conformance.tiny_ven_events import Book, Place
from tests.conformance.tiny_ven_reading import fetched, read
from tests.conformance.tiny_ven_reports import RESOURCE, Asked, Offer
from tests.conformance.ven_wrongs import Deaf, Flaw, Switch
from tests.conformance.wrongs import Mutation

BAD = "453"
"""For what is no message at all."""

WITHIN_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Between two tries of what failed; each pause is twice the one before."""

HAMMER_S = 0.1
"""The pause of a VEN that does not know when to stop."""

NO_SECOND_TRY = (404, 406, 501)
MARKETS = ("http://conformance.invalid/market", "http://conformance.invalid/other-market")
SLOW_S = 60


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back for a message: bytes for that service, b"" for none, and what is done when they are gone. `code` is
    what the message as a whole is worth."""

    raw: bytes
    service: str
    code: str = "200"
    then: Callable[[], Awaitable[None]] | None = None


class Kept:
    """What outlives the VEN's process."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.active = False
        self.ven_id = ""
        self.registration_id = ""
        self.vtn_id = ""
        self.poll_s = 0.0
        self.asked: dict[str, Asked] = {}
        self.opts: dict[str, str] = {}
        """By optID, the eventID that it is for, or ""."""


class VenState:
    """`address`: where a push VEN is reached. `identity`: whose key signs, where messages are signed."""

    def __init__(
        self,
        url: str,
        *flaws: Flaw,
        mode: Mode = "pull",
        kept: Kept | None = None,
        tls: ssl.SSLContext | None = None,
        identity: Identity | None = None,
        vtn_fingerprint: str = "",
        variant: str = "",
        assigned_id: str = "",
    ) -> None:
        self.url, self.flaws, self.mode, self.tls, self.identity = url, flaws, mode, tls, identity
        self.switches = frozenset(one for one in flaws if isinstance(one, str))
        self.kept = kept or Kept(Book(self.wrong, flaws))
        self.guard = Guard(identity, self.wrong)
        self.vtn_fingerprint = vtn_fingerprint
        self.report_only = variant == "report-only"
        self.assigned_id = assigned_id if variant == "assigned-id" else ""
        self.offered = reports.offers(min_s=SLOW_S if variant == "slow-sampling" else 1)
        self.address = ""
        self.deaf = self.given_up = False
        self.anew_at_s = 0.0
        self.requests_seen: set[str] = set()
        self.asked_of_vtn: set[str] = set()
        self.vtn_offers: dict[str, str] = {}
        """By reportSpecifierID, the report's name."""
        self.offered_before = self.asked_before = self.served_before = False
        self.running: dict[str, asyncio.Task[None]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.numbers = itertools.count(1)

    def deaf_to(self, message: Message) -> Deaf | None:
        """The flaw by which that message is not heard."""
        return next((one for one in self.flaws if isinstance(one, Deaf) and one.concerns(message)), None)

    def wrong(self, switch: Switch) -> bool:
        return switch in self.switches

    def fresh(self, word: str) -> str:
        return f"ven-{word}-{id(self)}-{next(self.numbers)}"

    @property
    def place(self) -> Place:
        kept = self.kept
        return Place(ven_id=kept.ven_id, vtn_id=kept.vtn_id, resources=(RESOURCE,), contexts=MARKETS)

    def pending(self, newest: tuple[Asked, ...] = ()) -> tuple[str, ...]:
        """The reportRequestIDs that are due still."""
        if self.wrong("pending none"):
            return ()
        if self.wrong("pending all"):
            return (*self.kept.asked, "another")
        return (
            tuple(one.id for one in newest) if newest and self.wrong("pending the newest") else tuple(self.kept.asked)
        )

    def load_offer(self, asked: Asked) -> Offer:
        return self.offered.get(asked.specifier) or self.offered["usage"]

    # -- saying --------------------------------------------------------------------------------------------------

    def write(self, kind: str, /, **holes: Hole) -> bytes:
        """A right message of that kind."""
        usual: dict[str, Hole] = {
            "request_id": self.fresh("request"),
            "ven_id": self.kept.ven_id or None,
            "code": "200",
            "reports": "",
            "requests": "",
            "pending": (),
            "cancel": "",
        }
        return template.message(kind, **{**usual, **holes})

    async def say(self, kind: str, /, **holes: Hole) -> Message:
        """Write it and post it; the answer, or an empty message where there is none."""
        return await self.send(self.write(kind, **holes))

    async def send(self, raw: bytes, service: str | None = None) -> Message:
        """Post it, again and again where that may help; the answer."""
        pause_s = FIRST_PAUSE_S
        where = service or SERVICES[Message(raw, sender="subject").kind]
        while True:
            status, answer = await self._post(raw, where)
            if status == 200:
                self.deaf |= answer.code[:1] == "4" and self.wrong("stops at an error")
                return answer
            cannot = status in NO_SECOND_TRY or 400 <= status < 500
            if (cannot and not self.wrong("tries what cannot be")) or self.wrong("no second try"):
                return answer
            await asyncio.sleep(HAMMER_S if self.wrong("hammers") else pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            self.given_up |= self.wrong("gives up polls")

    async def _post(self, raw: bytes, service: str) -> tuple[int, Message]:
        """The status, 0 without an answer, and what came back."""
        body = self.sealed(self.mutated(raw))
        headers = http.usual_headers(self.url.split("://", 1)[-1], body)
        for flaw in self.flaws:
            if isinstance(flaw, Mutation) and flaw.concerns(Message(raw, sender="subject")):
                headers = tuple(
                    (name, flaw.media or value if name == "Content-Type" else value)
                    for name, value in headers
                    if name != flaw.lose
                )
        sent = (http.request_bytes(f"{PREFIX}/{service}", headers, body),)
        if self.wrong("hammers and does not listen") and b"oadrPoll " in raw:
            return await self._shouted(sent[0])
        try:
            within_s = 1e6 if self.wrong("waits for ever") else WITHIN_S
            answer = await http.exchange(self.url, sent, tls=self.tls, within_s=within_s)
        except http.NoAnswer:
            return 0, Message(b"", sender="harness")
        if self.wrong("fetches entities"):
            await fetched(answer.body)
        return answer.status, read(answer.body, answer.headers, self.flaws, self.wrong)

    async def _shouted(self, request: bytes) -> tuple[int, Message]:
        """Say it, and be gone when the answer begins."""
        with contextlib.suppress(OSError):
            async with http.connected(self.url, tls=self.tls) as (reader, writer):
                writer.write(request)
                await reader.read(1)
        await asyncio.sleep(HAMMER_S)
        return 200, Message(b"", sender="harness")

    def mutated(self, raw: bytes) -> bytes:
        for flaw in self.flaws:
            raw = flaw.applied(raw) if isinstance(flaw, Mutation) else raw
        return raw

    def sealed(self, raw: bytes) -> bytes:
        """Signed, where messages are."""
        return self.guard.sealed(raw) if raw else raw

    # -- hearing -------------------------------------------------------------------------------------------------

    def guard_fault(self, message: Message) -> str:
        """Why its signature does not hold; "" if it does."""
        arrived = Arrived(method="POST", path="", headers=(), body=b"", version="", fingerprint=self.vtn_fingerprint)
        try:
            self.guard.check(message, arrived, Party(ven_id="", key="", fingerprint="", signs=True))
        except Refusal as refusal:
            return str(refusal)
        return ""

    def invalid(self, message: Message) -> bool:
        return bool(schema.faults(message)) and not self.wrong("takes what is no message")
