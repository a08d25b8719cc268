"""The CSMS of the driver `ocpp`: who may call, who shares it, and what becomes of what is no OCPP."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from openadr_ra.drivers import Guard, VirtualClock, build
from openadr_ra.errors import SettingsError
from openadr_ra.programs import certs
from openadr_ra.protocol.model import ResourceId
from openadr_ra.settings import read
from tests.drivers.counterparts import need_package
from tests.drivers.makers import DEVICE, after, setpoint

need_package("ocpp", "ocpp")
need_package("websockets", "ocpp")

# Only here they can be had.
from websockets.asyncio.client import connect  # noqa: E402
from websockets.exceptions import InvalidMessage, InvalidStatus  # noqa: E402
from websockets.typing import Subprotocol  # noqa: E402

from openadr_ra.drivers.ocpp import Charger, OcppSettings  # noqa: E402
from tests.drivers.ocpp_bench import LOOPBACK, PATIENT_S, Bench, driver  # noqa: E402
from tests.drivers.ocpp_device import VERSIONS, Booted, Device, Version  # noqa: E402

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)
EXAMPLE = Path(__file__).parents[2] / "examples" / "ocpp.toml"


async def status_of(device: Device, port: int, path: str = "/ocpp/") -> int:
    """The HTTP status with which it is turned away; 101 lets it in."""
    try:
        await device.connect(port, path=path)
    except InvalidStatus as error:
        return error.response.status_code
    await device.close()
    return 101


@EVERY_VERSION
async def test_a_charger_is_booted_and_told_the_time(version: Version) -> None:
    async with Bench(VirtualClock(after(7)), version) as bench:
        assert bench.device.booted == [Booted("2026-01-01T00:00:07Z", 60, "Accepted")]


@pytest.mark.parametrize(("path", "status"), [("/", 101), ("/ocpp/", 101), ("/a/b/c/", 101), ("/ocpp/X", 404)])
async def test_a_charger_is_known_by_the_last_step_of_its_path(path: str, status: int) -> None:
    clock = VirtualClock()
    async with driver(clock) as charger:
        assert await status_of(Device(clock), charger.port, path=path) == status


async def test_a_name_with_odd_letters_is_found_by_its_escaped_path() -> None:
    clock = VirtualClock()
    async with driver(clock, charge_point="CP 1/ü") as charger:
        assert await status_of(Device(clock, name="CP%201%2F%C3%BC"), charger.port) == 101


async def test_a_charger_that_speaks_neither_version_is_turned_away() -> None:
    async with driver(VirtualClock()) as charger:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://127.0.0.1:{charger.port}/CP_1", subprotocols=[Subprotocol("ocpp1.5")])

    assert caught.value.response.status_code == 400


async def test_a_charger_that_speaks_both_versions_is_spoken_to_in_the_newer() -> None:
    both = [Subprotocol("ocpp1.6"), Subprotocol("ocpp2.0.1")]
    async with AsyncExitStack() as stack:
        charger = await stack.enter_async_context(driver(VirtualClock()))
        address = f"ws://127.0.0.1:{charger.port}/CP_1"
        socket = await stack.enter_async_context(connect(address, subprotocols=both))
        assert socket.subprotocol == "ocpp2.0.1"


# Security profiles


@pytest.mark.parametrize(
    ("name", "given", "status"),
    [("CP_1", "secret", 101), ("CP_1", "Secret", 401), ("CP_1", "", 401), ("CP_2", "secret", 404)],
)
async def test_a_charger_with_a_password_has_to_know_it(tmp_path: Path, name: str, given: str, status: int) -> None:
    """Security profile 1; the file's first line is the password."""
    (tmp_path / "password").write_text("secret\n")
    clock = VirtualClock()
    device = Device(clock, name=name)
    device.password = given
    async with driver(clock, password_file=str(tmp_path / "password")) as charger:
        assert await status_of(device, charger.port) == status


