"""Green Button feeds as a program hands them in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from openadr_ra.errors import InvalidData
from openadr_ra.wire.feeds import MAX_CHARACTERS, checked, described

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ENDS = "<id>i</id><title>t</title><updated>2026-01-01T00:00:00Z</updated></feed>"
FEED = f'<feed xmlns="http://www.w3.org/2005/Atom">{ENDS}'


def test_a_feed_is_taken_in_its_canonical_form_once_and_again() -> None:
    text = checked(FEED, NOON)

    assert checked(text, NOON) == text
    assert "<title>t</title>" in text


@pytest.mark.parametrize("head", ['<?xml version="1.0" encoding="utf-8"?>\n', "\n  ", '\n<?xml version="1.0"?>'])
def test_the_head_of_a_file_is_not_part_of_its_feed(head: str) -> None:
    assert checked(head + FEED + "\n", NOON) == checked(FEED, NOON)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not well-formed"),
        ("no feed", "not well-formed"),
        (FEED[:-1], "not well-formed"),
        (FEED + FEED, "not well-formed"),
        ('<entry xmlns="http://www.w3.org/2005/Atom"/>', "atom:entry stands where atom:feed belongs"),
        ("<feed/>", "feed stands where atom:feed belongs"),
        ('<feed xmlns="http://www.w3.org/2005/Atom"><wrong/></feed>', "would be refused"),
        (f'<!DOCTYPE feed [<!ENTITY e "x">]>{FEED}', "not well-formed"),
    ],
)
def test_what_no_message_could_hold_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidData, match=sentence):
        checked(text, NOON)


@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_a_feed_is_no_longer_than_a_message_takes(more: int, taken: bool) -> None:
    room = MAX_CHARACTERS - len(FEED) + more
    text = FEED.replace("<title>t", "<title>" + "t" * (room + 1))

    if taken:
        assert len(checked(text, NOON)) >= room
    else:
        with pytest.raises(InvalidData, match=f"the feed has {MAX_CHARACTERS + 1} characters; at most"):
            checked(text, NOON)


def test_a_resource_is_described_by_a_feed_whatever_it_is_called() -> None:
    text = described("a <b> & 'c'", NOON)

    assert "Green Button, a &lt;b&gt; &amp; 'c'" in text
    assert checked(text, NOON) == text
