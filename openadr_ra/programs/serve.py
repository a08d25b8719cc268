"""What `openadr-ra run | vtn | ven node.toml` do: a node with its console, until a signal says stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import SettingsError
from openadr_ra.net.tls import read_through_less
from openadr_ra.programs.garbage import collect_seldom
from openadr_ra.programs.tables import printable
from openadr_ra.run.files import raise_limit
from openadr_ra.run.node import Node
from openadr_ra.seams import Clock
from openadr_ra.settings import NodeSettings, read

if TYPE_CHECKING:
    from openadr_ra.net.listening import Sockets
    from openadr_ra.programs.health import Readiness

log = logging.getLogger(__name__)

Side = Literal["both", "vtn", "ven"]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says once it runs. `vtn` is where VENs reach it, `upstreams` are the VTNs that it is a VEN of, `health` is
    where it tells of that, `workers` are the processes that it is."""

    name: str
    vtn: str | None
    upstreams: tuple[str, ...]
    console: str | None
    health: str | None = None
    workers: int = 1

    def line(self) -> str:
        """The same for people."""
        parts = [f"openadr-ra node {self.name}"]
        if self.vtn is not None:
            parts.append(f"VTN listens on {self.vtn}")
        if self.upstreams:
            parts.append(f"VEN of {', '.join(self.upstreams)}")
        parts.append(f"console listens on {self.console}" if self.console is not None else "no console")
        if self.health is not None:
            parts.append(f"health is told on {self.health}")
        if self.workers > 1:
            parts.append(f"{self.workers} workers")
        return "; ".join(parts)


class Dialect(logging.Formatter):
    """`2026-11-21T03:00:00.123Z INFO    < VEN1 Poll`: UTC, one line a record; only a fault of ours brings its traceback.

    What peers send gets into messages, so nothing that a terminal would obey is let through.
    """

    def __init__(self, mark: str = "") -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {mark}%(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = printable(record.message)
        return super().formatMessage(record)


def log_to_stderr(level: Level, mark: str = "") -> None:
    """Everything at `level` and above, in the dialect; `mark` tells the lines of one process from those of others."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Dialect(mark))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def main(path: Path, *, side: Side, say: Callable[[Started], None]) -> None:
    """Be the node in `path` until SIGTERM or SIGINT; `say` is told once it runs.

    Raises SettingsError, which names the file, and StoreError.
    """
    settings = one_sided(read(path), side, path)
    own_process(settings)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(settings, say, leads=leads(settings, side)))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def leads(settings: NodeSettings, side: Side) -> bool:
    """Whether the node is to lead the fleet of its VENs. Where many processes serve them, one alone does: that of `run`."""
    return side != "vtn" or not settings.store.shared


def own_process(settings: NodeSettings) -> None:
    """Set up the process as one of our own; whoever embeds us has other plans for theirs."""
    if settings.downstream is not None:
        raise_limit()
        collect_seldom()
    read_through_less()


def one_sided(settings: NodeSettings, side: Side, path: Path) -> NodeSettings:
    """Without the side that was not asked for. Raises SettingsError if that leaves nothing."""
    if side == "vtn" and settings.downstream is None:
        raise SettingsError(f"{path}: downstream: is missing; a VTN needs this table, see README")
    if side == "ven" and not settings.upstream:
        raise SettingsError(f"{path}: upstream: is missing; a VEN needs at least one [[upstream]], see README")
    match side:
        case "vtn":
            return replace(settings, upstream=(), device=())
        case "ven":
            return replace(settings, downstream=None)
        case "both":
            return settings


class Running:
    """A node with its console and what it tells of its health, from its start until it has drained.

    `leads`: see `Node`. `vens` and `console` are sockets that are bound already, where several processes share their ports.
    """

    def __init__(
        self,
        settings: NodeSettings,
        say: Callable[[Started], None],
        *,
        leads: bool,
        vens: Sockets = (),
        console: Sockets = (),
    ) -> None:
        self._settings = settings
        self._say = say
        self._console = console
        self._node = Node(settings, sockets=vens, leads=leads)
        self._serves = False
        self._stopping = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    def stop(self) -> bool:
        """Drain, and then end; False if there is nothing yet that could drain."""
        self._stopping.set()
        return self._serves

    async def missing(self) -> tuple[str, ...]:
        """What keeps it from serving VENs, a sentence each."""
        if self.stopping:
            return ("it is about to stop",)
        if self._node.vtn is None or not self._serves:
            return ("it is starting",)
        return await self._node.vtn.missing()

    async def run(self) -> None:
        """Return when it was told to stop and has drained. Cancelled, it waits for nobody but requests under way."""
        settings, down = self._settings, self._settings.downstream
        async with AsyncExitStack() as stack:
            health = None
            if down is not None and down.health:
                # A node without VENs below need not carry a server in memory; nor one that nobody asks.
                from openadr_ra.programs.health import answering

                health = await stack.enter_async_context(answering(down.health, self._readiness))
            node = await stack.enter_async_context(self._node.running())
            self._serves = True
            console = await self._consoled(stack, node)
            self._say(
                Started(
                    name=settings.name,
                    vtn=node.vtn.url if node.vtn is not None else None,
                    upstreams=tuple(upstream.url for upstream in settings.upstream),
                    console=console,
                    health=health,
                )
            )
            await self._stopping.wait()
            if down is not None and health is not None:
                await shown_unready(node.clock, down.drain_s)
            await node.drain()

    async def _consoled(self, stack: AsyncExitStack, node: Node) -> str | None:
        settings = self._settings.console
        if settings is None:
            return None
        # The console is a server: a VEN without one need not carry it in memory.
        from openadr_ra.console.api import serve

        return await stack.enter_async_context(
            serve(node, listen=settings.listen, token_file=Path(settings.token_file), sockets=self._console)
        )

    async def _readiness(self) -> Readiness:
        from openadr_ra.programs.health import Readiness

        missing = await self.missing()
        return Readiness(ready=not missing, missing=missing)


async def shown_unready(clock: Clock, drain_s: float) -> None:
    """Return when whoever looks at our health has had the time to send VENs elsewhere."""
    await clock.sleep_until(clock.now() + timedelta(seconds=drain_s))


async def _serve(settings: NodeSettings, say: Callable[[Started], None], *, leads: bool) -> None:
    """Serve until told to stop, and drain; a second signal does not wait for that."""
    running = Running(settings, say, leads=leads)
    serving = asyncio.ensure_future(running.run())

    def stop(name: str) -> None:
        at_once = running.stopping
        log.info("= %s: stopping%s", name, " at once" if at_once else "")
        if not running.stop() or at_once:
            serving.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no handlers in the loop; there Ctrl-C cancels the task, which comes to the same.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop, number.name)
    try:
        await serving
    except asyncio.CancelledError:
        if not running.stopping:
            raise
    log.info("= stopped")
