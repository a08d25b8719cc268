"""EiEvent at a VEN: what becomes of an event, seen through the VEN's own usage report.

A VEN whose reported power does not follow a setpoint shows nothing of this, and the cases are not for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from conformance.case import NotSupported, case, expect
from conformance.operator import in_
from conformance.play import fresh, seconds
from conformance.tested import Ven
from conformance.ven_meter import Meter, dispatch, expect_not_before, near
from conformance.ven_steps import made, offered

MARGIN_S = 8.0
"""How much later than it should an effect may show: a device's own time, the report's, and a slow machine's."""


def _watts(ven: Ven) -> float:
    return float(ven.parameters.get("setpoint_w", 1000.0))


async def _running(ven: Ven, *, startafter_s: int = 0, duration: str | None = None) -> tuple[Meter, str, datetime]:
    """A meter, and an event of `_watts` that runs and can be seen to: its eventID and its start."""
    await ven.bootstrapped()
    meter, name, watts, start = await Meter.of(ven), fresh("event"), _watts(ven), in_(-startafter_s - 2)
    every_s = 600 if duration is None else 0
    event = made(
        ven, name, dispatch(watts), start=start, every_s=every_s, status="active", startafter_s=startafter_s,
        duration=duration or seconds(every_s),
    )  # fmt: skip
    await offered(ven, name, event)
    if await meter.until(lambda one: near(one, watts)) is None:
        raise NotSupported("the power in the VEN's usage report does not follow a setpoint")
    return meter, name, start


@case(
    "ven.event.effect-of-time",
    rules=("31", "32"),
    says="An event acts from its dtstart to its end, with the value of each interval.",
    sends="a LOAD_DISPATCH event that begins in 3 s, with two intervals of 5 s",
    expects="each value in the VEN's usage report, not before its time, and none after the end",
    within_s=60,
)
async def effect_of_time(ven: Ven) -> None:
    await _running(ven)
    meter = await Meter.of(ven)
    await ven.send_events()
    watts = _watts(ven)
    await meter.leaves(watts)
    name, start = fresh("event"), in_(3)
    await offered(ven, name, made(ven, name, dispatch(2 * watts, watts), start=start, every_s=5))
    step_s = max(1.0, meter.point.min_s)
    expect_not_before(await meter.shows(2 * watts, within_s=3 + MARGIN_S), start, step_s)
    expect_not_before(await meter.shows(watts, within_s=5 + MARGIN_S), start + timedelta(seconds=5), step_s)
    await meter.leaves(watts, within_s=5 + MARGIN_S)


@case(
    "ven.event.effect-of-test",
    rules=("6",),
    says="A test event is not acted upon.",
    sends="a real setpoint, its cancellation, then another setpoint in a test event",
    expects="the first in the VEN's usage report, the second not",
    within_s=60,
)
async def effect_of_test(ven: Ven) -> None:
    meter, _, _ = await _running(ven)
    watts = _watts(ven)
    await ven.send_events()
    await meter.leaves(watts)
    name = fresh("event")
    drill = made(ven, name, dispatch(2 * watts), start=in_(-1), status="active", test="true")
    await offered(ven, name, drill)
    await meter.stays(lambda one: not near(one, 2 * watts), f"never {2 * watts:g} W for a test", for_s=4)


@case(
    "ven.event.effect-of-modification",
    rules=("57",),
    says="The content of the higher modificationNumber is what holds.",
    sends="a running setpoint, then another under modificationNumber 1",
    expects="the second value in the VEN's usage report",
)
async def effect_of_modification(ven: Ven) -> None:
    meter, name, start = await _running(ven)
    watts = _watts(ven)
    again = made(ven, name, dispatch(2 * watts), start=start, every_s=600, status="active", modification=1)
    await offered(ven, name, again, modification=1)
    await meter.shows(2 * watts)


@case(
    "ven.event.effect-of-cancellation",
    rules=("36", "59"),
    says="A cancelled event that was acknowledged by optIn acts no more.",
    sends="a running setpoint, then its cancellation",
    expects="another value in the VEN's usage report",
)
async def effect_of_cancellation(ven: Ven) -> None:
    meter, name, start = await _running(ven)
    watts = _watts(ven)
    gone = made(ven, name, dispatch(watts), start=start, every_s=600, status="cancelled", modification=1)
    await offered(ven, name, gone, modification=1)
    await meter.leaves(watts)


@case(
    "ven.event.effect-of-implied-cancel",
    rules=("61",),
    says="An event that is left out acts no more.",
    sends="a running setpoint, then an empty oadrDistributeEvent",
    expects="another value in the VEN's usage report",
)
async def effect_of_implied_cancel(ven: Ven) -> None:
    meter, _, _ = await _running(ven)
    await ven.send_events()
    await meter.leaves(_watts(ven))


@case(
    "ven.event.effect-of-open-end",
    rules=("47",),
    says="An event of duration zero acts until it is cancelled.",
    sends="a setpoint of duration zero that began a moment ago; after some seconds its cancellation",
    expects="the value in the VEN's usage report until then, and not after it",
    within_s=45,
)
async def effect_of_open_end(ven: Ven) -> None:
    meter, name, start = await _running(ven, duration=seconds(0))
    watts = _watts(ven)
    await meter.stays(lambda one: near(one, watts), f"{watts:g} W until cancelled", for_s=4)
    gone = made(
        ven, name, dispatch(watts), start=start, every_s=0, status="cancelled", modification=1, duration=seconds(0)
    )
    await offered(ven, name, gone, modification=1)
    await meter.leaves(watts)


