"""Whatever a charger says is understood or refused, and leaves a connector in a state that can be reckoned with."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openadr_ra.drivers import VirtualClock
from tests.drivers.counterparts import need_package

need_package("ocpp", "ocpp")
need_package("websockets", "ocpp")

# Only here they can be had.
from openadr_ra.drivers.ocpp.dialect import Authority, Dialect, NotKnown, NotUnderstood  # noqa: E402
from openadr_ra.drivers.ocpp.limits import Limits  # noqa: E402
from openadr_ra.drivers.ocpp.session import Session  # noqa: E402
from openadr_ra.drivers.ocpp.settings import OcppSettings  # noqa: E402
from openadr_ra.drivers.ocpp.v16 import V16  # noqa: E402
from openadr_ra.drivers.ocpp.v201 import V201  # noqa: E402

AUTHORITY = Authority(permits=lambda tag: True, number=lambda: 7)
TOLD = OcppSettings(charge_point="CP_1", departs="07:00", need_kwh=5.0)

ODD: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, 1, -1, 10**400, 1e308, float("nan"), float("inf"), "", "1", "-7.5", "NaN", "x", [], {}, [[]]]
)
TIMES = st.sampled_from(
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:01:00+09:00",
        "2026-01-01T00:00:00",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "yesterday",
        "",
    ]
)


def of(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Objects with these fields; now and then some are missing or odd, or it is none."""
    plain: st.SearchStrategy[object] = st.fixed_dictionaries(fields)
    broken = st.fixed_dictionaries({}, optional={key: st.one_of(value, ODD) for key, value in fields.items()})
    return st.integers(0, 15).flatmap(lambda die: plain if die < 14 else broken if die < 15 else ODD)


def words(*some: str) -> st.SearchStrategy[object]:
    return st.sampled_from(some)


def several(one: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(one, max_size=3)


NUMBERS = st.one_of(st.floats(), st.integers(-(10**20), 10**20), st.sampled_from(["1", "7.5", "NaN", "inf", "x"]))
MEASURAND = words("Power.Active.Import", "Energy.Active.Import.Register", "SoC", "Current.Import", "Voltage")
SAMPLED = of(
    value=NUMBERS,
    measurand=MEASURAND,
    context=words("Trigger", "Sample.Periodic"),
    unit=words("W", "kWh", "A"),
    unitOfMeasure=of(unit=words("W", "Wh"), multiplier=st.integers(-400, 400)),
)
METERED = several(of(timestamp=TIMES, sampledValue=several(SAMPLED)))
EVSE = of(id=st.integers(0, 2))
TRANSACTION = of(transactionId=words("7", "8", ""), chargingState=words("Charging", "Idle", "SuspendedEV", "Flying"))

SAID = st.one_of(
    st.tuples(
        words("StatusNotification"),
        of(
            connectorId=st.integers(0, 2),
            status=words("Charging", "Available", "Preparing", "Faulted", "SuspendedEV"),
            evseId=st.integers(0, 2),
            connectorStatus=words("Occupied", "Available", "Faulted"),
        ),
    ),
    st.tuples(words("StartTransaction"), of(connectorId=st.just(1), idTag=words("T"), meterStart=NUMBERS)),
    st.tuples(words("StopTransaction"), of(transactionId=st.integers(-1, 8))),
    st.tuples(
        words("MeterValues"),
        of(connectorId=st.just(1), evseId=st.just(1), transactionId=st.integers(-1, 8), meterValue=METERED),
    ),
    st.tuples(
        words("TransactionEvent"),
        of(
            eventType=words("Started", "Updated", "Ended"),
            timestamp=TIMES,
            triggerReason=words("Trigger", "Authorized"),
            offline=st.booleans(),
            transactionInfo=TRANSACTION,
            evse=EVSE,
            meterValue=METERED,
        ),
    ),
    st.tuples(
        words("NotifyEVChargingNeeds"),
        of(
            evseId=st.just(1),
            chargingNeeds=of(departureTime=TIMES, acChargingParameters=of(energyAmount=NUMBERS)),
        ),
    ),
    st.tuples(words("Authorize", "BootNotification", "Heartbeat", "DataTransfer", "NotifyEvent", "Moo", ""), ODD),
)


@pytest.mark.parametrize("dialect", [V16(), V201()], ids=lambda one: one.subprotocol)
@settings(max_examples=150, deadline=None)
@given(st.lists(SAID, max_size=6))
def test_whatever_a_charger_says_a_connector_can_be_reckoned_with(
    dialect: Dialect, said: list[tuple[str, object]]
) -> None:
    clock = VirtualClock()
    session = Session(TOLD, clock)
    limits = Limits(TOLD, session)
    for action, payload in said:
        try:
            heard = dialect.hear(action, payload, clock.now(), AUTHORITY)
        except (NotUnderstood, NotKnown):
            continue
        json.dumps(msgspec.to_builtins(heard.reply))
        for fact in heard.facts:
            session.learn(fact)

    now = clock.now()
    reach = limits.reach(now, None)
    assert 0 <= reach.low_kw <= reach.high_kw <= 6
    assert 0 <= session.given_kwh < float("inf")
    assert session.sampled_at is None or session.sampled_at <= now
    profile = limits.profile(2.0, now, now + timedelta(minutes=5), limits.must_charge_at(now, 2.0))
    assert profile.until - profile.start >= timedelta(minutes=5)
    json.dumps(msgspec.to_builtins(dialect.set_profile(profile).payload))


ANSWERS = of(
    status=words("Accepted", "Rejected", "Maybe"),
    scheduleStart=TIMES,
    chargingSchedule=of(
        chargingRateUnit=words("A", "W"),
        startSchedule=TIMES,
        chargingSchedulePeriod=several(
            of(startPeriod=st.integers(0, 100), limit=NUMBERS, numberPhases=st.integers(-1, 4))
        ),
    ),
    schedule=of(
        scheduleStart=TIMES,
        chargingRateUnit=words("A", "W"),
        chargingSchedulePeriod=several(of(startPeriod=st.integers(0, 100), limit=NUMBERS)),
    ),
    setVariableResult=several(of(attributeStatus=words("Accepted", "Rejected"))),
)


@pytest.mark.parametrize("dialect", [V16(), V201()], ids=lambda one: one.subprotocol)
@settings(max_examples=150, deadline=None)
@given(ANSWERS)
def test_whatever_a_charger_answers_is_understood_or_not(dialect: Dialect, answer: object) -> None:
    now = VirtualClock().now()
    for read in (dialect.taken, lambda one: dialect.read_composite(one, now)):
        try:
            found = read(answer)
        except NotUnderstood:
            continue
        if not isinstance(found, bool) and found is not None:
            assert 0 <= found.limit < float("inf")
