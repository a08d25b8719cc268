"""What the certs commands do, before anything is printed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from openadr_ra.errors import SettingsError
from openadr_ra.net.tls import normal_fingerprint, server_context
from openadr_ra.programs import certs

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KeyMaker = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Digest = hashes.SHA224 | hashes.SHA256 | hashes.SHA384


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as `init` and two `issue` leave it."""
    directory = tmp_path_factory.mktemp("certs")
    certs.init(directory, now=NOW)
    for key in ("rsa", "ec"):
        certs.issue(directory, f"ven-{key}", role="ven", key=key, now=NOW)
    return directory


def test_init_makes_a_ca_and_both_certificates_of_a_vtn(tmp_path: Path) -> None:
    """Rule 68: a VTN holds an RSA and an EC one. They serve as they are."""
    result = certs.init(tmp_path, hosts=("vtn.example",), now=NOW, days=7)

    assert [(Path(one.certificate).name, Path(one.key).name) for one in result.vtn] == [
        ("vtn-rsa.pem", "vtn-rsa.key"),
        ("vtn-ec.pem", "vtn-ec.key"),
    ]
    assert {one.subject for one in result.vtn} == {"CN=vtn.example"}
    assert {one.valid_until for one in result.vtn} == {NOW + timedelta(days=7)}
    server_context(tuple((Path(one.certificate), Path(one.key)) for one in result.vtn), Path(result.trust))


def test_init_names_a_trial_vtn_after_this_machine(made: Path) -> None:
    (leaf,) = x509.load_pem_x509_certificates((made / "vtn-ec.pem").read_bytes())

    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]


def test_init_overwrites_nothing(made: Path) -> None:
    before = {path: path.read_bytes() for path in made.iterdir()}
    with pytest.raises(SettingsError, match="is not overwritten"):
        certs.init(made, now=NOW)

    assert {path: path.read_bytes() for path in made.iterdir()} == before


def test_issue_says_what_the_vtn_has_to_admit(tmp_path: Path) -> None:
    certs.init(tmp_path, now=NOW)
    issued = certs.issue(tmp_path, "ven-1", role="ven", key="rsa", hosts=("ven.example",), now=NOW)

    assert issued.subject == "CN=ven-1"
    assert issued.fingerprint == certs.fingerprint(tmp_path / "ven-1.pem").fingerprint
    assert normal_fingerprint(issued.fingerprint) == issued.fingerprint


def test_issue_renews_only_if_asked(tmp_path: Path) -> None:
    certs.init(tmp_path, now=NOW)
    first = certs.issue(tmp_path, "ven-1", role="ven", key="ec", now=NOW)
    with pytest.raises(SettingsError, match="is not overwritten"):
        certs.issue(tmp_path, "ven-1", role="ven", key="ec", now=NOW)
    second = certs.issue(tmp_path, "ven-1", role="ven", key="ec", now=NOW, replace=True)

    assert (first.certificate, first.key) == (second.certificate, second.key)
    assert first.fingerprint != second.fingerprint


def test_fingerprint_is_that_of_the_first_certificate_of_a_file(made: Path, tmp_path: Path) -> None:
    """The leaf's, not the CA's; a missing newline at the end changes nothing."""
    chain = tmp_path / "chain.pem"
    chain.write_bytes((made / "ven-ec.pem").read_bytes() + (made / "ca-ec.pem").read_bytes().rstrip())

    assert certs.fingerprint(chain).subject == "CN=ven-ec"
    assert certs.fingerprint(chain).fingerprint == certs.fingerprint(made / "ven-ec.pem").fingerprint


def test_fingerprint_of_a_file_without_certificate_is_refused(made: Path) -> None:
    with pytest.raises(SettingsError, match="holds no certificate"):
        certs.fingerprint(made / "ven-ec.key")


@pytest.mark.parametrize("key", ["rsa", "ec"])
def test_check_finds_nothing_wrong_with_what_was_issued(made: Path, key: str) -> None:
    (check,) = certs.check([made / f"ven-{key}.pem"], ca=made / "ca.pem", now=NOW)

    assert (check.problems, check.warnings) == ((), ())
    assert check.subject == f"CN=ven-{key}"
    assert check.key == {"rsa": "RSA 2048", "ec": "EC 256"}[key]
    assert check.key_file == str(made / f"ven-{key}.key")
    assert check.chain == (check.subject, check.issuer)
    assert check.days_left == 365


