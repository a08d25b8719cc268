"""Python source that is being written, and then run."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from contextlib import contextmanager


class Source:
    """Lines at their indentation. `name` is what tracebacks and profiles call it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: list[str] = []
        self._depth = 0

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
        # Tracebacks and debuggers then show the generated line.
        linecache.cache[self._name] = len(text), None, text.splitlines(keepends=True), self._name
        exec(compile(text, self._name, "exec"), names)  # noqa: S102 - made of our own declarations, nothing else
