"""A signed idle oadrPoll at the VTN over mutual TLS, its answer signed, beside an aiohttp handler that does nothing but TLS.

What is counted is the CPU time of the server's process. Each poll has a stamp and a nonce of its own, so that it is verified
anew; it is signed before its round begins. All three servers have the same certificates, and get polls over the same number
of connections at once. A server that has not seen a VEN's poll before takes twice as long for that one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.child import child, cpu_us
from benchmarks.figure_poll import LANES, drive
from benchmarks.measure import Figure, Spread, against_floor, spread
from benchmarks.poll_client import Lane, register
from openadr_ra.net.ca import KEY_KINDS, KeyKind
from openadr_ra.net.tls import client_context
from openadr_ra.programs import certs
from openadr_ra.protocol.messages import Message, Poll, Response
from openadr_ra.protocol.model import VenId
from openadr_ra.wire.codec import decode
from openadr_ra.wire.signing import load_signer, sign

MOST: Mapping[KeyKind, float] = {"ec": 4.3, "rsa": 9.3}
"""Times the floor: 350 and 750 us where it took 81. openleadr took 2,311 and 78,286 when the goals were set."""

NAMES: Mapping[KeyKind, str] = {"ec": "P-256", "rsa": "RSA-2048"}

ROUNDS = 15
POLLS: Mapping[str, Mapping[KeyKind, int]] = {
    "floor": {"ec": 160, "rsa": 160},
    "ours": {"ec": 160, "rsa": 160},
    # A round of it takes as long as one of the others.
    "peer": {"ec": 16, "rsa": 8},
}

VEN_NAME = "bench"


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        made = certs.init(home / "certs", now=datetime.now(UTC))
        for kind in KEY_KINDS[::-1]:
            shown = certs.issue(Path(made.directory), f"{VEN_NAME}-{kind}", role="ven", key=kind, now=datetime.now(UTC))
            spreads = measured(Path(made.directory), kind, (Path(shown.certificate), Path(shown.key)))
            name = f"signed oadrPoll at the VTN, mutual TLS, {NAMES[kind]}"
            yield against_floor(name, "us CPU", spreads, most=MOST[kind])


def measured(home: Path, kind: KeyKind, chain: tuple[Path, Path]) -> Mapping[str, Spread]:
    """CPU microseconds per poll of each server."""
    signer, tls = load_signer(*chain), client_context(chain, home / "ca.pem")

    def seal(message: Message) -> bytes:
        return sign(message, signer, now=datetime.now(UTC), nonce=secrets.token_urlsafe(18))

    with ExitStack() as stack:
        pids, lanes = {}, {}
        for server in POLLS:
            pid, port = stack.enter_context(child("-m", "benchmarks.signed_servers", server, str(home), kind, "signed"))
            pids[server] = pid
            lanes[server] = [stack.enter_context(closing(Lane(int(port), tls=tls, seal=seal))) for _ in range(LANES)]
        vens = {server: register(lanes[server][0], VEN_NAME) for server in ("ours", "peer")}
        rounds: dict[str, list[float]] = {server: [] for server in pids}
        for _ in range(ROUNDS + 1):
            for server, pid in pids.items():
                poll = Poll(ven_id=vens.get(server, VenId(VEN_NAME)))
                bodies = [seal(poll) for _ in range(POLLS[server][kind])]
                before = cpu_us(pid)
                drive(lanes[server], bodies)
                rounds[server].append((cpu_us(pid) - before) / len(bodies))
        for server, ven in vens.items():
            lanes[server][0].send("OadrPoll", seal(Poll(ven_id=ven)))
            answer = lanes[server][0].receive()
            assert isinstance(decode(answer), Response), answer
            assert b"SignatureValue" in answer
    # The first round warms the servers up.
    return {server: spread(each[1:]) for server, each in rounds.items()}
