"""What a case gets: the subject with everything that belongs to it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from conformance.case import Failed, Mode, NeedsOperator, NotSupported
from conformance.identity import Authority, Identity
from conformance.listen import listening
from conformance.operator import EventWish, Operator, SignalWish, in_
from conformance.play import Sign, fresh
from conformance.play_ven import PlayVen
from conformance.play_vtn import PlayVtn
from conformance.record import Record
from conformance.ven_operator import MuteVen, VenOperator

Sealer = Callable[[Identity], Sign]
"""Makes what signs messages with an identity's key."""

Parameters = dict[str, float | str | bool]
"""What a subject's file says about itself, such as `poll_pause_s`."""


UNHELPFUL = (Failed, NotSupported, NeedsOperator, OSError, ValueError, LookupError)
"""What a subject may answer to being tidied up; the case is over by then."""


class Vtn:
    """A VTN under test, with the operator who can tell it what to do. VENs and events of a case end with the case."""

    def __init__(
        self,
        url: str,
        record: Record,
        operator: Operator,
        *,
        mode: Mode,
        identities: tuple[Identity, ...] = (),
        authority: Authority | None = None,
        ca: str = "",
        check_hostname: bool = True,
        sealer: Sealer | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        self.url, self.record, self.operator, self.mode = url, record, operator, mode
        self.identities, self.authority, self.ca, self.check_hostname = identities, authority, ca, check_hostname
        self.sealer = sealer
        self.parameters: Parameters = parameters or {}
        self.events: list[str] = []
        self.vens: list[PlayVen] = []
        self._closing = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Vtn:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take back what the case made; a subject that fails at that is no matter of the case."""
        for event_id in self.events:
            with contextlib.suppress(*UNHELPFUL):
                await self.operator.cancel_event(event_id)
        for ven in self.vens:
            with contextlib.suppress(*UNHELPFUL):
                await ven.say("oadrCancelPartyRegistration", registration_id=ven.registration_id)
        await self._closing.aclose()

    def identity(self, number: int = 0) -> Identity:
        """Who the case's first or other VEN is: made for it, or one of those that the user gave."""
        if self.authority is not None:
            name = fresh("ven")
            return self.authority.issue(name)
        if number < len(self.identities):
            return self.identities[number]
        if self.ca:
            raise NotSupported("a second certificate is needed: --other-cert and --other-key")
        return Identity(name=fresh("ven"))

    def tls(self, identity: Identity) -> ssl.SSLContext | None:
        """To call the VTN as `identity`; None where it speaks plain HTTP."""
        return identity.client(self.ca, check_hostname=self.check_hostname) if self.ca else None

    async def ven(
        self, *, identity: Identity | None = None, mode: Mode | None = None, signed: bool | None = None
    ) -> PlayVen:
        """A VEN that has not spoken yet. One that is pushed to listens on a port of its own."""
        who = identity or self.identity(len(self.vens))
        seals = (self.sealer is not None) if signed is None else signed
        ven = PlayVen(
            self.url,
            self.record,
            who,
            mode=mode or self.mode,
            tls=self.tls(who),
            sign=self.sealer(who) if seals and self.sealer is not None else None,
            pause_s=float(self.parameters.get("poll_pause_s", 0.25)),
        )
        if ven.mode == "push":
            tls = who.server(self.ca) if self.ca else None
            port = await self._closing.enter_async_context(listening(ven.handle, tls=tls))
            ven.address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.vens.append(ven)
        return ven

    async def registered(self, *, identity: Identity | None = None, mode: Mode | None = None) -> PlayVen:
        """A VEN that went through the whole bootstrap."""
        ven = await self.ven(identity=identity, mode=mode)
        await ven.bootstrap()
        return ven

    async def create(self, ven: PlayVen, *signals: SignalWish, in_s: float = 600, **wish: object) -> str:
        """Have the VTN's operator create an event for `ven`, a SIMPLE one unless signals say otherwise; its eventID."""
        fields: dict[str, object] = {"ven_id": ven.ven_id, "start": in_(in_s), **wish}
        if signals:
            fields["signals"] = signals
        event_id = await self.operator.create_event(wished(fields))
        self.events.append(event_id)
        return event_id

    async def change(
        self, event_id: str, ven: PlayVen, *signals: SignalWish, in_s: float = 600, **wish: object
    ) -> None:
        """Have the operator change an event to what is said."""
        fields: dict[str, object] = {"ven_id": ven.ven_id, "start": in_(in_s), **wish}
        if signals:
            fields["signals"] = signals
        await self.operator.change_event(event_id, wished(fields))


def wished(fields: dict[str, object]) -> EventWish:
    """An EventWish of these fields; TypeError for one that there is none of."""
    made: Callable[..., EventWish] = EventWish
    return made(**fields)


Launch = Callable[[str, bool], Awaitable[VenOperator]]
"""Starts the VEN's process, in that variant ("": the usual one), in a fresh folder or where it ran before."""


class Ven(PlayVtn):
    """A VEN under test, and the VTN that it talks to, which the harness plays.

    Without a command (`launch`) the VEN runs all the time, and each case has it register again; `before` is then what the
    case before knew of it. `operator` is the VEN's user.
    """

    def __init__(
        self,
        record: Record,
        *,
        launch: Launch | None,
        halt: Callable[[], Awaitable[None]] | None = None,
        operator: VenOperator | None = None,
        parameters: Parameters | None = None,
        sign: Sign | None = None,
        client_tls: ssl.SSLContext | None = None,
        before: Ven | None = None,
        identity: Identity,
        authority: Authority | None = None,
        ca: str = "",
        check_hostname: bool = True,
        host: str = "127.0.0.1",
    ) -> None:
        values: Parameters = parameters or {}
        super().__init__(record, poll_s=int(values.get("poll_s", 1)), sign=sign, client_tls=client_tls)
        self._launch, self._halt = launch, halt
        self.identity, self.authority, self.ca, self.check_hostname = identity, authority, ca, check_hostname
        self.host, self.port = host, 0
        self._serving = contextlib.AsyncExitStack()
        self.operator: VenOperator = operator or MuteVen()
        self.parameters = values
        self.launched = False
        if before is not None and before.registered is not None:
            self.ven_id, self.registration_id, self.registered = (
                before.ven_id,
                before.registration_id,
                before.registered,
            )

    @property
    def starts(self) -> bool:
        """Is a fresh VEN started for each case?"""
        return self._launch is not None

    async def start(self, variant: str = "") -> None:
        """Start the VEN's process; one that runs already is asked to register again."""
        if self.launched:
            return
        self.launched = True
        if self._launch is not None:
            self.operator = await self._launch(variant, True)
        elif variant:
            raise NeedsOperator(f"the VEN has to run as {variant}; give a start command and that variant")
        else:
            await self._awake()

    async def restart(self, *, fresh: bool = False) -> None:
        """End the VEN's process and start it again, `fresh`: without anything that it kept."""
        if self._launch is None or self._halt is None:
            raise NeedsOperator("the VEN has to be restarted; give a start command to have it done")
        await self._halt()
        self.operator = await self._launch("", fresh)

    async def stop(self) -> None:
        """End the VEN's process."""
        if self._halt is None:
            raise NeedsOperator("the VEN has to be stopped; give a start command to have it done")
        await self._halt()

    async def bootstrapped(self, *, within_s: float = 15.0) -> Ven:
        """The VEN is started, registered, and has offered its reports and asked for events."""
        await self.start()
        await self.hears("oadrCreatePartyRegistration", within_s=within_s)
        await self.hears("oadrRegisterReport", within_s=within_s)
        if self.registered is None or self.registered.text("./oadr:oadrReportOnly") != "true":
            await self.hears("oadrRequestEvent", within_s=within_s)
        return self

    async def listen(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Take connections; the port, which `port` then is."""
        self.port = await self._serving.enter_async_context(listening(self.handle, host=self.host, port=port, tls=tls))
        return self.port

    async def vanish(self) -> None:
        """Take no connections any more, and end those that there are."""
        await self._serving.aclose()

    async def _awake(self) -> None:
        """A VEN that somebody started registers with this VTN: of itself, or because we ask it to.

        It is given a new registrationID, which voids whatever an earlier case left there (rule 406).
        """
        old, self.registration_id = self.registered, ""
        if old is not None and self.pushes:
            await self.push(self.write("oadrRequestReregistration"))
            return
        within_s = float(self.parameters.get("register_within_s", 20.0))
        try:
            async with asyncio.timeout(within_s):
                while not any(one.kind in ("oadrPoll", "oadrCreatePartyRegistration") for one in self.heard):
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise NeedsOperator(f"the VEN has to be started; nothing was heard of it for {within_s:g} s") from None
        polled = next((one for one in self.heard if one.kind == "oadrPoll"), None)
        if polled is not None and not any(one.kind == "oadrCreatePartyRegistration" for one in self.heard):
            self.ven_id = polled.text("./ei:venID") or self.ven_id
            await self.deliver(self.write("oadrRequestReregistration"), within_s=within_s)


@contextlib.asynccontextmanager
async def served(ven: Ven, *, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The played VTN, listening."""
    try:
        yield await ven.listen(port=port, tls=tls)
    finally:
        await ven.vanish()
