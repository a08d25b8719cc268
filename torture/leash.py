"""`python -m torture.leash PARENT COMMAND…`: the command, which the system kills when PARENT ends, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def leashed(*command: str) -> tuple[str, ...]:
    """What to start for `command`, as a child of this process."""
    return (sys.executable, "-m", "torture.leash", str(os.getpid()), *command)


def main(parent: int, command: list[str]) -> None:
    """Become the command."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Whoever began us may have ended before that call.
    if os.getppid() == parent:
        os.execvp(command[0], command)  # noqa: S606 - no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
