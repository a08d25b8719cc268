"""HTTP, XML and TLS: for each case of a VEN, what makes it fail. As a server a VEN is wrong in what a VTN is."""

from __future__ import annotations

import ssl

from conformance import shapes
from conformance.message import NAMESPACES
from tests.conformance.ven_flaw import Table, both
from tests.conformance.ven_wrongs import Deaf, Flaw, Unread, refuses
from tests.conformance.vtn_flaws_wire import TRANSPORT as SERVER
from tests.conformance.wrongs import Chokes, Front, Mutation, Tls, put, swap

BAD_STATUSES = (500, 502, 503)
REFUSING_STATUSES = (400, 401, 403, 404, 406, 413, 501)
ODD_ANSWERS = (
    "closed", "no-http", "length-too-long", "length-nonsense", "headers", "redirect", "no-xml", "empty", "login-page",
)  # fmt: skip
LARGE = ("oversize", "flood")

CLIENT: Table = {
    "requests": (
        Mutation(lose="Content-Type"),
        Mutation(media="text/xml"),
        Mutation(lose="Host"),
        "answers by the wrong service",
    ),
    "poll-rate": ("polls too often", "polls seldom", "poll frequency of its own"),
    **{f"status-{one}": ("hammers", "gives up polls") for one in BAD_STATUSES},
    **{f"status-{one}": (both("hammers", "tries what cannot be"),) for one in REFUSING_STATUSES},
    **{f"status-{one}-passes": ("gives up polls",) for one in REFUSING_STATUSES},
    "few-redirect": ("hammers",),
    **{f"few-{name}": ("hammers and does not listen",) for name in LARGE},
    **{f"bears-{name}": ("hammers", "gives up polls") for name in ODD_ANSWERS},
    **{f"bears-{name}": ("hammers and does not listen", "gives up polls") for name in LARGE},
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

NAIVE: Flaw = "takes what is no message"
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

EVENT_SHAPES = {**SHAPES, "no-declaration": r"\A\s*<oadr:"}

AFTERWARDS: Flaw = "deaf after an error"
"""It takes nothing wrong, and nothing right after it."""

HOPELESS = ("no-payload", "truncated", "no-xml")
"""Nobody could find an event in these."""

LOCATED = swap("", " xmlns:oadr=", f' xmlns:xsi="{NAMESPACES["xsi"]}" xsi:schemaLocation="a b" xmlns:oadr=')

SCHEMA: Table = {
    **{f"same-{name}": (Chokes(on=mark, does="400"),) for name, mark in SHAPES.items()},
    "byte-order-mark": (Chokes(on=r"\n\n\xef\xbb\xbf", does="400"),),
    "version-of-answers": (
        both("answers pushes with a body", swap("", ' ei:schemaVersion="2.0b"', "")),
        both("answers pushes with a body", swap("", 'ei:schemaVersion="2.0b"', 'ei:schemaVersion="2.0a"')),
    ),
    **{f"event-{name}": (Unread(on=mark),) for name, mark in EVENT_SHAPES.items()},
    **{f"wrong-{name}": (NAIVE, AFTERWARDS) if name not in HOPELESS else (AFTERWARDS,) for name, _, _ in shapes.WRONG},
    "invalid-status": (NAIVE, AFTERWARDS),
    "invalid-no-modification-number": (both(NAIVE, "takes lower"), AFTERWARDS),
    "invalid-no-signals": (NAIVE, AFTERWARDS),
    "invalid-date": (AFTERWARDS,),
    "invalid-doctype": (NAIVE, AFTERWARDS),
    "entity-of-a-file": ("expands entities", AFTERWARDS),
    "entity-from-elsewhere": ("fetches entities", AFTERWARDS),
    "entities-of-entities": (AFTERWARDS,),
    "version-of-messages": (
        swap("", ' ei:schemaVersion="2.0b"', ""),
        swap("oadrCreatedEvent", 'ei:schemaVersion="2.0b"', 'ei:schemaVersion="2.0a"'),
    ),
    "times": (
        put("oadrRegisterReport", "//ei:createdDateTime", "2030-01-01T00:00:00"),
        put("oadrRegisterReport", "//ei:createdDateTime", "2030-01-01T00:00:00+00:00"),
    ),
    "event-with-location": (LOCATED, "deaf after odd bodies"),
    "odd-characters": (
        put("oadrCreatedEvent", "//ei:eventID", "a"),
        swap("oadrCreatedEvent", "é", "e"),
        swap("oadrCreatedEvent", "&amp;", "&amp;amp;"),
    ),
    "long-texts": (
        put("oadrCreatedEvent", "//ei:eventID", "shortened"),
        refuses("ei:eiEvent/ei:eventDescriptor[string-length(ei:vtnComment)>=250]"),
    ),
    "version-unprefixed": (NAIVE,),
    "location-heard": (
        both("answers pushes with a body", LOCATED),
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
    "a-suite": ("modern suites only",),
    "vtn-of-tls-1.0": (Tls(least=LOW),),
    "vtn-of-tls-1.1": (Tls(least=LOW),),
    "vtn-expired": (Tls(expired=True), "trusts anybody"),
    "vtn-foreign": ("trusts anybody",),
    "vtn-of-another-host": ("any host", "trusts anybody"),
    "default-suite": ("modern suites only",),
    "client-certificate": (Tls(rsa_bits=1024),),
    "signs": ("signs registrations only", "signs another body"),
    "nonces": ("signs with one nonce", "signs with an old time"),
    "signed-event": ("signs registrations only", "signs another body", Deaf(kind="oadrDistributeEvent")),
    "signature-missing": ("takes unsigned",),
    "signature-of-a-stranger": ("takes any signer",),
    "signature-of-another": ("takes any signer",),
    "signature-replayed": ("takes any nonce",),
    **{
        f"signature-{name}": ("takes any signature",)
        for name in ("tampered-body", "tampered-timestamp", "tampered-nonce", "other-value", "value-nonsense")
    },
    "signature-old-timestamp": ("takes any time",),
    "signature-future-timestamp": ("takes any time",),
    "signature-missing-nonce": ("takes any nonce",),
    "signature-body-not-covered": ("takes any reference",),
    "signature-proof-not-covered": ("takes any reference",),
    "signature-no-references": (both("takes any reference", NAIVE), both("takes any signature", NAIVE)),
    "signature-wrapped": (both("takes any reference", NAIVE),),
    "signature-wrapped-same-id": (NAIVE,),
    "signature-two-bodies": (both("takes any reference", NAIVE),),
    "signature-no-certificate": ("takes any signature",),
    "signature-no-proof": (both("takes any signature", NAIVE),),
}


def shared(flaws: tuple[object, ...]) -> tuple[Flaw, ...]:
    """Of a VTN's flaws, those that any server may have."""
    return tuple(one for one in flaws if isinstance(one, Chokes | Front | Mutation))


WIRE: Table = {
    **{f"ven.transport.{name}": shared(flaws) for name, flaws in SERVER.items()},
    **{f"ven.transport.{name}": flaws for name, flaws in CLIENT.items()},
    **{f"ven.schema.{name}": flaws for name, flaws in SCHEMA.items()},
    **{f"ven.security.{name}": flaws for name, flaws in SECURITY.items()},
}
