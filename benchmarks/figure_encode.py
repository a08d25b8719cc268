"""Encode, beside plain lxml parsing of the bytes that come out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from lxml import etree

from benchmarks.codec_samples import peer_decode, samples
from benchmarks.measure import Figure, against_floor, cpu_us
from openadr_ra.wire.codec import encode, encode_checked

MOST = 2.0
"""Times the floor. openleadr took 13 to 19 when the goal was set."""


def figures() -> Iterator[Figure]:
    for sample in samples():
        body = encode_checked(sample.message)
        peer_decode(str(sample.peer()).encode())
        spreads = cpu_us(
            {
                "floor": partial(etree.fromstring, body),
                "ours": partial(encode, sample.message),
                "peer": sample.peer,
            }
        )
        yield against_floor(f"encode {sample.name}", "us CPU", spreads, most=MOST)
