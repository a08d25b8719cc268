"""openleadr's VEN and VTN against ours with every message signed both ways, RSA and EC keys at either end, over mutual TLS.

What is said is the subject of the other files here; this one is about who signed it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta

import msgspec
import pytest
import pytest_asyncio
from openleadr import OpenADRClient, OpenADRServer

from openadr_ra import OPT_IN, Ven, Vtn, dispatch
from openadr_ra.net.ca import KEY_KINDS, KeyKind
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import CreatedEvent, CreatePartyRegistration, Message, Poll, UpdateReport
from openadr_ra.protocol.model import OptType
from openadr_ra.run.traffic import Exchange
from tests.interop.stranger import Complaints, Said, complaints
from tests.run.site import BATTERY, PATIENCE, Site, Watch, new_site, soon, until
from tests.wire.sealing import accepted, received

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # openleadr's VTN keeps itself in its aiohttp application under a plain text key, which aiohttp advises against.
    pytest.mark.filterwarnings("ignore:It is recommended to use web.AppKey instances for keys"),
]

EVERY = timedelta(seconds=2)


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What went over the wire between two ends whose certificates have these fingerprints, and what openleadr said of it."""

    ven: str
    vtn: str
    opt: OptType | None
    exchanges: tuple[Exchange, ...]
    complaints: Complaints

    @property
    def said(self) -> list[type[Message]]:
        return [type(accepted(each.request)) for each in self.exchanges]

    def signers(self) -> set[tuple[str, str]]:
        """Who signed each request and its answer, where there was one; openleadr's VTN says nothing to an oadrResponse."""
        return {
            (received(each.request).fingerprint, received(each.reply).fingerprint)
            for each in self.exchanges
            if each.reply
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


def own(site: Site, kind: KeyKind) -> Issued:
    """The VTN's certificate with that kind of key."""
    return site.own[KEY_KINDS.index(kind)]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KEY_KINDS)
async def their_ven(site: Site, request: pytest.FixtureRequest) -> Signed:
    """openleadr's VEN with such a key, which takes nothing that our VTN's other key did not sign."""
    kind: KeyKind = request.param
    ours = own(site, "ec" if kind == "rsa" else "rsa")
    shown, watch = site.issue(f"stranger-{kind}", key=kind), Watch()
    # The first certificate signs; TLS has both.
    chains = sorted(site.own, key=lambda one: one is not ours)
    table = site.vtn(
        f"signed-{kind}", signature="required", live_s=1,
        cert=[one.certificate for one in chains], key=[one.key for one in chains],
    )  # fmt: skip
    async with Vtn(site.settings(table), tap=watch).running() as vtn:
        with complaints() as said:
            client = OpenADRClient(
                ven_name=f"stranger-{kind}",
                vtn_url=vtn.url,
                cert=shown.certificate,
                key=shown.key,
                ca_file=site.trust,
                vtn_fingerprint=ours.fingerprint,
                show_fingerprint=False,
            )
            client.add_handler("on_event", agree)
            client.add_report(
                callback=lambda: 1.0, resource_id="site-1", measurement="REAL_POWER", scale="none",
                sampling_rate=timedelta(seconds=1), report_duration=timedelta(hours=1),
            )  # fmt: skip
            await client.run()
            try:
                (ven,) = await vtn.vens()
                order = dispatch(start=soon(600), every=EVERY, delta_kw=(-1,), to=(ven.ven_id,))
                (opt,) = (await vtn.opts(await vtn.publish(order), within=PATIENCE)).values()

                async def reported() -> bool:
                    return bool(watch.asked(UpdateReport))

                await until(reported, watch.changed)
            finally:
                await client.stop()
    return Signed(
        ven=shown.fingerprint, vtn=ours.fingerprint, opt=opt, exchanges=tuple(watch.exchanges), complaints=said
    )


async def agree(event: Said) -> str:
    return "optIn"


