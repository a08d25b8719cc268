"""A case against a tiny VTN: over plain HTTP, or over TLS with certificates of a throw-away CA."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator, Callable

from conformance.attempt import Opened, attempt
from conformance.case import Case, Mode
from conformance.identity import Authority, Identity, KeyKind
from conformance.listen import Arrived, Reply
from conformance.record import Record
from conformance.seal import sealer
from conformance.tested import Parameters, Vtn
from conformance.verdict import Result
from tests.conformance.front import fronted
from tests.conformance.skipping import run
from tests.conformance.tiny_operator import TinyOperator
from tests.conformance.tiny_state import Flaw
from tests.conformance.tiny_vtn import TinyVtn, serving
from tests.conformance.wrongs import Front, Tls

ABOUT: Parameters = {"metadata_back_s": 1}
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, which Python has no name for."""


class TlsVtn(TinyVtn):
    """A VTN that can tell the keys of its VENs apart."""

    def __init__(self, *flaws: Flaw, identity: Identity, authority: Authority) -> None:
        super().__init__(*flaws, identity=identity, client_tls=identity.client(authority.certificate))
        self.folder = authority.folder
        self.tls = next((one for one in flaws if isinstance(one, Tls)), Tls())

    async def handle(self, arrived: Arrived) -> Reply:
        if self.tls.refuses and self._kind(arrived.fingerprint) == self.tls.refuses:
            return Reply(status=403)
        return await super().handle(arrived)

    def _kind(self, fingerprint: str) -> str:
        for path in self.folder.glob("*.pem"):
            if Identity(name="", cert=str(path)).fingerprint == fingerprint:
                return "rsa" if path.with_suffix(".key").stat().st_size > EC_KEY_BYTES else "ec"
        return ""


EC_KEY_BYTES = 600
"""The PEM of an EC key is smaller, that of an RSA key is larger."""


def server_context(flaw: Tls, authority: Authority) -> ssl.SSLContext:
    """TLS with an RSA and an EC certificate, as far as the flaw has them."""
    first, *others = (_issued(authority, kind, flaw.rsa_bits) for kind in flaw.kinds)
    context = first.server(authority.certificate)
    for one in others:
        context.load_cert_chain(one.cert, one.key)
    if not flaw.asks:
        context.verify_mode = ssl.CERT_NONE
    if flaw.expired:
        context.verify_flags |= NO_CHECK_TIME
    if flaw.least < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            # That the old versions are deprecated is what the case is about.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion(flaw.least)
    return context


def _issued(authority: Authority, kind: KeyKind, rsa_bits: int) -> Identity:
    """The VTN's certificate with such a key. It is made once: an RSA key takes its time."""
    name = f"vtn-{kind}-{rsa_bits}"
    cert, key = authority.folder / f"{name}.pem", authority.folder / f"{name}.key"
    if cert.exists():
        return Identity(name=name, cert=str(cert), key=str(key))
    return authority.issue(name, kind=kind, rsa_bits=rsa_bits)


def opener(
    *flaws: Flaw, mode: Mode, authority: Authority | None = None, signed: bool = False
) -> Callable[[Record], Opened]:
    """What `attempt` opens: a VTN with these flaws. With `authority` there are certificates."""

    @contextlib.asynccontextmanager
    async def opened(record: Record) -> AsyncIterator[Vtn]:
        async with contextlib.AsyncExitStack() as stack:
            tiny, tls = _made(flaws, authority)
            url = await stack.enter_async_context(serving(tiny, tls=tls))
            for flaw in flaws:
                if isinstance(flaw, Front):
                    url = await stack.enter_async_context(fronted(url, flaw))
            vtn = Vtn(
                url,
                record,
                TinyOperator(tiny),
                mode=mode,
                authority=authority,
                ca="" if authority is None else authority.certificate,
                sealer=sealer if signed else None,
                parameters=ABOUT,
            )
            yield await stack.enter_async_context(vtn)

    return opened


def _made(flaws: tuple[Flaw, ...], authority: Authority | None) -> tuple[TinyVtn, ssl.SSLContext | None]:
    if authority is None:
        return TinyVtn(*flaws), None
    identity = _issued(authority, "ec", 0)
    vtn = TlsVtn(*flaws, identity=identity, authority=authority)
    return vtn, server_context(vtn.tls, authority)


def tried(
    case: Case,
    *flaws: Flaw,
    mode: Mode = "pull",
    authority: Authority | None = None,
    signed: bool = False,
    record: Record | None = None,
) -> Result:
    """What becomes of the case at a VTN with these flaws, without waiting for anything."""
    opened = opener(*flaws, mode=mode, authority=authority, signed=signed)
    return run(attempt(case, opened, record or Record()))
