"""What a VEN makes of XML: the same event in other words, and messages that are none."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from conformance import shapes
from conformance.case import MUST, SHOULD, case, expect
from conformance.listen import Arrived, Reply, listening
from conformance.play import fresh
from conformance.play_vtn import response_path
from conformance.shapes import Shape
from conformance.tested import Ven
from conformance.ven_steps import made
from conformance.ven_wire import QUIET_S, not_taken, still_takes_events


async def brought(ven: Ven, event_id: str, shape: Shape) -> int:
    """Deliver an event, said in that way; how many requests had been heard before."""
    ven.events = (made(ven, event_id),)
    before = len(ven.heard)
    await ven.deliver(shape(ven.distribution(*ven.events)))
    return before


async def ignored(ven: Ven, event_id: str, shape: Shape) -> None:
    """An event that is said in that way is not taken; a right one after it is."""
    before = await brought(ven, event_id, shape)
    ven.events = ()
    await not_taken(ven, event_id, after=before, for_s=QUIET_S)
    await still_takes_events(ven)


for _name, _what, _shape in shapes.SAME:

    @case(
        f"ven.schema.event-{_name}",
        rules=("33", "46"),
        says="How a message is written down is free as long as XML says it is the same message.",
        sends=f"an event with {_what}",
        expects="an answer to that event, with 200",
    )
    async def same(ven: Ven, shape: Shape = _shape) -> None:
        await ven.bootstrapped()
        event_id = fresh("event")
        before = await brought(ven, event_id, shape)
        answer = await ven.answered(event_id, after=before)
        code = f"{response_path(event_id)}/ei:responseCode"
        expect(answer.text(code) == "200", "eventResponse 200", answer.text(code) or "none", answer, code)


for _name, _what, _shape in shapes.WRONG:

    @case(
        f"ven.schema.wrong-{_name}",
        rules=("33",),
        says="What is no message of the profile starts nothing, and a VEN goes on after it.",
        sends=f"an event as {_what}; then a right event",
        expects="no optIn to the first; an answer to the second",
        negative=True,
        within_s=120,
    )
    async def wrong(ven: Ven, shape: Shape = _shape) -> None:
        await ven.bootstrapped()
        await ignored(ven, fresh("event"), shape)


def _nowhere(raw: bytes) -> bytes:
    """An eventStatus that there is none of."""
    return raw.replace(b"<ei:eventStatus>far<", b"<ei:eventStatus>sometime<")


def _no_id(raw: bytes) -> bytes:
    start, end = raw.index(b"<ei:modificationNumber>"), raw.index(b"</ei:modificationNumber>")
    return raw[:start] + raw[end + len(b"</ei:modificationNumber>") :]


def _no_signals(raw: bytes) -> bytes:
    start, end = raw.index(b"<ei:eiEventSignal>"), raw.rindex(b"</ei:eiEventSignal>")
    return raw[:start] + raw[end + len(b"</ei:eiEventSignal>") :]


def _no_date(raw: bytes) -> bytes:
    start = raw.index(b"<xcal:date-time>") + len(b"<xcal:date-time>")
    return raw[:start] + b"tomorrow" + raw[raw.index(b"</xcal:date-time>") :]


_INVALID: tuple[tuple[str, str, Shape], ...] = (
    ("status", "an eventStatus that there is none of", _nowhere),
    ("no-modification-number", "no modificationNumber", _no_id),
    ("no-signals", "no signal", _no_signals),
    ("date", "a dtstart that is no time", _no_date),
    ("doctype", "a document type before it", shapes.doctype),
)

for _name, _what, _shape in _INVALID:

    @case(
        f"ven.schema.invalid-{_name}",
        rules=("33",),
        says="An event that is not valid under the schema starts nothing, and a VEN goes on after it.",
        sends=f"an event with {_what}; then a right event",
        expects="no optIn to the first; an answer to the second",
        level=SHOULD if _shape is shapes.doctype else MUST,
        negative=True,
        within_s=120,
    )
    async def invalid(ven: Ven, shape: Shape = _shape) -> None:
        await ven.bootstrapped()
        await ignored(ven, fresh("event"), shape)


@case(
    "ven.schema.entity-of-a-file",
    rules=("33",),
    says="No entity of a message brings out a file.",
    sends="an event whose eventID is an external entity, a file on this machine; then a right event",
    expects="nothing that the VEN says has the words of the file",
    negative=True,
    within_s=120,
)
async def entity_of_a_file(ven: Ven) -> None:
    await ven.bootstrapped()
    words = "words-that-nobody-may-read"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "secret.txt"
        path.write_text(words)
        await _with_entity(ven, f'SYSTEM "{path.as_uri()}"')
        for message in ven.heard:
            expect(words.encode() not in message.raw, "nothing of the file", "its words", message)


@case(
    "ven.schema.entity-from-elsewhere",
    rules=("33",),
    says="No message makes a VEN fetch something from somewhere.",
    sends="an event whose eventID is an external entity; then a right event",
    expects="nobody comes to fetch it",
    negative=True,
    within_s=120,
)
async def entity_from_elsewhere(ven: Ven) -> None:
    await ven.bootstrapped()
    fetched: list[str] = []

    async def hears(arrived: Arrived) -> Reply:
        fetched.append(arrived.path)
        return Reply(body=b"fetched")

    async with listening(hears) as port:
        await _with_entity(ven, f'SYSTEM "http://127.0.0.1:{port}/entity"')
    expect(not fetched, "nothing is fetched", ", ".join(fetched))


@case(
    "ven.schema.entities-of-entities",
    rules=("33",),
    says="Entities that grow without measure are not expanded.",
    sends="an event whose eventID would be three thousand million characters; then a right event",
    expects="an answer to the right one",
    negative=True,
    within_s=120,
)
async def entities_of_entities(ven: Ven) -> None:
    await ven.bootstrapped()
    event_id = fresh("event")
    await ignored(ven, event_id, lambda raw: shapes.bomb(raw, event_id))


async def _with_entity(ven: Ven, place: str) -> None:
    event_id = fresh("event")
    await ignored(ven, event_id, lambda raw: shapes.entity(raw, event_id, place))


@case(
    "ven.schema.version-of-messages",
    rules=("509",),
    says="Whatever a message says of its version, the VEN says 2.0b in each.",
    sends="the bootstrap, and an event without schemaVersion",
    expects="schemaVersion 2.0b in all that the VEN says",
)
async def version_of_messages(ven: Ven) -> None:
    await ven.bootstrapped()
    await brought(ven, fresh("event"), shapes.unversioned)
    await still_takes_events(ven)
    for message in ven.heard:
        said = None if message.payload is None else message.payload.get(_VERSION)
        expect(said == "2.0b", 'ei:schemaVersion="2.0b"', str(said), message, ".")


_VERSION = "{http://docs.oasis-open.org/ns/energyinterop/201110}schemaVersion"


@case(
    "ven.schema.event-with-location",
    rules=("45",),
    says="schemaLocation, which nobody should send, leads a VEN nowhere, and it sends none.",
    sends="an event with xsi:schemaLocation; then a right event",
    expects="an answer to the right one, no schemaLocation in anything",
    within_s=120,
)
async def location_heard(ven: Ven) -> None:
    await ven.bootstrapped()
    await brought(ven, fresh("event"), shapes.located)
    await still_takes_events(ven)
    for message in ven.heard:
        expect(b"schemaLocation" not in message.raw, "no schemaLocation", "there is one", message)


@case(
    "ven.schema.odd-characters",
    rules=("46", "42"),
    says="An id may have any character of XML, and an answer quotes it as it was.",
    sends="an event whose eventID has & < > quotes, accents and kanji",
    expects="the very same eventID in the answer",
)
async def odd_characters(ven: Ven) -> None:
    await ven.bootstrapped()
    event_id = fresh('a&b<c>"é需要')
    before = await ven.send_events(made(ven, event_id))
    answer = await ven.hears("oadrCreatedEvent", after=before)
    path = ".//ei:qualifiedEventID/ei:eventID"
    expect(answer.text(path) == event_id, event_id, answer.text(path) or "none", answer, path)


@case(
    "ven.schema.long-texts",
    rules=("46",),
    says="Ids of 50 characters, comments of 250 and contexts of 100 are taken.",
    sends="an event with such an eventID and vtnComment",
    expects="an answer to it, with 200 and the whole eventID",
)
async def long_texts(ven: Ven) -> None:
    await ven.bootstrapped()
    event_id = fresh("event").ljust(50, "x")
    before = await ven.send_events(made(ven, event_id, comment="c" * 250))
    answer = await ven.answered(event_id, after=before)
    code = f"{response_path(event_id)}/ei:responseCode"
    expect(answer.text(code) == "200", "eventResponse 200", answer.text(code) or "none", answer, code)


_ZULU = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

_TIMES = ".//xcal:date-time | .//ei:createdDateTime"


@case(
    "ven.schema.times",
    rules=("1",),
    says="All date-times of a VEN are in UTC, with Z.",
    sends="the bootstrap and an event",
    expects="a Z at each time in METADATA and in all else that the VEN says",
)
async def times(ven: Ven) -> None:
    await ven.bootstrapped()
    await still_takes_events(ven)
    for message in ven.heard:
        for said in message.texts(_TIMES):
            expect(_ZULU.match(said) is not None, "a date-time with Z", said, message, _TIMES)
