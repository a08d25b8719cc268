"""HTTP, XML, TLS and signatures: for each case of a VTN, what makes it fail."""

from __future__ import annotations

import ssl

from conformance import shapes
from conformance.cases.vtn_schema_fuzz import IDS_ONLY, WRITERS
from conformance.message import NAMESPACES
from tests.conformance.vtn_flaw import Table, both
from tests.conformance.wrongs import Chokes, Front, Mutation, Takes, Tls, put, swap

_TYPE = "Content-Type: "

TRANSPORT: Table = {
    "type-plain": (Chokes(on=f"{_TYPE}application/xml\n", does="400"),),
    "type-utf-8": (Chokes(on=f"{_TYPE}application/xml; charset=utf-8\n", does="400"),),
    "type-upper-case": (Chokes(on="charset=UTF-8\n", does="400"),),
    "type-quoted": (Chokes(on='charset="utf-8"\n', does="400"),),
    "type-json": (Chokes(on=f"{_TYPE}application/json", does="good"), Chokes(on=f"{_TYPE}application/json")),
    "type-form": (Chokes(on=f"{_TYPE}application/x-www", does="good"), Chokes(on=f"{_TYPE}application/x-www")),
    "type-missing": (Chokes(on=r"\A(?!.*Content-Type)"), Chokes(on=r"\A(?!.*Content-Type)", does="hang")),
    "type-text-xml": (Chokes(on="text/xml"), Chokes(on="text/xml", does="hang")),
    "type-nonsense": (Chokes(on=";;=,"), Chokes(on=";;=,", does="hang")),
    "charset-utf-16": (Chokes(on="charset=utf-16"), Chokes(on="charset=utf-16", after=True)),
    "charset-unknown": (Chokes(on="x-unknown"), Chokes(on="x-unknown", does="400", after=True)),
    "header-case": (Chokes(on="CONTENT-length", does="400"),),
    "more-headers": (Chokes(on="X-Unknown-1", does="400"),),
    "host-missing": (Chokes(on=r"\A(?!.*\nHost:)"), Chokes(on=r"\A(?!.*\nHost:)", does="hang")),
    "length-missing": (Chokes(on=r"\A(?!.*Content-Length)"), Front(on=r"\A(?!.*Content-Length)", does="hang")),
    "length-negative": (Front(on="Content-Length: -5"), Front(on="Content-Length: -5", does="hang")),
    "length-words": (Front(on="Content-Length: many"), Front(on="Content-Length: many", does="hang")),
    "length-huge": (Front(on="Content-Length: 9{30}"), Front(on="Content-Length: 9{30}", does="hang")),
    "two-lengths": (Chokes(on=r"Content-Length: \d+\n.*Content-Length: \d+", does="good"),),
    "length-and-chunked": (Front(on="Transfer-Encoding"), Front(on="Transfer-Encoding", does="hang")),
    "chunked": (Front(on="Transfer-Encoding"), Front(on="Transfer-Encoding", does="hang")),
    "expect-continue": (Chokes(on="Expect: "), Chokes(on="Expect: ", does="hang")),
    "answer-headers": (Mutation(lose="Content-Length"), Mutation(media="text/xml"), Mutation(lose="Content-Type")),
    "get": (Chokes(on=r"\AGET ", does="good"), Chokes(on=r"\AGET ")),
    "put": (Chokes(on=r"\APUT ", does="good"), Chokes(on=r"\APUT ")),
    "delete": (Chokes(on=r"\ADELETE ", does="good"), Chokes(on=r"\ADELETE ", after=True)),
    "no-service": (Chokes(on="Nonsense", does="good"),),
    "no-path": (Chokes(on=r"\APOST /\n", does="good"),),
    "other-version": (Chokes(on="9.9", does="good"),),
    "long-path": (Chokes(on="x{4000}"), Chokes(on="x{4000}", does="hang")),
    "absolute-path": (Chokes(on="passwd", does="good"),),
    "no-http": (Front(on=r"\A\x00\x01", does="hang"), Front(on=r"\A\x00\x01", after=True)),
    "large-head": (Front(on="X-Large", does="hang"), Front(on="X-Large", does="500", after=True)),
    "empty-body": (Chokes(on=r"\APOST.*\n\n\Z", does="good"), Chokes(on=r"\APOST.*\n\n\Z")),
    "blank-body": (Chokes(on=r"\n\n[ \r\n\t]+\Z", does="good"),),
    "large-body": (Chokes(on="x{60000}", does="good"),),
    "large-body-borne": (Chokes(on="x{60000}"), Chokes(on="x{60000}", does="hang")),
    "large-chunked-body": (Front(on="10000\r\nxxx", does="hang"),),
    "length-too-long": (Front(incomplete=True, does="block"),),
    "length-too-short": (Chokes(on=r"(?<!oadrPayload>)\Z", does="good"), Chokes(on=r"(?<!oadrPayload>)\Z")),
    "closed-early": (Front(incomplete=True, after=True),),
    "slow-body": (Front(incomplete=True, does="close"), Front(incomplete=True, does="block")),
    "slow-head": (Front(on=r"Content-Length: 1000", after=True), Front(on=r"Content-Length: 1000", does="block")),
    "idle-connections": (Front(on=r"\A\Z", after=True), Front(on="Content-Length: 1000", does="block")),
    "one-connection": (Chokes(on=r"\A(?!.*Connection: close)", does="close"),),
}

