"""A case against a tiny VEN: it polls or is pushed to, over plain HTTP or over TLS, signed or not."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator, Callable, Sequence

from conformance.attempt import Opened, attempt
from conformance.case import Case, Mode
from conformance.identity import Authority, Identity
from conformance.record import Record
from conformance.seal import sealer
from conformance.tested import Parameters, Ven, served
from conformance.ven_operator import VenOperator
from conformance.verdict import Result
from tests.conformance.skipping import run
from tests.conformance.tiny_ven import TinyVen
from tests.conformance.tiny_ven_operator import TinyVenOperator
from tests.conformance.tiny_ven_server import living
from tests.conformance.tiny_ven_state import Kept
from tests.conformance.ven_wrongs import Flaw
from tests.conformance.vtn_site import NO_CHECK_TIME, server_context
from tests.conformance.wrongs import Tls

LEAST_RSA_BITS = 2048
ASSIGNED = "VEN-Assigned-7"
PARAMETERS: Parameters = {"assigned_id": ASSIGNED, "setpoint_w": 1000.0}


class Site:
    """Starts and halts the VEN for a played VTN."""

    def __init__(self, *flaws: Flaw, mode: Mode, authority: Authority | None, signed: bool) -> None:
        self.flaws, self.mode, self.authority = flaws, mode, authority
        self.ca = "" if authority is None else authority.certificate
        self.own = Identity(name="ven") if authority is None else issued(authority, "ven", self._tls)
        self.vtn = Identity(name="vtn") if authority is None else issued(authority, "vtn")
        self.signed = signed
        self.url = ""
        self.port = 0
        self.kept: Kept | None = None
        self.process = contextlib.AsyncExitStack()

    async def launch(self, variant: str, fresh: bool) -> VenOperator:
        """As conformance.tested.Launch has it."""
        tiny = TinyVen(
            self.url,
            *self.flaws,
            mode=self.mode,
            kept=None if fresh else self.kept,
            tls=None if self.authority is None else client_context(self.flaws, self.own, self.authority),
            identity=self.own if self.signed or (variant == "signed" and self.ca) else None,
            vtn_fingerprint=self.vtn.fingerprint,
            variant=variant,
            assigned_id=ASSIGNED,
        )
        self.kept = tiny.kept
        tls = None if self.authority is None else server_context(self._tls, self.authority)
        if tls is not None and "modern suites only" in self.flaws:
            tls.minimum_version = ssl.TLSVersion.TLSv1_3
        self.port = await self.process.enter_async_context(living(tiny, tls=tls, port=self.port))
        return TinyVenOperator(tiny)

    @property
    def _tls(self) -> Tls:
        """How it speaks TLS to those who push to it."""
        return next((one for one in self.flaws if isinstance(one, Tls)), Tls(kinds=("ec",)))

    async def halt(self) -> None:
        await self.process.aclose()


def issued(authority: Authority, name: str, tls: Tls | None = None) -> Identity:
    """The certificate of that name, made once; a weak one where the flaw says so."""
    weak = tls is not None and tls.rsa_bits < LEAST_RSA_BITS
    whole = f"{name}-weak" if weak else name
    cert, key = authority.folder / f"{whole}.pem", authority.folder / f"{whole}.key"
    if cert.exists():
        return Identity(name=whole, cert=str(cert), key=str(key))
    return authority.issue(whole, kind="rsa", rsa_bits=1024) if weak else authority.issue(whole)


def client_context(flaws: Sequence[Flaw], own: Identity, authority: Authority) -> ssl.SSLContext:
    """How the VEN speaks TLS to its VTN."""
    context = own.client(authority.certificate, check_hostname=not {"any host", "trusts anybody"} & set(flaws))
    if "trusts anybody" in flaws:
        context.verify_mode = ssl.CERT_NONE
    if "modern suites only" in flaws:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    for flaw in flaws:
        if isinstance(flaw, Tls) and flaw.expired:
            context.verify_flags |= NO_CHECK_TIME
        if isinstance(flaw, Tls) and flaw.least < ssl.TLSVersion.TLSv1_2:
            lowered(context, flaw.least)
    return context


def lowered(context: ssl.SSLContext, least: int) -> None:
    """Have it go down to that version of TLS."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        # That the old versions are deprecated is what the case is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion(least)


def opener(
    *flaws: Flaw, mode: Mode = "pull", authority: Authority | None = None, signed: bool = False
) -> Callable[[Record], Opened]:
    """What `attempt` opens: a VEN with these flaws."""

    @contextlib.asynccontextmanager
    async def opened(record: Record) -> AsyncIterator[Ven]:
        site = Site(*flaws, mode=mode, authority=authority, signed=signed)
        ca, vtn = site.ca, site.vtn
        ven = Ven(
            record,
            launch=site.launch,
            halt=site.halt,
            parameters=PARAMETERS,
            sign=sealer(vtn) if signed else None,
            client_tls=vtn.client(ca) if ca else None,
            identity=vtn,
            authority=authority,
            ca=ca,
        )
        async with served(ven, tls=vtn.server(ca) if ca else None) as port:
            site.url = f"{'https' if ca else 'http'}://127.0.0.1:{port}"
            try:
                yield ven
            finally:
                await site.halt()

    return opened


def tried(
    case: Case,
    *flaws: Flaw,
    mode: Mode = "pull",
    authority: Authority | None = None,
    signed: bool = False,
    record: Record | None = None,
) -> Result:
    """What becomes of the case at a VEN with these flaws. No time is lost with waiting."""
    opened = opener(*flaws, mode=mode, authority=authority, signed=signed)
    return run(attempt(case, opened, record if record is not None else Record()))
