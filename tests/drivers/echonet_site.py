"""ECHONET nodes for tests: each at a loopback address of its own, for UDP port 3610 of an address has one owner."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing

from openadr_ra.drivers.echonet import Echonet, EchonetSettings
from openadr_ra.drivers.echonet.link import PORT
from openadr_ra.drivers.echonet.simulated import Node
from openadr_ra.drivers.echonet.simulated_devices import SimulatedBattery, SimulatedDevice, SimulatedPv, SimulatedV2h
from openadr_ra.drivers.simulated.ev import EvSettings
from openadr_ra.seams import Clock
from tests.drivers.counterparts import absent
from tests.drivers.makers import DEVICE

PATIENT_S = 30.0
"""For an answer that comes: a slow machine is no failure."""

HASTY_S = 0.3
"""For an answer that does not come."""


def _candidates() -> Iterator[str]:
    """Addresses of this process, without end. Others that run at the same time have other numbers."""
    number = os.getpid() % (254 * 256)
    while True:
        yield from (f"127.{1 + number // 256}.{number % 256}.{host}" for host in range(1, 255))


_addresses = _candidates()


def address() -> str:
    """A loopback address on which nobody has port 3610 now."""
    refused = ""
    for _, candidate in zip(range(254), _addresses, strict=False):
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            try:
                probe.bind((candidate, PORT))
            except OSError as error:
                refused = f"{candidate}:{PORT}: {error}"
            else:
                return candidate
    absent("a loopback network of many addresses, each with UDP port 3610,", refused)


def echonet(clock: Clock, host: str, **settings: object) -> Echonet:
    """A driver for the device at `host`, from an address of its own unless told."""
    told = {"host": host, "local_address": address(), "timeout_s": PATIENT_S} | settings
    return Echonet(DEVICE, EchonetSettings(**told), clock)  # type: ignore[arg-type]  # a test names what it is about


def stay(**changes: object) -> EvSettings:
    """A vehicle that stays for good and wants nothing."""
    told = {"discharge_kw": 6.0, "plan_kw": 0.0, "need_kwh": 0.0, "departs_after_h": None} | changes
    return EvSettings(**told)  # type: ignore[arg-type]  # as above


def simulated_device(kind: str, clock: Clock) -> SimulatedDevice:
    match kind:
        case "battery":
            return SimulatedBattery(clock)
        case "v2h":
            return SimulatedV2h(clock, stay())
        case _:
            return SimulatedPv(clock)
