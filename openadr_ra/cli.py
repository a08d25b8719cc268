"""The command `openadr-ra`: parses, calls what is in `programs`, prints. Nothing else is imported before it is needed."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from openadr_ra.cli_serve import FAILURE, USER_MISTAKE, is_file, serve, tell
from openadr_ra.errors import OadrRaError, SettingsError

if TYPE_CHECKING:
    from openadr_ra.programs.serve import Side


def main() -> NoReturn:
    """Run the command line and exit: 0, 1 for a failure, 2 for a user's mistake, with one line that names the cure."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character shows a question mark; that is no reason to show nothing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        status = _run(sys.argv[1:])
    except OadrRaError as error:
        tell(f"openadr-ra: {' '.join(str(error).split())}", sys.stderr)
        status = USER_MISTAKE if isinstance(error, SettingsError) else FAILURE
    sys.exit(status)


def _run(words: Sequence[str]) -> int:
    node = plain_node(words)
    if node is None:
        from openadr_ra.cli_root import called

        return called()
    # A gateway is started like this and runs for years. There is nothing to parse, and what parses is a MB.
    side, settings = node
    serve(settings, side, "INFO", as_json=False)
    return 0


def plain_node(words: Sequence[str]) -> tuple[Side, Path] | None:
    """The node that `run`, `vtn` or `ven` and a file ask for; None where there is more to it."""
    match words:
        case ["run", file] if not file.startswith("-"):
            return "both", Path(file)
        case ["vtn", file] if not file.startswith("-"):
            return "vtn", Path(file)
        case ["ven", "run", file] if not file.startswith("-"):
            return "ven", Path(file)
        case ["ven", file] if is_file(file):
            return "ven", Path(file)
        case _:
            return None