async def test_the_name_before_the_password_is_the_chargers(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    ocpp = [Subprotocol("ocpp1.6")]
    async with driver(VirtualClock(), password_file=str(tmp_path / "password")) as charger:
        (await connect(f"ws://CP_1:secret@127.0.0.1:{charger.port}/CP_1", subprotocols=ocpp)).transport.abort()
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://CP_2:secret@127.0.0.1:{charger.port}/CP_1", subprotocols=ocpp)

    assert caught.value.response.status_code == 401


async def test_with_a_certificate_it_speaks_tls_and_nothing_else(tmp_path: Path) -> None:
    """Security profile 2."""
    now = datetime.now(UTC)
    certs.init(tmp_path, now=now)
    certs.issue(tmp_path, "csms", role="vtn", key="ec", hosts=("127.0.0.1",), now=now)
    trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    clock = VirtualClock()
    tls = {"tls_cert": str(tmp_path / "csms.pem"), "tls_key": str(tmp_path / "csms.key")}
    async with driver(clock, **tls) as charger:
        device = Device(clock)
        await device.connect(charger.port, tls=trust)
        await device.plug()
        assert (await charger.read()).kw == 6.0
        await device.close()
        with pytest.raises((OSError, InvalidMessage)):
            await Device(clock).connect(charger.port)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password_file": "nowhere"}, "password_file nowhere: No such file"),
        ({"tls_cert": "nowhere.pem", "tls_key": "nowhere.key"}, "tls_cert nowhere.pem and tls_key nowhere.key"),
    ],
)
async def test_files_that_cannot_be_used_are_named(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        await driver(VirtualClock(), **wrong).__aenter__()


async def test_an_empty_password_file_is_no_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("\n")

    with pytest.raises(SettingsError, match="is empty; its first line is the password"):
        await driver(VirtualClock(), password_file=str(tmp_path / "password")).__aenter__()


async def test_an_address_that_is_taken_is_named_and_tried_again_by_the_guard() -> None:
    async with driver(VirtualClock()) as first:
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{first.port}"):
            await driver(VirtualClock(), listen=f"127.0.0.1:{first.port}").__aenter__()


# Who may charge


@EVERY_VERSION
@pytest.mark.parametrize(
    ("listed", "tag", "accepted"),
    [((), "ANY", True), (("TAG-1",), "TAG-1", True), (("TAG-1",), "tag-1", True), (("TAG-1",), "TAG-2", False)],
)
async def test_tags_that_are_not_listed_may_not_charge(
    version: Version, listed: tuple[str, ...], tag: str, accepted: bool
) -> None:
    """Letters' case does not count; none listed lets everybody charge."""
    clock = VirtualClock()
    async with driver(clock, id_tags=listed) as charger:
        device = Device(clock, version)
        await device.connect(charger.port)
        await device.plug(tag=tag)
        assert ((await charger.read()).kw == 6.0) is accepted
        await device.close()


async def test_transactions_have_numbers_of_their_own_beyond_a_restart() -> None:
    """1.6: the CSMS gives them."""
    clock, numbers = VirtualClock(), set[str]()
    device = Device(clock)
    for _ in range(2):
        async with driver(clock) as charger:
            await device.connect(charger.port)
            for _ in range(2):
                await device.plug()
                numbers.add(device.outlet.transaction)
                await device.unplug()
            await device.close()
        await clock.advance(after(10))

    assert len(numbers) == 4


# Sharing


@EVERY_VERSION
async def test_connectors_of_one_charger_share_its_connection(version: Version) -> None:
    clock = VirtualClock()
    device = Device(clock, version, outlets=2)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(driver(clock, connector=number)) for number in (1, 2)]
        assert first.port == second.port
        await device.connect(first.port)
        await device.plug(1)
        await device.plug(2, kw=3.0)
        await asyncio.gather(first.read(), second.read())
        acks = await asyncio.gather(first.apply(setpoint(2.0)), second.apply(setpoint(0.0)))
        await device.quiet()
        await clock.advance(after(5))
        readings = await asyncio.gather(first.read(), second.read())
        await device.close()

    assert [ack.effective_kw for ack in acks] == [2.0, 0.0]
    assert [reading.kw for reading in readings] == [2.0, 0.0]


