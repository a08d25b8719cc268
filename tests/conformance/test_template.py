"""Messages with holes: what is filled, left out and repeated; and that an edit which changes nothing is refused."""

from __future__ import annotations

import pytest

from conformance import template
from conformance.message import Message

QUERY = template.message("oadrQueryRegistration", request_id="a")


def _created(**holes: template.Hole) -> Message:
    usual: dict[str, template.Hole] = {
        "code": "200",
        "request_id": "a",
        "vtn_id": "v",
        "profiles": ("2.0b",),
        "more": "",
    }
    return Message(template.message("oadrCreatedPartyRegistration", **{**usual, **holes}), sender="subject")


def test_a_value_is_escaped_and_a_piece_of_xml_is_not() -> None:
    assert _created(vtn_id="<a>&").text("./ei:vtnID") == "<a>&"
    assert _created(more="<oadr:oadrExtensions/>").has("./oadr:oadrExtensions")


def test_an_optional_part_stays_only_with_a_value() -> None:
    assert not _created().has("./ei:registrationID")
    assert not _created(registration_id=None).has("./ei:registrationID")
    assert _created(registration_id="r").text("./ei:registrationID") == "r"


def test_a_repeated_part_comes_once_for_each_value() -> None:
    assert _created(profiles=("2.0a", "2.0b")).texts(".//oadr:oadrProfileName") == ("2.0a", "2.0b")
    assert _created(profiles=()).texts(".//oadr:oadrProfileName") == ()


def test_a_truth_value_is_written_as_xml_has_it() -> None:
    cancel = template.message("oadrCancelReport", request_id="a", report_request_ids=("b",), to_follow=True)

    assert Message(cancel, sender="harness").text("./pyld:reportToFollow") == "true"


def test_a_forgotten_hole_is_named() -> None:
    with pytest.raises(KeyError, match="request_id"):
        template.message("oadrQueryRegistration")


def test_a_list_is_needed_where_a_part_is_repeated() -> None:
    with pytest.raises(TypeError, match="profiles"):
        _created(profiles="2.0b")


def test_an_edit_drops_elements_and_puts_texts() -> None:
    dropped = Message(template.edited(QUERY, drop=("//pyld:requestID",)), sender="harness")
    changed = Message(template.edited(QUERY, put={"//pyld:requestID": "b"}), sender="harness")

    assert dropped.kind == "oadrQueryRegistration"
    assert not dropped.has("./pyld:requestID")
    assert changed.text("./pyld:requestID") == "b"


@pytest.mark.parametrize("path", ["//ei:venID", "//pyld:requestID[2]", "count(//*)"])
def test_an_edit_of_what_is_not_there_is_refused(path: str) -> None:
    """A case that changes nothing could not fail."""
    with pytest.raises(LookupError, match="nothing at"):
        template.edited(QUERY, drop=(path,))
    with pytest.raises(LookupError, match="nothing at"):
        template.edited(QUERY, put={path: "b"})
