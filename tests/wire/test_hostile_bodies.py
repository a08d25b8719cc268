"""Bodies made to cost: what they may take in time and in memory, and that nobody else waits for them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from openadr_ra.errors import WireError
from openadr_ra.protocol.messages import UpdateReport
from openadr_ra.wire.codec import decode
from openadr_ra.wire.parse import LARGE_BYTES, MAX_BODY_BYTES, MAX_MARKS, parse
from openadr_ra.wire.schema import LONG
from openadr_ra.wire.vocabulary import LONGEST, MOST_NAMES, Vocabulary
from tests.wire.samples import poll, report

CAPTURES = [file.read_bytes() for file in sorted((Path(__file__).parent / "captures" / "accepted").glob("*.xml"))]

PAYLOAD = (
    "<oadr:oadrReportPayload><ei:rID/>"
    "<ei:payloadFloat><ei:value>{}</ei:value></ei:payloadFloat>"
    "</oadr:oadrReportPayload>"
)
WORST_S = 5.0
"""What may take 0.3 s on a slow machine that is busy; the same took 16."""


def many(payloads: int, value: str = "1") -> bytes:
    """A report of one interval with so many payloads."""
    head, _, rest = report().partition(b"<oadr:oadrReportPayload>")
    return head + PAYLOAD.format(value).encode() * payloads + rest.partition(b"</oadr:oadrReportPayload>")[2]


def refusal(body: bytes) -> str:
    with pytest.raises(WireError) as refused:
        decode(body)
    return str(refused.value).removesuffix(", line 1")


def test_a_body_full_of_wrong_values_costs_no_more_than_a_right_one() -> None:
    """Each of them would be written down with its place among its siblings."""
    each = len(many(2, "x")) - len(many(1, "x"))
    worst = many((MAX_BODY_BYTES - len(many(0, "x"))) // each, "x")
    assert 0 <= MAX_BODY_BYTES - len(worst) < each
    began = time.monotonic()

    assert "'x' is not a valid value" in refusal(worst)
    assert time.monotonic() - began < WORST_S


def test_a_long_message_is_judged_as_a_short_one() -> None:
    """Though by another way, on either side of where it is taken; which line it was is known to the short one alone."""
    longest = (LONG - len(list(parse(many(1)).iter()))) // 4
    short, long = many(longest - 9), many(longest + 9)

    for body in (short, long):
        assert isinstance(decode(body), UpdateReport)
    assert refusal(many(longest - 9, "x")) == refusal(many(longest + 9, "x"))
    assert refusal(long.replace(b"oadrUpdateReport", b"oadrNoReport")) == refusal(
        short.replace(b"oadrUpdateReport", b"oadrNoReport")
    )


def test_a_body_has_so_many_tags_and_attributes_at_most() -> None:
    """Each takes thirty times its bytes in memory."""
    just = b"<a>" + b"<b/>" * (MAX_MARKS - 2) + b"</a>"
    attributes = b"<a>" + b'<b c=""/>' * ((MAX_MARKS - 2) // 2) + b"</a>"

    assert len(parse(just)) == MAX_MARKS - 2
    assert len(parse(attributes)) == (MAX_MARKS - 2) // 2
    for body in (just.replace(b"</a>", b"<b/></a>"), attributes.replace(b"</a>", b"<b/></a>")):
        with pytest.raises(WireError, match="tags and attributes") as refused:
            parse(body)
        assert refused.value.status == 413


NAMES = """
import psutil
from openadr_ra.errors import WireError
from openadr_ra.wire.parse import parse
from tests.wire.samples import poll

def rss_mib(): return psutil.Process().memory_info().rss / 1024 / 1024