def test_check_reads_keys_and_bundles_among_its_files(made: Path) -> None:
    """As in `certs check certs/*`: keys are matched, the two roots of ca.pem are checked one by one."""
    checks = certs.check(sorted(made.iterdir()), ca=made / "ca.pem", now=NOW)

    assert [Path(check.file).name for check in checks] == [
        "ca-ec.pem",
        "ca-rsa.pem",
        "ca.pem",
        "ca.pem",
        "ven-ec.pem",
        "ven-rsa.pem",
        "vtn-ec.pem",
        "vtn-rsa.pem",
    ]
    assert not [check for check in checks if check.problems or check.warnings or check.key_file is None]


def test_check_says_nothing_of_a_key_or_chain_that_is_not_at_hand(made: Path, tmp_path: Path) -> None:
    """A peer's certificate comes without its key."""
    alone = Path(shutil.copy(made / "ven-ec.pem", tmp_path))
    (check,) = certs.check([alone], now=NOW)

    assert (check.key_file, check.chain, check.problems, check.warnings) == (None, (), (), ())


@pytest.mark.parametrize(
    ("left", "problem", "warning"),
    [(31, False, False), (30, False, True), (0, False, True), (-1, True, False)],
)
def test_check_warns_thirty_days_before_expiry(made: Path, left: int, problem: bool, warning: bool) -> None:
    (check,) = certs.check([made / "ven-ec.pem"], now=NOW + timedelta(days=365 - left))

    assert check.days_left == left
    assert ["expired on 2027-01-01" in text for text in check.problems] == [True] * problem
    assert [f"expires in {left} days" in text for text in check.warnings] == [True] * warning


def test_check_says_that_the_clock_is_slow(made: Path) -> None:
    (check,) = certs.check([made / "ven-ec.pem"], now=NOW - timedelta(days=1))

    assert check.problems == ("it is not valid before 2025-12-31 23:00 UTC; check the clock",)


def test_check_finds_a_key_of_another_certificate(made: Path, tmp_path: Path) -> None:
    """Whether it was named or stands beside it."""
    certificate = Path(shutil.copy(made / "ven-ec.pem", tmp_path))
    key = Path(shutil.copy(made / "ven-rsa.key", tmp_path / "ven-ec.key"))
    other = Path(shutil.copy(made / "vtn-ec.key", tmp_path))

    (named,) = certs.check([other, made / "ca.pem", certificate], now=NOW)[2:]
    (beside,) = certs.check([certificate], now=NOW)
    assert named.problems == (f"its key is not in {other}, {key}; give the pair that was made together",)
    assert beside.problems == (f"its key is not in {key}; give the pair that was made together",)
    assert beside.key_file is None


def test_check_warns_of_a_key_that_others_may_read(made: Path, tmp_path: Path) -> None:
    certificate, key = (Path(shutil.copy(made / f"ven-ec.{kind}", tmp_path)) for kind in ("pem", "key"))
    key.chmod(0o640)
    (check,) = certs.check([certificate], now=NOW)

    assert check.warnings == (f"others may read its key: chmod 600 {key}",)


def test_check_names_the_issuer_that_is_missing(made: Path) -> None:
    (check,) = certs.check([made / "ven-ec.pem"], ca=made / "ca-rsa.pem", now=NOW)

    assert check.problems == (f"its issuer {check.issuer} is not among the CAs given; get that certificate",)
    assert check.chain == (check.subject,)


