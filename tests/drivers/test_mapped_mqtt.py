"""The driver `mapped-mqtt` at a real broker, and at the other end of it a battery with a client of its own."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openadr_ra.drivers import check_driver
from openadr_ra.drivers.promises import PROMISES
from openadr_ra.drivers.virtual_clock import VirtualClock
from openadr_ra.errors import SettingsError
from openadr_ra.programs import certs
from openadr_ra.protocol.parts import COMM_FAILURE, DEVICE_FAILURE, GOOD, LOCAL_OVERRIDE, UNCERTAIN
from tests.drivers.counterparts import need_package, need_program
from tests.drivers.makers import setpoint

need_package("aiomqtt", "mqtt")
need_program("mosquitto", "mosquitto")

import aiomqtt  # noqa: E402 - only where it is installed

from tests.drivers.mapped_mqtt import (  # noqa: E402
    PATIENCE_S,
    Bay,
    Broker,
    Device,
    Yard,
    bay,
    driver,
    points,
    turn,
)
from tests.drivers.mapped_plant import Plant  # noqa: E402

PASSWORD = "nobody-must-see-it"  # noqa: S105 - a test's


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with Broker(tmp_path) as running:
        yield running


@asynccontextmanager
async def listener(broker: Broker, *topics: str) -> AsyncIterator[asyncio.Queue[tuple[str, str, bool]]]:
    """What is said on these topics: topic, payload, whether it was retained."""
    heard: asyncio.Queue[tuple[str, str, bool]] = asyncio.Queue()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            heard.put_nowait((message.topic.value, bytes(message.payload).decode(), message.retain))

    async with aiomqtt.Client("127.0.0.1", broker.port, timeout=PATIENCE_S) as client, asyncio.TaskGroup() as group:
        await client.subscribe([(topic, 1) for topic in topics])
        listening = group.create_task(listen(client))
        yield heard
        listening.cancel()


async def test_a_battery_behind_a_broker_keeps_every_promise(broker: Broker) -> None:
    async with Yard(broker) as yard:
        shown = await check_driver(
            yard.driver,
            unreachable=yard.gone,
            overridden=lambda clock: yard.driver(clock, -2.0),
            settle=yard.settled,
            deadline_s=PATIENCE_S,
        )

    assert shown == tuple(promise.name for promise in PROMISES)


async def test_set_to_minus_one_kw_the_battery_discharges(broker: Broker) -> None:
    """Power and time go in one message, the mode in another, which is a plain word."""
    async with bay(broker) as site:
        ack = await site.driver.apply(setpoint(-1.0, until_s=600))
        await site.wait(360)
        found = await site.driver.read()

    assert (ack.outcome, ack.effective_kw) == ("accepted", -1.0)
    assert site.device.heard == [("bat/cmd/power", '{"s":600,"kw":-1}'), ("bat/cmd/mode", "REMOTE")]
    assert (found.kw, found.export_kwh, found.soc_percent) == pytest.approx((-1.0, 0.1, 40.0))


async def test_set_to_one_kw_the_battery_charges(broker: Broker) -> None:
    async with bay(broker) as site:
        await site.driver.apply(setpoint(1.0))
        await site.wait(360)
        found = await site.driver.read()

    assert (found.kw, found.import_kwh, found.soc_percent) == pytest.approx((1.0, 0.1, 60.0))


async def test_a_maker_that_counts_generation_in_w_is_understood(broker: Broker) -> None:
    turned = {"unit": "W", "sign": "generation"}
    mapped = points(power={"at": "bat/w"} | turned, setpoint={"at": "bat/cmd/w"} | turned, lease=None)
    async with bay(broker, points=mapped) as site, listener(broker, "bat/cmd/w") as heard:
        assert site.device.client is not None
        await site.device.client.publish("bat/w", "1500", qos=1, retain=True)
        assert (await site.until_good()).kw == -1.5
        await site.driver.apply(setpoint(-2.5))

        assert await heard.get() == ("bat/cmd/w", "2500", False)


@pytest.mark.parametrize(("asked", "effective"), [(-5.0, -5.0), (-5.1, -5.0), (5.0, 5.0), (5.1, 5.0)])
async def test_its_limits_hold_over_mqtt(broker: Broker, asked: float, effective: float) -> None:
    async with bay(broker) as site:
        ack = await site.driver.apply(setpoint(asked))
        await site.wait(0)

    assert (ack.outcome, ack.effective_kw) == ("accepted" if asked == effective else "clamped", effective)
    assert site.plant.setpoint_kw == effective


async def test_the_batterys_own_timer_ends_what_nobody_renews(broker: Broker) -> None:
    async with bay(broker) as site:
        await site.driver.apply(setpoint(-1.0, until_s=30))
        await site.wait(29)
        assert (await site.driver.read()).kw == -1.0
        await site.wait(1)
        found = await site.driver.read()

    assert (found.kw, found.local_override) == (0.0, False)


async def test_released_the_battery_leads_itself(broker: Broker) -> None:
    async with bay(broker) as site:
        await site.driver.apply(setpoint(-1.0))
        assert (await site.driver.release("over")).outcome == "accepted"
        await site.wait(0)

    assert site.device.heard[-1] == ("bat/cmd/mode", "AUTO")


async def test_a_set_point_is_not_retained_unless_it_is_to_be(broker: Broker) -> None:
    for retain in (False, True):
        async with bay(broker, retain=retain) as site:
            await site.driver.apply(setpoint(-1.0))
            async with listener(broker, "bat/cmd/power", "bat/online") as heard:
                said = {(await heard.get())[0]}
                while "bat/online" not in said:
                    said.add((await heard.get())[0])
                await turn()

        assert ("bat/cmd/power" in said or not heard.empty()) is retain


async def test_a_set_point_whose_lease_is_over_never_reaches_a_battery_that_was_away(broker: Broker) -> None:
    """The broker keeps it for the device's session, and drops it when its time is over."""
    session = aiomqtt.Client("127.0.0.1", broker.port, identifier="sleeper", clean_session=False, timeout=PATIENCE_S)
    async with session as sleeper:
        await sleeper.subscribe("bat/cmd/#", qos=1)
    async with bay(broker) as site:
        await site.driver.apply(setpoint(-1.0, until_s=1))
        await site.driver.apply(setpoint(-2.0, until_s=3600, sequence=2))
        # The broker has a clock of its own, so here real seconds pass.
        late = asyncio.Event()
        asyncio.get_running_loop().call_later(2.5, late.set)
        await late.wait()
    session = aiomqtt.Client("127.0.0.1", broker.port, identifier="sleeper", clean_session=False, timeout=PATIENCE_S)
    powers = []
    async with asyncio.timeout(PATIENCE_S), session as sleeper:
        await sleeper.publish("bat/cmd/end", "", qos=1)
        async for message in sleeper.messages:
            if message.topic.matches("bat/cmd/end"):
                break
            if message.topic.matches("bat/cmd/power"):
                powers.append(json.loads(bytes(message.payload))["kw"])

    assert powers == [-2]


