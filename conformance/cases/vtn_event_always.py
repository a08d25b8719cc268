"""EiEvent at a VTN: what is held against every oadrDistributeEvent of a run, whatever its case is about."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import event_laws as laws
from conformance.case import Failed
from conformance.message import Message
from conformance.record import Exchange
from conformance.watch import Breach, watch

_LAWS: tuple[tuple[str, laws.Law, tuple[str, ...], str], ...] = (
    ("uids", laws.uids, ("2",), "The uids of all intervals count from 0."),
    ("sums", laws.sums, ("8",), "Every signal lasts as long as its event."),
    ("levels", laws.levels, ("9",), "Every SIMPLE level is 0, 1, 2 or 3."),
    ("calm", laws.calm, ("14",), "The currentValue of SIMPLE is 0 wherever the event is not active."),
    ("order", laws.ordered, ("15",), "Events are in their order in every payload."),
    ("unique-events", laws.unique_events, ("X-EV-1",), "No payload has an eventID twice."),
    ("one-venid", laws.one_ven, ("X-EV-2",), "No event has two venIDs in its target."),
    ("running", laws.running, ("X-EV-4",), "Every currentValue of an active event is that of its running interval."),
    ("undated", laws.undated, ("X-EV-5",), "No interval of a signal or a baseline has a dtstart."),
    ("unique-signals", laws.unique_signals, ("X-EV-6",), "No event has a signalID twice."),
    ("one-value", laws.single_values, ("X-EV-7",), "Every interval of a signal has one value."),
    ("baselines", laws.baselines, ("X-EV-8",), "Every baseline is as long as its intervals."),
    ("status", laws.statuses, ("X-EV-11",), "Every eventStatus is what the clock says."),
)


def _distributed(exchange: Exchange) -> Iterator[Message]:
    for message in exchange.messages:
        if message.sender == "subject" and message.kind == "oadrDistributeEvent":
            yield message


def _faults(law: laws.Law, message: Message) -> tuple[laws.Fault, ...]:
    try:
        return tuple(law(message))
    except Failed:
        # An event that cannot be read is a breach of the schema, and is told there.
        return ()


def _declare(name: str, law: laws.Law, rules: tuple[str, ...], says: str) -> None:
    @watch(f"event.always-{name}", rules=rules, says=says, roles=("vtn",))
    def look(exchange: Exchange) -> Iterator[Breach]:
        for message in _distributed(exchange):
            for fault in _faults(law, message)[:1]:
                line = message.line_of(fault.path)
                yield Breach(expected=fault.expected, actual=fault.actual, message=message, line=line)


for _name, _law, _rules, _says in _LAWS:
    _declare(_name, _law, _rules, _says)


@watch("event.always-fresh", rules=("X-EV-3",), says="createdDateTime is the time of sending.", roles=("vtn",))
def _fresh(exchange: Exchange) -> Iterator[Breach]:
    path = "./oadr:oadrEvent/ei:eiEvent/ei:eventDescriptor/ei:createdDateTime"
    for message in _distributed(exchange):
        for text in message.texts(path):
            if laws.age_s(text, exchange.at) > laws.FRESH_S:
                yield Breach(
                    expected=f"createdDateTime about {exchange.at:%H:%M:%S}Z",
                    actual=text,
                    message=message,
                    line=message.line_of(path),
                )


@watch("event.always-request-id", rules=("41",), says="Every oadrDistributeEvent has a requestID.", roles=("vtn",))
def _request_id(exchange: Exchange) -> Iterator[Breach]:
    for message in _distributed(exchange):
        if not message.has("./pyld:requestID"):
            yield Breach(expected="requestID", actual="none", message=message, line=message.line_of("."))


@watch(
    "event.always-answers",
    rules=("40",),
    says="Every oadrDistributeEvent that answers a request has an eiResponse.",
    roles=("vtn",),
)
def _answers(exchange: Exchange) -> Iterator[Breach]:
    for message in _distributed(exchange):
        if message is exchange.answer and not message.has("./ei:eiResponse"):
            yield Breach(expected="eiResponse", actual="none", message=message, line=message.line_of("."))


@watch("event.never-requests", rules=("23",), says="A VTN never sends oadrRequestEvent.", roles=("vtn",))
def _never_requests(exchange: Exchange) -> Iterator[Breach]:
    if exchange.sender == "subject" and exchange.request.kind == "oadrRequestEvent":
        yield Breach(expected="what a VTN sends", actual="oadrRequestEvent", message=exchange.request)
