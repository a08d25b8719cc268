"""Who signs in the tests of this room; keys are made anew each time and kept by nobody."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from openadr_ra.net.ca import KEY_KINDS, KeyKind, issue, make_ca
from openadr_ra.net.tls import Chain
from openadr_ra.wire.signing import Signer, load_signer, sign
from tests.wire.sealing import NONCE, NOON, POLL


@pytest.fixture(scope="session")
def chains(tmp_path_factory: pytest.TempPathFactory) -> dict[KeyKind, Chain]:
    """A VEN's certificate and key of each kind, as files."""
    now = datetime.now(UTC)
    home = make_ca(tmp_path_factory.mktemp("signers"), now=now).trust.parent
    return {kind: issue(home, f"ven-{kind}", role="ven", key=kind, now=now) for kind in KEY_KINDS}


@pytest.fixture(scope="session")
def signers(chains: dict[KeyKind, Chain]) -> dict[KeyKind, Signer]:
    """The same, loaded."""
    return {kind: load_signer(*chain) for kind, chain in chains.items()}


@pytest.fixture(params=KEY_KINDS)
def signer(request: pytest.FixtureRequest, signers: dict[KeyKind, Signer]) -> Signer:
    """Each of them in turn."""
    return signers[request.param]


@pytest.fixture(scope="session")
def by_id(signers: dict[KeyKind, Signer]) -> bytes:
    """A poll signed with the EC key, its oadrSignedObject named by its id."""
    return sign(POLL, signers["ec"], now=NOON, nonce=NONCE)


@pytest.fixture(scope="session")
def by_document(signers: dict[KeyKind, Signer]) -> bytes:
    """The same poll, the document signed less the signature."""
    return sign(POLL, signers["ec"], now=NOON, nonce=NONCE, style="enveloped")