def taught(number, size):
    names = (f"<name-of-a-stranger-{number}-{each:x}/>" for each in range(size // 32))
    return f"<a>{''.join(names)}</a>".encode()

for number in range(4): parse(taught(number, SIZE)); parse(poll())
before = rss_mib()
for number in range(4, COUNT): parse(taught(number, SIZE)); parse(poll())
print(rss_mib() - before)
"""


@pytest.mark.parametrize(("size", "count"), [(60_000, 400), (1_500_000, 30)])
def test_names_that_strangers_invent_are_not_kept(size: int, count: int) -> None:
    """libxml2 would keep them for ever: 100 MiB here. In a process of its own, since it is its memory that is measured."""
    script = NAMES.replace("SIZE", str(size)).replace("COUNT", str(count))
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )

    assert (size > LARGE_BYTES) == (size == 1_500_000)
    assert float(done.stdout) < 40


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary()


def test_a_vocabulary_covers_all_that_peers_say(vocabulary: Vocabulary) -> None:
    """And needs few names for it, though each peer has prefixes of its own."""
    assert all(vocabulary.covers(body) for body in CAPTURES)
    assert len(vocabulary) < MOST_NAMES / 10


def test_ids_and_values_are_no_names(vocabulary: Vocabulary) -> None:
    for number in range(100):
        assert vocabulary.covers(
            poll(f"ven-{number}").replace(b"<oadr:oadrPoll", b'<oadr:oadrPoll oadr:Id="%d"' % number)
        )

    assert len(vocabulary) < 40


@pytest.mark.parametrize(
    "made", ["<{}/>", "<a {}=''/>", "<a xmlns='{}'/>", "<a xmlns:{}='b'/>", "<?{} a='b'?><a/>", "<{}:a/>"]
)
def test_names_of_every_kind_are_learned_up_to_a_bound(vocabulary: Vocabulary, made: str) -> None:
    learned = [vocabulary.covers(made.format(f"n{number}").encode()) for number in range(MOST_NAMES + 1)]

    assert len(vocabulary) == MOST_NAMES
    assert learned[:-10] == [True] * (MOST_NAMES - 9)
    assert learned[-1] is False
    assert vocabulary.covers(made.format("n0").encode())


def test_a_long_name_is_not_learned(vocabulary: Vocabulary) -> None:
    assert vocabulary.covers(b"<%b/>" % (b"n" * LONGEST))
    assert not vocabulary.covers(b"<%b/>" % (b"n" * (LONGEST + 1)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<a><!-- <hidden> --></a>", id="a comment"),
        pytest.param(b"<a><![CDATA[<hidden>]]></a>", id="CDATA"),
        pytest.param(b"<!DOCTYPE a [<!ENTITY hidden 'b'>]><a/>", id="a declaration"),
        pytest.param(b"<a b='>' hidden=''/>", id="a tag that seems to end"),
        pytest.param(b"<a b='\">' hidden='' c='\"'/>", id="a tag that seems to end within other quotes"),
        pytest.param("<a><hidden/></a>".encode("utf-16"), id="UTF-16"),
        pytest.param("<a><hidden/></a>".encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param(b"<?xml version='1.0' encoding='UTF-7'?>+ADw-hidden/+AD4-", id="a declared encoding"),
        pytest.param("<?xml version='1.0' encoding='cp037'?><hidden/>".encode("cp037"), id="EBCDIC"),
        pytest.param(
            "<?xml version='1.0' encoding='cp037'?><hidden/>".encode("cp037") + b"<a/>", id="EBCDIC with a tag"
        ),
        pytest.param(b"", id="nothing"),
        pytest.param(b"hidden", id="no tag"),
        pytest.param(b"<a", id="no end"),
    ],
)
def test_what_cannot_be_told_from_the_bytes_is_not_covered(vocabulary: Vocabulary, body: bytes) -> None:
    assert not vocabulary.covers(body)


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "us-ascii", "iso-8859-1"])
def test_encodings_in_which_tags_are_ascii_are_covered(vocabulary: Vocabulary, encoding: str) -> None:
    body = f'<?xml version="1.0" encoding="{encoding}"?>\n<a/>'.encode()

    assert vocabulary.covers(body)
    assert vocabulary.covers(b"\xef\xbb\xbf" + body)
