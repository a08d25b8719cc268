"""What a subject was seen to support, read from the traffic of a run: a summary in the manner of a PICS."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.case import Role
from conformance.message import NAMESPACES, Message
from conformance.record import Exchange, Record

Sightings = dict[str, dict[str, int]]
"""By topic, each thing and how often it was seen."""

TOPICS = (
    "services",
    "payloads sent",
    "payloads answered",
    "profiles and transports",
    "signals",
    "reports",
    "opts",
    "security",
)


def seen_in(record: Record, role: Role) -> Iterator[tuple[str, str]]:
    """(topic, thing) for everything in the exchanges of a case."""
    for exchange in record.exchanges:
        yield from _payloads(exchange)
        for message in exchange.messages:
            if message.sender == "subject":
                yield from _said(message)
        yield from (_vtn(exchange) if role == "vtn" else _ven(exchange))


def add(sightings: Sightings, found: Iterator[tuple[str, str]]) -> None:
    """Count them."""
    for topic, thing in found:
        of_topic = sightings.setdefault(topic, {})
        of_topic[thing] = of_topic.get(thing, 0) + 1


def _payloads(exchange: Exchange) -> Iterator[tuple[str, str]]:
    answer = exchange.answer
    for message in exchange.messages:
        if message.sender == "subject" and message.kind:
            yield "payloads sent", message.kind
    good = answer is not None and exchange.status == 200 and (answer.code in ("", "200"))
    if good and exchange.sender == "harness" and exchange.request.kind:
        yield "payloads answered", exchange.request.kind
        yield "services", exchange.service
    if exchange.sender == "subject" and exchange.request.kind:
        yield "services", exchange.service


def _said(message: Message) -> Iterator[tuple[str, str]]:
    if message.root is not None and message.signed:
        method = message.root.find(".//ds:SignatureMethod", NAMESPACES)
        yield (
            "security",
            f"XML signature {'' if method is None else (method.get('Algorithm') or '').rpartition('#')[2]}",
        )
    for profile in message.texts(".//oadr:oadrProfileName"):
        yield "profiles and transports", f"profile {profile}"
    for transport in message.texts(".//oadr:oadrTransportName"):
        yield "profiles and transports", f"transport {transport}"
    pull = message.text("./oadr:oadrHttpPullModel")
    if pull is not None:
        yield "profiles and transports", "HTTP pull" if pull == "true" else "HTTP push"
    for name in message.texts("./oadr:oadrReport/ei:reportName"):
        yield "reports", name
    for name in message.texts(".//ei:reportSpecifierID"):
        if message.kind in ("oadrCreateReport", "oadrRegisteredReport"):
            yield "reports", f"asks for specifier {name}"
    if message.kind == "oadrCreateOpt":
        yield "opts", _opt(message)


def _signals(message: Message) -> Iterator[str]:
    for signal in message.all(".//ei:eiEventSignal"):
        part = Message(b"", sender=message.sender)
        part.payload = signal
        names = [str(one.tag).rpartition("}")[2] for one in signal]
        unit = next((f" {name}" for name in names if name in _UNITS), "")
        yield f"{part.text('./ei:signalName')}/{part.text('./ei:signalType')}{unit}"


_UNITS = {
    "powerReal", "powerApparent", "powerReactive", "energyReal", "energyApparent", "energyReactive", "voltage", "current",
    "frequency", "Therm", "temperature", "pulseCount", "currency", "currencyPerKW", "currencyPerKWh", "currencyPerThm",
    "customUnit",
}  # fmt: skip


def _vtn(exchange: Exchange) -> Iterator[tuple[str, str]]:
    for message in exchange.messages:
        if message.sender == "subject" and message.kind == "oadrDistributeEvent":
            for signal in _signals(message):
                yield "signals", f"{signal} sent"
    taken = exchange.answer is not None and exchange.answer.code == "200"
    if taken and exchange.sender == "harness" and exchange.request.kind == "oadrCreateOpt":
        yield "opts", _opt(exchange.request)


def _ven(exchange: Exchange) -> Iterator[tuple[str, str]]:
    if exchange.request.kind != "oadrCreatedEvent" or exchange.sender != "subject":
        return
    for code in exchange.request.texts(".//ei:eventResponse/ei:responseCode"):
        yield "signals", f"events answered {code}"
    for opt in exchange.request.texts(".//ei:eventResponse/ei:optType"):
        yield "opts", f"answers {opt}"


def _opt(message: Message) -> str:
    return "of an event" if message.has("./ei:qualifiedEventID") else "availability schedule"
