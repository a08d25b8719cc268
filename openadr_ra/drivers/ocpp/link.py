"""One websocket to a charge point: calls and their answers, both ways."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from itertools import count

import msgspec
from ocpp.exceptions import FormatViolationError, NotImplementedError, OCPPError
from ocpp.messages import Call, CallResult, unpack
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from openadr_ra.drivers.ocpp.dialect import Ask, Dialect, NotKnown, NotUnderstood, Payload

_log = logging.getLogger("openadr_ra.drivers")

Hear = Callable[[str, object], Payload]
"""Takes an action and its payload; raises NotUnderstood or NotKnown."""

HUNG_UP = "the charge point hung up"

LONGEST_TOLD = 120
"""Characters of what a charger wrote that go into the log."""


class Gone(Exception):
    """There is no connection any more."""


class Refused(Exception):
    """The charger answered a call by an error: it does not do that."""


class Link:
    """The connection that is there. It answers by `hear` while `serve` runs; `call` waits for answers of its own."""

    def __init__(self, connection: ServerConnection, dialect: Dialect, name: str) -> None:
        self.dialect = dialect
        self.boots = 0
        """How often the charge point has said that it starts: then it has forgotten what it was told."""
        self.asking = asyncio.Lock()
        self.asked: int | None = None
        """The connector that is asked how it stands, by whoever has `asking`: not each answer names it."""
        self._connection = connection
        self._name = name
        self._turn = asyncio.Lock()
        self._numbers = count(1)
        self._waiting: dict[str, asyncio.Future[object]] = {}

    async def serve(self, hear: Hear) -> None:
        """Until the connection ends."""
        with contextlib.suppress(ConnectionClosed):
            async for text in self._connection:
                if (reply := self._answer(text, hear)) is not None:
                    await self._connection.send(reply)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(Gone(HUNG_UP))

    async def call(self, ask: Ask) -> object:
        """The charger's answer. Raises Gone or Refused. A charge point is asked one thing at a time (OCPP-J 4.1.1)."""
        async with self._turn:
            number = str(next(self._numbers))
            answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            self._waiting[number] = answer
            try:
                await self._connection.send(Call(number, ask.action, msgspec.to_builtins(ask.payload)).to_json())
                got = await answer
            except ConnectionClosed as error:
                raise Gone(HUNG_UP) from error
            finally:
                del self._waiting[number]
        if isinstance(got, Gone | Refused):
            raise got
        return got

    async def close(self) -> None:
        await self._connection.close()

    def _answer(self, text: str | bytes, hear: Hear) -> str | None:
        """The reply to a frame; None to an answer, and to what is no frame at all."""
        try:
            message = unpack(text)
        except (OCPPError, ValueError, RecursionError) as error:
            self._complain(f"no OCPP: {error}")
            return None
        number: object = message.unique_id
        if not isinstance(number, str):
            self._complain("a message whose id is no text")
            return None
        if isinstance(message, Call):
            return self._reply(message, hear)
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            match message:
                case CallResult():
                    waiting.set_result(message.payload)
                case _:
                    waiting.set_result(Refused(shortened(message.error_code)))
        return None

    def _reply(self, message: Call, hear: Hear) -> str:
        try:
            reply = hear(str(message.action), message.payload)
            done = message.create_call_result(msgspec.to_builtins(reply))
        except NotKnown:
            done = message.create_call_error(NotImplementedError())
        except NotUnderstood as error:
            self._complain(f"{shortened(message.action)}: {error}")
            done = message.create_call_error(FormatViolationError(description=shortened(error)))
        return str(done.to_json())

    def _complain(self, what: str) -> None:
        _log.warning("! %s said %s", self._name, shortened(what))


def shortened(what: object) -> str:
    """One line of a charger's words, short and without control characters."""
    return "".join(_printable(str(what)[:LONGEST_TOLD]))


def _printable(text: str) -> Iterator[str]:
    for letter in text:
        yield letter if letter.isprintable() else " "
