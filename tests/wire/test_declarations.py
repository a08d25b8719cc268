"""A declaration outside the grammar is found when it is compiled, not when a message comes."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest

from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.shape import at
from openadr_ra.wire.reader import compile_readers
from openadr_ra.wire.writer import compile_writers


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
        compile_readers((Unwritable,))


def test_an_optional_element_that_holds_two_fields_is_an_error() -> None:
    """It could not be told whether it is to be written."""
    with pytest.raises(TypeError, match="ei:both"):
        compile_writers((Crowded,))


def test_an_unknown_prefix_is_an_error() -> None:
    with pytest.raises(TypeError, match="ie:value"):
        compile_readers((Misspelt,))
