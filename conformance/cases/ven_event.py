"""EiEvent at a VEN: what it accepts, and how it answers."""

from __future__ import annotations

from conformance import template
from conformance.case import case, expect, expect_code, expect_text
from conformance.operator import DISPATCH, PRICE, SIMPLE, SignalWish, in_
from conformance.play import fresh, seconds
from conformance.play_vtn import intervals, response_path
from conformance.tested import Ven
from conformance.ven_steps import alive, expect_taken, made, offered, unmentioned


def _echoed(event_id: str) -> str:
    return f"{response_path(event_id)}/pyld:requestID"


@case(
    "ven.event.accepts-simple",
    rules=("35", "56", "510"),
    certification=("E1_1020",),
    says="A VEN takes an event that it does not know, and opts in.",
    sends="a SIMPLE event in ten minutes; the VEN is set up to take part in such events",
    expects="oadrCreatedEvent with 200 and optIn for it",
    signed=True,
)
async def accepts_simple(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name)), name, "optIn")


@case(
    "ven.event.accepts-dispatch",
    rules=("510",),
    certification=("E1_1025",),
    says="A VEN supports LOAD_DISPATCH with a setpoint of real power.",
    sends="a LOAD_DISPATCH/setpoint event",
    expects="oadrCreatedEvent with 200 and optIn for it",
    signed=True,
)
async def accepts_dispatch(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, DISPATCH)), name, "optIn")


@case(
    "ven.event.accepts-price",
    rules=("510",),
    says="A VEN supports ELECTRICITY_PRICE with a price per kWh.",
    sends="an ELECTRICITY_PRICE/price event",
    expects="oadrCreatedEvent with 200 for it",
)
async def accepts_price(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, PRICE)), name)


