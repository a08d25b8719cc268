"""EiEvent at a VEN: events that are wrong, or not for it, and how it says so."""

from __future__ import annotations

from msgspec.structs import replace

from conformance import template
from conformance.case import SHOULD, Failed, case, expect, expect_absent, expect_code
from conformance.operator import DISPATCH, SIMPLE, SignalWish, in_
from conformance.play import fresh, utc
from conformance.play_vtn import event, intervals, response_path, signal, simple
from conformance.tested import Ven
from conformance.ven_steps import QUIET_S, alive, context, expect_refused, expect_taken, made, offered, verdict

CUSTOM = SignalWish(name="x-CUSTOM_SIGNAL", type="level", unit="", values=(1.0,))


@case(
    "ven.event.vtn-id-case",
    rules=("21",),
    certification=("E1_1080",),
    says="The vtnID is compared letter by letter: one whose case differs is an error of the whole message.",
    sends="an oadrDistributeEvent with the letters of vtnID swapped in case",
    expects="oadrCreatedEvent with eiResponse 452",
    negative=True,
)
async def vtn_id_case(ven: Ven) -> None:
    await ven.bootstrapped()
    await _wrong_vtn(ven, ven.vtn_id.swapcase())


@case(
    "ven.event.vtn-id-unknown",
    rules=("21",),
    says="An oadrDistributeEvent of another VTN is an error of the whole message.",
    sends="an oadrDistributeEvent with another vtnID",
    expects="oadrCreatedEvent with eiResponse 452",
    negative=True,
)
async def vtn_id_unknown(ven: Ven) -> None:
    await ven.bootstrapped()
    await _wrong_vtn(ven, "Somebody-Else")


async def _wrong_vtn(ven: Ven, vtn_id: str) -> None:
    before = len(ven.heard)
    await ven.deliver(ven.distribution(made(ven, fresh("event")), vtn_id=vtn_id))
    expect_code(await ven.hears("oadrCreatedEvent", after=before), "452")


