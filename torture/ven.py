"""A VEN to be tortured: `python -m torture.ven NODE.toml LEDGER`. A tap keeps the ledger, the driver speaks to a device."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from openadr_ra import Ack, Clock, Descriptor, DriverSettings, Measurement, Node, ResourceId, Setpoint
from openadr_ra.console.api import serve
from openadr_ra.programs.serve import log_to_stderr
from openadr_ra.run.traffic import Exchange
from openadr_ra.settings import read
from torture.device import Call, State
from torture.ledger import Heard, Writer

POWER_KW = 5.0


class RecorderSettings(DriverSettings, frozen=True, kw_only=True):
    """Where the device is."""

    port: Annotated[int, Meta(ge=1, le=65535)]


class Recorder:
    """A battery in another process. A lease is told as what is left of it, as devices with a watchdog want it."""

    Settings = RecorderSettings

    def __init__(self, resource: ResourceId, settings: RecorderSettings, clock: Clock) -> None:
        self._resource = resource
        self._port = settings.port
        self._clock = clock
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def describe(self) -> Descriptor:
        return Descriptor(id=self._resource, kind="battery", min_kw=-POWER_KW, max_kw=POWER_KW)

    async def apply(self, setpoint: Setpoint) -> Ack:
        left_s = (setpoint.lease_until - self._clock.now()).total_seconds()
        call = Call(
            device=self._resource, verb="apply", kw=setpoint.kw, lease_s=max(left_s, 0.0), event=setpoint.event_id
        )
        return Ack(outcome="accepted", effective_kw=(await self._call(call)).kw)

    async def read(self) -> Measurement:
        state = await self._call(Call(device=self._resource, verb="read"))
        return Measurement(
            at=self._clock.now(),
            kw=state.kw,
            min_kw=-POWER_KW,
            max_kw=POWER_KW,
            import_kwh=state.import_kwh,
            export_kwh=state.export_kwh,
        )

    async def release(self, reason: str) -> Ack:
        state = await self._call(Call(device=self._resource, verb="release"))
        return Ack(outcome="accepted", effective_kw=state.kw)

    async def _call(self, call: Call) -> State:
        """One at a time, as the guard sees to it; a call that was given up takes its connection with it."""
        connection, self._connection = self._connection, None
        reader, writer = connection or await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(msgspec.json.encode(call) + b"\n")
            state = msgspec.json.decode(await reader.readline(), type=State)
        except BaseException:
            writer.close()
            raise
        self._connection = reader, writer
        return state


async def main(settings: Path, ledger: Path) -> None:
    """Be the VEN, with its console, until SIGTERM."""
    writer = Writer(ledger)

    def tap(exchange: Exchange) -> None:
        heard = Heard(
            at_s=time.monotonic(),
            service=exchange.service,
            status=exchange.status,
            request=exchange.request,
            reply=exchange.reply,
        )
        writer.write(heard)

    told = read(settings)
    if told.console is None:
        raise SystemExit(f"{settings}: needs [console]")
    node = Node(told, drivers={"recorder": Recorder}, tap=tap)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with node.running(), serve(node, listen=told.console.listen, token_file=Path(told.console.token_file)):
        os.write(sys.stdout.fileno(), b"running\n")
        await stop.wait()


if __name__ == "__main__":
    log_to_stderr("INFO")
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