@case(
    "ven.event.accepts-later-modification",
    rules=("56",),
    says="An event that the VEN does not know is taken whatever its modificationNumber.",
    sends="a new event with modificationNumber 4",
    expects="200 for it, with modificationNumber 4",
)
async def accepts_later_modification(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    created = await offered(ven, name, made(ven, name, modification=4))
    expect_taken(created, name)
    expect_text(created, f"{response_path(name)}/ei:qualifiedEventID/ei:modificationNumber", "4")


@case(
    "ven.event.echoes-request-id",
    rules=("42",),
    says="An eventResponse carries the requestID of the oadrDistributeEvent.",
    sends="an event, with a requestID of its own in the oadrDistributeEvent",
    expects="that requestID in the eventResponse",
)
async def echoes_request_id(ven: Ven) -> None:
    await ven.bootstrapped()
    name, request = fresh("event"), fresh("distribution")
    before = await ven.send_events(made(ven, name), request_id=request)
    expect_text(await ven.answered(name, after=before), _echoed(name), request)


@case(
    "ven.event.overall-request-id",
    rules=("42",),
    says="The requestID of the overall eiResponse is empty where there are eventResponses.",
    sends="an event",
    expects="an empty requestID in eiCreatedEvent/eiResponse",
)
async def overall_request_id(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    created = await offered(ven, name, made(ven, name))
    expect_text(created, "./pyld:eiCreatedEvent/ei:eiResponse/pyld:requestID", "")


@case(
    "ven.event.request-id-again",
    rules=("43",),
    says="A VEN assumes nothing about the uniqueness of requestIDs.",
    sends="two oadrDistributeEvent with the same requestID and different events",
    expects="an answer to each",
)
async def request_id_again(ven: Ven) -> None:
    await ven.bootstrapped()
    first, second, request = fresh("event"), fresh("event"), fresh("distribution")
    kept = made(ven, first)
    before = await ven.send_events(kept, request_id=request)
    expect_taken(await ven.answered(first, after=before), first)
    before = await ven.send_events(kept, made(ven, second, start=in_(7200)), request_id=request)
    created = await ven.answered(second, after=before)
    expect_taken(created, second)
    expect_text(created, _echoed(second), request)


@case(
    "ven.event.never-is-not-answered",
    rules=("12", "62"),
    says="An event with oadrResponseRequired never is not answered.",
    sends="one event with never",
    expects="no oadrCreatedEvent that names it",
)
async def never_is_not_answered(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    before = await ven.send_events(made(ven, name, required=False))
    await unmentioned(ven, name, after=before)


@case(
    "ven.event.always-and-never",
    rules=("12", "62"),
    says="In one oadrDistributeEvent each event is answered as its own oadrResponseRequired says.",
    sends="an event with never and one with always",
    expects="an answer to the second only",
)
async def always_and_never(ven: Ven) -> None:
    await ven.bootstrapped()
    silent, asked = fresh("event"), fresh("event")
    before = await ven.send_events(made(ven, silent, required=False), made(ven, asked, start=in_(7200)))
    expect_taken(await ven.answered(asked, after=before), asked)
    await unmentioned(ven, silent, after=before)


@case(
    "ven.event.unchanged-is-answered",
    rules=("12", "62"),
    says="An unchanged event is answered again if a response is required.",
    sends="the same event twice, always",
    expects="an answer to each oadrDistributeEvent",
)
async def unchanged_is_answered(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    same = made(ven, name)
    expect_taken(await offered(ven, name, same), name)
    expect_taken(await offered(ven, name, same), name)


@case(
    "ven.event.by-request-event",
    rules=("62", "405"),
    says="An event in the answer to oadrRequestEvent is answered like any other.",
    sends="an event in the answer to the first oadrRequestEvent",
    expects="oadrCreatedEvent with 200 for it",
)
async def by_request_event(ven: Ven) -> None:
    name = fresh("event")
    ven.events = (made(ven, name),)
    await ven.start()
    await ven.hears("oadrRequestEvent", within_s=15)
    expect_taken(await ven.answered(name), name)


@case(
    "ven.event.empty",
    rules=("62",),
    certification=("E1_1010",),
    says="An oadrDistributeEvent without events is understood.",
    sends="an empty oadrDistributeEvent, then one with an event",
    expects="no response to any event, then an answer to the event",
)
async def empty(ven: Ven) -> None:
    await ven.bootstrapped()
    before = await ven.send_events()
    path = ".//ei:eventResponse"
    await ven.hears_no("oadrCreatedEvent", where=lambda one: one.has(path), for_s=1.5, after=before)
    await alive(ven)


@case(
    "ven.event.two-events",
    rules=("12",),
    certification=("E1_1040",),
    says="Two events in one oadrDistributeEvent are both answered, in one oadrCreatedEvent or two.",
    sends="a SIMPLE event and an ELECTRICITY_PRICE event after it",
    expects="200 and optIn for each",
    signed=True,
)
async def two_events(ven: Ven) -> None:
    await ven.bootstrapped()
    simple, price = fresh("event"), fresh("event")
    before = await ven.send_events(made(ven, simple), made(ven, price, PRICE, start=in_(7200)))
    for name in (simple, price):
        expect_taken(await ven.answered(name, after=before), name, "optIn")


@case(
    "ven.event.four-events-of-three-intervals",
    rules=("32",),
    says="A VEN handles four events of three intervals each in one payload.",
    sends="four events, levels 1, 2, 3 in each",
    expects="200 for each",
)
async def four_events(ven: Ven) -> None:
    await ven.bootstrapped()
    levels = SignalWish(name="SIMPLE", type="level", unit="", values=(1, 2, 3))
    names = [fresh("event") for _ in range(4)]
    events = [made(ven, one, levels, start=in_(600 + 3600 * number)) for number, one in enumerate(names)]
    before = await ven.send_events(*events)
    for one in names:
        expect_taken(await ven.answered(one, after=before), one)


@case(
    "ven.event.twenty-four-intervals",
    rules=("32",),
    says="A VEN handles an event of 24 intervals.",
    sends="a SIMPLE event of 24 intervals",
    expects="200 for it",
)
async def twenty_four(ven: Ven) -> None:
    await ven.bootstrapped()
    levels = SignalWish(name="SIMPLE", type="level", unit="", values=(0, 1, 2, 3) * 6)
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, levels, every_s=3600)), name)


@case(
    "ven.event.long-texts",
    rules=("46",),
    says="An id of 50 characters and a comment of 250 are handled, and the id comes back whole.",
    sends="an event with an eventID of 50 characters and a vtnComment of 250",
    expects="200 for that eventID",
)
async def long_texts(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event").ljust(50, "x")
    expect_taken(await offered(ven, name, made(ven, name, comment="c" * 250)), name)


@case(
    "ven.event.all-options",
    rules=("31", "46"),
    says="Optional elements are understood when they come.",
    sends="an event with priority, comment, testEvent false, tolerance, ramp-up, recovery, currentValue and a baseline",
    expects="200 for it",
)
async def all_options(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(600)
    baseline = template.fill(
        "baseline",
        start=start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        duration="PT300S",
        intervals=intervals((500.0,), 300),
        baseline_id="baseline-1",
        name="usual",
        unit=template.fill("powerReal", scale="none"),
    )
    event = made(
        ven, name, DISPATCH, start=start, priority=3, startafter_s=10, comment="all of it", test="false",
        ramp_up="PT1M", recovery="PT1M", baseline=baseline,
    )  # fmt: skip
    expect_taken(await offered(ven, name, event), name)


@case(
    "ven.event.no-options",
    rules=("46",),
    says="Optional elements may be left out.",
    sends="an event without currentValue, notification, priority, comment and testEvent",
    expects="200 for it",
)
async def no_options(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    full = ven.distribution(made(ven, name))
    before = len(ven.heard)
    await ven.deliver(template.edited(full, drop=(".//ei:currentValue", ".//ei:x-eiNotification")))
    expect_taken(await ven.answered(name, after=before), name)


@case(
    "ven.event.negative-ramp-up",
    rules=("31",),
    says="A ramp-up and a recovery may be negative, and need not be acted upon.",
    sends="an event with x-eiRampUp and x-eiRecovery of -PT1M",
    expects="200 for it",
)
async def negative_ramp_up(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, ramp_up="-PT1M", recovery="-PT1M")), name)


@case(
    "ven.event.startafter",
    rules=("30", "31"),
    says="An event whose start is to be randomised is taken.",
    sends="an event with startafter of two minutes",
    expects="200 for it",
)
async def startafter(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, startafter_s=120)), name)


