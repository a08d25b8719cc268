"""The repairs, as a table: what each is called, which peers' behaviour it answers to, where it looks, what it does.

A repair is made where what a peer wrote can mean one thing only. Ids are never made up, a wish to take part never assumed,
and what may carry a meaning that we do not know is left for the schema to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from openadr_ra.errors import OK
from openadr_ra.protocol.messages import PROFILE_2_0B
from openadr_ra.protocol.model import OPT_IN, OPT_OUT
from openadr_ra.protocol.shape import NAMESPACES
from openadr_ra.wire.draft import MESSAGES, SPACE, XSI, Draft, Outline, child, insert, local, namespace
from openadr_ra.wire.names import clark, short
from openadr_ra.wire.plan import Kind
from openadr_ra.wire.repairs_units import WORDS, description, power_attributes, prefixed_units, scale_code
from openadr_ra.wire.repairs_values import boolean_case, cancelled, fractional_seconds, shown, space, utc_offset, weeks
from openadr_ra.wire.schema import PAYLOAD, SIGNED_OBJECT

_OURS = frozenset({"", *NAMESPACES.values()})
_XML = "http://www.w3.org/XML/1998/namespace"
_XSI_TYPE = f"{XSI}type"
_ABSTRACT = frozenset({"itemBase", "streamPayloadBase", "payloadBase"})
_SCHEMA_VERSION = clark("ei:schemaVersion")

_INSIDE: Mapping[str, tuple[str, ...]] = {"": (PAYLOAD, SIGNED_OBJECT), PAYLOAD: (SIGNED_OBJECT,)}
"""The rest of the envelope between an element and a payload."""
_PAYLOADS_BY_LOCAL = {local(tag): tag for tag in MESSAGES}

_TELL_NO_MORE = frozenset(
    map(
        clark,
        (
            "oadr:oadrPoll", "oadr:oadrResponse", "oadr:oadrQueryRegistration", "oadr:oadrCreatePartyRegistration",
            "oadr:oadrCreatedPartyRegistration", "oadr:oadrCanceledPartyRegistration", "oadr:oadrRegisterReport",
            "oadr:oadrRegisteredReport", "oadr:oadrCreatedReport", "oadr:oadrUpdatedReport", "oadr:oadrCanceledReport",
            "oadr:oadrCreatedOpt", "oadr:oadrCanceledOpt", "ei:eiResponse",
        ),
    )
)  # fmt: skip
"""Elements that identify and acknowledge: what else stands in them cannot narrow or change anything. Events, targets, opts,
units, values and what is asked for are not among them."""


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """`mend` changes a draft and yields a few words for each thing it did; nothing to mend, nothing yielded."""

    name: str
    seen: str
    mend: Callable[[Draft], Iterator[str]]


def attribute_names(element: Draft) -> Iterator[str]:
    """`schemaVersion` for `ei:schemaVersion`, `Id` for `oadr:Id`. Of two, the right one counts."""
    known = {local(name).casefold(): name for name in element.outline.attributes}
    for name in tuple(element.attributes):
        right = known.get(local(name).casefold())
        if right is not None and name != right and namespace(name) in _OURS:
            value = element.attributes.pop(name)
            element.attributes.setdefault(right, value)
            yield f"attribute {shown(short(name))} read as {short(right)}"


def schema_version(element: Draft) -> Iterator[str]:
    """`2.0` is no version of the B profile's own; 2.0a is another profile and stays."""
    version = element.attributes.get(_SCHEMA_VERSION)
    if version is not None and version.strip(SPACE) in ("2.0", "2.0B"):
        element.attributes[_SCHEMA_VERSION] = PROFILE_2_0B
        yield f"schemaVersion {version.strip(SPACE)} read as 2.0b"