# Who is there


async def test_a_battery_that_signs_off_is_not_online(broker: Broker) -> None:
    async with bay(broker) as site:
        good = await site.driver.read()
        await site.device.unplug()
        async with asyncio.timeout(PATIENCE_S):
            while (found := await site.driver.read()).online:
                await turn()

        assert (found.quality, found.kw) == (COMM_FAILURE, good.kw)
        ack = await site.driver.apply(setpoint(-1.0))
        assert (ack.outcome, ack.reason) == ("unreachable", "it is not online, says its state")

        await site.device.plug()
        assert (await site.until_good()).online


async def test_a_battery_that_is_lost_is_signed_off_by_the_broker(broker: Broker) -> None:
    """Its last will, which is retained: whoever asks later hears it, too."""
    async with bay(broker) as site:
        await site.driver.read()
        rude = aiomqtt.Client("127.0.0.1", broker.port, timeout=PATIENCE_S)
        async with rude as client:
            await client.publish("bat/online", "offline", qos=1, retain=True)
        async with asyncio.timeout(PATIENCE_S):
            while (await site.driver.read()).online:
                await turn()
        async with driver(site.clock, broker.port, client_id="another") as anew:
            assert not (await anew.read()).online


async def test_our_own_end_is_said_retained_by_us_or_by_the_broker(broker: Broker) -> None:
    async with listener(broker, "gateway/status") as heard:
        async with bay(broker, status_topic="gateway/status"):
            assert (await heard.get())[1] == "online"
        assert (await heard.get())[1] == "offline"
    async with listener(broker, "gateway/status") as heard:
        assert await heard.get() == ("gateway/status", "offline", True)


