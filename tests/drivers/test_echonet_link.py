"""The driver `echonet` on its network: one socket for many drivers, lost and late answers, nodes that come and go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from openadr_ra.drivers import Guard, VirtualClock
from openadr_ra.drivers.echonet import codes
from openadr_ra.drivers.echonet.frame import CONTROLLER, Eoj, Frame, Property, Service, write
from openadr_ra.drivers.echonet.link import PORT
from openadr_ra.drivers.echonet.simulated import Node
from openadr_ra.drivers.echonet.simulated_devices import SimulatedBattery, SimulatedPv
from openadr_ra.drivers.simulated.battery import BatterySettings
from openadr_ra.drivers.virtual_clock import settle
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD, NO_VALUE
from openadr_ra.seams import Ack, Measurement
from tests.drivers.echonet_site import HASTY_S, SOON_S, BatterySite, address, echonet, is_free
from tests.drivers.makers import MINUTE_S, after, setpoint

BATTERY = Eoj(kind=0x027D)


NONSENSE = (b"", b"\x10", b"\x10\x81\x00", b"\xff" * 64, b"\x10\x82" + b"\0" * 30)


def lie(tid: int, *, source: Eoj = BATTERY, service: Service = Service.GET_RES) -> bytes:
    """That the battery holds 7 %."""
    said = (Property(epc=codes.REMAINING_PERCENT, edt=b"\x07"),)
    return write(Frame(tid=tid, source=source, target=CONTROLLER, service=service, properties=said))


@contextmanager
def at(host: str, port: int) -> Iterator[socket.socket]:
    """Another program's UDP socket."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind((host, port))
        yield other


# One socket


async def test_drivers_at_one_address_share_one_socket_and_leave_it_free_in_the_end() -> None:
    clock, here, there = VirtualClock(), address(), address()
    local = address()
    devices = (SimulatedBattery(clock), SimulatedPv(clock), SimulatedBattery(clock, instance=2))
    async with Node(here, devices, clock), Node(there, (SimulatedBattery(clock),), clock):
        async with (
            echonet(clock, here, local_address=local) as first,
            echonet(clock, here, local_address=local, kind="pv") as second,
            echonet(clock, here, local_address=local, instance=2) as third,
        ):
            async with echonet(clock, there, local_address=local) as fourth:
                await asyncio.gather(
                    *(one.apply(setpoint(kw)) for one, kw in ((first, -1.0), (third, 2.0), (fourth, -3.0)))
                )
                readings = await asyncio.gather(*(one.read() for one in (first, second, third, fourth)))
            still = await first.read()
        free = is_free(local)

    assert [reading.kw for reading in readings] == [-1.0, -3.0, 2.0, -3.0]
    assert still.kw == -1.0
    assert free


async def test_a_port_that_another_program_has_is_told_with_its_cure_and_taken_when_it_is_free() -> None:
    local = address()
    async with BatterySite(local_address=local) as site:
        with at(local, PORT):
            reading = await site.driver.read()
            ack = await site.apply(-1.0)
        later = await site.apply(-1.0)

    assert (reading.online, reading.quality) == (False, NO_VALUE)
    assert ack.outcome == "unreachable"
    assert ack.reason == f"UDP port 3610 of {local} cannot be had, by one program only: Address already in use"
    assert later.outcome == "accepted"


async def test_a_driver_that_was_not_entered_reaches_nothing() -> None:
    driver = echonet(VirtualClock(), address())

    assert (await driver.read()).quality == NO_VALUE
    assert await driver.release("over") == Ack(outcome="unreachable", reason="its driver was not entered")


async def test_a_driver_may_be_entered_again() -> None:
    async with BatterySite() as site:
        await site.driver.__aexit__(None, None, None)
        away = await site.driver.read()
        await site.driver.__aenter__()
        back = await site.driver.read()

    assert (away.online, back.online) == (False, True)


# Lost, late and foreign frames


async def test_a_question_that_is_lost_is_asked_again() -> None:
    async with BatterySite() as site:
        site.node.lost = 1
        reading = await site.driver.read()

    assert (reading.soc_percent, reading.quality) == (50.0, GOOD)


async def test_a_slow_node_is_waited_for() -> None:
    """Each answer takes it a minute; how long is too long is for the settings to say."""
    async with BatterySite() as site:
        site.node.delay_s = MINUTE_S
        call = asyncio.create_task(site.apply(-1.0))
        await site.clock.advance(after(MINUTE_S - 1))
        early = call.done()
        while not call.done():
            await site.clock.advance(after((site.clock.now() - after(0)).total_seconds() + 1))
        ack = await call

    assert not early
    assert ack == Ack(outcome="accepted", effective_kw=-1.0)


async def test_a_node_that_is_too_slow_is_out_of_reach_until_it_is_not() -> None:
    async with BatterySite(timeout_s=SOON_S) as site:
        site.node.delay_s = MINUTE_S
        ack = await site.apply(-1.0)
        site.node.delay_s = 0.0
        reading = await site.driver.read()

    assert ack == Ack(outcome="unreachable", reason=f"{site.node.address} gave no answer within 1 s")
    assert (reading.online, reading.quality) == (True, GOOD)


async def test_a_node_that_says_nonsense_is_out_of_reach_until_it_does_not() -> None:
    async def around(nonsense: bytes) -> tuple[Measurement, Measurement]:
        async with BatterySite(timeout_s=SOON_S) as site:
            site.node.nonsense = nonsense
            away = await site.driver.read()
            site.node.nonsense = None
            return away, await site.driver.read()

    for away, back in await asyncio.gather(*map(around, NONSENSE)):
        assert (away.online, away.quality) == (False, NO_VALUE)
        assert (back.online, back.soc_percent) == (True, 50.0)


