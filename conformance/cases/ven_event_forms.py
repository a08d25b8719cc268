"""EiEvent at a VEN: the forms that a good event may have."""

from __future__ import annotations

from conformance import template
from conformance.case import case
from conformance.operator import DISPATCH, PRICE, SIMPLE, SignalWish, in_
from conformance.play import fresh, seconds
from conformance.play_vtn import intervals
from conformance.tested import Ven
from conformance.ven_steps import alive, expect_taken, made, offered


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
