"""What the demo is put together from: certificates that last, messages on file, and the verdict."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from openadr_ra.errors import SettingsError
from openadr_ra.net.ca import DAYS
from openadr_ra.programs import demo_sites
from openadr_ra.programs.demo_messages import Recorder, Written
from openadr_ra.programs.demo_sites import SITES
from openadr_ra.programs.demo_summary import Version, interval, missing, version
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.makers import dispatch
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, EventId, OptType, ResourceId, VenId
from openadr_ra.run.responses import ResponseRow
from openadr_ra.run.traffic import Exchange
from openadr_ra.settings import read
from openadr_ra.wire import codec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [(site.name, site.key) for site in SITES]
ORDER = replace(
    dispatch(
        start=NOW, every=timedelta(seconds=10), delta_kw={site.name: site.reduce_kw for site in SITES}
    ),
    id=EventId("reduce"),
)  # fmt: skip
POLL = codec.encode(Poll(ven_id=VenId("edge-1")))
GOOD = Written(messages=2, invalid=())


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first run makes; RSA keys take their time."""
    folder = tmp_path_factory.mktemp("first") / "certs"
    assert demo_sites.make_certificates(folder, NAMES, NOW) is False
    return folder


@pytest.fixture
def made(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "certs"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_certificates_that_are_good_are_used_again(made: Path) -> None:
    before = contents(made)

    assert demo_sites.make_certificates(made, NAMES, NOW + timedelta(days=1)) is True
    assert contents(made) == before


def test_certificates_that_run_out_are_renewed_under_the_same_ca(made: Path) -> None:
    before = contents(made)

    demo_sites.make_certificates(made, NAMES, NOW + timedelta(days=DAYS))

    after = contents(made)
    assert after["ca.pem"] == before["ca.pem"]
    for name in ("vtn-rsa", "vtn-ec", *(site.name for site in SITES)):
        assert after[f"{name}.pem"] != before[f"{name}.pem"]


def test_a_certificate_that_is_missing_is_made(made: Path) -> None:
    (made / "edge-2.key").unlink()

    demo_sites.make_certificates(made, NAMES, NOW)

    assert (made / "edge-2.key").exists()


def test_a_ca_that_has_run_out_is_named_with_the_cure(made: Path) -> None:
    with pytest.raises(SettingsError, match="remove that directory"):
        demo_sites.make_certificates(made, NAMES, NOW + timedelta(days=4000))


def test_the_settings_files_are_what_a_node_reads(made: Path) -> None:
    """Fingerprints of exactly the three VENs, and devices that run as much faster as the interval is shorter."""
    vtn = read(demo_sites.write_vtn(made.parent))
    vens = [read(demo_sites.write_ven(made.parent, site, "https://127.0.0.1:1/", 10)) for site in SITES]

    assert vtn.downstream is not None
    assert vtn.downstream.admit == "listed"
    assert [ven.id for ven in vtn.downstream.ven] == [site.name for site in SITES]
    assert len({ven.fingerprints for ven in vtn.downstream.ven}) == len(SITES)
    for site, ven in zip(SITES, vens, strict=True):
        assert [(one["id"], one["driver"]) for one in ven.device] == [(one.id, one.driver) for one in site.devices]
        assert {one["speed"] for one in ven.device} == {180.0}


def test_a_message_is_called_after_its_number_its_ven_and_its_payload(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.tap(Exchange(peer="edge-1", service="OadrPoll", request=POLL, reply=POLL, status=200))
    recorder.tap(Exchange(peer="edge/2", service="OadrPoll", request=POLL, reply=b"", status=503))

    written = recorder.write(tmp_path / "messages")

    assert written == Written(messages=3, invalid=())
    assert sorted(path.name for path in (tmp_path / "messages").iterdir()) == [
        "0001-edge-1-Poll.request.xml",
        "0001-edge-1-Poll.response.xml",
        "0002-edge_2-Poll.request.xml",
    ]
    assert (tmp_path / "messages" / "0001-edge-1-Poll.request.xml").read_bytes() == POLL


def test_a_message_that_is_not_valid_is_kept_and_counted(tmp_path: Path) -> None:
    recorder = Recorder()
    broken = POLL.replace(b"venID", b"venId")
    recorder.tap(Exchange(peer="edge-1", service="OadrPoll", request=broken, reply=POLL, status=200))

    written = recorder.write(tmp_path)

    assert written.messages == 2
    assert len(written.invalid) == 1
    assert written.invalid[0].startswith("0001-edge-1-unknown.request.xml: not schema-valid")
    assert (tmp_path / "0001-edge-1-unknown.request.xml").read_bytes() == broken


def row(ven: str, resource: str, start: datetime) -> ResponseRow:
    """A response as it should be."""
    return ResponseRow(
        event_id=ORDER.id,
        ven=VenId(ven),
        resource=ResourceId(resource),
        start=start,
        duration_s=10.0,
        asked_kw=-1.0,
        instructed_kw=-1.0,
        accepted=OPT_IN,
        delivered_kw=-1.0,
        deviation_kw=0.0,
        in_band=True,
        final=True,
    )


ROWS = tuple(
    row(ven, resource, start)
    for start, _ in ORDER.spans()
    for ven, resource in (
        *((site.name, device.id) for site in SITES for device in site.devices),
        *((site.name, "*") for site in SITES),
        ("*", "*"),
    )
)


def answered(order: Instruction, opt: OptType | None = OPT_IN) -> Version:
    return version(order, {VenId(site.name): opt if site is SITES[1] else OPT_IN for site in SITES})


def test_nothing_is_missing_from_a_whole_demo() -> None:
    assert missing([ORDER], ROWS, [answered(ORDER)], GOOD, agree=True) == ""


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_each_response_is_missed(number: int) -> None:
    """Of a resource, a VEN or the sum: not there, without a value, or not final."""
    gone = ROWS[number]
    rest = ROWS[:number] + ROWS[number + 1 :]

    for rows in (rest, (*rest, replace(gone, delivered_kw=None)), (*rest, replace(gone, final=False))):
        said = missing([ORDER], rows, [answered(ORDER)], GOOD, agree=True)
        assert said.startswith("responses that are missing or not final: 1, ")
        assert f"{interval(gone).resource} in event reduce from {gone.start:%H:%M:%S}" in said


@pytest.mark.parametrize(("opt", "said"), [(None, "nothing"), (OPT_OUT, "optOut")])
def test_a_ven_that_does_not_accept_is_named(opt: OptType | None, said: str) -> None:
    found = missing([ORDER], ROWS, [answered(ORDER, opt)], GOOD, agree=True)

    assert found == f"edge-2 answered {said} to version 0 of event reduce"


def test_sums_that_do_not_agree_are_a_failure() -> None:
    assert "do not add up" in missing([ORDER], ROWS, [answered(ORDER)], GOOD, agree=False)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (Written(messages=2, invalid=("0001-x: bad",)), "not schema-valid, the first is 0001-x: bad"),
        (Written(messages=0, invalid=()), "no message was recorded"),
    ],
)
def test_messages_that_are_missing_or_not_valid_are_a_failure(written: Written, said: str) -> None:
    assert said in missing([ORDER], ROWS, [answered(ORDER)], written, agree=True)


def test_a_resource_its_ven_and_the_sum_are_told_apart() -> None:
    names = [interval(row(ven, resource, NOW)).resource for ven, resource in (("v", "r"), ("v", "*"), ("*", "*"))]

    assert names == ["v/r", "v/*", "*"]
