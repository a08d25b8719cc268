"""Python source that is being written, and then run."""

from __future__ import annotations

import linecache
import zlib
from collections.abc import Iterator
from contextlib import contextmanager


class Source:
    """Lines at their indentation. `name` is what tracebacks and profiles call it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: list[str] = []
        self._depth = 0
        self._packed = b""

    def add(self, line: str) -> None:
        """One more line."""
        self._lines.append("    " * self._depth + line)

    @contextmanager
    def inside(self, head: str) -> Iterator[None]:
        """Lines added meanwhile are the body of `head`."""
        self.add(head)
        self._depth += 1
        yield
        self._depth -= 1

    def run(self, names: dict[str, object]) -> None:
        """Define in `names` what the lines define; they see what is in `names` already."""
        text = "\n".join(self._lines) + "\n"
        self._lines.clear()
        # Tracebacks and debuggers then show the generated line. Few are ever looked at, so all are kept small.
        self._packed = zlib.compress(text.encode())
        linecache.lazycache(self._name, {"__name__": self._name, "__loader__": self})
        exec(compile(text, self._name, "exec"), names)  # noqa: S102 - made of our own declarations, nothing else

    def get_source(self, name: str) -> str:
        """The lines that were run; a loader's verb, which linecache knows."""
        return zlib.decompress(self._packed).decode()