def idle_attributes(element: Draft) -> Iterator[str]:
    """Attributes of XML itself say nothing of OpenADR's; others are passed over where nothing can depend on them.

    Those of XML Schema are not worth a warning: only a nil counts, the schema takes the others anywhere.
    """
    for name in tuple(element.attributes):
        uri = namespace(name)
        if name in element.outline.attributes or name == f"{XSI}nil":
            continue
        if uri in (_XML, XSI[1:-1]) or element.tag in _TELL_NO_MORE or element.tag in (PAYLOAD, SIGNED_OBJECT):
            del element.attributes[name]
            if uri != XSI[1:-1]:
                yield f"attribute {f'xml:{local(name)}' if uri == _XML else shown(short(name))} passed over"


def namespaces(element: Draft) -> Iterator[str]:
    """A known local name without a namespace, or in another of OpenADR's, is what it can be there."""
    for each in element.children:
        if each.tag in element.outline.places or namespace(each.tag) not in _OURS:
            continue
        right = element.outline.by_local.get(local(each.tag))
        # Inside an opaque element the names would stay as they are.
        if right is not None and element.outline.places[right].outline.kind is not Kind.OPAQUE:
            yield f"{shown(short(each.tag))} read as {short(right)}"
            each.tag = right


def type_names(element: Draft) -> Iterator[str]:
    """`oadr:PowerRealType`, or the abstract `emix:itemBase xsi:type="power:PowerRealType"`, for `power:powerReal`."""
    for each in element.children if element.outline.by_type else ():
        if each.tag in element.outline.places or namespace(each.tag) not in _OURS:
            continue
        named = _type_of(each) if local(each.tag) in _ABSTRACT else local(each.tag)
        right = element.outline.by_type.get(named.casefold())
        if right is not None:
            yield f"{shown(short(each.tag))} {shown(named)} read as {short(right)}"
            each.tag = right
            each.attributes.pop(_XSI_TYPE, None)


def _type_of(element: Draft) -> str:
    """The local name of the type that `element` says it has, if that is one of OpenADR's."""
    prefix, _, name = element.attributes.get(_XSI_TYPE, "").strip(SPACE).rpartition(":")
    known = element.source.nsmap if element.source is not None else {}
    return name if known.get(prefix or None, "") in _OURS else ""


def envelope(element: Draft) -> Iterator[str]:
    """A payload without oadrSignedObject, or without oadrPayload as well, is put into them."""
    missing = _INSIDE.get(element.tag, ())
    for at, each in enumerate(element.children if missing else ()):
        if each.tag in element.outline.places or namespace(each.tag) not in _OURS:
            continue
        name = local(each.tag)
        outer = missing if name in _PAYLOADS_BY_LOCAL else missing[:-1] if name == local(SIGNED_OBJECT) else ()
        if outer:
            yield f"{shown(short(each.tag))} stood without {short(outer[0])}"
            element.children[at] = _wrapped(each, outer)


def _wrapped(element: Draft, outer: tuple[str, ...]) -> Draft:
    for tag in reversed(outer):
        around = Draft(tag=tag, parent=element.parent, children=[element])
        element.parent = around
        element = around
    return element


def nested_values(element: Draft) -> Iterator[str]:
    """`<ei:reportBackDuration>PT15M</…>`: a time or a number belongs into the one element that can stand there."""
    if element.children or len(element.outline.places) != 1 or not element.text.strip(SPACE):
        return
    ((tag, place),) = element.outline.places.items()
    if _innermost(place.outline).kind in (Kind.DURATION, Kind.DATETIME, Kind.FLOAT):
        element.children.append(Draft(tag=tag, parent=element, text=element.text.strip(SPACE)))
        element.text = ""
        yield f"text read as {short(tag)}"


def _innermost(outline: Outline) -> Outline:
    while len(outline.places) == 1:
        (place,) = outline.places.values()
        outline = place.outline
    return outline


