"""A home that exists only here: an ECHONET Lite node with a storage battery, a V2H charger and PV, on UDP port 3610.

python examples/echonet_node.py 127.0.0.2

Any controller can read and set it; the driver `echonet` does as examples/echonet.toml says. It runs until it is stopped.
"""

import asyncio
import contextlib
import sys

from openadr_ra.drivers.echonet.simulated import Node
from openadr_ra.drivers.echonet.simulated_devices import SimulatedBattery, SimulatedDevice, SimulatedPv, SimulatedV2h
from openadr_ra.run.clock import SystemClock

EVERY_S = 10


async def main(address: str) -> None:
    clock = SystemClock()
    devices: dict[str, SimulatedDevice] = {
        "battery": SimulatedBattery(clock),
        "v2h": SimulatedV2h(clock),
        "pv": SimulatedPv(clock),
    }
    async with Node(address, devices.values(), clock):
        while True:
            print(", ".join(f"{name} {device.kw:+.2f} kW" for name, device in devices.items()), flush=True)
            await asyncio.sleep(EVERY_S)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.2"))
