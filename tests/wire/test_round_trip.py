"""What is written is schema-valid and reads back as it was, for every payload of OpenADR 2.0b."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openadr_ra.protocol.messages import PAYLOADS, Message
from openadr_ra.wire.codec import decode, encode, encode_checked
from tests.wire.strategies import values


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.__name__)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_message_survives_the_wire_and_is_schema_valid(payload: type[Message], data: st.DataObject) -> None:
    """decode ∘ encode is the identity on all that the schema allows, and the schema allows all that encode makes of it."""
    message = data.draw(values(payload))
    assert isinstance(message, Message)

    body = encode_checked(message)

    assert decode(body) == message


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_the_same_message_is_always_the_same_bytes(data: st.DataObject) -> None:
    message = data.draw(values(data.draw(st.sampled_from(PAYLOADS))))
    assert isinstance(message, Message)

    assert encode(decode(encode(message))) == encode(message)


def test_there_are_23_payloads() -> None:
    assert len({payload.xml for payload in PAYLOADS}) == 23
