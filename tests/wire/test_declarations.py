"""What a type declares is compiled when it is first wanted, and a declaration outside the grammar is an error then."""

from __future__ import annotations

import linecache
from typing import Annotated, ClassVar

import pytest

from openadr_ra.protocol.messages import PAYLOADS, Message, Poll
from openadr_ra.protocol.shape import at
from openadr_ra.wire.names import clark
from openadr_ra.wire.reader import Readers
from openadr_ra.wire.writer import Writers


class Unwritable(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrUnwritable"
    value: Annotated[complex, at("ei:value")]


class Crowded(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCrowded"
    first: Annotated[str | None, at("ei:both?/ei:first")] = None
    second: Annotated[str | None, at("ei:both?/ei:second")] = None


class Misspelt(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrMisspelt"
    value: Annotated[str, at("ie:value")]


def test_a_type_without_a_form_in_xml_is_an_error() -> None:
    with pytest.raises(TypeError, match="complex"):
        Readers((Unwritable,))[clark(Unwritable.xml)]


def test_an_optional_element_that_holds_two_fields_is_an_error() -> None:
    """It could not be told whether it is to be written."""
    with pytest.raises(TypeError, match="ei:both"):
        Writers()[Crowded]


def test_an_unknown_prefix_is_an_error() -> None:
    with pytest.raises(TypeError, match="ie:value"):
        Readers((Misspelt,))[clark(Misspelt.xml)]


@pytest.mark.parametrize("message", PAYLOADS)
def test_every_payload_has_a_reader_and_a_writer(message: type[Message]) -> None:
    """They are compiled one by one as they are wanted, whichever is first."""
    name = clark(message.xml)

    assert Readers(PAYLOADS)[name].__name__ == f"read_{message.__name__}"
    assert Writers()[message].__name__ == f"write_message_{message.__name__}"


def test_what_is_no_payload_has_no_reader() -> None:
    with pytest.raises(KeyError):
        Readers(PAYLOADS)["oadrNonsense"]


def test_a_traceback_shows_the_line_of_a_generated_function() -> None:
    reader = Readers(PAYLOADS)[clark(Poll.xml)]

    assert linecache.getline(reader.__code__.co_filename, reader.__code__.co_firstlineno) == "def read_Poll(e, nxt):\n"
