"""How a node is started from the command line, and how commands print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from openadr_ra.programs.serve import Level, Side, Started

FAILURE = 1
USER_MISTAKE = 2


def is_file(word: str) -> bool:
    """Is it a node's settings, and not a misspelt command? That has neither a suffix nor a folder, an option has a dash."""
    return not word.startswith("-") and any(mark in word for mark in "./\\")


def tell(line: str, stream: TextIO) -> None:
    """One line or more, at once."""
    stream.write(f"{line}\n")
    stream.flush()


def say(value: object, text: Callable[[], str], as_json: bool) -> None:
    """`value` as one line of JSON, or as text for people."""
    if not as_json:
        tell(text(), sys.stdout)
        return
    import msgspec

    tell(msgspec.json.encode(value).decode(), sys.stdout)


def serve(settings: Path, side: Side, log_level: Level, as_json: bool) -> None:
    from openadr_ra.programs.serve import log_to_stderr, main

    def started(one: Started) -> None:
        say(one, one.line, as_json)

    log_to_stderr(log_level)
    main(settings, side=side, say=started)


def share(settings: Path, workers: int, log_level: Level, as_json: bool) -> None:
    from openadr_ra.programs.serve import log_to_stderr
    from openadr_ra.programs.workers import main

    def started(one: Started) -> None:
        say(one, one.line, as_json)

    log_to_stderr(log_level)
    main(settings, workers, log_level=log_level, say=started)
