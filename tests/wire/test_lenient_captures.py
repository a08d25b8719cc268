"""Every recorded request that is not schema-valid, and what becomes of it. None of them is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from openadr_ra.errors import WireError
from openadr_ra.protocol import messages as m
from openadr_ra.protocol import model
from openadr_ra.protocol.shape import Decimal
from openadr_ra.wire import schema
from openadr_ra.wire.codec import decode, encode_checked, read
from openadr_ra.wire.lenient import decode_lenient, repaired
from openadr_ra.wire.parse import parse
from openadr_ra.wire.signature import verify
from tests.wire.untidy import WATTS

HERE = Path(__file__).parent / "captures/lenient"
SIGNED = Path(__file__).parent / "xmldsig"
ALL = Path(__file__).parents[3] / "shared" / "captures"

ENVELOPE, VERSION, METADATA = ("envelope", 1), ("attribute-name", 1), ("metadata", 1)
UNIT = (("type-name", 1), ("unit-scale", 1), ("power-attributes", 1))

BECOMES: dict[str, tuple[type[m.Message], tuple[tuple[str, int], ...]]] = {
    # The opt is not lost, which a strict VTN loses.
    "anl-node-red-ven-08-CreatedEvent": (m.CreatedEvent, (("child-order", 1),)),
    "avob-java-client-01-QueryRegistration": (m.QueryRegistration, (ENVELOPE,)),
    "avob-java-client-02-CreatePartyRegistration": (m.CreatePartyRegistration, (ENVELOPE,)),
    "avob-java-client-03-RegisterReport": (m.RegisterReport, (ENVELOPE, METADATA)),
    "avob-java-client-04-RequestEvent": (m.RequestEvent, (ENVELOPE,)),
    # Also 06 and 07, which are the same bytes.
    "avob-java-client-05-Poll": (m.Poll, (ENVELOPE,)),
    "avob-java-client-08-CreatedEvent": (m.CreatedEvent, (ENVELOPE,)),
    "avob-java-client-09-CreateOpt": (m.CreateOpt, (ENVELOPE,)),
    "avob-java-client-10-CancelPartyRegistration": (m.CancelPartyRegistration, (ENVELOPE,)),
    "epri-ven-static-link-02-RegisterReport": (m.RegisterReport, (("type-name", 1), ("type-name", 1))),
    "pyoadr-ven-01-QueryRegistration": (m.QueryRegistration, (VERSION,)),
    # Its venID is empty, and stays so.
    "pyoadr-ven-02-Poll": (m.Poll, (VERSION,)),
    "pyoadr-ven-03-CreatePartyRegistration": (m.CreatePartyRegistration, (VERSION,)),
    # Also 08, 09, 12, 15, 16, 17 and 18.
    "pyoadr-ven-04-Poll": (m.Poll, (VERSION,)),
    "pyoadr-ven-05-RequestEvent": (m.RequestEvent, (VERSION,)),
    "pyoadr-ven-06-RegisterReport": (m.RegisterReport, (VERSION, METADATA)),
    "pyoadr-ven-07-Response": (m.Response, (VERSION,)),
    "pyoadr-ven-10-CreatedEvent": (m.CreatedEvent, (("request-id", 1), ("unknown-opt", 1))),
    "pyoadr-ven-11-UpdateReport": (m.UpdateReport, (VERSION, ("namespace", 6), ("namespace", 6))),
    "pyoadr-ven-13-Response": (m.Response, (VERSION,)),
    "pyoadr-ven-14-CanceledReport": (m.CanceledReport, (VERSION,)),
    "pyoadr-ven-powerreal-01-QueryRegistration": (m.QueryRegistration, (VERSION,)),
    "pyoadr-ven-powerreal-02-CreatePartyRegistration": (m.CreatePartyRegistration, (VERSION,)),
    "pyoadr-ven-powerreal-03-RequestEvent": (m.RequestEvent, (VERSION,)),
    "pyoadr-ven-powerreal-04-RegisterReport": (m.RegisterReport, (VERSION, *UNIT, METADATA)),
    "pyoadr-ven-powerreal-05-RegisterReport": (m.RegisterReport, (VERSION, *UNIT, METADATA)),
}


def recorded(name: str) -> bytes:
    return (HERE / f"{name}.xml").read_bytes()


@pytest.mark.parametrize("name", BECOMES)
def test_a_recorded_message_that_is_not_schema_valid_is_understood_and_reported(name: str) -> None:
    body = recorded(name)
    kind, repairs = BECOMES[name]
    with pytest.raises(WireError):
        decode(body)

    message, warnings = decode_lenient(body)

    assert isinstance(message, kind)
    assert tuple((warning.repair, warning.count) for warning in warnings) == repairs
    assert decode(encode_checked(message)) == message


def test_the_table_has_every_recorded_message_that_is_not_schema_valid() -> None:
    """Those beside this test; and the whole collection, where it is at hand."""
    assert {file.stem for file in HERE.glob("*.xml")} == set(BECOMES)
    if not ALL.is_dir():
        pytest.skip(f"the recorded traffic is not at {ALL.parent.name}/{ALL.name} beside this repository")
    listed = {recorded(name) for name in BECOMES}

    for file in sorted(ALL.glob("*/*.request.xml")):
        body = file.read_bytes()
        try:
            schema.validate(parse(body))
        except WireError:
            assert body in listed, file
        else:
            assert decode_lenient(body) == (decode(body), ())


def test_the_opt_of_a_ven_that_mixes_up_the_order_is_not_lost() -> None:
    message, _ = decode_lenient(recorded("anl-node-red-ven-08-CreatedEvent"))

    assert isinstance(message, m.CreatedEvent)
    assert [(each.event.event_id, each.opt) for each in message.responses] == [("evt_1795284622", model.OPT_IN)]


def test_the_none_of_a_ven_leaves_its_event_unanswered() -> None:
    message, _ = decode_lenient(recorded("pyoadr-ven-10-CreatedEvent"))

    assert isinstance(message, m.CreatedEvent)
    assert (message.responses, message.ven_id) == ((), "ven_id_pyoadr")


def test_the_values_in_the_wrong_namespace_are_all_there() -> None:
    message, _ = decode_lenient(recorded("pyoadr-ven-11-UpdateReport"))

    assert isinstance(message, m.UpdateReport)
    payloads = [payload for each in message.reports[0].intervals for payload in each.payloads]
    assert [getattr(payload, "value", None) for payload in payloads] == [42.5] * 6


@pytest.mark.parametrize(
    ("name", "units"),
    [
        (
            "epri-ven-static-link-02-RegisterReport",
            (
                model.EnergyReal(scale=model.NO_SCALE),
                model.PowerReal(
                    scale=model.NO_SCALE,
                    attributes=model.PowerAttributes(hertz=Decimal(60.0), voltage=Decimal(120.0)),
                ),
            ),
        ),
        (
            "pyoadr-ven-powerreal-04-RegisterReport",
            (
                model.PowerReal(
                    scale=WATTS.scale,
                    attributes=model.PowerAttributes(hertz=Decimal(0.0), voltage=Decimal(0.0)),
                ),
            ),
        ),
    ],
)
def test_the_units_in_other_words_are_what_was_meant(name: str, units: tuple[model.ItemBase, ...]) -> None:
    message, _ = decode_lenient(recorded(name))

    assert isinstance(message, m.RegisterReport)
    assert tuple(each.unit for each in message.reports[0].descriptions) == units


def test_a_poll_signed_by_a_java_client_is_verified_as_it_is_and_read_in_order() -> None:
    """Its signature stands last; what is verified is the tree as it was sent, and stays so."""
    signed = verify(parse((SIGNED / "avob-poll-signed-rsa.xml").read_bytes()), lenient=True)

    ready, warnings = repaired(signed)

    assert read(ready) == m.Poll(ven_id=model.VenId("ven_id_avob"))
    assert (ready.nonce, ready.fingerprint) == (signed.nonce, signed.fingerprint)
    assert [(each.repair, each.path) for each in warnings] == [("child-order", "oadr:oadrPayload")]


@pytest.mark.parametrize("name", ["openleadr-poll-signed-ec", "openleadr-poll-signed-rsa"])
def test_a_signed_poll_that_is_in_order_is_the_very_element_that_was_verified(name: str) -> None:
    signed = verify(parse((SIGNED / f"{name}.xml").read_bytes()), lenient=True)

    ready, warnings = repaired(signed)

    assert ready is signed
    assert warnings == ()
