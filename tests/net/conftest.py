"""Certificates for the tests of the room, made once: issuing RSA keys takes its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openadr_ra.net.ca import KEY_KINDS, KeyKind, issue, make_ca
from openadr_ra.net.tls import (
    Certificate,
    Chain,
    Contexts,
    client_contexts,
    describe,
    read_certificates,
    server_contexts,
)

HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki:
    """Two CAs that know nothing of each other, and what they issued."""

    directory: Path
    trust: Path
    vtn: tuple[Chain, ...]
    ven: dict[KeyKind, Chain]
    expired: Chain
    foreign_trust: Path
    foreign: Chain

    def serving(self, *, require_client_certificate: bool = True) -> Contexts:
        """A VTN with both its certificates."""
        return server_contexts(self.vtn, self.trust, require_client_certificate=require_client_certificate)

    def calling(self, chain: Chain | None = None, trust: Path | None = None) -> Contexts:
        """A VEN with an EC certificate, if no other is given."""
        return client_contexts(chain or self.ven["ec"], trust or self.trust)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    now = datetime.now(UTC)
    directory = tmp_path_factory.mktemp("pki")
    ours = make_ca(directory / "ours", now=now)
    theirs = make_ca(directory / "theirs", now=now)
    home, abroad = ours.trust.parent, theirs.trust.parent
    past = now - timedelta(days=9)
    return Pki(
        directory=home,
        trust=ours.trust,
        vtn=tuple(issue(home, f"vtn-{k}", role="vtn", key=k, hosts=HOSTS, now=now) for k in KEY_KINDS),
        ven={k: issue(home, f"ven-{k}", role="ven", key=k, now=now) for k in KEY_KINDS},
        expired=issue(home, "expired", role="vtn", key="ec", hosts=HOSTS, now=past, days=1),
        foreign_trust=theirs.trust,
        foreign=issue(abroad, "foreign", role="vtn", key="ec", hosts=HOSTS, now=now),
    )


def described(chain: Chain) -> Certificate:
    """The facts of the chain's own certificate."""
    return describe(read_certificates(chain[0])[0])
