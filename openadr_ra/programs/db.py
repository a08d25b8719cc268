"""What `openadr-ra db` does: a store copied while its node runs, and looked at as a whole."""

from __future__ import annotations

from pathlib import Path

from openadr_ra.errors import SettingsError
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.programs.tables import NOTHING, printable, table
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.report_feeds import Shelf
from openadr_ra.protocol.vtn import Party
from openadr_ra.run.retention import Ages
from openadr_ra.settings import read
from openadr_ra.store import looking
from openadr_ra.store.findings import Checked
from openadr_ra.store.sqlite_looking import Copied

__all__ = ["KINDS", "Checked", "Copied", "backup", "check", "checked_text", "store_url"]

KINDS = {kind.__name__: kind for kind in (Ages, EndNode, Fleet, Instruction, Party, Shelf)}
"""All that the rows of a store may hold."""

_SHOWN = 20
"""Rows with unread mail in a text; `--json` has all of them."""


def store_url(named: str) -> str:
    """The url of a store: `named` itself, that of a file so named, or what the settings say that end in .toml.

    Raises SettingsError for settings that cannot be read, or that keep nothing.
    """
    if looking.is_database(named):
        return named
    if not named.endswith(".toml"):
        return f"sqlite:{named}"
    url = read(Path(named)).store.url
    kind = url.partition(":")[0]
    if kind != "sqlite" and not looking.is_database(url):
        raise SettingsError(f"{named}: store.url: is {kind!r}, which has no file")
    return url


def backup(store: str, target: Path) -> Copied:
    """Copy a store, named by itself or by settings, to a new file. Raises StoreError, and SettingsError for a database."""
    return looking.backup(store_url(store), target)


def check(store: str) -> Checked:
    """Look at all of a store, named by itself or by settings. Raises StoreError where it cannot be opened, SettingsError."""
    return looking.check(store_url(store), KINDS)


def checked_text(found: Checked) -> str:
    """What was found, for people: what is wrong comes last."""
    older = (
        "" if found.schema == found.newest_schema else f", which a start of the node brings to {found.newest_schema}"
    )
    lines = [f"{found.file}: {found.octets} bytes, schema {found.schema}{older}", ""]
    sizes = (
        (each.table, str(each.rows), NOTHING if each.octets is None else str(each.octets)) for each in found.tables
    )
    lines += [table(("table", "rows", "bytes"), sizes, right=(1, 2)), ""]
    for each in found.unread[:_SHOWN]:
        nobody = "" if each.has_row else ", and there is no such row"
        lines.append(f"{each.letters} letters wait for {printable(each.key)}{nobody}")
    if len(found.unread) > _SHOWN:
        lines.append(f"and letters for {len(found.unread) - _SHOWN} others")
    lines += [f"FAULT: {printable(fault)}" for fault in found.faults] or ["sound: all rows and letters can be read"]
    return "\n".join(lines)