@EVERY_VERSION
async def test_chargers_on_one_address_are_told_apart(version: Version) -> None:
    clock = VirtualClock()
    devices = [Device(clock, version, name=name) for name in ("CP_1", "CP_2")]
    async with AsyncExitStack() as stack:
        chargers = [await stack.enter_async_context(driver(clock, charge_point=one.name)) for one in devices]
        for device in devices:
            await device.connect(chargers[0].port)
            await device.plug()
        await chargers[1].apply(setpoint(2.0))
        for device in devices:
            await device.quiet()
            await clock.advance(after(5))
        assert [(await charger.read()).kw for charger in chargers] == [6.0, 2.0]
        for device in devices:
            await device.close()


async def test_a_server_goes_with_its_last_device_and_comes_back_with_the_next() -> None:
    clock = VirtualClock()
    first, second = driver(clock), driver(clock, charge_point="CP_2")
    left = Device(clock, name="CP_2")
    async with first:
        async with second:
            port = first.port
            await left.connect(port)
        async with asyncio.timeout(PATIENT_S):
            assert left.line is not None
            await left.line.socket.wait_closed()
        await left.close()
        assert await status_of(Device(clock), port) == 101
        assert await status_of(Device(clock, name="CP_2"), port) == 404
    with pytest.raises(OSError, match=str(port)):
        await Device(clock).connect(port)
    async with second:
        assert await status_of(Device(clock, name="CP_2"), second.port) == 101


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({}, "connector 1 of CP_1 has two devices; give it one"),
        ({"connector": 2, "password_file": "secret"}, "connectors of CP_1 differ in their password"),
        ({"charge_point": "CP_2", "tls_cert": "a", "tls_key": "b"}, "differ in tls_cert or tls_key"),
    ],
)
async def test_devices_that_contradict_one_another_are_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, object], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("secret")
    async with driver(VirtualClock()):
        with pytest.raises(SettingsError, match=said):
            await driver(VirtualClock(), **other).__aenter__()


@EVERY_VERSION
async def test_a_charger_that_calls_again_is_spoken_to_on_its_newest_connection(version: Version) -> None:
    """The old one may hang on a dead network."""
    clock = VirtualClock()
    old, new = Device(clock, version), Device(clock, version)
    async with driver(clock, timeout_s=PATIENT_S) as charger:
        await old.connect(charger.port)
        await new.connect(charger.port)
        await new.plug()
        assert (await charger.read()).kw == 6.0
        await old.close()
        await new.close()


# What is no OCPP


GARBAGE = (
    "",
    "hello",
    "{}",
    "[]",
    "[2]",
    "[3]",
    '[9,"1","Heartbeat",{}]',
    '[2,[],"Heartbeat",{}]',
    '[2,null,"Heartbeat",{}]',
    '[3,"no such call",{}]',
    '[4,"no such call","InternalError","",{}]',
    "[3,{},{}]",
    '[2,"1","Heartbeat",{},1,2,3]',
    "[" * 100_000,
    "9" * 10_000,
    "\x00\x7f\u2028",
)


@EVERY_VERSION
@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
async def test_what_is_no_message_is_passed_over(version: Version, text: str) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.device.say(text)

        assert (await bench.read()).kw == 6.0


def call(action: str, payload: object) -> str:
    return json.dumps([2, "odd", action, payload])


WRONG_16 = (
    call("StatusNotification", {}),
    call("StatusNotification", {"connectorId": "one", "status": "Available"}),
    call("StartTransaction", {"connectorId": 1}),
    call("StopTransaction", {"transactionId": None}),
    call("MeterValues", {"connectorId": 1, "meterValue": {}}),
    call("MeterValues", {"connectorId": 1, "meterValue": [{"sampledValue": [{"value": {}}]}]}),
    call("Authorize", []),
    call("MeterValues", None),
)
WRONG_201 = (
    call("StatusNotification", {"evseId": 1}),
    call("TransactionEvent", {"eventType": "Started"}),
    call("TransactionEvent", {"eventType": "Begun", "timestamp": "", "transactionInfo": {"transactionId": "1"}}),
    call("MeterValues", {"evseId": 1, "meterValue": [{"timestamp": "", "sampledValue": [{"value": "high"}]}]}),
    call("NotifyEVChargingNeeds", {"evseId": 1}),
    call("Authorize", {"idToken": "TAG"}),
)


async def refused(device: Device, text: str) -> str:
    """The code with which a call is refused."""
    assert device.line is not None
    await device.say(text)
    (answer,) = [json.loads(one) for one in device.line.heard if json.loads(one)[1] == "odd"]
    assert answer[0] == 4, answer
    return str(answer[2])


