"""Decode: parse, XSD and reading together, beside plain lxml parsing of the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from lxml import etree

from benchmarks.codec_samples import peer_decode, samples
from benchmarks.measure import Figure, against_floor, cpu_us
from openadr_ra.wire.codec import decode, encode_checked

MOST = 5.0
"""Times the floor. openleadr took 51 and 39 when the goal was set."""


def figures() -> Iterator[Figure]:
    for sample in samples():
        body = encode_checked(sample.message)
        assert decode(body) == sample.message
        spreads = cpu_us(
            {
                "floor": partial(etree.fromstring, body),
                "ours": partial(decode, body),
                "peer": partial(peer_decode, body),
            }
        )
        yield against_floor(f"decode {sample.name}", "us CPU", spreads, most=MOST)
