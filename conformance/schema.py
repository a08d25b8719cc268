"""The normative XSDs, from the installed openleadr distribution, which is looked up and never imported."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

from conformance.message import Message


@cache
def _schema() -> etree.XMLSchema:
    found = find_spec("openleadr")
    if found is None or found.origin is None:
        raise SystemExit("the schemas are missing; install openleadr 0.5.36, which holds them")
    folder = Path(found.origin).parent / "schema"
    return etree.XMLSchema(etree.parse(str(folder / "oadr_20b.xsd")))


def faults(message: Message) -> tuple[tuple[str, int], ...]:
    """What the schema says against the message, with the line in `message.pretty`; nothing for an empty body."""
    if not message.raw:
        return ()
    if message.root is None:
        return ((message.problem, 1),)
    schema = _schema()
    try:
        schema.assertValid(etree.fromstring(message.pretty.encode()))
    except etree.XMLSyntaxError as error:
        # Read without expanding entities it was XML; with none declared any more it is not.
        return ((f"not XML without its document type: {error}", 1),)
    except etree.DocumentInvalid as error:
        text, _, line = str(error).rpartition(", line ")
        return ((text, int(line)),) if line.isdigit() else ((str(error), 1),)
    return ()
