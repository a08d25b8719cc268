"""How the tiny VEN brings reports: once, again and again, or METADATA that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta

from conformance.clock import now
from conformance.message import Message
from tests.conformance import tiny_ven_reports as reports
from tests.conformance.tiny_ven_reports import METADATA, Asked
from tests.conformance.tiny_ven_state import VenState

ANSWERED_WITHIN_S = 0.1
"""So long after an answer went out what follows from it may begin."""

MOMENT_S = 1
"""What a report of now covers where nobody says how much."""


class VenDelivery(VenState):
    """The part of the VEN that sends data."""

    async def offer(self, request_id: str | None = None) -> None:
        """Say which reports there are."""
        raise NotImplementedError

    def serve_report(self, asked: Asked) -> None:
        """Begin to send what was asked for."""
        self.running[asked.id] = self.begin(self._serve(asked))

    def begin(self, doing: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Have that done beside everything else, until the VEN is halted."""
        task = asyncio.get_running_loop().create_task(doing)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _serve(self, asked: Asked) -> None:
        await asyncio.sleep(ANSWERED_WITHIN_S)
        await self.deliver_report(asked)

    async def deliver_report(self, asked: Asked) -> None:
        """All that a request brings, until it is over; then it is pending no more."""
        start = asked.start or _second(now())
        if self.wrong("data at once"):
            start = min(start, _second(now()))
        await until(start)
        if asked.specifier == METADATA:
            await self._describe(asked)
        elif asked.back_s:
            await self._repeat(asked, max(start, _second(now())) if asked.start is None else start)
        else:
            await self._once(asked, start)
        self.kept.asked.pop(asked.id, None)

    async def _describe(self, asked: Asked) -> None:
        if self.wrong("metadata never"):
            return
        await self.offer(asked.id)
        while asked.back_s and not self.wrong("metadata once"):
            await asyncio.sleep(asked.back_s)
            await self.offer(asked.id)

    async def _once(self, asked: Asked, start: datetime) -> None:
        """History, or what is measured in the interval: a moment of it, unless it says how long it is."""
        offer = self.load_offer(asked)
        if offer.past:
            length = max(int(min((now() - start).total_seconds(), asked.duration_s or 0)), MOMENT_S)
        else:
            length = asked.duration_s or asked.granularity_s or MOMENT_S
            if asked.start is None:
                start = _second(now()) - timedelta(seconds=length)
            await until(start + timedelta(seconds=length))
        await self.send_data(asked, start, length)
        while self.wrong("data twice"):
            await asyncio.sleep(1)
            await self.send_data(asked, start, length)

    async def _repeat(self, asked: Asked, start: datetime) -> None:
        """One update for each reportBackDuration, with what was measured in it (rule 342)."""
        end = start + timedelta(seconds=asked.duration_s) if asked.duration_s else None
        while end is None or start < end or self.wrong("data for ever"):
            due = start + timedelta(seconds=asked.back_s * (10 if self.wrong("late data") else 1))
            await until(due)
            await self.send_data(asked, start, asked.back_s)
            if self.wrong("data once"):
                await asyncio.sleep(10**6)
            start = due

    async def last_data(self, asked: Asked) -> None:
        """What a cancelled report still has to say."""
        start = _second(now()) - timedelta(seconds=MOMENT_S)
        await self.send_data(asked, start, MOMENT_S)

    async def send_data(self, asked: Asked, start: datetime, length: int) -> None:
        if self.wrong("no data"):
            return
        piece = reports.data(asked, self.load_offer(asked), start, length, self.kept.book.load_w, self.wrong)
        answer = await self.say("oadrUpdateReport", reports=piece)
        await self._piggyback(answer)

    async def _piggyback(self, answer: Message) -> None:
        """End what the answer to the data cancels."""
        if not answer.has("./oadr:oadrCancelReport") or self.wrong("no piggyback"):
            return
        for name in answer.texts("./oadr:oadrCancelReport/ei:reportRequestID"):
            asked = self.kept.asked.pop(name, None)
            if asked is not None and answer.text("./oadr:oadrCancelReport/pyld:reportToFollow") in ("true", "1"):
                await self.last_data(asked)
            self.end_report(name)

    def end_report(self, name: str) -> None:
        """Nothing comes for it any more."""
        self.kept.asked.pop(name, None)
        if (task := self.running.pop(name, None)) is not None:
            task.cancel()


async def until(moment: datetime) -> None:
    """Sleep till then; no time at all if it is over."""
    await asyncio.sleep(max((moment - now()).total_seconds(), 0))


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
