"""How much is repaired: each limit on both sides, and what is within them takes no longer than its size."""

from __future__ import annotations

import pytest

from openadr_ra.errors import WireError
from openadr_ra.wire.codec import encode
from openadr_ra.wire.lenient import (
    MAX_ATTRIBUTES,
    MAX_ELEMENTS,
    MAX_NAMESPACE_CHARACTERS,
    MAX_NAMESPACES,
    MAX_WARNINGS,
    decode_lenient,
    mend,
)
from openadr_ra.wire.parse import parse
from tests.wire.untidy import CREATED, POLL, body, readings


def elements(count: int) -> bytes:
    """A poll that needs repair, of `count` elements."""
    extra = "<x/>" * (count - 4)
    return body(POLL, (" ei:schemaVersion", " schemaVersion"), ("<ei:venID>", f"{extra}<ei:venID>"))


def test_there_is_a_limit_to_the_elements_that_are_repaired() -> None:
    assert decode_lenient(elements(MAX_ELEMENTS))[0] == POLL
    with pytest.raises(WireError, match=f"more than {MAX_ELEMENTS} elements"):
        decode_lenient(elements(MAX_ELEMENTS + 1))


def test_there_is_no_such_limit_for_what_is_in_order() -> None:
    large = readings(MAX_ELEMENTS // 12 + 1)
    assert encode(large).count(b"</") > MAX_ELEMENTS

    assert decode_lenient(encode(large)) == (large, ())


def test_there_is_a_limit_to_the_namespaces_in_scope() -> None:
    def declaring(count: int) -> bytes:
        more = " ".join(f'xmlns:n{at}="urn:{at}"' for at in range(count))
        return f"<oadrPoll {more}><venID>ven-1</venID></oadrPoll>".encode()

    assert decode_lenient(declaring(MAX_NAMESPACES))[0] == POLL
    with pytest.raises(WireError, match=f"more than {MAX_NAMESPACES} namespace"):
        decode_lenient(declaring(MAX_NAMESPACES + 1))


def test_there_is_a_limit_to_the_name_of_a_namespace() -> None:
    def named(characters: int) -> bytes:
        return f'<oadrPoll xmlns:n="{"u" * characters}"><venID>ven-1</venID></oadrPoll>'.encode()

    assert decode_lenient(named(MAX_NAMESPACE_CHARACTERS))[0] == POLL
    with pytest.raises(WireError, match=f"more than {MAX_NAMESPACE_CHARACTERS} characters"):
        decode_lenient(named(MAX_NAMESPACE_CHARACTERS + 1))


def test_there_is_a_limit_to_the_attributes_of_an_element() -> None:
    def having(count: int) -> bytes:
        attributes = " ".join(f'a{at}="1"' for at in range(count))
        return f"<oadrPoll {attributes}><venID>ven-1</venID></oadrPoll>".encode()

    assert decode_lenient(having(MAX_ATTRIBUTES))[0] == POLL
    with pytest.raises(WireError, match=f"more than {MAX_ATTRIBUTES} attributes"):
        decode_lenient(having(MAX_ATTRIBUTES + 1))


def test_there_is_a_limit_to_the_warnings_and_the_rest_is_counted() -> None:
    def passing(count: int) -> bytes:
        extra = "".join(f"<x{at}/>" for at in range(count))
        return body(POLL, ("<ei:venID>", f"{extra}<ei:venID>"))

    _, most = decode_lenient(passing(MAX_WARNINGS))
    _, more = decode_lenient(passing(MAX_WARNINGS + 7))

    assert [warning.repair for warning in most] == ["unknown-element"] * MAX_WARNINGS
    assert more[:-1] == most
    assert (more[-1].repair, more[-1].count) == ("more", 7)


HEAD = "<oadrUpdateReport><requestID>r</requestID><oadrReport><intervals><interval>"
TAIL = "</interval></intervals></oadrReport></oadrUpdateReport>"
ATOM, ESPI = (f'xmlns="{uri}"' for uri in ("http://www.w3.org/2005/Atom", "http://naesb.org/espi"))

LARGE = {
    "to be passed over": elements(MAX_ELEMENTS),
    "no opts": body(CREATED, ("</ei:eventResponses>", "<ei:eventResponse/>" * 15_000 + "</ei:eventResponses>")),
    "fractions in one interval": f"{HEAD}{'<duration>PT1.5S</duration>' * 9_000}{TAIL}".encode(),
    "each in the other's place": f"{HEAD}{'<oadrReportPayload/><uid/>' * 9_000}{TAIL}".encode(),
    "one namespace declared many times": (
        f"{HEAD}<oadrGBPayload><feed {ATOM}><entry>{f'<a {ESPI}/>' * 15_000}</entry></feed></oadrGBPayload>{TAIL}".encode()
    ),
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
@pytest.mark.timeout(20)
def test_as_much_as_may_be_repaired_takes_no_longer_than_its_size(text: bytes) -> None:
    """A fraction of a second each. What searches a list for each of its members takes minutes."""
    _, warnings = mend(parse(text))

    assert warnings
