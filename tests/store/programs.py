"""What the tests run in a process of its own, to be killed, starved or shut out there: `python -m tests.store.programs`."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from openadr_ra.errors import StoreError
from openadr_ra.protocol.step import Key, Record
from openadr_ra.seams import Store
from openadr_ra.store import SqliteStore, open_store
from tests.store.check_store import Tank, entry, mail, pour, reading

NOBODY = 65534
CALLERS = 20


def say(line: str) -> None:
    """One line to the parent, at once and in one piece."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


async def load(file: Path) -> None:
    """Callers without end, each saying what it has been promised."""
    await call_for_ever(await SqliteStore.open(file), "")


async def share(file: Path) -> None:
    """The same on a database that others work on, too; its url and a name of this process are in the file."""
    url, who = (await asyncio.to_thread(file.read_text, "utf-8")).split()
    await call_for_ever(await open_store(url), who)


async def call_for_ever(store: Store, who: str) -> None:
    """Callers of that name; one that is refused says so and goes on."""

    async def call(caller: int) -> None:
        for number in count():
            name = f"{who}{caller}:{number}"
            line = entry(name, subject=f"caller/{caller}")
            records = Record(readings=(reading(number, series=name),), entries=(line,))
            # Two callers to a row, so that steps chain; each posts to the next row, which often does not exist yet.
            step = pour(name, post=mail(Key(f"tank/{caller // 2 + 1}"), f"mail {name}"), effects=(records,))
            try:
                await store.update(Key(f"tank/{caller // 2}"), Tank, step)
            except StoreError as error:
                say(f"! {error}")
                await asyncio.sleep(0.05)
            else:
                say(name)

    await asyncio.gather(*(call(caller) for caller in range(CALLERS)))


async def hold(file: Path) -> None:
    """Have the file until the parent lets go."""
    store = await SqliteStore.open(file)
    say("held")
    await asyncio.to_thread(sys.stdin.read)
    await store.close()


async def fill(file: Path) -> None:
    """Store more and more until the store refuses, then look whether what it acknowledged is there; then with more room."""
    store = await SqliteStore.open(file)
    acknowledged: list[str] = []
    for number in count():
        try:
            await store.update(Key(f"tank/{number}"), Tank, pour(f"{number}" * 2000))
        except StoreError as error:
            say(str(error))
            break
        acknowledged.append(f"tank/{number}")
    say(str(sorted(acknowledged) == list(await store.keys("")) and len(acknowledged) > 0))
    await asyncio.to_thread(make_room, file)
    await store.update(Key("afterwards"), Tank, pour("a"))
    await store.close()
    say("stored afterwards")


def make_room(file: Path) -> None:
    """Take away what limits the file: the limit of the process, or the ballast on its disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    file.with_name("ballast").unlink(missing_ok=True)


async def start_as_nobody(file: Path) -> None:
    """Try to open the file as a user who may not."""
    # Python itself may be out of that user's reach: whatever it loads late is loaded by a first store.
    with TemporaryDirectory() as folder:
        await (await SqliteStore.open(Path(folder) / "first.db")).close()
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        await (await SqliteStore.open(file)).close()
    except StoreError as error:
        say(str(error))


PROGRAMS: dict[str, Callable[[Path], Awaitable[None]]] = {
    "load": load,
    "share": share,
    "hold": hold,
    "fill": fill,
    "start-as-nobody": start_as_nobody,
}


async def main(program: str, file: Path, limit_bytes: int | None = None) -> None:
    """Run one of the programs above; no file may grow beyond the limit."""
    if limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
    await PROGRAMS[program](file)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])))