async def test_answers_of_strangers_of_other_objects_and_to_other_questions_do_not_count() -> None:
    """They come with the right number, before the true one."""
    local = address()
    async with BatterySite(local_address=local) as site:
        await site.driver.read()
        site.node.lost = 1
        call = asyncio.create_task(site.driver.read())
        await settle()
        with at(address(), 0) as stranger, at(site.node.address, 0) as node:
            for tid in range(1, 9):
                stranger.sendto(lie(tid), (local, PORT))
                node.sendto(lie(tid, source=Eoj(kind=0x027D, instance=2)), (local, PORT))
                node.sendto(lie(tid, source=Eoj(kind=0x0279)), (local, PORT))
                node.sendto(lie(tid, service=Service.INF), (local, PORT))
                node.sendto(lie(tid, service=Service.SET_RES), (local, PORT))
        reading = await call

    assert reading.soc_percent == 50.0


async def test_an_answer_that_comes_again_later_changes_nothing() -> None:
    local = address()
    async with BatterySite(local_address=local) as site:
        await site.driver.read()
        with at(site.node.address, 0) as node:
            for tid in range(1, 9):
                node.sendto(lie(tid), (local, PORT))
            await settle()
        reading = await site.driver.read()

    assert reading.soc_percent == 50.0


async def test_a_notice_that_wants_to_be_confirmed_is_confirmed() -> None:
    local = address()
    async with BatterySite(local_address=local) as site:
        await site.driver.read()
        before = site.node.questions
        notice = Frame(
            tid=7, source=BATTERY, target=CONTROLLER, service=Service.INFC, properties=(Property(epc=0x80, edt=b"0"),)
        )
        with at(site.node.address, 0) as node:
            node.sendto(write(notice), (local, PORT))
            await site.driver.read()
            await site.driver.read()

    assert site.node.questions == before + 3


# Nodes that come and go


async def test_a_node_that_was_unplugged_and_comes_back_with_its_own_settings_is_not_overridden() -> None:
    async with BatterySite(timeout_s=SOON_S) as site:
        await site.apply(-2.0)
        known = await site.driver.read()
        await site.node.__aexit__(None, None, None)
        away = await site.reach(MINUTE_S)
        site.device.settings |= {codes.MODE: codes.AUTO, codes.REMOTE: codes.LAST_LOCAL}
        site.device.go_to(None)
        await site.node.__aenter__()
        back = await site.reach(2 * MINUTE_S)
        ack = await site.apply(-2.0)

    assert (away.online, away.quality, away.kw, away.at) == (False, COMM_FAILURE, -2.0, known.at)
    assert (back.online, back.kw, back.local_override) == (True, 0.0, False)
    assert ack == Ack(outcome="accepted", effective_kw=-2.0)
    assert site.device.kw == -2.0


async def test_a_node_that_goes_in_the_middle_of_an_order_takes_it_when_it_is_back() -> None:
    """Maps, facts, a look, the power, the mode, what became of it: it goes before each of them, and after all."""

    async def around(answers: int) -> None:
        async with BatterySite(timeout_s=SOON_S) as site:
            site.node.answers = answers
            gone = await site.apply(-2.0)
            site.node.answers = 100
            ack = await site.apply(-2.0)
            released = await site.driver.release("over")

        assert gone.outcome == ("accepted" if answers == 6 else "unreachable")
        assert ack == Ack(outcome="accepted", effective_kw=-2.0)
        assert (released.outcome, site.device.settings[codes.MODE]) == ("accepted", codes.AUTO)

    await asyncio.gather(*map(around, range(7)))


@pytest.mark.parametrize(("away_s", "anew"), [(59.0, False), (60.0, True)])
async def test_a_node_that_was_away_for_a_minute_is_asked_anew_what_it_is(away_s: float, anew: bool) -> None:
    """It may have been replaced."""
    async with BatterySite(timeout_s=SOON_S) as site:
        first = await site.driver.describe()
        site.node.answers = 0
        await site.driver.read()
        larger = BatterySettings(power_kw=8.0)
        other = Node(site.node.address, (SimulatedBattery(site.clock, larger),), site.clock)
        await site.node.__aexit__(None, None, None)
        async with other:
            await site.reach(away_s)
            later = await site.driver.describe()

    assert first.max_kw == 5.0
    assert later.max_kw == (8.0 if anew else 5.0)


async def test_a_device_that_was_never_heard_is_what_the_settings_say() -> None:
    told = {"min_kw": -4.0, "max_kw": 3.0, "capacity_kwh": 12.0, "metering_point": "meter-1", "timeout_s": HASTY_S}
    async with echonet(VirtualClock(), address(), **told) as driver:
        described = await driver.describe()
    async with echonet(VirtualClock(), address(), timeout_s=HASTY_S) as driver:
        unknown = await driver.describe()

    assert (described.kind, described.min_kw, described.max_kw) == ("battery", -4.0, 3.0)
    assert described.metering_point == "meter-1"
    assert described.energy is not None
    assert described.energy.capacity_kwh == 12.0
    assert (unknown.min_kw, unknown.max_kw, unknown.energy) == (0.0, 0.0, None)


async def test_the_guard_ends_a_lease_for_a_battery_that_has_no_timer_of_its_own() -> None:
    async with BatterySite() as site, Guard(site.driver, site.clock, timeout_s=60.0) as guard:
        await guard.apply(setpoint(-2.0, until_s=30.0))
        await site.clock.advance(after(29.9))
        before = site.device.kw
        await site.clock.advance(after(30.0))
        reading = await guard.read()

    assert before == -2.0
    assert (reading.kw, site.device.settings[codes.MODE]) == (0.0, codes.AUTO)