_ANY = Takes(kind="")
_NAIVE = both(_ANY, "takes what is no message", "no schema")

_SHAPES = {
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

_ENUMERATIONS = {
    "report-types": "<ei:reportType>percentDemand<",
    "reading-types": "<ei:readingType>Contract<",
    "units": "<oadr:pulseCount>",
    "scales": "<scale:siScaleCode>n<",
    "time-forms": "P0DT1H",
    "opt-reasons": "mustRun",
}

_VTN_ONLY = (
    *("oadrDistributeEvent", "oadrCreatedOpt", "oadrCanceledOpt", "oadrCreatedPartyRegistration"),
    "oadrRequestReregistration",
)

SCHEMA: Table = {
    **{f"same-{name}": (Chokes(on=mark, does="400"),) for name, mark in _SHAPES.items()},
    "byte-order-mark": (Chokes(on=r"\n\n\xef\xbb\xbf", does="400"),),
    "version-of-answers": (
        swap("", ' ei:schemaVersion="2.0b"', ""),
        swap("", 'ei:schemaVersion="2.0b"', 'ei:schemaVersion="2.0a"'),
    ),
    "version-unprefixed": (_ANY,),
    "location-heard": (
        swap("", " xmlns:oadr=", f' xmlns:xsi="{NAMESPACES["xsi"]}" xsi:schemaLocation="a b" xmlns:oadr='),
        Chokes(on="schemaLocation"),
    ),
    "doctype": ("takes what is no message", Chokes(on="DOCTYPE")),
    "deep": (_NAIVE, Chokes(on="<oadr:a><oadr:a>", after=True)),
    "many-attributes": (_NAIVE, Chokes(on='a19999="x"', does="hang")),
    **{f"wrong-{name}": (_NAIVE,) for name, _, _ in shapes.WRONG},
    "entity-of-a-file": ("expands entities",),
    "entity-from-elsewhere": ("fetches entities",),
    "entities-of-entities": ("takes what is no message", Chokes(on="e9", does="hang")),
    "entity-within": ("expands entities", "takes what is no message"),
    "odd-characters": (
        swap("oadrCreatedPartyRegistration", "é", "e"),
        swap("oadrCreatedPartyRegistration", "\U0001f50c", "?"),
        swap("oadrCreatedPartyRegistration", "&amp;", "&amp;amp;"),
    ),
    "long-ids": (swap("oadrCreatedPartyRegistration", "x" * 30, ""), Chokes(on="d{250}", does="400")),
    "comment-in-a-text": (swap("oadrCreatedPartyRegistration", ">request-", ">requ"),),
    **{f"not-for-a-vtn-{kind}": (Takes(kind=kind),) for kind in _VTN_ONLY},
    **{f"misplaced-{kind}": (Takes(kind=kind),) for kind in ("oadrPoll", "oadrRequestEvent", "oadrQueryRegistration")},
    **{
        f"{kind}-{sort}": (Takes(kind=kind),)
        for kind in WRITERS
        for sort in ("left-out", "doubled", "nonsense")
        if sort != "nonsense" or kind not in IDS_ONLY
    },
    **{name: (Chokes(on=mark, does="400"),) for name, mark in _ENUMERATIONS.items()},
}

_LOW = int(ssl.TLSVersion.TLSv1)

SECURITY: Table = {
    "tls-1.0-refused": (Tls(least=_LOW),),
    "tls-1.1-refused": (Tls(least=_LOW),),
    "plain-http-refused": (Front(on=r"\APOST", does="good"),),
    "no-certificate": (Tls(asks=False),),
    "expired-certificate": (Tls(expired=True),),
    "foreign-certificate": (Tls(asks=False),),
    "certificate": (Tls(kinds=("rsa",), rsa_bits=1024),),
    "suite-rsa": (Tls(kinds=("ec",)),),
    "suite-ec": (Tls(kinds=("rsa",)),),
    "event-under-each-suite": (Tls(kinds=("ec",)), Tls(kinds=("rsa",))),
    "single-poll": (Chokes(on="oadrPoll", does="empty"),),
    "rsa-client": (Tls(refuses="rsa"),),
    "ec-client": (Tls(refuses="ec"),),
    "anothers-id-oadrPoll-registered": ("anyone is anyone",),
    "anothers-id-oadrPoll-stranger": ("anyone is anyone",),
    "anothers-id-oadrRequestEvent-registered": ("anyone is anyone",),
    "anothers-id-oadrRequestEvent-stranger": ("anyone is anyone",),
    "anothers-id-463": ("anyone is anyone", put("oadrRegisteredReport", "//ei:responseCode", "452")),
    "anothers-registration": ("anyone is anyone", "bad cancel cancels"),
    "signed-ec": ("signs registrations only", "signs another body"),
    "signed-rsa": ("signs another body",),
    "signed-push": ("signs answers only",),
    "signed-event": ("signs no events",),
    "nonces-of-the-vtn": ("signs with one nonce", "signs with an old time"),
    "enveloped": ("takes its own shape only",),
    "clock-slightly-off": ("window of a second",),
    "signature-tampered-body": ("takes any signature",),
    "signature-tampered-timestamp": ("takes any signature",),
    "signature-tampered-nonce": ("takes any signature",),
    "signature-other-value": ("takes any signature",),
    "signature-value-nonsense": ("takes any signature",),
    "signature-old-timestamp": ("takes any time",),
    "signature-future-timestamp": ("takes any time",),
    "signature-missing-nonce": ("takes any nonce",),
    "signature-body-not-covered": ("takes any reference",),
    "signature-proof-not-covered": ("takes any reference",),
    "signature-no-references": (both("takes any reference", "no schema"),),
    "signature-wrapped": (both("takes any reference", "no schema"),),
    "signature-wrapped-same-id": ("no schema",),
    "signature-two-bodies": (both("takes any reference", "no schema"),),
    "signature-no-certificate": ("takes any signature",),
    "signature-no-proof": (both("takes any signature", "no schema"),),
    "signature-replayed": ("takes any nonce",),
    "poll-replayed": ("takes any nonce",),
    "signature-of-another": ("takes any signer",),
    "signature-of-a-stranger": ("takes any signer",),
    "unsigned-though-registered": ("takes unsigned",),
    "signed-though-not-asked-for": (
        Chokes(on="oadrQueryRegistration.*ds:Signature|ds:Signature.*oadrQueryRegistration"),
    ),
    "unsigned-answers": ("signs everything",),
}

WIRE: Table = {
    **{f"vtn.transport.{name}": flaws for name, flaws in TRANSPORT.items()},
    **{f"vtn.schema.{name}": flaws for name, flaws in SCHEMA.items()},
    **{f"vtn.security.{name}": flaws for name, flaws in SECURITY.items()},
}
