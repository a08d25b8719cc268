"""An ECHONET Lite node that exists only here: real frames on UDP 3610, simulated devices behind them.

For trying the driver out, or any other controller, without hardware: `examples/echonet_node.py`. It answers as the
appendix to the specification has it: property maps, refusals by property, answers to port 3610. What real nodes do
besides can be switched on: refuse what they list, answer a few properties at a time, be slow, say nothing, say nonsense.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType
from typing import Self

from openadr_ra.drivers.echonet import codes
from openadr_ra.drivers.echonet.frame import (
    NODE_PROFILE,
    Frame,
    FrameError,
    Property,
    Service,
    read,
    spelt,
    write,
    write_map,
)
from openadr_ra.drivers.echonet.link import PORT
from openadr_ra.drivers.echonet.remote import ANNOUNCED_MAP, GET_MAP, SET_MAP
from openadr_ra.drivers.echonet.simulated_devices import SimulatedDevice
from openadr_ra.seams import Clock

_EXPERIMENTAL = b"\xff\xff\xff"
"""The manufacturer's code of whoever has none."""


class Node(asyncio.DatagramProtocol):
    """A node at an address of its own; an async context manager, on the network while it is entered.

    It can be left and entered again: then it was unplugged in between, while its devices went on by themselves.
    """

    def __init__(self, address: str, devices: Iterable[SimulatedDevice], clock: Clock) -> None:
        self.address = address
        self.refused: set[int] = set()
        """Properties that are listed and refused all the same."""
        self.all_or_nothing = False
        """It refuses the whole of a question for the sake of one property."""
        self.at_once = 255
        """So many properties of a question it answers."""
        self.lost = 0
        """So many of the questions to come get lost."""
        self.answers: float = math.inf
        """So many answers it still gives."""
        self.delay_s = 0.0
        """By the clock, from a question to its answer."""
        self.nonsense: bytes | None = None
        """What it answers instead."""
        self.questions = 0
        self._devices = {device.eoj: device for device in devices}
        self._clock = clock
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()
        self._late: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (self.address, PORT))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._late:
            task.cancel()
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._closed.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closed.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            question = read(data)
        except FrameError:
            return
        self.questions += 1
        answer = None if self._hears_nothing() else self._answer(question)
        if answer is None:
            return
        self.answers -= 1
        if not self.delay_s:
            self._send(answer, addr[0])
            return
        task = asyncio.get_running_loop().create_task(self._send_late(answer, addr[0]))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _hears_nothing(self) -> bool:
        lost = self.lost > 0
        self.lost -= lost
        return lost or self.answers <= 0

    async def _send_late(self, answer: Frame, host: str) -> None:
        await self._clock.sleep_until(self._clock.now() + timedelta(seconds=self.delay_s))
        self._send(answer, host)

    def _send(self, answer: Frame, host: str) -> None:
        """Answers go to the port of ECHONET Lite, wherever the question came from."""
        if self._transport is not None:
            data = write(answer) if self.nonsense is None else self.nonsense
            self._transport.sendto(data, (host, PORT))

    def _answer(self, question: Frame) -> Frame | None:
        """None where the specification has none: for other objects, for answers and for what needs none."""
        device = self._devices.get(question.target)
        if device is None and question.target != NODE_PROFILE:
            return None
        asked = question.properties[: self.at_once]
        match question.service:
            case Service.GET | Service.INF_REQ:
                told = tuple(Property(epc=one.epc, edt=self._value(device, one.epc)) for one in asked)
                good = all(one.edt for one in told)
            case Service.SETC | Service.SETI:
                told = tuple(one if self._refuses(device, one) else Property(epc=one.epc) for one in asked)
                good = not any(one.edt for one in told)
            case _:
                return None
        if self.all_or_nothing and not good:
            told = asked
        service = _ANSWERS[question.service][0 if good else 1]
        if service is None:
            return None
        return Frame(tid=question.tid, source=question.target, target=question.source, service=service, properties=told)

    def _value(self, device: SimulatedDevice | None, epc: int) -> bytes:
        """Empty where there is none."""
        if epc in self.refused:
            return b""
        return self._profile().get(epc, b"") if device is None else _values(device).get(epc, b"")

    def _refuses(self, device: SimulatedDevice | None, wish: Property) -> bool:
        return device is None or wish.epc in self.refused or not device.set(wish.epc, wish.edt)

    def _profile(self) -> dict[int, bytes]:
        """The object that every node has and that says which others there are."""
        eojs = sorted(self._devices, key=lambda eoj: (eoj.kind, eoj.instance))
        kinds = sorted({eoj.kind for eoj in eojs})
        listed = bytes((len(eojs),)) + b"".join(map(spelt, eojs))
        values = {
            codes.STATUS: codes.ON,
            0x82: b"\x01\x0d\x01\x00",
            0x83: b"\xfe" + _EXPERIMENTAL + self.address.encode().ljust(13, b"\0")[:13],
            codes.FAULT: codes.SOUND,
            0x8A: _EXPERIMENTAL,
            0xD3: len(eojs).to_bytes(3),
            0xD4: (1 + len(kinds)).to_bytes(2),
            0xD5: listed,
            0xD6: listed,
            0xD7: bytes((len(kinds),)) + b"".join(kind.to_bytes(2) for kind in kinds),
        }
        return _with_maps(values, settable=(), announced=(codes.STATUS, 0xD5))


_ANSWERS: dict[Service, tuple[Service | None, Service]] = {
    Service.GET: (Service.GET_RES, Service.GET_SNA),
    Service.INF_REQ: (Service.INF, Service.INF_SNA),
    Service.SETC: (Service.SET_RES, Service.SETC_SNA),
    Service.SETI: (None, Service.SETI_SNA),
}


def _values(device: SimulatedDevice) -> dict[int, bytes]:
    return _with_maps(device.values(), device.settable, (codes.STATUS, codes.FAULT))


def _with_maps(values: dict[int, bytes], settable: Iterable[int], announced: Iterable[int]) -> dict[int, bytes]:
    readable = (*values, ANNOUNCED_MAP, SET_MAP, GET_MAP)
    return {
        **values,
        ANNOUNCED_MAP: write_map(announced),
        SET_MAP: write_map(settable),
        GET_MAP: write_map(readable),
    }