@pytest.mark.parametrize(
    ("version", "text"), [*(("1.6", one) for one in WRONG_16), *(("2.0.1", one) for one in WRONG_201)]
)
async def test_a_call_that_cannot_be_read_is_refused_and_changes_nothing(version: Version, text: str) -> None:
    async with Bench(VirtualClock(), version) as bench:
        before = await bench.read()

        assert await refused(bench.device, text) == "FormatViolation"
        assert await bench.read() == before


@EVERY_VERSION
@pytest.mark.parametrize("action", ["FlyToTheMoon", "Reset", ""])
async def test_a_call_that_no_csms_knows_is_refused(version: Version, action: str) -> None:
    async with Bench(VirtualClock(), version) as bench:
        assert await refused(bench.device, call(action, {})) == "NotImplemented"


@EVERY_VERSION
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1e400", "high", ""])
async def test_values_that_are_no_numbers_are_left_out(version: Version, value: str) -> None:
    """In 1.6 they are text, and schema-valid."""
    samples: list[dict[str, object]] = [{"value": value, "measurand": "Power.Active.Import", "unit": "kW"}]
    when = [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": samples}]
    async with Bench(VirtualClock(), version) as bench:
        before = await bench.read()
        await bench.device.say(call("MeterValues", {"connectorId": 1, "evseId": 1, "meterValue": when}))

        assert await bench.read() == before


async def test_too_large_a_message_ends_the_connection_and_no_more() -> None:
    async with Bench(VirtualClock()) as bench:
        await bench.read()
        await bench.device.say(call("DataTransfer", {"vendorId": "x", "data": "y" * (1 << 18)}))
        await bench.device.cut()
        await bench.device.connect(bench.charger.port)

        assert (await bench.read()).kw == 6.0


async def test_a_charger_without_a_driver_entered_is_unreachable() -> None:
    charger = driver(VirtualClock())

    assert (await charger.apply(setpoint(1.0))).outcome == "unreachable"
    assert not (await charger.read()).online


# Settings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"listen": "9000"}, "listen is host:port, not '9000'"),
        ({"listen": "127.0.0.1:65536"}, "listen is host:port"),
        ({"tls_cert": "a.pem"}, "tls_cert and tls_key go together"),
        ({"max_a": 5.0, "max_kw": 0.0}, "its range is 0 to 0 kW; raise max_a or max_kw"),
        ({"plan_kw": 6.1}, "plan_kw 6.1 is more than its highest 6 kW"),
        ({"need_kwh": 1.0}, "need_kwh needs `departs`"),
        ({"departs": "7 o'clock"}, "departs is a time of day like 07:30"),
        ({"timezone": "Asia/Atlantis"}, "timezone is a name like Asia/Tokyo"),
        ({"timezone": "../etc/passwd"}, "timezone is a name like Asia/Tokyo"),
        ({"phases": 4}, "phases"),
        ({"charge_point": ""}, "charge_point"),
        ({"connector": 0}, "connector"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        build("ocpp", DEVICE, {"charge_point": "CP_1"} | wrong, VirtualClock())


def test_the_largest_port_and_a_plan_as_large_as_the_charger_are_settings() -> None:
    told = {"charge_point": "CP_1", "listen": "[::1]:65535", "plan_kw": 6.0}

    assert msgspec.convert(told, OcppSettings).address == ("::1", 65535)


def test_the_example_is_a_node_with_a_charger() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 50
    for table in read(EXAMPLE).device:
        rest = {key: value for key, value in table.items() if key not in ("id", "driver")}
        made = build(str(table["driver"]), ResourceId(str(table["id"])), rest, VirtualClock())
        assert isinstance(made, Charger)


async def test_a_guard_starts_it_and_describes_it_before_any_charger_calls() -> None:
    clock = VirtualClock()
    async with Guard(build("ocpp", DEVICE, {"charge_point": "CP_1", "listen": LOOPBACK}, clock), clock) as guard:
        described = await guard.describe()
        reading = await guard.read()

    assert described is not None
    assert (described.id, described.kind, described.subtype) == (DEVICE, "consumer", "ev")
    assert not reading.online