@case(
    "ven.event.wrong-vtn-changes-nothing",
    rules=("21", "61"),
    says="An oadrDistributeEvent with a wrong vtnID cancels nothing.",
    sends="an event, an oadrDistributeEvent without it under another vtnID, then the event with a lower number",
    expects="452, and the lower number is still an error, for the event is held",
    negative=True,
)
async def wrong_vtn_changes_nothing(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(600)
    await offered(ven, name, made(ven, name, start=start, modification=4))
    await _wrong_vtn(ven, "Somebody-Else")
    expect_refused(await verdict(ven, name, made(ven, name, start=start, modification=2)), name)


@case(
    "ven.event.custom-signal",
    rules=("109", "48"),
    certification=("E1_1070",),
    says="A signal that the VEN does not support is refused with 460 and optOut, by that event's own code.",
    sends="an event with x-CUSTOM_SIGNAL",
    expects="eiResponse 200, eventResponse 460 and optOut",
    negative=True,
    signed=True,
)
async def custom_signal(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    created = await offered(ven, name, made(ven, name, CUSTOM))
    expect_code(created, "200")
    expect_refused(created, name, "460", opted_out=True)


@case(
    "ven.event.custom-beside-simple",
    rules=("109",),
    says="One unsupported signal refuses its event, whatever stands beside it.",
    sends="an event with SIMPLE and x-CUSTOM_SIGNAL",
    expects="eventResponse 460 and optOut",
    negative=True,
)
async def custom_beside_simple(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_refused(await verdict(ven, name, made(ven, name, SIMPLE, CUSTOM)), name, "460", opted_out=True)


@case(
    "ven.event.one-bad-of-three",
    rules=("19",),
    says="One bad event does not spoil the good ones beside it.",
    sends="three events, the second for another VEN",
    expects="200 for the first and the third, an error for the second",
    negative=True,
)
async def one_bad_of_three(ven: Ven) -> None:
    await ven.bootstrapped()
    first, bad, third = (fresh("event") for _ in range(3))
    before = await ven.send_events(
        made(ven, first),
        made(ven, bad, start=in_(3600), target="<ei:venID>Nobody-Here</ei:venID>"),
        made(ven, third, start=in_(7200)),
    )
    for name in (first, third):
        expect_taken(await ven.answered(name, after=before), name)
    expect_refused(await ven.answered(bad, after=before), bad)


@case(
    "ven.event.market-context",
    rules=("48",),
    says="An event of a market context that the VEN does not take part in is refused, with optOut.",
    sends="an event of an unknown market context",
    expects="an error for it (462 for choice) and optOut",
    negative=True,
)
async def market_context(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    unknown = "http://conformance.invalid/nobody-is-in-this"
    expect_refused(await verdict(ven, name, made(ven, name, market=unknown)), name, opted_out=True)


def _bad_signal(word: str, wish: SignalWish, says: str, *rules: str) -> None:
    @case(
        f"ven.event.signal-{word}",
        rules=rules,
        says=says,
        sends=f"an event with {wish.name}/{wish.type} {wish.unit or 'without a unit'}, values {list(wish.values)}",
        expects="an error for it",
        negative=True,
    )
    async def bad_signal(ven: Ven) -> None:
        await ven.bootstrapped()
        name = fresh("event")
        expect_refused(await verdict(ven, name, made(ven, name, wish)), name)


_COMBINED = "A signalName with a type or a unit that does not belong to it is refused."
_LEVEL = "A SIMPLE level is 0, 1, 2 or 3, and anything else is refused."
_bad_signal("type", SignalWish(name="SIMPLE", type="price", unit="", values=(1.0,)), _COMBINED, "33", "109")
_bad_signal("unit", SignalWish(name="LOAD_DISPATCH", unit="currencyPerKWh", values=(1.0,)), _COMBINED, "33", "109")
_bad_signal("level-4", SignalWish(name="SIMPLE", type="level", unit="", values=(4.0,)), _LEVEL, "33")
_bad_signal("level-between", SignalWish(name="SIMPLE", type="level", unit="", values=(1.5,)), _LEVEL, "33")
_bad_signal("level-negative", SignalWish(name="SIMPLE", type="level", unit="", values=(-1.0,)), _LEVEL, "33")


async def _refused(ven: Ven, **holes: str) -> None:
    """A SIMPLE event with these holes is refused, and the next one is taken."""
    await ven.bootstrapped()
    name = fresh("event")
    wish = replace(simple(in_(600)), market_context=context(ven))
    expect_refused(await verdict(ven, name, event(name, wish, status="far", modification=0, **holes)), name)
    await alive(ven)


def _signals(inner: str, number: int = 1, **holes: str) -> str:
    """A SIMPLE signal with these intervals."""
    return signal(SIMPLE, simple(in_(600)), number, intervals=inner, **holes)


@case(
    "ven.event.duration-sum",
    rules=("32", "33"),
    says="An event whose intervals do not add up to its duration is refused.",
    sends="an event of 10 minutes with one interval of 5",
    expects="an error for it (459 for choice), and the next event taken",
    negative=True,
)
async def duration_sum(ven: Ven) -> None:
    await _refused(ven, duration="PT10M")


@case(
    "ven.event.uid-gap",
    rules=("33",),
    says="An event whose interval uids do not count from 0 is refused.",
    sends="an event with intervals 0 and 2",
    expects="an error for it (459 for choice), and the next event taken",
    negative=True,
)
async def uid_gap(ven: Ven) -> None:
    value = template.fill("signal_payload", value=1.0)
    inner = "".join(template.fill("interval", duration="PT150S", uid=uid, payloads=value) for uid in (0, 2))
    await _refused(ven, signals=_signals(inner))


@case(
    "ven.event.interval-dtstart",
    rules=("33",),
    level=SHOULD,
    says="A signal interval with a dtstart is refused.",
    sends="an event whose interval carries a dtstart",
    expects="an error for it, and the next event taken",
    negative=True,
)
async def interval_dtstart(ven: Ven) -> None:
    value = template.fill("signal_payload", value=1.0)
    inner = template.fill("interval", start=utc(plus_s=600), duration="PT300S", uid=0, payloads=value)
    await _refused(ven, signals=_signals(inner))


@case(
    "ven.event.two-values",
    rules=("33",),
    level=SHOULD,
    says="A signal interval with two values is refused.",
    sends="an event whose interval carries two signalPayloads",
    expects="an error for it, and the next event taken",
    negative=True,
)
async def two_values(ven: Ven) -> None:
    values = template.fill("signal_payload", value=1.0) + template.fill("signal_payload", value=2.0)
    await _refused(ven, signals=_signals(template.fill("interval", duration="PT300S", uid=0, payloads=values)))


@case(
    "ven.event.duplicate-signal-id",
    rules=("33",),
    says="An event with two signals of the same signalID is refused.",
    sends="an event with two SIMPLE signals, both with signalID 1",
    expects="an error for it (459 for choice), and the next event taken",
    negative=True,
)
async def duplicate_signal_id(ven: Ven) -> None:
    inner = intervals((1.0,), 300)
    await _refused(ven, signals=_signals(inner) + _signals(inner))


@case(
    "ven.event.baseline-sum",
    rules=("33",),
    level=SHOULD,
    says="An event whose baseline intervals do not add up to the baseline's duration is refused.",
    sends="an event with a baseline of 10 minutes that has one interval of 5",
    expects="an error for it, and the next event taken",
    negative=True,
)
async def baseline_sum(ven: Ven) -> None:
    baseline = template.fill(
        "baseline",
        start=utc(plus_s=600),
        duration="PT10M",
        intervals=intervals((500.0,), 300),
        baseline_id="baseline-1",
        name="usual",
        unit=template.fill("powerReal", scale="none"),
    )
    await _refused(ven, baseline=baseline)


@case(
    "ven.event.device-class",
    rules=("33", "48"),
    level=SHOULD,
    says="A signal for a device class that there is none of is refused.",
    sends="an event whose signal targets the endDeviceAsset Perpetual_Motion",
    expects="an error for it, and the next event taken",
    negative=True,
)
async def device_class(ven: Ven) -> None:
    await _refused(ven, signals=_signals(intervals((1.0,), 300), device_class="Perpetual_Motion"))


@case(
    "ven.event.duplicate-event-id",
    rules=("33",),
    level=SHOULD,
    says="Two events of the same eventID in one payload are not both taken.",
    sends="one eventID twice in an oadrDistributeEvent, with different starts",
    expects="an error for one of them at least, or for the whole; the next event taken",
    negative=True,
)
async def duplicate_event_id(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    before = await ven.send_events(made(ven, name), made(ven, name, start=in_(7200)))
    created = await ven.hears("oadrCreatedEvent", after=before)
    codes = (created.code, *created.texts(f"{response_path(name)}/ei:responseCode"))
    bad = [one for one in codes if one[:1] == "4"]
    expect(bool(bad), "an error of class 4", ", ".join(codes), created, ".//ei:responseCode")
    await alive(ven)


@case(
    "ven.event.request-event-reversed",
    rules=("23",),
    says="oadrRequestEvent goes from VEN to VTN only: a VEN that gets one refuses it.",
    sends="oadrRequestEvent to the VEN",
    expects="of a push VEN an error in the answer; of a polling VEN no oadrDistributeEvent; both go on",
    negative=True,
)
async def request_event_reversed(ven: Ven) -> None:
    await ven.bootstrapped()
    before = len(ven.heard)
    exchange = await ven.deliver(ven.write("oadrRequestEvent"))
    if ven.pushes:
        said = exchange.answer.code if exchange.answer is not None else ""
        good = said[:1] == "4" or exchange.status >= 400
        if not good:
            raise Failed("a responseCode 4xx, or a HTTP status 4xx", f"{exchange.status} {said}", exchange.answer, ".")
    else:
        await ven.hears_no("oadrDistributeEvent", for_s=QUIET_S, after=before)
    await alive(ven)


@case(
    "ven.event.overlap-of-contexts",
    rules=("18",),
    says="Events of two market contexts may overlap, and each is answered.",
    sends="two events at the same time, of different market contexts and priorities",
    expects="an answer with 200, optIn or optOut, to each",
)
async def overlap_of_contexts(ven: Ven) -> None:
    await ven.bootstrapped()
    first, second, start = fresh("event"), fresh("event"), in_(600)
    other = str(ven.parameters.get("other_market_context", "http://conformance.invalid/other-market"))
    before = await ven.send_events(
        made(ven, first, DISPATCH, start=start, priority=1, market=context(ven)),
        made(ven, second, DISPATCH, start=start, priority=2, market=other),
    )
    for name in (first, second):
        expect_taken(await ven.answered(name, after=before), name)


@case(
    "ven.event.error-keeps-responses",
    rules=("35",),
    says="eventResponses are left out only where the overall eiResponse is an error.",
    sends="an oadrDistributeEvent with another vtnID, then a good one",
    expects="no eventResponse with 200 in the first answer; eventResponses in the second",
    negative=True,
)
async def error_keeps_responses(ven: Ven) -> None:
    await ven.bootstrapped()
    name, before = fresh("event"), len(ven.heard)
    await ven.deliver(ven.distribution(made(ven, name), vtn_id="Somebody-Else"))
    wrong = await ven.hears("oadrCreatedEvent", after=before)
    expect_code(wrong, "4xx")
    expect_absent(wrong, ".//ei:eventResponse[ei:responseCode[normalize-space()='200']]")
    expect_taken(await offered(ven, name, made(ven, name)), name)
