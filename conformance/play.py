"""What both ends that the harness plays have in common: times, ids, and sending with a record of it."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from conformance import http
from conformance.case import Failed
from conformance.clock import now
from conformance.message import SERVICES, Message
from conformance.record import Exchange, Record

PREFIX = "/OpenADR2/Simple/2.0b"

_numbers = itertools.count(1)

Sign = Callable[[bytes], bytes]


def fresh(word: str) -> str:
    """An id that was not used before in this run."""
    return f"{word}-{next(_numbers)}"


def utc(moment: datetime | None = None, *, plus_s: float = 0.0) -> str:
    """As rule 1 wants it: seconds, Z. None: now."""
    when = (moment or now()) + timedelta(seconds=plus_s)
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(length: int) -> str:
    """A duration of whole seconds."""
    return f"PT{length}S"


class Caller:
    """Posts messages to one peer, over a connection of its own each time, and keeps what went and came."""

    def __init__(
        self, url: str, record: Record, *, tls: ssl.SSLContext | None, within_s: float, sign: Sign | None
    ) -> None:
        self.url, self.record, self.tls, self.within_s, self.sign = url.rstrip("/"), record, tls, within_s, sign

    async def try_(
        self,
        raw: bytes,
        service: str,
        *,
        headers: Sequence[tuple[str, str]] | None = None,
        pieces: Sequence[bytes] | None = None,
        path: str | None = None,
        method: str = "POST",
        signed: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> Exchange:
        """One exchange, whatever becomes of it. `pieces` are sent instead of the usual request; `headers` instead of
        the usual ones; `path` instead of the service's; `tls` instead of the usual context."""
        body = self.sign(raw) if signed and self.sign is not None and raw else raw
        where = f"{PREFIX}/{service}" if path is None else path
        sends = headers if headers is not None else http.usual_headers(self.host, body)
        exchange = self.record.begin("harness", service, Message(body, sender="harness", headers=sends))
        sent = pieces if pieces is not None else (http.request_bytes(where, sends, body, method=method),)
        try:
            answer = await http.exchange(self.url, sent, tls=tls or self.tls, within_s=self.within_s)
        except http.NoAnswer as error:
            exchange.failed(str(error))
            return exchange
        exchange.ended(answer.status, Message(answer.body, sender="subject", headers=answer.headers))
        return exchange

    async def post(self, raw: bytes, service: str | None = None) -> Message:
        """The answer that came with HTTP 200; Failed if it did not."""
        asked = Message(raw, sender="harness")
        exchange = await self.try_(raw, service or SERVICES.get(asked.kind, "EiRegisterParty"))
        return answered(exchange)

    @property
    def host(self) -> str:
        return self.url.split("://", 1)[-1].split("/", 1)[0]


def answered(exchange: Exchange) -> Message:
    """The body of a good answer. Failed if there was none, or its status is not 200."""
    if exchange.answer is None:
        raise Failed(f"an answer to {exchange.request.kind or 'the request'}", exchange.fault, exchange.request, ".")
    if exchange.status != 200:
        raise Failed("HTTP status 200", f"HTTP status {exchange.status}", exchange.request, ".")
    return exchange.answer
