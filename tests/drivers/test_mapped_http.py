"""The driver `mapped-http` at an energy management system of aiohttp."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openadr_ra.drivers import Guard, build, check_driver
from openadr_ra.drivers.mapped.http import MAX_BODY_BYTES
from openadr_ra.drivers.promises import PROMISES
from openadr_ra.drivers.virtual_clock import VirtualClock
from openadr_ra.errors import SettingsError
from openadr_ra.programs import certs
from openadr_ra.protocol.parts import COMM_FAILURE, DEVICE_FAILURE, GOOD, LOCAL_OVERRIDE, NO_VALUE, UNCERTAIN
from openadr_ra.seams import AnyDriver, Clock
from tests.drivers.makers import DEVICE, setpoint
from tests.drivers.mapped_http import CONTROL, Ems, bay, driver, points, settings
from tests.drivers.mapped_plant import Plant

TOKEN = "a-word-that-nobody-must-see"  # noqa: S105 - a test's


@pytest.fixture
async def yard() -> AsyncIterator[Callable[[Plant], Ems]]:
    """Servers, running beforehand, one for each plant that a test comes with."""
    async with AsyncExitStack() as stack:
        spare = [await stack.enter_async_context(Ems(Plant(VirtualClock()))) for _ in PROMISES]

        def plug(plant: Plant) -> Ems:
            ems = spare.pop()
            ems.plant = plant
            return ems

        yield plug


async def test_a_battery_behind_an_ems_keeps_every_promise(yard: Callable[[Plant], Ems]) -> None:
    def make(clock: Clock, by_hand_kw: float | None = None) -> AnyDriver:
        plant = Plant(clock)
        plant.by_hand_kw = by_hand_kw
        return driver(clock, yard(plant).port)

    def gone(clock: Clock) -> AnyDriver:
        return driver(clock, 1, timeout_s=0.5)

    shown = await check_driver(make, unreachable=gone, overridden=lambda clock: make(clock, -2.0))

    assert shown == tuple(promise.name for promise in PROMISES)


async def test_set_to_minus_one_kw_the_ems_discharges() -> None:
    """Its unit is W, and its signs are ours; power, time and mode go in one request."""
    async with bay() as site:
        ack = await site.driver.apply(setpoint(-1.0, until_s=600))
        await site.wait(360)
        found = await site.driver.read()

    assert (ack.outcome, ack.effective_kw) == ("accepted", -1.0)
    assert site.ems.heard == [("PUT", "/v1/control", {"power": {"target": -1000, "for": 600}, "remote": True})]
    assert (found.kw, found.export_kwh, found.soc_percent) == pytest.approx((-1.0, 0.1, 40.0))


async def test_set_to_one_kw_the_ems_charges() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(1.0))
        await site.wait(360)
        found = await site.driver.read()

    assert (found.kw, found.import_kwh, found.soc_percent) == pytest.approx((1.0, 0.1, 60.0))


@pytest.mark.parametrize(
    ("asked", "outcome", "effective"),
    [
        (-5.0, "accepted", -5.0),
        (-5.1, "clamped", -5.0),
        (2.5, "accepted", 2.5),
        (2.6, "clamped", 2.5),
        (1.04, "accepted", 1.0),
    ],
)
async def test_limits_that_the_ems_states_hold(asked: float, outcome: str, effective: float) -> None:
    """It says how much it could charge, and takes steps of 100 W."""
    async with bay() as site:
        site.plant.max_kw = 2.5
        ack = await site.driver.apply(setpoint(asked))

    assert (ack.outcome, ack.effective_kw, site.plant.setpoint_kw) == (outcome, effective, effective)


async def test_the_time_that_goes_with_it_is_the_lease() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0, until_s=30))
        await site.wait(29)
        assert site.plant.kw == -1.0
        await site.wait(1)
        assert site.plant.kw == 0.0


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
async def test_the_method_is_a_setting(method: str) -> None:
    async with bay(method=method) as site:
        await site.driver.apply(setpoint(-1.0))
        await site.driver.release("over")

    assert [(one[0], one[2]) for one in site.ems.heard[1:]] == [(method, {"remote": False})]


async def test_a_release_value_of_its_own_is_written_after_the_mode() -> None:
    async with bay(release_value=0, points=points(lease=None, enable=None, enable_state=None)) as site:
        await site.driver.release("over")

    assert site.told() == ['{"power": {"target": 0}}']


async def test_somebody_at_the_ems_wins_and_is_reported() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0))
        site.plant.turn_by_hand(2.0)
        found = await site.driver.read()
        ack = await site.driver.apply(setpoint(-1.0, sequence=2))

    assert (found.local_override, found.quality, found.kw) == (True, LOCAL_OVERRIDE, 2.0)
    assert (ack.outcome, ack.reason) == ("rejected", "local override: it is in local mode")


# The token


async def test_the_token_goes_with_every_request_and_may_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    async with bay(TOKEN, token_file=str(file)) as site:
        assert (await site.driver.read()).quality == GOOD
        assert (await site.driver.apply(setpoint(-1.0))).outcome == "accepted"

        site.ems.token = "another"  # noqa: S105 - a test's
        assert not (await site.driver.read()).online
        file.write_text("another")
        assert (await site.driver.read()).quality == GOOD


async def test_the_token_is_in_no_line_of_the_log_and_in_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the server makes of it, and however much is logged."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    caplog.set_level(logging.DEBUG)
    said = []
    clock = VirtualClock()
    async with (
        Ems(Plant(clock), token="other") as ems,  # noqa: S106 - a test's
        Guard(driver(clock, ems.port, token_file=str(file)), clock) as guard,
    ):
        said += [repr(await guard.read()), repr(await guard.apply(setpoint(-1.0))), repr(await guard.release("over"))]
        ems.token = TOKEN
        for status in (302, 400, 500):
            ems.refusing = {"GET": status, "PUT": status}
            said += [repr(await guard.read()), repr(await guard.apply(setpoint(-1.0, sequence=2)))]
        await ems.unplug()
        said += [repr(await guard.apply(setpoint(-1.0, sequence=3)))]

    assert any("401" in one for one in said)
    assert TOKEN not in caplog.text + "".join(said)


async def test_a_token_on_a_plain_connection_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)

    driver(VirtualClock(), 80, token_file=str(file))

    assert "in the clear" in caplog.text


@pytest.mark.parametrize(("text", "cure"), [("", "one word"), ("two words", "one word"), ("wört", "one word")])
async def test_a_token_file_without_a_token_is_refused(tmp_path: Path, text: str, cure: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)

    with pytest.raises(SettingsError, match=cure) as caught:
        driver(VirtualClock(), 80, token_file=str(file))

    assert str(file) in str(caught.value)
    assert not text or text not in str(caught.value)


async def test_a_token_file_that_is_not_there_is_refused_at_the_start_and_endured_later(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(SettingsError, match=r"token_file .* cannot be read"):
        driver(VirtualClock(), 80, token_file=str(file))

    file.write_text(TOKEN)
    async with bay(TOKEN, token_file=str(file)) as site:
        file.unlink()
        assert (await site.driver.apply(setpoint(-1.0))).outcome == "unreachable"


# TLS


async def test_the_ems_is_known_by_its_ca(tmp_path: Path) -> None:
    """One whose certificate another CA signed gets no request at all."""
    now = datetime.now(UTC)
    certs.init(tmp_path, now=now)
    certs.issue(tmp_path, "ems", role="vtn", key="ec", now=now, hosts=("127.0.0.1",))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "ems.pem", tmp_path / "ems.key")
    clock = VirtualClock()
    async with Ems(Plant(clock), tls=tls) as ems:
        secure = {"url": f"https://127.0.0.1:{ems.port}/v1"}
        async with driver(clock, ems.port, **secure, ca=str(tmp_path / "ca.pem")) as known:
            assert (await known.read()).quality == GOOD
        async with driver(clock, ems.port, **secure) as unknown:
            assert not (await unknown.read()).online
            assert (await unknown.apply(setpoint(-1.0))).outcome == "unreachable"

    assert ems.heard == []


def test_a_ca_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ca .* cannot be read"):
        driver(VirtualClock(), 443, ca=str(tmp_path / "none.pem"))


@pytest.mark.parametrize("url", ["http://user:word@ems/v1", "http://", "http://ems/v1?a=b", "http://ems/#x"])
def test_a_url_is_a_server_and_a_path_and_nothing_else(url: str) -> None:
    with pytest.raises(SettingsError, match="token_file"):
        driver(VirtualClock(), 80, url=url)


def test_a_url_is_of_the_web() -> None:
    with pytest.raises(SettingsError, match="url"):
        build("mapped-http", DEVICE, settings(80, url="ftp://ems"), VirtualClock())


def test_two_values_cannot_go_to_one_place() -> None:
    with pytest.raises(SettingsError, match="two values"):
        driver(VirtualClock(), 80, points=points(enable={"at": CONTROL, "path": "power.target"}))


# An EMS that refuses, is away, or answers nonsense


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, "rejected"),
        (403, "rejected"),
        (409, "rejected"),
        (429, "unreachable"),
        (500, "unreachable"),
        (302, "unreachable"),
    ],
)
async def test_a_refused_set_point_is_rejected_and_a_failing_server_is_unreachable(status: int, outcome: str) -> None:
    async with bay() as site:
        site.ems.refusing["PUT"] = status
        ack = await site.driver.apply(setpoint(-1.0))

    assert (ack.outcome, ack.reason) == (outcome, f"PUT /control: HTTP {status}")


async def test_a_redirect_is_not_followed() -> None:
    """Else the token would go where a server points to."""
    async with bay() as site:
        site.ems.refusing["GET"] = 302

        assert not (await site.driver.read()).online


@pytest.mark.parametrize(
    ("body", "quality", "online"),
    [
        (b"<html>", DEVICE_FAILURE, True),
        (b"{}", DEVICE_FAILURE, True),
        (b'{"battery": {"power": "much"}}', DEVICE_FAILURE, True),
        (b'{"battery": {"power": null}}', DEVICE_FAILURE, True),
        (b'{"battery": {"power": -1500}}', UNCERTAIN, True),
        (b'{"battery": {"power": NaN}}', DEVICE_FAILURE, True),
        (b"\xff\xfe", NO_VALUE, False),
    ],
)
async def test_what_makes_no_sense_is_quality_and_no_exception(body: bytes, quality: str, online: bool) -> None:
    async with bay() as site:
        site.ems.body = body
        found = await site.driver.read()

    assert (found.quality, found.online) == (quality, online)


@pytest.mark.parametrize(("spare", "online"), [(0, True), (1, False)])
async def test_an_answer_may_be_so_large_and_no_larger(spare: int, online: bool) -> None:
    state = b'{"battery": {"power": 1000}}'
    async with bay() as site:
        site.ems.body = state + b" " * (MAX_BODY_BYTES - len(state) + spare)

        assert (await site.driver.read()).online is online


async def test_a_slow_ems_costs_no_more_than_its_deadline() -> None:
    async with bay(timeout_s=0.2) as site:
        site.ems.gate.clear()
        assert not (await site.driver.read()).online
        ack = await site.driver.apply(setpoint(-1.0))
        site.ems.gate.set()

    assert (ack.outcome, ack.reason) == ("unreachable", "no answer within 0.2 s")


async def test_an_ems_that_was_away_is_met_again() -> None:
    async with bay() as site:
        good = await site.driver.read()
        await site.ems.unplug()
        gone = await site.driver.read()
        acks = [await site.driver.apply(setpoint(-1.0)), await site.driver.release("over")]
        await site.ems.plug()
        again = await site.driver.read()

        assert (gone.quality, gone.online, gone.kw) == (COMM_FAILURE, False, good.kw)
        assert [ack.outcome for ack in acks] == ["unreachable", "unreachable"]
        assert again.quality == GOOD
        assert (await site.driver.apply(setpoint(-1.0, sequence=2))).outcome == "accepted"


async def test_a_call_that_is_cancelled_leaves_the_next_one_alone() -> None:
    async with bay() as site:
        site.ems.gate.clear()
        ordering = asyncio.create_task(site.driver.apply(setpoint(3.0)))
        await site.wait(0)
        ordering.cancel()
        await asyncio.wait({ordering})
        site.ems.gate.set()

        assert (await site.driver.apply(setpoint(-1.0, sequence=2))).outcome == "accepted"
        assert site.plant.setpoint_kw == -1.0
