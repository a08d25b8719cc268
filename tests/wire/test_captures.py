"""What other implementations put on the wire is understood, and said again with the same meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from openadr_ra.errors import WireError
from openadr_ra.wire import schema
from openadr_ra.wire.codec import decode, encode, encode_checked
from openadr_ra.wire.parse import parse
from tests.wire.infoset import leaves

HERE = Path(__file__).parent / "captures"
ALL = Path(__file__).parents[3] / "shared" / "captures"
ACCEPTED = sorted((HERE / "accepted").glob("*.xml"))

REFUSED = {
    "anl-CreatedEvent-wrong-order.xml": ("454", "ei:eventResponses"),
    "avob-Poll-without-envelope.xml": ("453", "oadr:oadrPoll"),
    "epri-RegisterReport-abstract-unit.xml": ("454", "emix:itemBase"),
    "pyoadr-Poll-unprefixed-version.xml": ("454", "oadr:oadrPoll"),
}


def assert_same_meaning(body: bytes) -> None:
    message = decode(body)
    again = encode_checked(message)

    assert decode(again) == message
    assert leaves(again) == leaves(body)


@pytest.mark.parametrize("file", ACCEPTED, ids=lambda file: file.stem)
def test_a_peer_s_message_means_the_same_after_we_said_it_again(file: Path) -> None:
    assert_same_meaning(file.read_bytes())


@pytest.mark.parametrize("name", REFUSED)
def test_a_peer_s_invalid_message_is_refused_by_the_element_that_is_wrong(name: str) -> None:
    """Strict reading; what lenient reading may make of these is another matter."""
    code, element = REFUSED[name]

    with pytest.raises(WireError, match=element) as refused:
        decode((HERE / "refused" / name).read_bytes())

    assert (refused.value.code, refused.value.status, refused.value.element) == (code, 400, element)


def test_every_recorded_message_that_is_schema_valid_means_the_same_after_we_said_it_again() -> None:
    """The whole collection, where it is at hand; the files beside this test are a part of it."""
    if not ALL.is_dir():
        pytest.skip(f"the recorded traffic is not at {ALL.parent.name}/{ALL.name} beside this repository")
    valid = 0
    for file in sorted(ALL.rglob("*.xml")):
        body = file.read_bytes()
        try:
            schema.validate(parse(body))
        except WireError:
            continue
        assert_same_meaning(body)
        valid += 1

    assert valid > len(ACCEPTED)


def test_rule_45_at_both_ends_the_bytes_we_send_carry_no_schema_location() -> None:
    """Rule 45; and a signature's canonical form depends on where prefixes are declared."""
    for file in ACCEPTED:
        body = encode(decode(file.read_bytes()))
        root, _, rest = body.partition(b"><")

        assert b"schemaLocation" not in body
        assert b"xmlns" in root
        assert b"xmlns" not in rest
        assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<oadr:oadrPayload ')
