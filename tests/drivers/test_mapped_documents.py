"""Values in payloads: where they are found, and how they are put together again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.drivers.mapped.documents import Field, bodies, parsed, picked, tidy
from openadr_ra.drivers.mapped.mapping import Raw

DOCUMENT = parsed(b'{"battery": {"power": -2.5, "on": true, "none": null}, "meters": [{"kwh": "7.5"}, {"kwh": 9}]}')


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("battery.power", -2.5),
        ("battery.on", True),
        ("meters.0.kwh", "7.5"),
        ("meters.1.kwh", 9),
        ("battery.none", None),
        ("battery", None),
        ("battery.power.kw", None),
        ("meters.2.kwh", None),
        ("meters.-1.kwh", None),
        ("meters.x", None),
        ("nothing", None),
        ("", None),
    ],
)
def test_a_path_leads_to_a_value_or_to_none(path: str, found: Raw | None) -> None:
    assert picked(DOCUMENT, path) == found


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b"-2.5", -2.5),
        (b" 3\n", 3),
        (b"online", "online"),
        (b"true", True),
        (b"", ""),
        (b"2,5", "2,5"),
        (b"NaN", "NaN"),
    ],
)
def test_a_plain_payload_is_the_value(payload: bytes, found: Raw) -> None:
    assert picked(parsed(payload), "") == found


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match="decode"):
        parsed(b"\xff\xfe\x00")


def test_json_nested_without_end_is_only_text() -> None:
    assert isinstance(parsed(b"[" * 100_000), str)


@given(st.binary(max_size=200))
def test_no_payload_raises_anything_but_value_error(payload: bytes) -> None:
    try:
        document = parsed(payload)
    except ValueError:
        return
    picked(document, "a.0.b")


def field(at: str, path: str = "") -> Field:
    return Field(at=at, path=path)


def test_values_of_one_place_go_in_one_document() -> None:
    found = bodies(
        [
            (field("a", "power.kw"), -2.5),
            (field("b"), "REMOTE"),
            (field("a", "power.for"), 30.0),
            (field("a", "on"), True),
            (field("c"), 7.0),
        ]
    )

    assert list(found) == ["a", "b", "c"]
    assert json.loads(found["a"]) == {"power": {"kw": -2.5, "for": 30}, "on": True}
    assert (found["b"], found["c"]) == (b"REMOTE", b"7")


@pytest.mark.parametrize(
    "both",
    [
        (field("a"), field("a")),
        (field("a"), field("a", "kw")),
        (field("a", "kw"), field("a")),
        (field("a", "kw"), field("a", "kw")),
        (field("a", "kw"), field("a", "kw.now")),
    ],
)
def test_two_values_for_one_place_are_refused(both: tuple[Field, Field]) -> None:
    with pytest.raises(ValueError, match="two values"):
        bodies((one, 1.0) for one in both)


@pytest.mark.parametrize(
    ("raw", "written"),
    [(3.0, "3"), (-1200.0000000000002, "-1200"), (0.1 + 0.2, "0.3"), (1e20, "1e+20"), (True, "True")],
)
def test_numbers_are_written_as_people_write_them(raw: Raw, written: str) -> None:
    assert str(tidy(raw)) == written


def test_what_is_no_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        tidy(float("nan"))
