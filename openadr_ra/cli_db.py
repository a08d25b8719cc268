"""`openadr-ra db …` and `openadr-ra export …`: a node's store, while the node runs or not."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openadr_ra.cli_options import FILE, as_json_option
from openadr_ra.cli_serve import say

if TYPE_CHECKING:
    from openadr_ra.programs.export import What

FAULTY = 1
"""The exit status of a check that found a fault."""

store_option = click.option(
    "--store", default="node.toml", show_default=True, metavar="STORE",
    help="The node's settings, which end in .toml, the store's file, or a postgresql:// url.",
)  # fmt: skip


@click.group()
def db() -> None:
    """Copy and check a node's store."""


@db.command(short_help="Copy the store to a new file.")
@click.argument("file", type=FILE)
@store_option
@as_json_option
def backup(file: Path, store: str, as_json: bool) -> None:
    """Copy the store to FILE as it is at one moment; the node may run. Put in the place of the store it is that again."""
    from openadr_ra.programs import db as program

    made = program.backup(store, file)
    say(made, lambda: f"{made.file}: {made.octets} bytes, schema {made.schema}", as_json)


@db.command(short_help="Can all of it be read, and how much is it?")
@store_option
@as_json_option
def check(store: str, as_json: bool) -> int:
    """Look at every page, row and letter; the node may run. Exit status 1 where something is wrong."""
    from openadr_ra.programs import db as program

    found = program.check(store)
    say(found, partial(program.checked_text, found), as_json)
    return FAULTY if found.faults else 0


@click.command(short_help="Readings, events or the journal as CSV.")
@click.argument("what", type=click.Choice(["readings", "events", "journal"]))
@store_option
@click.option("--from", "start", metavar="TIME", help="2026-11-21T12:00+09:00, or -7d.  [default: from the beginning]")
@click.option("--to", "end", metavar="TIME", help="What begins earlier.  [default: to the end]")
@click.option("--ven", "vens", metavar="VEN", multiple=True, help="Of this one alone; repeat it.  [default: of all]")
@click.option("--out", type=FILE, help="A new file.  [default: stdout]")
def export(what: What, store: str, start: str | None, end: str | None, vens: tuple[str, ...], out: Path | None) -> None:
    """Write CSV from the store, while the node runs or not. Times are UTC; power is load: import +, export -."""
    from openadr_ra.programs import export as program

    program.main(what, store, start=start, end=end, vens=vens, out=out)
