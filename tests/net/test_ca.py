"""The throw-away CA."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from openadr_ra.errors import SettingsError
from openadr_ra.net.ca import KEY_KINDS, KeyKind, ca_files, issue, make_ca
from openadr_ra.net.tls import client_context, describe, read_certificates, server_context
from tests.net.conftest import Pki, described

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_ca_has_an_rsa_and_an_ec_root_and_one_file_to_trust(tmp_path: Path) -> None:
    """As the Alliance's PKI has; the directory is made if need be."""
    files = make_ca(tmp_path / "new" / "certs", now=NOW)

    roots = tuple(read_certificates(certificate)[0] for certificate, _ in files.roots)
    assert files == ca_files(tmp_path / "new" / "certs")
    assert read_certificates(files.trust) == roots
    assert [describe(root).key_type for root in roots] == ["RSA", "EC"]
    assert all(root.issuer == root.subject for root in roots)


def test_two_cas_have_different_names(tmp_path: Path) -> None:
    """A peer that trusts both must not try the wrong one."""
    one, two = (make_ca(tmp_path / name, now=NOW) for name in "ab")

    assert not {c.subject for c in read_certificates(one.trust)} & {c.subject for c in read_certificates(two.trust)}


def test_keys_are_for_their_owner_alone_and_certificates_for_all(pki: Pki) -> None:
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in pki.directory.iterdir()}

    assert modes == {".pem": 0o644, ".key": 0o600}


def test_nothing_that_exists_is_overwritten(pki: Pki) -> None:
    before = {path: path.read_bytes() for path in pki.directory.iterdir()}
    with pytest.raises(SettingsError, match=r"ca\.pem exists and is not overwritten"):
        make_ca(pki.directory, now=NOW)
    with pytest.raises(SettingsError, match=r"ven-ec\.pem exists and is not overwritten"):
        issue(pki.directory, "ven-ec", role="ven", key="ec", now=NOW)

    assert {path: path.read_bytes() for path in pki.directory.iterdir()} == before


def test_a_certificate_is_renewed_in_its_files_if_asked(pki: Pki) -> None:
    first = issue(pki.directory, "again", role="ven", key="ec", now=datetime.now(UTC))
    before = described(first).fingerprint
    second = issue(pki.directory, "again", role="ven", key="ec", now=datetime.now(UTC), replace=True)

    assert first == second
    assert described(second).fingerprint != before
    client_context(second, pki.trust)


@pytest.mark.parametrize("key", KEY_KINDS)
def test_a_vtn_is_called_after_its_first_host_and_carries_them_all(pki: Pki, key: KeyKind) -> None:
    hosts = ("vtn.example", "10.0.0.1", "::1")
    chain = issue(pki.directory, f"named-{key}", role="vtn", key=key, hosts=hosts, now=NOW)

    (leaf,) = read_certificates(chain[0])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert leaf.subject.rfc4514_string() == "CN=vtn.example"
    assert names.get_values_for_type(x509.DNSName) == ["vtn.example"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.0.0.1"), ip_address("::1")]


@pytest.mark.parametrize("key", KEY_KINDS)
def test_a_ven_is_called_after_its_device_and_may_be_client_and_server(pki: Pki, key: KeyKind) -> None:
    """A push VEN listens."""
    (leaf,) = read_certificates(pki.ven[key][0])

    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert leaf.subject.rfc4514_string() == f"CN=ven-{key}"
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    server_context((pki.ven[key],), pki.trust)


def test_a_certificate_lasts_as_many_days_as_asked_but_not_longer_than_its_root(tmp_path: Path) -> None:
    root = make_ca(tmp_path, now=NOW, days=100).trust
    short = described(issue(tmp_path, "short", role="ven", key="ec", now=NOW, days=99))
    long = described(issue(tmp_path, "long", role="ven", key="ec", now=NOW, days=101))

    assert short.valid_until == NOW + timedelta(days=99)
    assert long.valid_until == describe(read_certificates(root)[0]).valid_until
    assert short.valid_from < NOW


@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", ".hidden", "-x", "ca", "ca-rsa", "caé", "a b"])
def test_a_name_that_cannot_be_a_file_of_its_own_is_refused(pki: Pki, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot name a certificate"):
        issue(pki.directory, name, role="ven", key="ec", now=NOW)


@pytest.mark.parametrize(("length", "refused"), [(64, False), (65, True)])
def test_a_common_name_has_64_characters(tmp_path: Path, length: int, refused: bool) -> None:
    make_ca(tmp_path, now=NOW)
    if refused:
        with pytest.raises(SettingsError, match="too long"):
            issue(tmp_path, "x" * length, role="ven", key="ec", now=NOW)
    else:
        assert described(issue(tmp_path, "x" * length, role="ven", key="ec", now=NOW)).subject == "CN=" + "x" * 64


def test_a_vtn_without_host_is_refused(pki: Pki) -> None:
    with pytest.raises(SettingsError, match="give --host"):
        issue(pki.directory, "hostless", role="vtn", key="ec", now=NOW)


def test_a_host_that_no_certificate_can_carry_is_refused(pki: Pki) -> None:
    with pytest.raises(SettingsError, match="is no host name"):
        issue(pki.directory, "odd", role="vtn", key="ec", hosts=("ok", "münchen"), now=NOW)

    assert not (pki.directory / "odd.key").exists()


def test_issuing_without_a_ca_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"openadr-ra certs init {tmp_path}"):
        issue(tmp_path, "ven", role="ven", key="ec", now=NOW)


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="cannot write"):
        make_ca(tmp_path / "file", now=NOW)
