"""The tiny VEN as a server, to which a VTN pushes; and its whole life, started and halted."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable

from conformance.listen import Arrived, Reply, listening
from conformance.message import Message
from conformance.play import PREFIX
from tests.conformance.front import fronted
from tests.conformance.tiny_ven import TinyVen
from tests.conformance.tiny_ven_reading import fetched, read
from tests.conformance.wrongs import Chokes, Front, Mutation

SERVED = ("EiEvent", "EiReport", "EiRegisterParty")
MAX_BODY_BYTES = 1024 * 1024


class Server:
    """Takes requests for a VEN."""

    def __init__(self, ven: TinyVen) -> None:
        self.ven = ven
        self.choked = False

    async def handle(self, arrived: Arrived) -> Reply:
        """One request, with whatever flaw there is."""
        for flaw in self.ven.flaws:
            if isinstance(flaw, Chokes) and (self.choked or flaw.meets(arrived)):
                self.choked = flaw.after
                return flaw.reply(self.ven.sealed(self.ven.mutated(self.ven.write("oadrResponse", request_id=""))))
        naive = self.ven.wrong("takes what is no message")
        if status := refused(arrived):
            return Reply(status=status)
        if self.ven.wrong("fetches entities"):
            await fetched(arrived.body)
        message = read(arrived.body, arrived.headers, self.ven.flaws, self.ven.wrong)
        if not message.kind or (self.ven.invalid(message) and naive):
            return self._going(b"", message) if naive else Reply(status=400)
        return self._heard(message)

    def _heard(self, message: Message) -> Reply:
        ven = self.ven
        answer = ven.hear(message)
        talks = ven.wrong("answers pushes with a body")
        if answer is None:
            return self._going(ven.write("oadrResponse", request_id="") if talks else b"", message)
        if answer.raw and ven.wrong("answers pushes later"):
            ven.begin(_after(lambda: ven.deliver(answer)))
            return self._going(b"", message)
        if answer.then is not None:
            ven.begin(_after(answer.then))
        raw = answer.raw
        if not raw and talks:
            raw = ven.write("oadrResponse", request_id="")
        if not raw and answer.code in ("454", "459"):
            # The sender learns at once what its message is worth, though the word on its events comes by itself.
            raw = ven.write("oadrResponse", request_id=message.request_id, code=answer.code)
        return self._going(raw, message)

    def _going(self, raw: bytes, message: Message) -> Reply:
        """The answer with its headers, mutated where there is a flaw in them."""
        body = self.ven.sealed(self.ven.mutated(raw))
        headers = {"Content-Length": str(len(body)), "Content-Type": "application/xml; charset=utf-8"}
        status = 200
        for flaw in self.ven.flaws:
            if isinstance(flaw, Mutation) and (flaw.concerns(Message(raw, sender="subject")) or not flaw.kind):
                status = flaw.status or status
                headers.pop(flaw.lose, None)
                if "Content-Type" in headers:
                    headers["Content-Type"] = flaw.media or headers["Content-Type"]
        if not raw:
            headers.pop("Content-Type", None)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return Reply(raw=f"HTTP/1.1 {status} -\r\n{lines}Connection: close\r\n\r\n".encode() + body)


async def _after(doing: Callable[[], object]) -> None:
    """What follows from an answer begins when the answer is gone."""
    await asyncio.sleep(0.01)
    done = doing()
    if asyncio.iscoroutine(done):
        await done


def refused(arrived: Arrived) -> int:
    """The HTTP status by which a request is refused, whatever is in it; 0 if it is not."""
    if arrived.method != "POST":
        return 405
    service = arrived.path.removeprefix(f"{PREFIX}/")
    if service not in SERVED or service == arrived.path:
        return 404
    lengths = {value for name, value in arrived.headers if name.lower() == "content-length"}
    if len(lengths) > 1:
        return 400
    media = (arrived.header("Content-Type") or "application/xml").split(";")[0].strip()
    if media not in ("application/xml", "text/xml"):
        return 415
    return 413 if len(arrived.body) > MAX_BODY_BYTES else 0


@contextlib.asynccontextmanager
async def living(ven: TinyVen, *, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[int]:
    """The VEN lives until the block is left; yields the port at which it is pushed to, 0 for one that polls."""
    async with contextlib.AsyncExitStack() as stack:
        bound = 0
        if ven.mode == "push":
            bound = await stack.enter_async_context(listening(Server(ven).handle, port=port, tls=tls))
            scheme = "https" if tls else "http"
            ven.address = f"{scheme}://127.0.0.1:{bound}"
            for flaw in ven.flaws:
                if isinstance(flaw, Front):
                    ven.address = await stack.enter_async_context(fronted(ven.address, flaw))
        life = ven.begin(ven.live())
        try:
            yield bound
        finally:
            tasks = tuple(ven.tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if life.done() and not life.cancelled() and (error := life.exception()) is not None:
                raise error