@case(
    "ven.event.effect-of-startafter",
    rules=("30",),
    says="The start of an event with startafter is between dtstart and dtstart + startafter.",
    sends="a setpoint that begins in 3 s with startafter 5 s",
    expects="the value in the VEN's usage report, not before dtstart, and soon after the last moment at the latest",
    within_s=60,
)
async def effect_of_startafter(ven: Ven) -> None:
    await _randomised(ven, startafter_s=5)


async def _randomised(ven: Ven, *, startafter_s: int) -> float:
    """How many seconds after dtstart the effect of a randomised event showed."""
    meter, _, _ = await _running(ven)
    watts = _watts(ven)
    await ven.send_events()
    await meter.leaves(watts)
    name, start = fresh("event"), in_(3)
    event = made(ven, name, dispatch(2 * watts), start=start, every_s=600, startafter_s=startafter_s)
    await offered(ven, name, event)
    shown = await meter.shows(2 * watts, within_s=3 + startafter_s + MARGIN_S)
    expect_not_before(shown, start, max(1.0, meter.point.min_s))
    return (shown.at - start).total_seconds()


@case(
    "ven.event.effect-of-startafter-varies",
    rules=("30",),
    says="The start within startafter is chosen at random.",
    sends="four setpoints, one after the other, each with startafter 60 s",
    expects="starts that are not all within 3 s of the same time after dtstart",
    slow=True,
    within_s=600,
)
async def effect_of_startafter_varies(ven: Ven) -> None:
    offsets = [await _randomised(ven, startafter_s=60)]
    watts = _watts(ven)
    for _ in range(3):
        await ven.send_events()
        meter, name = await Meter.of(ven), fresh("event")
        # What runs may end as late as startafter says (rule 65).
        await meter.leaves(2 * watts, within_s=60 + MARGIN_S)
        start = in_(3)
        event = made(ven, name, dispatch(2 * watts), start=start, every_s=600, startafter_s=60)
        await offered(ven, name, event)
        offsets.append(((await meter.shows(2 * watts, within_s=63 + MARGIN_S)).at - start).total_seconds())
    said = ", ".join(f"{one:.0f}" for one in offsets)
    expect(max(offsets) - min(offsets) > 3, "different times after dtstart", f"{said} s after it")


@case(
    "ven.event.effect-of-startafter-kept",
    rules=("30",),
    says="A running event with startafter goes on when it is modified: it does not start again.",
    sends="a running setpoint with startafter 30 s, then another value under modificationNumber 1",
    expects="one value, then the other, and nothing between them",
)
async def effect_of_startafter_kept(ven: Ven) -> None:
    meter, name, start = await _running(ven, startafter_s=30)
    watts = _watts(ven)
    again = made(
        ven, name, dispatch(2 * watts), start=start, every_s=600, status="active", modification=1, startafter_s=30
    )
    await offered(ven, name, again, modification=1)
    changed = await meter.until(lambda one: not near(one, watts))
    good = changed is not None and changed.watts > 0.9 * watts
    expect(good, f"{2 * watts:g} W after {watts:g} W", "nothing new" if changed is None else f"{changed.watts:g} W")


@case(
    "ven.event.effect-of-randomised-end",
    rules=("65",),
    says="A running event with startafter that is cancelled ends within startafter.",
    sends="a running setpoint with startafter 5 s, then its cancellation",
    expects="another value in the VEN's usage report soon after 5 s at the latest",
    within_s=45,
)
async def effect_of_randomised_end(ven: Ven) -> None:
    meter, name, start = await _running(ven, startafter_s=5)
    watts = _watts(ven)
    gone = made(
        ven, name, dispatch(watts), start=start, every_s=600, status="cancelled", modification=1, startafter_s=5
    )
    await offered(ven, name, gone, modification=1)
    await meter.leaves(watts, within_s=5 + MARGIN_S)


@case(
    "ven.event.effect-of-early-completed",
    rules=("66",),
    says="A VEN goes by its own clock: an eventStatus completed does not stop an event that runs still.",
    sends="a running setpoint with startafter, then the same with eventStatus completed",
    expects="the same value in the VEN's usage report for some seconds more",
)
async def effect_of_early_completed(ven: Ven) -> None:
    meter, name, start = await _running(ven, startafter_s=10)
    watts = _watts(ven)
    done = made(ven, name, dispatch(watts), start=start, every_s=600, status="completed", startafter_s=10)
    await offered(ven, name, done)
    await meter.stays(lambda one: near(one, watts), f"{watts:g} W still", for_s=4)


@case(
    "ven.event.effect-of-priority",
    rules=("18",),
    says="Where events of two market contexts overlap the one of higher priority holds.",
    sends="two running setpoints of two market contexts, priorities 2 and 1, the second with another value",
    expects="the value of priority 1 in the VEN's usage report",
)
async def effect_of_priority(ven: Ven) -> None:
    meter, _, _ = await _running(ven)
    watts, low, high, start = _watts(ven), fresh("event"), fresh("event"), in_(-2)
    other = str(ven.parameters.get("other_market_context", "http://conformance.invalid/other-market"))
    before = await ven.send_events(
        made(ven, high, dispatch(2 * watts), start=start, every_s=600, status="active", priority=1, market=other),
        made(ven, low, dispatch(watts), start=start, every_s=600, status="active", priority=2),
    )
    await ven.answered(high, after=before)
    await meter.shows(2 * watts)
    await meter.stays(lambda one: near(one, 2 * watts), f"{2 * watts:g} W of priority 1", for_s=3)
