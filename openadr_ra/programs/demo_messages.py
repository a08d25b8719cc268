"""The demo's messages: kept in memory while it runs, written and validated when it is over."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from lxml import etree

from openadr_ra.errors import OadrRaError
from openadr_ra.run.traffic import Exchange
from openadr_ra.wire import schema
from openadr_ra.wire.parse import parse

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: how many messages, and which of them the XSD does not accept, with the reason."""

    messages: int
    invalid: tuple[str, ...]


class Recorder:
    """A tap that keeps every exchange, in order; the VTN is not held up by files or validation."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []

    def tap(self, exchange: Exchange) -> None:
        """One more exchange."""
        self._exchanges.append(exchange)

    def write(self, folder: Path) -> Written:
        """`NNNN-<ven>-<Payload>.request.xml` and `.response.xml` for each exchange; a pair shares its number."""
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        invalid: list[str] = []
        for number, exchange in enumerate(self._exchanges, start=1):
            for body, end in ((exchange.request, "request"), (exchange.reply, "response")):
                if not body:
                    continue
                payload, trouble = _looked_at(body)
                name = f"{number:04d}-{_UNSAFE.sub('_', exchange.peer)}-{payload}.{end}.xml"
                (folder / name).write_bytes(body)
                count += 1
                if trouble:
                    invalid.append(f"{name}: {trouble}")
        return Written(messages=count, invalid=tuple(invalid))


def _looked_at(body: bytes) -> tuple[str, str]:
    """The payload's name without `oadr`, and what the schema has against it."""
    try:
        tree = parse(body)
        schema.validate(tree)
    except OadrRaError as error:
        return "unknown", str(error)
    return etree.QName(schema.signed_object(tree)[0]).localname.removeprefix("oadr"), ""