def test_check_does_not_trust_a_root_because_it_came_along(made: Path, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes((made / "ven-ec.pem").read_bytes() + (made / "ca-ec.pem").read_bytes())
    (check,) = certs.check([chain], ca=made / "ca-rsa.pem", now=NOW)

    assert check.problems == (f"its root {check.issuer} is not among the CAs given",)


def test_check_follows_intermediates_to_the_root(made: Path, tmp_path: Path) -> None:
    """Real PKIs: root, VEN CA, VEN; and an intermediate that has expired."""
    root = Authority.load(made / "ca-ec.pem", made / "ca-ec.key")
    between = root.issue(ec.generate_private_key(ec.SECP256R1()), "VEN CA", is_ca=True, days=100)
    leaf = between.issue(ec.generate_private_key(ec.SECP256R1()), "deep", days=200)
    file = leaf.save(tmp_path / "deep.pem", between)

    (check,) = certs.check([file], ca=made / "ca.pem", now=NOW)
    (late,) = certs.check([file], ca=made / "ca.pem", now=NOW + timedelta(days=101))
    assert (check.chain[:2], len(check.chain), check.problems) == (("CN=deep", "CN=VEN CA"), 3, ())
    assert late.problems == ("its CA CN=VEN CA is not valid at this time",)


def test_check_takes_no_certificate_for_a_ca_that_is_none(made: Path, tmp_path: Path) -> None:
    """A VEN's certificate signs nothing."""
    ven = Authority.load(made / "ven-ec.pem", made / "ven-ec.key")
    forged = ven.issue(ec.generate_private_key(ec.SECP256R1()), "forged")
    (check,) = certs.check([forged.save(tmp_path / "forged.pem", ven)], ca=made / "ca.pem", now=NOW)

    assert check.problems == ("its issuer CN=ven-ec is not among the CAs given; get that certificate",)


@pytest.mark.parametrize(
    ("key", "digest", "problem"),
    [
        (rsa.generate_private_key(65537, 1024), hashes.SHA256(), "its RSA key has 1024 bits"),  # noqa: S505 - to be refused
        (ec.generate_private_key(ec.SECP224R1()), hashes.SHA256(), "its EC key has 224 bits"),
        (ed25519.Ed25519PrivateKey.generate(), hashes.SHA256(), "its key is Ed25519PublicKey"),
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA224(), "it is signed with sha224"),
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA384(), None),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA256(), None),
    ],
    ids=["RSA 1024", "P-224", "Ed25519", "SHA-224", "SHA-384", "P-384"],
)
def test_check_holds_keys_and_digests_to_2_0b(
    made: Path, tmp_path: Path, key: KeyMaker, digest: Digest, problem: str | None
) -> None:
    """Rule 68: RSA of 2048 bits or EC of 256, SHA-256."""
    root = Authority.load(made / "ca-ec.pem", made / "ca-ec.key")
    (check,) = certs.check([root.issue(key, "weak", digest=digest).save(tmp_path / "weak.pem")], now=NOW)

    assert [problem] == [text.split(";")[0] for text in check.problems] if problem else not check.problems


def test_check_warns_of_a_certificate_for_servers_only(made: Path, tmp_path: Path) -> None:
    """Public CAs issue no others any more."""
    root = Authority.load(made / "ca-ec.pem", made / "ca-ec.key")
    key = ec.generate_private_key(ec.SECP256R1())
    web = root.issue(key, "web", purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)).save(tmp_path / "web.pem")
    (check,) = certs.check([web], ca=made / "ca.pem", now=NOW)

    assert check.problems == ()
    assert check.warnings == ("it does not allow clientAuth: a VEN cannot use it at all, a VTN cannot push with it",)


@pytest.mark.parametrize("text", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_check_refuses_a_file_with_neither_certificate_nor_key(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "nothing.pem"
    file.write_bytes(text)
    with pytest.raises(SettingsError, match=str(file)):
        certs.check([file], now=NOW)


def test_results_can_be_written_as_json(made: Path) -> None:
    """`--json` wherever a program would read it."""
    (check,) = certs.check([made / "ven-ec.pem"], now=NOW)

    assert msgspec.json.decode(msgspec.json.encode(check), type=certs.Check) == check


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of any make with its key: what `openadr-ra certs` would never issue."""

    certificate: x509.Certificate
    key: KeyMaker

    @staticmethod
    def load(certificate: Path, key: Path) -> Authority:
        loaded = load_pem_private_key(key.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return Authority(certificate=x509.load_pem_x509_certificate(certificate.read_bytes()), key=loaded)

    def issue(
        self,
        key: KeyMaker,
        name: str,
        *,
        is_ca: bool = False,
        days: int = 100,
        digest: Digest | None = None,
        purposes: Sequence[ObjectIdentifier] = (ExtendedKeyUsageOID.CLIENT_AUTH,),
    ) -> Authority:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder(subject_name=subject, issuer_name=self.certificate.subject)
            .serial_number(x509.random_serial_number())
            .public_key(key.public_key())
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .sign(self.key, digest or hashes.SHA256())
        )
        return Authority(certificate=certificate, key=key)

    def save(self, file: Path, *intermediates: Authority) -> Path:
        """The certificate and those after it in one file, the key beside it."""
        chain = (self, *intermediates)
        file.write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in chain))
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        beside = file.with_suffix(".key")
        beside.touch(mode=0o600)
        beside.write_bytes(pem)
        return file
