"""HTTP, XML and TLS: for each case of a VEN, what makes it fail. As a server a VEN is wrong in what a VTN is."""

from __future__ import annotations

import ssl

from conformance.message import NAMESPACES
from tests.conformance.ven_flaw import Table, both
from tests.conformance.vtn_flaws_wire import TRANSPORT as SERVER
from tests.conformance.wrongs import Chokes, Front, Mutation, Tls, swap

BAD_STATUSES = (500, 502, 503)
REFUSING_STATUSES = (400, 401, 403, 404, 406, 413, 501)
ODD_ANSWERS = (
    "closed", "no-http", "length-too-long", "length-nonsense", "oversize", "flood", "headers", "redirect", "no-xml", "empty",
    "login-page",
)  # fmt: skip

CLIENT: Table = {
    "requests": (
        Mutation(lose="Content-Type"),
        Mutation(media="text/xml"),
        Mutation(lose="Host"),
        "answers by the wrong service",
    ),
    "poll-rate": ("polls too often", "polls seldom"),
    **{f"status-{one}": ("hammers", "gives up polls") for one in BAD_STATUSES},
    **{f"status-{one}": (both("hammers", "tries what cannot be"), "gives up polls") for one in REFUSING_STATUSES},
    **{f"bears-{name}": ("hammers", "gives up polls") for name in ODD_ANSWERS},
    **{f"code-{one}": ("hammers", "gives up polls", "stops at an error") for one in (450, 452, 459, 463, 469)},
    "wrong-type": ("gives up polls", "hammers"),
    "hangs": ("gives up polls",),
    "hangs-for-good": ("waits for ever",),
    "absent": ("gives up polls",),
    "absent-at-the-start": ("no second try",),
    "refused-at-the-start": ("hammers", "no second try"),
    "retry-with-pause": ("hammers",),
    "endless-queue": ("never drains",),
    "answer-headers": (
        Mutation(lose="Content-Length"),
        both("answers pushes with a body", Mutation(media="text/xml")),
        both("answers pushes with a body", Mutation(lose="Content-Type")),
    ),
}

NAIVE = "takes what is no message"
"""Neither the parser nor the schema nor the VEN's own judgement keeps anything out."""

SHAPES = {
    "default-namespace": 'xmlns="http://openadr',
    "own-namespaces": "<oadrPayload xmlns=",
    "other-prefixes": "q-oadr",
    "comments": "<!-- before",
    "instructions": r"<\?before",
    "cdata": "CDATA",
    "references": "&#x",
    "indented": "\r\n\t <",
    "single-quotes": "xmlns:oadr='",
    "no-declaration": r"\n\n<oadr:",
}

SCHEMA: Table = {
    **{f"same-{name}": (Chokes(on=mark, does="400"),) for name, mark in SHAPES.items()},
    "byte-order-mark": (Chokes(on=r"\n\n\xef\xbb\xbf", does="400"),),
    "version-of-answers": (
        both("answers pushes with a body", swap("", ' ei:schemaVersion="2.0b"', "")),
        both("answers pushes with a body", swap("", 'ei:schemaVersion="2.0b"', 'ei:schemaVersion="2.0a"')),
    ),
    "version-unprefixed": (NAIVE,),
    "location-heard": (
        both(
            "answers pushes with a body",
            swap("", " xmlns:oadr=", f' xmlns:xsi="{NAMESPACES["xsi"]}" xsi:schemaLocation="a b" xmlns:oadr='),
        ),
        Chokes(on="schemaLocation"),
    ),
    "doctype": (NAIVE, Chokes(on="DOCTYPE")),
    "deep": (NAIVE, Chokes(on="<oadr:a><oadr:a>", after=True)),
    "many-attributes": (NAIVE, Chokes(on='a19999="x"', does="hang")),
}

LOW = int(ssl.TLSVersion.TLSv1)

SECURITY: Table = {
    "tls-1.0-refused": (Tls(least=LOW),),
    "tls-1.1-refused": (Tls(least=LOW),),
    "plain-http-refused": (Front(on=r"\APOST", does="good"),),
    "no-certificate": (Tls(asks=False),),
    "expired-certificate": (Tls(expired=True),),
    "foreign-certificate": (Tls(asks=False),),
    "certificate": (Tls(kinds=("rsa",), rsa_bits=1024),),
}

WIRE: Table = {
    **{f"ven.transport.{name}": flaws for name, flaws in (*SERVER.items(), *CLIENT.items())},
    **{f"ven.schema.{name}": flaws for name, flaws in SCHEMA.items()},
    **{f"ven.security.{name}": flaws for name, flaws in SECURITY.items()},
}