def unknown_elements(element: Draft) -> Iterator[str]:
    """What OpenADR has no name for is passed over in an element that only identifies or acknowledges."""
    if element.tag not in _TELL_NO_MORE:
        return
    kept = []
    for each in element.children:
        if namespace(each.tag) in _OURS and local(each.tag) in _VOCABULARY:
            kept.append(each)
        else:
            yield f"{shown(short(each.tag))} passed over"
    element.children = kept


def child_order(element: Draft) -> Iterator[str]:
    """Elements stand in the schema's order; those of one name, and those of one choice, in their own."""
    ranks = [element.outline.places[each.tag].rank for each in element.children if each.tag in element.outline.places]
    if len(ranks) < len(element.children) or all(map(int.__le__, ranks, ranks[1:])):
        return
    at = next(at for at in range(len(ranks)) if ranks[at] > ranks[at + 1])
    yield f"{short(element.children[at + 1].tag)} stood behind {short(element.children[at].tag)}"
    element.children = [each for _, each in sorted(zip(ranks, element.children, strict=True), key=lambda pair: pair[0])]


def unknown_opt(responses: Draft) -> Iterator[str]:
    """An answer that is neither optIn nor optOut is taken out: the event stays unanswered, whatever code stands with it."""
    kept = []
    for each in responses.children:
        opt = child(each, clark("ei:optType"))
        said = opt.text.strip(SPACE) if opt is not None else ""
        if said in (OPT_IN, OPT_OUT):
            kept.append(each)
        else:
            yield f"the answer with optType {shown(said) or 'missing'} is passed over"
    responses.children = kept


def missing_result(created: Draft) -> Iterator[str]:
    """Answers to events are only there where the message as a whole was accepted (rule 35), so eiResponse is a 200."""
    responses = child(created, clark("ei:eventResponses"))
    if responses is not None and responses.children and child(created, clark("ei:eiResponse")) is None:
        result = insert(created, clark("ei:eiResponse"))
        insert(result, clark("ei:responseCode"), OK)
        insert(result, _REQUEST_ID)
        yield f"ei:eiResponse was missing; {OK} stands for it"


_REQUEST_ID = clark("pyld:requestID")

_KNOWN_WITHOUT_ID = frozenset(
    map(
        clark,
        (
            "pyld:eiCreatedEvent", "oadr:oadrResponse", "oadr:oadrDistributeEvent", "oadr:oadrCreatedPartyRegistration",
            "oadr:oadrCreatedOpt", "oadr:oadrCanceledOpt",
        ),
    )
)  # fmt: skip
"""Payloads whose eiResponse is understood without a requestID: by the events or the opt they name, or because they are never
anything but the reply to the post they answer. The other answers may come in a post of their own, and then only the id says
which request is meant (reference 1.5)."""


def missing_request_id(element: Draft) -> Iterator[str]:
    """An empty one, which the schema allows: who asks without an id waits for none; an event's answer names the event."""
    if _REQUEST_ID not in element.outline.places or child(element, _REQUEST_ID) is not None:
        return
    if element.tag != clark("ei:eiResponse") or (element.parent and element.parent.tag in _KNOWN_WITHOUT_ID):
        insert(element, _REQUEST_ID)
        yield "pyld:requestID was missing; an empty one stands for it"


def metadata_request(report: Draft) -> Iterator[str]:
    """In METADATA the reportRequestID is no id: it is 0, always (rule 311)."""
    is_metadata = report.parent is not None and report.parent.tag == clark("oadr:oadrRegisterReport")
    tag = clark("ei:reportRequestID")
    if is_metadata and child(report, tag) is None and child(report, clark("strm:intervals")) is None:
        insert(report, tag, "0")
        yield "ei:reportRequestID was missing; 0 stands for it"


def empty_components(period: Draft) -> Iterator[str]:
    """An element that is always there and always empty."""
    tag = clark("xcal:components")
    if child(period, tag) is None:
        insert(period, tag)
        yield "xcal:components was missing"


