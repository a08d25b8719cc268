"""What `openadr-ra run | vtn | ven node.toml` do: a node with its console, until a signal says stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import SettingsError
from openadr_ra.programs.tables import printable
from openadr_ra.run.node import Node
from openadr_ra.settings import NodeSettings, read

log = logging.getLogger(__name__)

Side = Literal["both", "vtn", "ven"]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says once it runs. `vtn` is where VENs reach it, `upstreams` are the VTNs that it is a VEN of."""

    name: str
    vtn: str | None
    upstreams: tuple[str, ...]
    console: str | None

    def line(self) -> str:
        """The same for people."""
        parts = [f"openadr-ra node {self.name}"]
        if self.vtn is not None:
            parts.append(f"VTN listens on {self.vtn}")
        if self.upstreams:
            parts.append(f"VEN of {', '.join(self.upstreams)}")
        parts.append(f"console listens on {self.console}" if self.console is not None else "no console")
        return "; ".join(parts)


class Dialect(logging.Formatter):
    """`2026-11-21T03:00:00.123Z INFO    < VEN1 Poll`: UTC, one line a record; only a fault of ours brings its traceback.

    What peers send gets into messages, so nothing that a terminal would obey is let through.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = printable(record.message)
        return super().formatMessage(record)


def log_to_stderr(level: Level) -> None:
    """Everything at `level` and above, in the dialect."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Dialect())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def main(path: Path, *, side: Side, say: Callable[[Started], None]) -> None:
    """Be the node in `path` until SIGTERM or SIGINT; `say` is told once it runs.

    Raises SettingsError, which names the file, and StoreError.
    """
    settings = one_sided(read(path), side, path)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(settings, say))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


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


async def _serve(settings: NodeSettings, say: Callable[[Started], None]) -> None:
    """Serve until told to stop; a second signal does not wait for requests under way."""
    stopping = asyncio.Event()
    serving = asyncio.ensure_future(_serve_for_ever(settings, say))

    def stop(name: str) -> None:
        log.info("= %s: stopping", name)
        stopping.set()
        serving.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no handlers in the loop; there Ctrl-C cancels the task, which comes to the same.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop, number.name)
    try:
        await serving
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
    log.info("= stopped")


async def _serve_for_ever(settings: NodeSettings, say: Callable[[Started], None]) -> None:
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(Node(settings).running())
        console = None
        if settings.console is not None:
            # The console is a server: a VEN without one need not carry it in memory.
            from openadr_ra.console.api import serve

            console = await stack.enter_async_context(
                serve(node, listen=settings.console.listen, token_file=Path(settings.console.token_file))
            )
        say(
            Started(
                name=settings.name,
                vtn=node.vtn.url if node.vtn is not None else None,
                upstreams=tuple(upstream.url for upstream in settings.upstream),
                console=console,
            )
        )
        await asyncio.Event().wait()