async def test_a_power_that_grew_too_old_counts_no_more(broker: Broker) -> None:
    """Of a battery that says it is online, and nothing else any more."""
    async with bay(broker, stale_s=60) as site:
        await site.driver.read()
        client, site.device.client = site.device.client, None
        await site.wait(60)
        assert (await site.driver.read()).quality == GOOD
        await site.wait(1)
        found = await site.driver.read()
        site.device.client = client

    assert (found.quality, found.online) == (COMM_FAILURE, False)


async def test_a_reading_is_as_old_as_the_power_in_it(broker: Broker) -> None:
    async with bay(broker) as site:
        before = await site.driver.read()
        client, site.device.client = site.device.client, None
        await site.wait(30)
        found = await site.driver.read()
        site.device.client = client

    assert found.at == before.at


async def test_what_is_retained_counts_only_of_a_battery_that_says_it_is_online(broker: Broker) -> None:
    clock = VirtualClock()
    async with Device(Plant(clock), broker.port):
        pass
    deaf = points(online=None)
    async with driver(clock, broker.port, points=deaf, timeout_s=1.0) as made:
        assert not (await made.read()).online
        async with Device(Plant(clock), broker.port) as device, asyncio.timeout(PATIENCE_S):
            while not (await made.read()).online:
                await device.say()
                await turn()


# Outages


async def test_after_an_outage_of_the_broker_both_ends_meet_again(broker: Broker) -> None:
    async with bay(broker) as site:
        await site.driver.apply(setpoint(-1.0))
        await broker.stop(kill=True)
        async with asyncio.timeout(PATIENCE_S):
            while (await site.driver.read()).online:
                await turn()
        acks = [await site.driver.apply(setpoint(-1.0, sequence=2)), await site.driver.release("over")]
        assert [ack.outcome for ack in acks] == ["unreachable", "unreachable"]

        await site.device.unplug(politely=False)
        await broker.start()
        await site.device.plug()
        assert (await site.until_good()).quality == GOOD
        assert (await site.driver.apply(setpoint(-2.0, sequence=3))).outcome == "accepted"
        await site.wait(0)
        assert site.plant.setpoint_kw == -2.0


async def test_a_broker_that_is_not_there_yet_is_tried_again(broker: Broker) -> None:
    await broker.stop()
    async with driver(clock := VirtualClock(), broker.port, timeout_s=1.0) as made:
        assert not (await made.read()).online
        await broker.start()
        async with Device(Plant(clock), broker.port) as device:
            site = Bay(broker, device, made, clock)
            assert (await site.until_good()).online


async def test_what_was_said_while_we_were_away_is_heard_when_we_are_back(broker: Broker) -> None:
    """The broker keeps our session: an override that is not retained is not missed."""
    clock = VirtualClock()
    device = Device(Plant(clock), broker.port)
    device.retains = False
    async with device, asyncio.timeout(PATIENCE_S):
        async with driver(clock, broker.port, timeout_s=1.0) as made:
            while not (await made.read()).online:
                await device.say()
                await turn()
        device.plant.turn_by_hand(2.0)
        await device.say()
        async with driver(clock, broker.port) as made:
            found = await made.read()

    assert (found.local_override, found.kw) == (True, 2.0)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_both_versions_of_the_protocol_are_spoken(broker: Broker, version: str) -> None:
    async with bay(broker, version=version) as site:
        assert (await site.until_good()).quality == GOOD
        assert (await site.driver.apply(setpoint(-1.0))).outcome == "accepted"
        await site.wait(0)
        assert site.plant.kw == -1.0


async def test_an_older_set_point_is_stale_over_mqtt_and_is_not_sent(broker: Broker) -> None:
    async with bay(broker) as site:
        await site.driver.apply(setpoint(-1.0, sequence=5))
        again = await site.driver.apply(setpoint(-1.0, sequence=5))
        late = await site.driver.apply(setpoint(3.0, sequence=4))
        await site.wait(0)

    assert (again.outcome, late.outcome, site.plant.setpoint_kw) == ("accepted", "stale", -1.0)


# Overrides, and what makes no sense


async def test_somebody_at_the_battery_wins_and_is_reported(broker: Broker) -> None:
    async with bay(broker) as site:
        await site.driver.apply(setpoint(-1.0))
        site.plant.turn_by_hand(2.0)
        await site.wait(0)
        found = await site.driver.read()
        ack = await site.driver.apply(setpoint(-1.0, sequence=2))

    assert (found.quality, found.kw, ack.outcome) == (LOCAL_OVERRIDE, 2.0, "rejected")