HOLDERS = (
    Repair(name="envelope", seen="avob sends payloads bare when it does not sign", mend=envelope),
    Repair(name="namespace", seen="pyoadr-ven has ei:oadrReportPayload and oadr:payloadFloat", mend=namespaces),
    Repair(name="type-name", seen="pyoadr-ven has oadr:PowerRealType; EPRI itemBase with xsi:type", mend=type_names),
    Repair(name="nested-value", seen="reportBackDuration and granularity as text", mend=nested_values),
    Repair(name="unknown-element", seen="extensions of a vendor's own", mend=unknown_elements),
    Repair(
        name="child-order", seen="node-red VEN: eventResponses behind venID; avob: Signature last", mend=child_order
    ),
)
"""For each element that holds others, before them, in this order."""

ATTRIBUTES = (
    Repair(name="attribute-name", seen="pyoadr-ven and older VTNs have schemaVersion unprefixed", mend=attribute_names),
    Repair(name="schema-version", seen='schemaVersion="2.0"', mend=schema_version),
    Repair(name="idle-attribute", seen="xml:lang, and attributes of a vendor's own", mend=idle_attributes),
)
"""For each element that has attributes."""

_DURATIONS = (
    Repair(name="space", seen="durations on a line of their own, by printers that mean well", mend=space),
    Repair(name="weeks", seen="P5W, which ISO 8601 has and the schema's pattern has not", mend=weeks),
    Repair(name="fraction", seen="PT1.5S, which public digests of the text allow", mend=fractional_seconds),
)
LEAVES: Mapping[Kind, tuple[Repair, ...]] = {
    Kind.BOOLEAN: (Repair(name="boolean", seen="Python's True and False", mend=boolean_case),),
    Kind.DATETIME: (Repair(name="utc-offset", seen="date-times with a numeric offset", mend=utc_offset),),
    Kind.DURATION: _DURATIONS,
    Kind.TOKEN: (Repair(name="cancelled", seen="the American spelling", mend=cancelled),),
}
"""For each element that holds a value, by the kind of that."""

_UNITS = (
    Repair(name="unit-description", seen="itemDescription in words of one's own", mend=description),
    Repair(name="unit-prefix", seen="itemUnits kWh, kW, KW", mend=prefixed_units),
    Repair(name="unit-scale", seen="pyoadr-ven has no siScaleCode", mend=scale_code),
    Repair(name="power-attributes", seen="pyoadr-ven has no powerAttributes", mend=power_attributes),
)
PARTS: Mapping[str, tuple[Repair, ...]] = {
    **dict.fromkeys(WORDS, _UNITS),
    clark("ei:eventResponses"): (Repair(name="unknown-opt", seen="pyoadr-ven has optType none", mend=unknown_opt),),
    clark("pyld:eiCreatedEvent"): (Repair(name="result", seen="no eiResponse beside answers", mend=missing_result),),
    clark("oadr:oadrReport"): (
        Repair(name="metadata", seen="avob and pyoadr-ven have no reportRequestID in METADATA", mend=metadata_request),
    ),
    clark("ei:eiActivePeriod"): (
        Repair(name="components", seen="events without xcal:components", mend=empty_components),
    ),
}
"""For each element that holds others, by its name, behind them."""

REQUEST_ID = Repair(name="request-id", seen="pyoadr-ven has no requestID in eiResponse", mend=missing_request_id)
"""For each element that holds others, behind them."""

REPAIRS: tuple[Repair, ...] = (
    *ATTRIBUTES,
    *HOLDERS,
    *(repair for repairs in LEAVES.values() for repair in repairs),
    *(repair for repairs in dict.fromkeys(PARTS.values()) for repair in repairs),
    REQUEST_ID,
)
"""All of them."""


def _locals(outline: Outline) -> Iterator[str]:
    for tag, place in outline.places.items():
        yield local(tag)
        yield from _locals(place.outline)


_VOCABULARY = frozenset(name for tag, place in MESSAGES.items() for name in (local(tag), *_locals(place.outline)))
"""Every local name of OpenADR 2.0b."""
