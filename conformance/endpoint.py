"""A subject as a server: a VTN, or a push VEN. What a server must bear holds for both, so its cases are written once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from conformance import http
from conformance.case import MUST, Failed, Level, Mode, NotSupported, case, expect
from conformance.identity import Authority, Identity
from conformance.play import PREFIX, Caller
from conformance.record import Exchange
from conformance.tested import Ven, Vtn

GONE = "no answer within"
"""How the fault of an exchange begins if nothing came in time, which is no refusal."""


class Endpoint:
    """Where a good message gets a good answer. `write` makes such a message, for `service`."""

    def __init__(
        self,
        caller: Caller,
        service: str,
        write: Callable[[], bytes],
        *,
        identity: Identity,
        authority: Authority | None,
        ca: str,
        check_hostname: bool,
    ) -> None:
        self.caller, self.service, self.write = caller, service, write
        self.identity, self.authority, self.ca, self.check_hostname = identity, authority, ca, check_hostname

    async def alive(self) -> None:
        """It answers a good message well."""
        good(await self.caller.try_(self.write(), self.service))

    async def with_headers(self, change: Callable[[dict[str, str]], object]) -> Exchange:
        """A good message with other headers."""
        raw = self.write()
        headers = dict(http.usual_headers(self.caller.host, raw))
        change(headers)
        return await self.caller.try_(raw, self.service, headers=tuple(headers.items()), signed=False)

    async def with_pieces(self, *pieces: bytes) -> Exchange:
        """A request of these bytes; what they are is the case's matter."""
        return await self.caller.try_(b"", self.service, pieces=pieces)

    def head(self, *lines: str, usual: bool = True) -> bytes:
        """The first lines of a request, with Host and Content-Type unless not `usual`, and with the empty line."""
        own = (f"Host: {self.caller.host}", "Content-Type: application/xml", "Connection: close") if usual else ()
        return "".join(f"{line}\r\n" for line in (f"POST {self.path} HTTP/1.1", *own, *lines, "")).encode()

    @property
    def path(self) -> str:
        return f"{PREFIX}/{self.service}"

    @property
    def issuer(self) -> Authority:
        """Who makes certificates that the subject trusts. NotSupported where there is nobody."""
        if self.authority is None:
            raise NotSupported("the harness cannot make certificates that the subject trusts")
        return self.authority


async def of_vtn(vtn: Vtn) -> Endpoint:
    """A VTN: a poll of a registered VEN where VENs poll, else a query."""
    ven = await vtn.registered()
    pull = ven.mode == "pull"
    service, kind = ("OadrPoll", "oadrPoll") if pull else ("EiRegisterParty", "oadrQueryRegistration")
    return Endpoint(
        ven,
        service,
        lambda: ven.write(kind),
        identity=ven.identity,
        authority=vtn.authority,
        ca=vtn.ca,
        check_hostname=vtn.check_hostname,
    )


async def of_ven(ven: Ven) -> Endpoint:
    """A push VEN: an oadrDistributeEvent without events."""
    await ven.bootstrapped()
    if not ven.pushes:
        raise NotSupported("the VEN did not register to be pushed to")
    return Endpoint(
        ven.caller(),
        "EiEvent",
        ven.distribution,
        identity=ven.identity,
        authority=ven.authority,
        ca=ven.ca,
        check_hostname=ven.check_hostname,
    )


AtEndpoint = Callable[[Endpoint], Awaitable[None]]


def at_servers(
    name: str,
    *,
    rules: Sequence[str],
    says: str,
    sends: str,
    expects: str,
    level: Level = MUST,
    certification: Sequence[str] = (),
    negative: bool = False,
    slow: bool = False,
    within_s: float = 30.0,
) -> Callable[[AtEndpoint], AtEndpoint]:
    """Declare the case for a VTN and for a push VEN; `name` is service.what-it-shows. After it a good message must
    still be answered well. `{end}` in the texts is VTN or VEN."""

    def declare(run: AtEndpoint) -> AtEndpoint:
        async def at_vtn(vtn: Vtn) -> None:
            await _run(run, await of_vtn(vtn))

        async def at_ven(ven: Ven) -> None:
            await _run(run, await of_ven(ven))

        both: tuple[Mode, ...] = ("pull", "push")
        for end, modes, body in (("VTN", both, at_vtn), ("VEN", both[1:], at_ven)):
            case(
                f"{end.lower()}.{name}",
                rules=rules,
                says=says.replace("{end}", end),
                sends=sends.replace("{end}", end),
                expects=expects.replace("{end}", end),
                level=level,
                modes=modes,
                certification=certification if end == "VTN" else (),
                negative=negative,
                slow=slow,
                within_s=within_s,
            )(body)
        return run

    return declare


async def _run(run: AtEndpoint, endpoint: Endpoint) -> None:
    await run(endpoint)
    await endpoint.alive()


# -- what came of an exchange ----------------------------------------------------------------------------------------


def good(exchange: Exchange) -> None:
    """HTTP 200, and no refusal in it."""
    answer = exchange.answer
    if answer is None:
        raise Failed("an answer", exchange.fault, exchange.request)
    expect(exchange.status == 200, "HTTP status 200", f"HTTP status {exchange.status}", answer)
    expect(answer.code in ("", "200"), "responseCode 200 if any", answer.code, answer, ".//ei:responseCode")
    expect(not answer.raw or bool(answer.kind), "an OpenADR payload or nothing", answer.problem, answer)


def refused(exchange: Exchange) -> None:
    """HTTP 4xx, or HTTP 200 with a 4xx code of the profile."""
    answer = exchange.answer
    if answer is None:
        raise Failed("a refusal that can be read", exchange.fault, exchange.request)
    if 400 <= exchange.status < 500:
        return
    said = f"HTTP {exchange.status}, {answer.kind or answer.problem}, responseCode {answer.code or 'none'}"
    expect(exchange.status == 200 and answer.code[:1] == "4", "HTTP 4xx or responseCode 4xx", said, answer)


def refused_or_cut(exchange: Exchange) -> None:
    """As `refused`, or HTTP 501 or 505, or the connection was ended without an answer."""
    if exchange.answer is None and not exchange.fault.startswith(GONE):
        return
    if exchange.status not in (501, 505):
        refused(exchange)


def borne(exchange: Exchange) -> None:
    """Anything but an error of the server and silence: a good answer, a refusal, or an ended connection."""
    if exchange.answer is None:
        if exchange.fault.startswith(GONE):
            raise Failed("an answer or an end of the connection", exchange.fault, exchange.request)
        return
    fine = exchange.status < 500 or exchange.status in (501, 505)
    expect(fine, "no error of the server", f"HTTP status {exchange.status}", exchange.answer)
