"""What a test runs in a process of its own: rows of a kind that nobody has read yet, read by many threads at once."""

from __future__ import annotations

import sys
from threading import Barrier, Thread
from types import ModuleType

import msgspec

from openadr_ra.protocol.step import Key, State
from openadr_ra.store import rows

THREADS = 6
DEEP = 60


def kinds() -> type[State]:
    """A kind of many parts, so that it takes a while to look it through. They name one another, as in source files."""
    module = ModuleType("first_reads_kinds")
    sys.modules[module.__name__] = module
    for number in range(DEEP):
        parts = f"tuple[Part{min(number + 1, DEEP - 1)}, ...]"
        named = f"dict[str, Part{min(number + 2, DEEP - 1)}]"
        fields: list[tuple[str, object, object]] = [("level", "int", 0), ("parts", parts, ()), ("named", named, {})]
        made = msgspec.defstruct(
            f"Part{number}", fields, bases=(State,), module=module.__name__, frozen=True, kw_only=True, gc=False
        )
        setattr(module, made.__name__, made)
    first: type[State] = module.Part0
    return first


def main() -> None:
    sys.setswitchinterval(1e-6)
    kind, together = kinds(), Barrier(THREADS)
    body = '{"level":1,"parts":[{"level":2,"parts":[{"level":3}]}]}'

    def read() -> None:
        together.wait()
        rows.state(Key("x"), kind, kind.__name__, kind.format, body)

    threads = [Thread(target=read) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