class TheirVtn:
    """openleadr's VTN, which signs, and takes nothing that its VEN did not sign. It knows one VEN."""

    def __init__(self, site: Site, kind: KeyKind, ven: Issued) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._ven = ven
        self.opts: list[str] = []
        self.values: list[float] = []
        self._told = asyncio.Event()
        shown = own(site, kind)
        self.server = OpenADRServer(
            vtn_id="OtherVTN",
            cert=shown.certificate,
            key=shown.key,
            http_port=self.port,
            http_host="127.0.0.1",
            http_cert=shown.certificate,
            http_key=shown.key,
            http_ca_file=site.trust,
            requested_poll_freq=timedelta(seconds=1),
            ven_lookup=self._lookup,
            verify_message_signatures=True,
            show_fingerprint=False,
        )
        self.server.add_handler("on_create_party_registration", self._on_registration)
        self.server.add_handler("on_register_report", self._on_report)

    def publish(self, start: datetime) -> None:
        self.server.add_event(
            ven_id="VEN-9",
            signal_name="SIMPLE",
            signal_type="level",
            intervals=[{"dtstart": start, "duration": EVERY, "signal_payload": 1}],
            callback=self._on_opt,
        )

    async def changed(self, within: timedelta) -> None:
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._told.wait()
        except TimeoutError:
            return

    async def _lookup(self, ven_id: str) -> Said | None:
        if ven_id != "VEN-9":
            return None
        return {"ven_id": ven_id, "fingerprint": self._ven.fingerprint, "registration_id": "reg-9"}

    async def _on_registration(self, said: Said) -> tuple[str, str]:
        return "VEN-9", "reg-9"

    async def _on_report(
        self,
        ven_id: str,
        resource_id: str,
        measurement: str,
        unit: str | None,
        scale: str | None,
        min_sampling_interval: timedelta,
        max_sampling_interval: timedelta,
    ) -> tuple[Callable[[list[tuple[datetime, float]]], None], timedelta] | None:
        return (self._on_values, timedelta(seconds=1)) if measurement == "RealPower" else None

    def _on_values(self, values: list[tuple[datetime, float]]) -> None:
        self.values += [value for _, value in values]
        self._stir()

    def _on_opt(self, ven_id: str, event_id: str, opt_type: str) -> None:
        self.opts.append(opt_type)
        self._stir()

    def _stir(self) -> None:
        self._told.set()
        self._told = asyncio.Event()


@asynccontextmanager
async def serving(vtn: TheirVtn) -> AsyncIterator[None]:
    await vtn.server.run()
    try:
        yield
    finally:
        await vtn.server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KEY_KINDS)
async def their_vtn(site: Site, request: pytest.FixtureRequest) -> Signed:
    """openleadr's VTN with such a key, and our VEN with the other kind."""
    kind: KeyKind = request.param
    shown, watch = site.issue(f"edge-{kind}", key="ec" if kind == "rsa" else "rsa"), Watch()
    vtn = TheirVtn(site, kind, shown)
    async with AsyncExitStack() as stack:
        said = stack.enter_context(complaints())
        await stack.enter_async_context(serving(vtn))
        table = site.ven(
            f"edge-{kind}", f"https://127.0.0.1:{vtn.port}", BATTERY, certificate=shown, ven_id="",
            xml_signature=True, vtn_fingerprints=[own(site, kind).fingerprint],
        )  # fmt: skip
        await stack.enter_async_context(Ven(site.settings(table), tap=watch).running())

        async def reporting() -> bool:
            return bool(vtn.values)

        async def answered() -> bool:
            return bool(watch.asked(CreatedEvent))

        await until(reporting, vtn.changed)
        vtn.publish(soon(600))
        await until(answered, watch.changed)
    return Signed(
        ven=shown.fingerprint,
        vtn=own(site, kind).fingerprint,
        opt=OPT_IN if vtn.opts[0] == "optIn" else None,
        exchanges=tuple(watch.exchanges),
        complaints=said,
    )


async def test_their_ven_and_our_vtn_take_every_message_of_each_other(their_ven: Signed) -> None:
    """Registration, reports and opt; openleadr's client keeps silent about signatures it cannot verify, but says so."""
    assert their_ven.signers() == {(their_ven.ven, their_ven.vtn)}
    assert {CreatePartyRegistration, UpdateReport, CreatedEvent, Poll} <= set(their_ven.said)
    assert their_ven.opt == OPT_IN
    assert all("does not support reports in this direction" in line for line in their_ven.complaints.lines)


async def test_our_ven_and_their_vtn_take_every_message_of_each_other(their_vtn: Signed) -> None:
    """Each of our messages is taken at once: none is said again."""
    known = ("Skipping report with name x-", "The current_value for a SIMPLE event")

    assert their_vtn.signers() == {(their_vtn.ven, their_vtn.vtn)}
    assert {CreatePartyRegistration, UpdateReport, CreatedEvent, Poll} <= set(their_vtn.said)
    assert their_vtn.said.count(CreatePartyRegistration) == 1
    assert their_vtn.opt == OPT_IN
    assert all(any(words in line for words in known) for line in their_vtn.complaints.lines)