def _test_form(word: str, text: str) -> None:
    @case(
        f"ven.event.test-{word}",
        rules=("6",),
        says="A test event, or one whose testEvent says that it is none, is answered like any other.",
        sends=f"an event with testEvent {text!r}",
        expects="200 for it",
    )
    async def test_form(ven: Ven) -> None:
        await ven.bootstrapped()
        name = fresh("event")
        expect_taken(await offered(ven, name, made(ven, name, test=text)), name)


for _word, _text in (("true", "true"), ("word", "drill"), ("false", "false"), ("empty", "")):
    _test_form(_word, _text)


@case(
    "ven.event.several-signals",
    rules=("32", "46"),
    says="An event may hold several signals.",
    sends="an event with a SIMPLE and an ELECTRICITY_PRICE signal",
    expects="200 for it",
)
async def several_signals(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, SIMPLE, PRICE)), name)


@case(
    "ven.event.active-on-arrival",
    rules=("31", "56"),
    says="An event that began before it arrived is taken.",
    sends="an event that began a minute ago, status active",
    expects="200 for it",
)
async def active_on_arrival(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    event = made(ven, name, start=in_(-60), every_s=600, status="active")
    expect_taken(await offered(ven, name, event), name)


@case(
    "ven.event.completed-on-arrival",
    rules=("12",),
    says="An event that was over before it arrived is answered if a response is required.",
    sends="an event that ended a minute ago, status completed, always",
    expects="an oadrCreatedEvent that names it",
)
async def completed_on_arrival(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    await offered(ven, name, made(ven, name, start=in_(-360), every_s=300, status="completed"))
    await alive(ven)


@case(
    "ven.event.over-long-ago",
    rules=("12",),
    says="However long an event has been over, it is answered if a response is required.",
    sends="an event that ended two hours ago, status completed, always",
    expects="an oadrCreatedEvent that names it",
)
async def over_long_ago(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    await offered(ven, name, made(ven, name, start=in_(-10_800), every_s=3600, status="completed"))


@case(
    "ven.event.open-ended",
    rules=("47",),
    says="A duration of zero is an event without an end, and is taken.",
    sends="an event of duration zero, its one interval of zero",
    expects="200 for it, also when it comes again",
)
async def open_ended(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    event = made(ven, name, start=in_(-5), every_s=0, status="active", duration=seconds(0))
    expect_taken(await offered(ven, name, event), name)
    expect_taken(await offered(ven, name, event), name)


@case(
    "ven.event.status-by-clock",
    rules=("12", "56"),
    says="A new eventStatus, createdDateTime or currentValue under the same modificationNumber is no error.",
    sends="an event that is far, then the same as active with another currentValue",
    expects="200 for it both times",
)
async def status_by_clock(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(2)
    expect_taken(await offered(ven, name, made(ven, name, start=start, status="far")), name)
    expect_taken(await offered(ven, name, made(ven, name, start=start, status="active")), name)


@case(
    "ven.event.error-is-survived",
    rules=("33",),
    says="A VEN survives an error in the answer to its oadrCreatedEvent.",
    sends="459 in the oadrResponse to the VEN's oadrCreatedEvent, and a good event after it",
    expects="200 for the next event",
    certification=("A_E0_0092",),
)
async def error_is_survived(ven: Ven) -> None:
    await ven.bootstrapped()
    ven.answers["oadrCreatedEvent"] = lambda message: ven.write("oadrResponse", request_id="", code="459")
    name = fresh("event")
    await offered(ven, name, made(ven, name))
    del ven.answers["oadrCreatedEvent"]
    await alive(ven)


@case(
    "ven.event.created-event",
    rules=("21", "35", "511"),
    says="An oadrCreatedEvent goes to EiEvent with the venID, overall code 200, and a response to each event.",
    sends="an event",
    expects="an oadrCreatedEvent like that",
)
async def created_event(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    created = await offered(ven, name, made(ven, name))
    expect_code(created, "200")
    expect_text(created, "./pyld:eiCreatedEvent/ei:venID", ven.ven_id)
    path = next(one.path for one, said in zip(ven.paths, ven.heard, strict=True) if said is created)
    expect(path.endswith("/OpenADR2/Simple/2.0b/EiEvent"), "a POST to …/OpenADR2/Simple/2.0b/EiEvent", path, created)
