"""One Modbus TCP connection: registers are read and written, or it is said why not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

NOT_NOW = {
    5: "it is still at it",
    6: "it is busy",
    10: "the gateway has no path",
    11: "the gateway hears nothing of it",
}
"""Modbus exceptions that say nothing about the request; those that do are refusals."""

LOST = "the connection was lost"


class Unreachable(Exception):
    """The device did not answer, or nothing that can be used; `str` says what."""


class Refused(Unreachable):
    """The device answered that it will not."""


class Link:
    """A connection that is made when it is wanted, and dropped after whatever is no answer: what comes late would be
    taken for the answer to something else."""

    def __init__(self, host: str, port: int, unit: int, timeout_s: float) -> None:
        self._place = (host, port)
        self._unit = unit
        self._timeout_s = timeout_s
        self._client: AsyncModbusTcpClient | None = None
        self._lost = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.connected

    async def connect(self) -> None:
        """Raises Unreachable."""
        self.drop()
        host, port = self._place
        self._lost = lost = asyncio.Event()

        def changed(connected: bool) -> None:
            if not connected:
                lost.set()

        # Neither retries nor a reconnection of its own: whoever asks has a deadline, and asks again.
        client = AsyncModbusTcpClient(
            host, port=port, timeout=self._timeout_s, retries=0, reconnect_delay=0, trace_connect=changed
        )
        self._client = client
        try:
            if not await client.connect():
                raise Unreachable(f"nobody answers at {host}:{port}")
        finally:
            if not client.connected:
                self.drop()

    async def read(self, address: int, count: int) -> tuple[int, ...]:
        """`count` holding registers from `address`. Raises Unreachable or Refused."""
        answer = await self._asked(address, count, None)
        if len(answer.registers) != count:
            self.drop()
            raise Unreachable(f"{len(answer.registers)} registers instead of the {count} from {address}")
        return tuple(answer.registers)

    async def write(self, address: int, words: Sequence[int]) -> None:
        """All in one request. Raises Unreachable or Refused."""
        await self._asked(address, len(words), words)

    def drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _asked(self, address: int, count: int, words: Sequence[int] | None) -> ModbusPDU:
        """The answer to a read, or to the write of `words`."""
        client = self._client
        if client is None or not client.connected:
            raise Unreachable(LOST)
        if words is None:
            asking = client.read_holding_registers(address, count=count, device_id=self._unit)
        else:
            asking = client.write_registers(address, list(words), device_id=self._unit)
        answered = False
        try:
            answer = await self._unless_lost(asking)
            answered = True
        except ModbusException as error:
            raise Unreachable(" ".join(str(error).split())) from error
        finally:
            if not answered:
                self.drop()
        if not answer.isError():
            return answer
        if answer.exception_code in NOT_NOW:
            raise Unreachable(NOT_NOW[answer.exception_code])
        what = f"registers {address} to {address + count - 1}"
        raise Refused(f"it refuses {what}: Modbus exception {answer.exception_code}")

    async def _unless_lost(self, asking: Awaitable[ModbusPDU]) -> ModbusPDU:
        """The answer; at once Unreachable when the connection ends, for which the client would wait in vain."""
        asked, lost = asyncio.ensure_future(asking), asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({asked, lost}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
            raise Unreachable(LOST)
        finally:
            asked.cancel()
            lost.cancel()
