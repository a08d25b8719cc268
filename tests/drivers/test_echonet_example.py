"""The examples of the driver `echonet`: a node's settings, and a home to try them on."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from openadr_ra.drivers import VirtualClock, build
from openadr_ra.drivers.echonet import Echonet
from openadr_ra.errors import SettingsError
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import GOOD
from openadr_ra.settings import read
from tests.drivers.echonet_site import PATIENT_S, address, echonet
from tests.drivers.makers import DEVICE, setpoint
from tests.pages import ROOT

EXAMPLES = ROOT / "examples"


def test_the_settings_of_the_echonet_example_make_a_driver_of_each_kind() -> None:
    text = (EXAMPLES / "echonet.toml").read_text("utf-8")
    found = read(EXAMPLES / "echonet.toml")
    clock = VirtualClock()
    tables = [dict(device) for device in found.device]
    made = [build(str(one.pop("driver")), ResourceId(str(one.pop("id"))), one, clock) for one in tables]

    assert len(text.splitlines()) < 50
    assert [one["kind"] for one in tables] == ["battery", "v2h", "pv"]
    assert all(isinstance(one, Echonet) for one in made)
    assert all(found.fleet.driver_timeout_s > float(str(one.get("timeout_s", 2.0))) for one in tables)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, 'driver "echonet" needs the setting `host`'),
        ({"host": "battery.local"}, "host 'battery.local' is no IPv4 address like 192.168.1.20"),
        ({"host": "::1"}, "host '::1' is no IPv4 address"),
        ({"host": "192.168.1.20", "local_address": "eth0"}, "local_address 'eth0' is no IPv4 address"),
        ({"host": "192.168.1.20", "kind": "car"}, "setting `kind`"),
        ({"host": "192.168.1.20", "instance": 0}, "setting `instance`"),
        ({"host": "192.168.1.20", "instance": 128}, "setting `instance`"),
        ({"host": "192.168.1.20", "reserve_percent": 101}, "setting `reserve_percent`"),
        ({"host": "192.168.1.20", "min_kw": 0.1}, "0 is not within min_kw and max_kw"),
        ({"host": "192.168.1.20", "max_kw": -0.1}, "0 is not within min_kw and max_kw"),
        ({"host": "192.168.1.20", "port": 3610}, "knows no setting `port`"),
    ],
)
def test_settings_that_no_echonet_device_has_are_refused_by_name(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(SettingsError, match='device "device-1"') as refused:
        build("echonet", DEVICE, settings, VirtualClock())

    assert wrong in str(refused.value)


async def test_the_home_of_the_example_can_be_read_and_moved() -> None:
    """As its readers start it, in a process of its own."""
    host = address()
    home = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(EXAMPLES / "echonet_node.py"), host,
        stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert home.stdout is not None
    try:
        said = await asyncio.wait_for(home.stdout.readline(), PATIENT_S)
        async with echonet(VirtualClock(), host) as battery, echonet(VirtualClock(), host, kind="pv") as pv:
            ack = await battery.apply(setpoint(-2.0))
            reading, sun = await battery.read(), await pv.read()
    finally:
        home.terminate()
        await home.communicate()

    assert said == b"battery +0.00 kW, v2h +0.00 kW, pv -3.00 kW\n"
    assert ack.outcome == "accepted"
    assert (reading.kw, reading.quality, sun.kw) == (-2.0, GOOD, -3.0)
