"""Each element left out, doubled, or with a value that is none: what the schema forbids a VTN refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml import etree

from conformance import schema, template
from conformance.case import Failed, case
from conformance.endpoint import of_vtn, refused
from conformance.message import SERVICES, Element, Message
from conformance.play import seconds, utc
from conformance.play_ven import PlayVen, metadata, usage_report
from conformance.play_vtn import report_request
from conformance.tested import Vtn

NONSENSE = "\u2603 nonsense"
"""No number, no time, no length, no word of an enumeration."""

Write = Callable[[PlayVen], bytes]


def _created_event(ven: PlayVen) -> bytes:
    response = template.fill(
        "event_response", code="200", request_id="request", event_id="event", modification=0, opt="optIn"
    )
    return ven.write("oadrCreatedEvent", request_id="", responses=response)


def _create_opt(ven: PlayVen) -> bytes:
    span = template.fill("span", start=utc(plus_s=3600), duration=seconds(600), more="")
    return ven.write(
        "oadrCreateOpt",
        opt_id="opt",
        opt="optOut",
        reason="x-schedule",
        availability=template.fill("availability", spans=span),
        target="",
    )


def _create_report(ven: PlayVen) -> bytes:
    return ven.write("oadrCreateReport", requests=report_request("request", "METADATA", ("0",), back_s=60))


def _cancel_report(ven: PlayVen) -> bytes:
    return ven.write("oadrCancelReport", report_request_ids=("request",), to_follow=False)


WRITERS: dict[str, Write] = {
    "oadrPoll": lambda ven: ven.write("oadrPoll"),
    "oadrQueryRegistration": lambda ven: ven.write("oadrQueryRegistration"),
    "oadrCreatePartyRegistration": lambda ven: ven.write("oadrCreatePartyRegistration"),
    "oadrCancelPartyRegistration": lambda ven: ven.write("oadrCancelPartyRegistration", registration_id="registration"),
    "oadrCanceledPartyRegistration": lambda ven: ven.write("oadrCanceledPartyRegistration", registration_id="r"),
    "oadrRequestEvent": lambda ven: ven.write("oadrRequestEvent", reply_limit=1),
    "oadrCreatedEvent": _created_event,
    "oadrRegisterReport": lambda ven: ven.write("oadrRegisterReport", reports=metadata()),
    "oadrRegisteredReport": lambda ven: ven.write(
        "oadrRegisteredReport", requests=report_request("request", "METADATA", ("0",))
    ),
    "oadrCreateReport": _create_report,
    "oadrCreatedReport": lambda ven: ven.write("oadrCreatedReport", pending=("request",)),
    "oadrUpdateReport": lambda ven: ven.write("oadrUpdateReport", reports=usage_report("request")),
    "oadrUpdatedReport": lambda ven: ven.write("oadrUpdatedReport", cancel=""),
    "oadrCancelReport": _cancel_report,
    "oadrCanceledReport": lambda ven: ven.write("oadrCanceledReport", pending=("request",)),
    "oadrCreateOpt": _create_opt,
    "oadrCancelOpt": lambda ven: ven.write("oadrCancelOpt", opt_id="opt"),
    "oadrResponse": lambda ven: ven.write("oadrResponse"),
}
"""A right message of each kind that a VEN sends; its ids need not be known."""


def _left_out(element: Element) -> bool:
    if (parent := element.getparent()) is None:
        return False
    parent.remove(element)
    return True


def _doubled(element: Element) -> bool:
    element.addnext(etree.fromstring(etree.tostring(element)))
    return True


def _nonsense(element: Element) -> bool:
    if len(element):
        return False
    element.text = NONSENSE
    return True


_CHANGES: tuple[tuple[str, Callable[[Element], bool]], ...] = (
    ("left-out", _left_out),
    ("doubled", _doubled),
    ("nonsense", _nonsense),
)


def faulty(raw: bytes, change: Callable[[Element], bool]) -> Iterator[tuple[str, bytes]]:
    """`raw` with one such fault at each element where the schema forbids it: (which element, message)."""
    for number in range(len(tuple(etree.fromstring(raw)[-1][0].iter("*")))):
        root = etree.fromstring(raw)
        element = tuple(root[-1][0].iter("*"))[number]
        name = str(etree.QName(element).localname)
        if not change(element):
            continue
        changed = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
        if schema.faults(Message(changed, sender="harness")):
            yield name, changed


_SAYS = {
    "left-out": "What the schema wants must be there.",
    "doubled": "What the schema has once is there once.",
    "nonsense": "A value is one of its type.",
}

IDS_ONLY = ("oadrPoll", "oadrQueryRegistration", "oadrCancelPartyRegistration", "oadrCancelOpt")
"""Payloads of ids alone, of which any text is one: there is no nonsense in them."""

for _kind, _write in WRITERS.items():
    for _sort, _change in _CHANGES:
        if _sort == "nonsense" and _kind in IDS_ONLY:
            continue

        @case(
            f"vtn.schema.{_kind}-{_sort}",
            rules=("33",),
            says=f"{_SAYS[_sort]} Otherwise the message is refused.",
            sends=f"{_kind}, again and again, each time with one element {_sort} where the schema forbids it",
            expects="HTTP 4xx or responseCode 4xx to each; then a good answer to a right message",
            negative=True,
            within_s=90,
        )
        async def each_fault(
            vtn: Vtn, kind: str = _kind, write: Write = _write, change: Callable[[Element], bool] = _change
        ) -> None:
            endpoint = await of_vtn(vtn)
            ven = vtn.vens[0]
            faults = tuple(faulty(write(ven), change))
            if not faults:
                raise LookupError(f"the schema forbids nothing of that in {kind}")
            for name, raw in faults:
                exchange = await ven.try_(raw, SERVICES.get(kind, "EiReport"))
                try:
                    refused(exchange)
                except Failed as failed:
                    raise Failed(f"{failed.expected} for {name}", failed.actual, exchange.request) from None
            await endpoint.alive()
