"""openleadr 0.5.36 as it comes from PyPI, in the process and the loop of the test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

Said = dict[str, object]
"""What openleadr hands to callbacks: the elements of a message, in lower case with underscores."""


class Complaints(logging.Handler):
    """Whatever openleadr says at WARNING or above: a message of ours that it cannot take, among others."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def complaints() -> Iterator[Complaints]:
    """What openleadr complains of within the block."""
    handler = Complaints()
    logger = logging.getLogger("openleadr")
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)


def within(found: Said, *path: str) -> object:
    """The value at the end of `path`; on the way, a list stands for its only member."""
    value: object = found
    for key in path:
        if isinstance(value, list):
            (value,) = value
        assert isinstance(value, dict)
        value = value[key]
    return value
