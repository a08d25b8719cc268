"""A VEN of a few lines, which says what it is told to say: to a VTN under test, over a socket of its own each time."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from openadr_ra.net.tls import client_context
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import CreatePartyRegistration, Message, Poll, Response
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.wire import codec
from tests.net.peers import exchange
from tests.run.site import Site


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: the HTTP status and the body."""

    status: int
    body: bytes

    @property
    def message(self) -> Message:
        """The body, schema-valid and decoded."""
        return codec.decode(self.body)


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Posts to the VTN at `url`, with a certificate or, to a plain one, without; `lines` are headers of its own."""

    url: str
    ssl: ssl.SSLContext | None = None
    lines: tuple[str, ...] = ()

    async def post(self, service: str, body: bytes, *, content_type: str = "application/xml") -> Answer:
        """Any bytes at all."""
        url = urlsplit(self.url)
        head = (
            f"POST {url.path}/{service} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n"
            + "".join(f"{line}\r\n" for line in (*self.lines, ""))
        )
        assert url.port is not None
        answer = await exchange(url.port, head.encode() + body, ssl=self.ssl)
        lines, _, rest = answer.partition(b"\r\n\r\n")
        return Answer(status=int(lines.split()[1]), body=rest)

    async def say(self, message: Message, service: str | None = None) -> Message:
        """A message, to its own service unless told otherwise; the reply, which comes with 200."""
        answer = await self.post(service or message.service or "EiRegisterParty", codec.encode(message))
        assert answer.status == 200
        return answer.message

    async def register(self, ven_id: str) -> Message:
        return await self.say(
            CreatePartyRegistration(request_id=RequestId("r1"), ven_id=VenId(ven_id), ven_name=ven_id, pull=True)
        )

    async def drained(self, ven_id: str) -> tuple[Message, ...]:
        """What polls bring until a plain oadrResponse (rule 500)."""
        found: list[Message] = []
        while not isinstance(said := await self.say(Poll(ven_id=VenId(ven_id))), Response):
            found.append(said)
        return tuple(found)


def peer(site: Site, url: str, shown: Issued) -> Peer:
    """A peer that shows that certificate."""
    return Peer(url=url, ssl=client_context((Path(shown.certificate), Path(shown.key)), Path(site.trust)))
