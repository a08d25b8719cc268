"""`openadr-ra ven …`: be a VEN, see to the VENs of a VTN, or speak for a VEN that runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openadr_ra.cli_later import Later
from openadr_ra.cli_options import node_options
from openadr_ra.cli_serve import is_file, serve

if TYPE_CHECKING:
    from openadr_ra.programs.serve import Level

_LATER = (
    "list",
    "enrol",
    "warnings",
    "reregister",
    "cancel",
    "reports",
    "history",
    "status",
    "greenbutton",
    "vtn-reports",
    "vtn-readings",
    "opt",
    "upstreams",
    "query",
    "register-again",
    "leave",
    "available",
    "unavailable",
    "availability",
    "retract",
)
"""What is in `cli_vens`."""


class Ven(click.Group):
    """`openadr-ra ven node.toml` runs a VEN; `openadr-ra ven list` and the like speak to a console."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        word = args[0] if args else ""
        if word not in ctx.help_option_names and (word.startswith("-") or is_file(word)):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=Ven,
    commands=Later({name: ("cli_vens", f"ven_{name.replace('-', '_')}") for name in _LATER}),
    short_help="Run a VEN, or see to the VENs of a VTN.",
)
def ven() -> None:
    """Be the VEN of NODE.TOML (`openadr-ra ven NODE.TOML`), see to a VTN's VENs, or speak for a VEN that runs."""


@ven.command("run")
@node_options
def ven_run(settings: Path, log_level: Level, as_json: bool) -> None:
    """Be the VEN of NODE.TOML, without its VTN side."""
    serve(settings, "ven", log_level, as_json)
