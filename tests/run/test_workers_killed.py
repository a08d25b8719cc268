"""`openadr-ra vtn --workers 2` under the load of a few VENs: a worker is killed, all are replaced, and the books balance."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from pathlib import Path

import aiohttp
import pytest

from openadr_ra import OPT_IN
from openadr_ra.errors import OK
from openadr_ra.programs.health import Readiness
from openadr_ra.protocol.messages import (
    CreatedEvent,
    CreatedReport,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    Poll,
    RegisteredReport,
    RegisterReport,
    Response,
    UpdateReport,
)
from openadr_ra.protocol.model import (
    OPT_OUT,
    OptType,
    QualifiedEventId,
    ReportRequestId,
    RequestId,
    ResourceId,
    Rid,
    SpecifierId,
    VenId,
)
from openadr_ra.protocol.parts import (
    TELEMETRY_USAGE,
    EventResponse,
    Interval,
    Report,
    ReportName,
    ReportPayload,
    Result,
)
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.store import open_store
from openadr_ra.wire import codec
from tests.net.crowd import CLOSES, HOST, LENGTH
from tests.net.peers import post
from tests.postgres import Server
from tests.programs.nodes import CONSOLE, VTN, command
from tests.programs.test_workers import HEALTH, NO_LIMITS, SERVES, Supervised, change, supervised, told
from tests.run.site import code

EVENT = "E1"
SECOND = timedelta(seconds=1)
METER = Rid("meter.kw")
OPTS: dict[OptType, str] = {OPT_IN: "optIn", OPT_OUT: "optOut"}


class Line:
    """A connection that is kept, or one for each message. Who is `patient` says again what was not answered, until it is."""

    def __init__(self, port: int, *, kept: bool, patient: bool) -> None:
        self.repeated = 0
        self._port = port
        self._kept = kept
        self._patient = patient
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def say(self, message: Message) -> Message:
        """What comes back with a 200."""
        body = codec.encode(message)
        lines = () if self._kept else ("Connection: close",)
        said = post(body, *lines, path=f"/OpenADR2/Simple/2.0b/{message.service or 'EiRegisterParty'}")
        while True:
            try:
                return codec.decode(await self._exchanged(said))
            except (ConnectionError, asyncio.IncompleteReadError):
                self.leave()
                if not self._patient:
                    raise
                self.repeated += 1

    async def _exchanged(self, said: bytes) -> bytes:
        if self._open is None:
            self._open = await asyncio.open_connection(HOST, self._port)
        reader, writer = self._open
        writer.write(said)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(LENGTH.findall(head)[0]))
        assert head.startswith(b"HTTP/1.1 200 "), head
        if CLOSES in head:
            self.leave()
        return body

    def leave(self) -> None:
        if self._open is not None:
            self._open[1].close()
        self._open = None


class Meter:
    """A VEN that polls, reports and changes its mind, one message after the other, and keeps what was acknowledged."""

    def __init__(self, name: str, line: Line) -> None:
        self.ven_id = VenId(name)
        self.line = line
        self.readings: list[tuple[datetime, float]] = []
        self.opts: list[str] = []
        self._request = ReportRequestId("")
        self._told: DistributeEvent | None = None
        self._round = asyncio.Event()

    async def join(self) -> None:
        """Register, and offer a meter."""
        asked = CreatePartyRegistration(request_id=RequestId("r1"), ven_id=self.ven_id, ven_name=self.ven_id, pull=True)
        assert code(await self.line.say(asked)) == OK
        metadata = Report(
            duration=Duration(seconds=3600),
            descriptions=(usage_description(ResourceId("meter"), "kw", ""),),
            request_id=ReportRequestId("0"),
            specifier_id=SpecifierId("usage"),
            name=ReportName(Token("METADATA_TELEMETRY_USAGE")),
            created=datetime.now(UTC),
        )
        offered = RegisterReport(request_id=RequestId("r2"), reports=(metadata,), ven_id=self.ven_id)
        taken = await self.line.say(offered)
        assert isinstance(taken, RegisteredReport)
        (request,) = taken.requests
        self._request = request.id
        pending = CreatedReport(result=Result(request_id=RequestId("r2")), pending=(request.id,), ven_id=self.ven_id)
        assert code(await self.line.say(pending)) == OK

    async def work(self, stop: asyncio.Event) -> None:
        """Round after round. Whatever is refused, and what a line that is not patient loses, is raised."""
        values = zip(_seconds(), count(1.0, 0.5), cycle(OPTS), strict=False)
        while not stop.is_set():
            start, kw, opt = next(values)
            await self._poll()
            assert code(await self.line.say(self._update(start, kw))) == OK
            self.readings.append((start, kw))
            if self._told is not None:
                assert code(await self.line.say(self._answer(self._told, opt))) == OK
                self.opts.append(OPTS[opt])
            self._round.set()

    async def rounds(self, number: int) -> None:
        """Return when it has gone so many more rounds that had to do with the event."""
        until = len(self.opts) + number
        while len(self.opts) < until:
            self._round.clear()
            await self._round.wait()

    async def _poll(self) -> None:
        match said := await self.line.say(Poll(ven_id=self.ven_id)):
            case RegisterReport():
                answer = RegisteredReport(result=Result(request_id=said.request_id), ven_id=self.ven_id)
                assert code(await self.line.say(answer)) == OK
            case DistributeEvent():
                self._told = said
            case _:
                assert isinstance(said, Response)

    def _update(self, start: datetime, kw: float) -> UpdateReport:
        report = Report(
            start=start,
            intervals=(Interval(start=start, payloads=(ReportPayload(rid=METER, value=kw),)),),
            request_id=self._request,
            specifier_id=SpecifierId("usage"),
            name=TELEMETRY_USAGE,
            created=start,
        )
        return UpdateReport(request_id=RequestId("r3"), reports=(report,), ven_id=self.ven_id)

    def _answer(self, told: DistributeEvent, opt: OptType) -> CreatedEvent:
        (one,) = told.events
        named = QualifiedEventId(event_id=one.event.id, modification=one.event.modification)
        answer = EventResponse(request_id=told.request_id, event=named, opt=opt)
        return CreatedEvent(result=Result(), responses=(answer,), ven_id=self.ven_id)


def _seconds() -> Iterator[datetime]:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    return (start + number * SECOND for number in count())


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.database()


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Path:
    """VENs are asked for one report, and may ask as often as they like."""
    file = tmp_path / "vtn.toml"
    limits = f"{NO_LIMITS}\nven_requests_per_s = 0\nven_bytes_per_min = 0"
    store = f'[store]\nurl = "{url}"'
    file.write_text(f'name = "vtn"\n{VTN}\nslot_s = 0\ndrain_s = 60\n{limits}\n{store}\n{CONSOLE}')
    return file


@asynccontextmanager
async def load(settings: Path, vtn: Supervised, *, patient: bool) -> AsyncIterator[tuple[Meter, ...]]:
    """Four VENs at work, who know of an event, until the block is left. What any of them finds wrong is raised."""
    meters = tuple(Meter(f"VEN{number}", Line(vtn.port, kept=number % 2 == 0, patient=patient)) for number in range(4))
    stop = asyncio.Event()
    try:
        await asyncio.gather(*(meter.join() for meter in meters))
        await asyncio.to_thread(publish, settings, vtn, meters)
        async with asyncio.TaskGroup() as group:
            for meter in meters:
                group.create_task(meter.work(stop))
            yield meters
            stop.set()
    finally:
        for meter in meters:
            meter.line.leave()


def publish(settings: Path, vtn: Supervised, meters: tuple[Meter, ...]) -> None:
    at = ("--console", str(vtn.started.console), "--token-file", settings.parent / "console.token")
    to = [word for meter in meters for word in ("--to", meter.ven_id)]
    done = command("event", "create", "--id", EVENT, "--start", "2099-11-21T12:00+09:00", "--every", "30m", "--kw=-5",
                   "--each", *to, *at, cwd=settings.parent)  # fmt: skip
    assert done.status == 0, done.err


async def more(meters: tuple[Meter, ...], rounds: int = 3) -> None:
    """Return when each has gone so many more rounds."""
    await asyncio.gather(*(meter.rounds(rounds) for meter in meters))


async def balance(url: str, meters: tuple[Meter, ...]) -> None:
    """All that was acknowledged is there, once and in its order, and nothing else."""
    store = await open_store(url)
    entries = await store.journal(f"event/{EVENT}")
    registered = [entry.by for _, entry in await store.entries(0, 10_000) if entry.what.startswith("registered")]
    for meter in meters:
        series = f"{meter.ven_id}/{TELEMETRY_USAGE}/{METER}"
        stored = await store.readings((series,), datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        assert [(one.start, one.value) for one in stored] == meter.readings
        said = [entry.what for _, entry in entries if entry.by == meter.ven_id and entry.what in OPTS.values()]
        assert said == meter.opts
        assert registered.count(meter.ven_id) == 1
    await store.close()


@pytest.mark.timeout(120)
async def test_what_a_killed_worker_acknowledged_is_there_once_and_another_takes_its_place(
    settings: Path, url: str
) -> None:
    """VENs say again what was not answered. That it was stored already, by the one that died, changes nothing."""
    # So long it also tells that it is about to stop, before it does.
    change(settings, "drain_s = 60", f"drain_s = 0.1\n{HEALTH}")
    async with supervised(settings) as vtn, aiohttp.ClientSession(vtn.started.health or "") as session:
        killed = await vtn.logged(SERVES, 2)
        async with load(settings, vtn, patient=True) as meters:
            for number, (slot, pid) in enumerate(killed, 1):
                await more(meters)
                os.kill(int(pid), signal.SIGKILL)
                await vtn.logged(rf"! worker {slot} was ended by SIGKILL; another begins at once")
                await more(meters)
                await vtn.logged(SERVES, 2 + number)
            await more(meters)
            # On a busy machine one may take too long to say so.
            while await told(session) != (200, Readiness(ready=True)):
                pass
        served = await vtn.logged(SERVES, 4)
    await balance(url, meters)

    assert [slot for slot, _ in served[2:]] == [slot for slot, _ in killed]
    assert sum(meter.line.repeated for meter in meters) > 0


@pytest.mark.timeout(120)
async def test_every_message_is_answered_and_stored_once_while_workers_are_replaced(settings: Path, url: str) -> None:
    """By VENs that say nothing twice, whether they keep their connections or come with each message anew."""
    async with supervised(settings) as vtn:
        async with load(settings, vtn, patient=False) as meters:
            await more(meters)
            vtn.process.send_signal(signal.SIGHUP)
            await vtn.logged("= all workers are replaced")
            await more(meters)
        served = await vtn.logged(SERVES, 4)
    await balance(url, meters)

    assert len({pid for _, pid in served}) == 4
