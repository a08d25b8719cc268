"""Several subjects, some side by side, each in a process of its own: what one takes of the machine, the others wait for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from conformance.subject import SubjectSettings


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A subject's run: its exit status and what it printed."""

    file: Path
    settings: SubjectSettings
    status: int
    text: str

    @property
    def bad(self) -> bool:
        """Does it fail the suite?"""
        return bool(self.status) and self.settings.judged


async def run(
    subjects: Sequence[tuple[Path, SubjectSettings]],
    options: Sequence[str],
    *,
    at_once: int,
    told: Callable[[Ended], None],
) -> bool:
    """Run `python -m conformance` with these options for each subject, `at_once` side by side. Did one fail the suite?"""
    turn = asyncio.Semaphore(at_once)

    async def one(file: Path, settings: SubjectSettings) -> bool:
        async with turn:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "conformance", settings.role, "--subject", str(file), *options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                text, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.terminate()
                    await process.wait()
            ended = Ended(
                file=file, settings=settings, status=process.returncode or 0, text=text.decode(errors="replace")
            )
            told(ended)
            return ended.bad

    return any(await asyncio.gather(*(one(file, settings) for file, settings in subjects)))