async def test_another_client_that_sets_the_battery_is_reported_and_not_fought(broker: Broker) -> None:
    async with bay(broker) as site:
        await site.driver.apply(setpoint(-1.0))
        async with aiomqtt.Client("127.0.0.1", broker.port, timeout=PATIENCE_S) as other:
            await other.publish("bat/cmd/power", '{"kw": 3, "s": 3600}', qos=1)
        await site.wait(10)
        found = await site.driver.read()
        ack = await site.driver.apply(setpoint(-1.0, sequence=2))
        released = await site.driver.release("over")
        await site.wait(0)

    assert found.local_override
    assert ack.reason == "local override: another controller set it to 3 kW"
    assert (released.outcome, site.plant.kw) == ("accepted", 3.0)


@pytest.mark.parametrize(
    ("body", "quality"),
    [
        ("", DEVICE_FAILURE),
        ("nonsense", DEVICE_FAILURE),
        ('{"kw": "much"}', DEVICE_FAILURE),
        ('{"kw": 1e999}', DEVICE_FAILURE),
        ("[]", DEVICE_FAILURE),
        ('{"kw": 1}', UNCERTAIN),
    ],
)
async def test_a_message_that_makes_no_sense_is_quality_and_no_exception(
    broker: Broker, body: str, quality: str
) -> None:
    async with bay(broker) as site:
        await site.driver.read()
        await site.device.say(body)
        async with asyncio.timeout(PATIENCE_S):
            while (found := await site.driver.read()).quality == GOOD:
                await turn()

    assert (found.quality, found.online) == (quality, True)


# Secrets and settings


async def test_a_password_opens_the_broker_and_is_never_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    need_program("mosquitto_passwd", "mosquitto")
    making = await asyncio.create_subprocess_exec(
        need_program("mosquitto_passwd", "mosquitto"), "-b", "-c", str(tmp_path / "users"), "edge", PASSWORD
    )
    assert await making.wait() == 0
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "wrong").write_text("wrong")
    async with Broker(tmp_path, lines=("allow_anonymous false", f"password_file {tmp_path / 'users'}")) as broker:
        for name, word in (("password", "said"), ("wrong", "not authorized")):
            secret = {"username": "edge", "password_file": str(tmp_path / name)}
            async with driver(VirtualClock(), broker.port, timeout_s=2.0, **secret) as made:
                reason = ""
                async with asyncio.timeout(PATIENCE_S):
                    while word not in reason.lower():
                        reason = (await made.apply(setpoint(-1.0))).reason
                        await turn()

    assert PASSWORD not in caplog.text


# A socket on which TLS failed is closed when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_broker_is_known_by_its_ca(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    certs.init(tmp_path, now=now)
    certs.issue(tmp_path, "broker", role="vtn", key="ec", now=now, hosts=("127.0.0.1",))
    tls = [f"{name} {tmp_path / file}" for name, file in (("certfile", "broker.pem"), ("keyfile", "broker.key"))]
    async with Broker(tmp_path, lines=("allow_anonymous true", *tls)) as broker:
        async with driver(VirtualClock(), broker.port, timeout_s=2.0, ca=str(tmp_path / "ca.pem")) as known:
            async with asyncio.timeout(PATIENCE_S):
                while "nothing was said" not in (await known.apply(setpoint(-1.0))).reason:
                    await turn()
        async with driver(VirtualClock(), broker.port, timeout_s=2.0, tls=True) as unknown:
            async with asyncio.timeout(PATIENCE_S):
                while "certificate verify failed" not in (await unknown.apply(setpoint(-1.0))).reason:
                    await turn()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"retain": True, "version": "3.1.1"}, "retain needs version"),
        ({"points": points(power={"at": "bat/+/kw"})}, "without wildcards"),
        ({"points": points(enable={"at": "bat/cmd/power"})}, "two values"),
        ({"password_file": "/nowhere/password"}, "password_file /nowhere/password cannot be read"),
        ({"ca": "/nowhere/ca.pem"}, "ca /nowhere/ca.pem cannot be read"),
    ],
    ids=["retain", "wildcard", "two values", "password", "ca"],
)
def test_settings_that_cannot_be_used_are_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        driver(VirtualClock(), 1883, **changes)
