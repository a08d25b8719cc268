"""The devices: a process of its own, which outlives every VEN and writes down what it is told, with the machine's own clock.

`python -m torture.device PORT LEDGER`. A line of JSON comes, the power goes back. It enforces one thing, as any device with
a lease does: when that is over it does what it did before.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from torture.ledger import Told, Writer


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver says to its device."""

    device: str
    verb: Literal["apply", "read", "release"]
    kw: float = 0.0
    lease_s: float = 0.0
    event: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the device does, with registers that rise; kWh."""

    kw: float = 0.0
    until_s: float = 0.0
    at_s: float = 0.0
    import_kwh: float = 0.0
    export_kwh: float = 0.0


def later(state: State, now_s: float) -> State:
    """The device at `now_s`: its power lasts as long as its lease."""
    if not state.at_s:
        return msgspec.structs.replace(state, at_s=now_s)
    ran_s = max(min(now_s, state.until_s) - state.at_s, 0.0)
    kwh = state.kw * ran_s / 3600
    return State(
        kw=state.kw if now_s < state.until_s else 0.0,
        until_s=state.until_s,
        at_s=now_s,
        import_kwh=state.import_kwh + max(kwh, 0.0),
        export_kwh=state.export_kwh + max(-kwh, 0.0),
    )


class Devices:
    """All devices of a run."""

    def __init__(self, ledger: Path) -> None:
        self._writer = Writer(ledger, sync=True)
        self._states: dict[str, State] = {}

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One call after the other until the driver leaves."""
        with suppress(OSError):
            while line := await reader.readline():
                state = self._answer(msgspec.json.decode(line, type=Call))
                writer.write(msgspec.json.encode(state) + b"\n")
                await writer.drain()
        writer.close()

    def _answer(self, call: Call) -> State:
        now_s = time.monotonic()
        state = later(self._states.get(call.device, State()), now_s)
        match call.verb:
            case "apply":
                state = msgspec.structs.replace(state, kw=call.kw, until_s=now_s + call.lease_s)
                told = Told(
                    at_s=now_s, device=call.device, verb="apply", kw=call.kw, lease_s=call.lease_s, event=call.event
                )
                self._writer.write(told)
            case "release":
                state = msgspec.structs.replace(state, kw=0.0, until_s=now_s)
                self._writer.write(Told(at_s=now_s, device=call.device, verb="release"))
            case "read":
                pass
        self._states[call.device] = state
        return state


async def serve(port: int, ledger: Path) -> None:
    """Be the devices until killed."""
    devices = Devices(ledger)
    server = await asyncio.start_server(devices.connected, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
