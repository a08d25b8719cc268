"""What a request to the console says, and what is wrong with it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TypeVar

import msgspec
from aiohttp import web

from openadr_ra.console.gate import Refusal, explained
from openadr_ra.run.fleet import FleetDesk
from openadr_ra.run.fleet_orders import desk
from openadr_ra.run.node import Node
from openadr_ra.run.orders import VenId, VenName
from openadr_ra.run.ven import Ven
from openadr_ra.run.vtn import Vtn

T = TypeVar("T")

MAX_WITHIN_S = 600
"""The longest wait for what VENs say; proxies and clients give up before that anyway."""

_JSON = "application/json"


def vtn(node: Node) -> Vtn:
    """The node's VTN side; 404 where it has none."""
    if node.vtn is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "this node is no VTN: its settings have no [downstream]")
    return node.vtn


def ven(node: Node) -> Ven:
    """The node's VEN side; 404 where it has none."""
    if node.ven is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "this node is no VEN: its settings have no [[upstream]]")
    return node.ven


def fleet(node: Node) -> FleetDesk:
    """The node's fleet; 404 where it has none."""
    found = desk(node)
    if found is None and node.settings.store.shared:
        raise Refusal(HTTPStatus.NOT_FOUND, "another process leads the fleet: `openadr-ra run` on the same database")
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "this node has no fleet: it is neither a VTN nor a VEN, or does not run")
    return found


async def body(request: web.Request, kind: type[T]) -> T:
    """What was sent, as `kind`. A form of a web page is never JSON, so it does not get this far."""
    if request.content_type != _JSON:
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send Content-Type: {_JSON}")
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, explained(error, "the body")) from error
    except UnicodeDecodeError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the body is not UTF-8") from error


def ven_id(request: web.Request) -> VenId:
    """The venID in the path, as one may look."""
    try:
        return VenId(msgspec.convert(request.match_info["id"], VenName))
    except msgspec.ValidationError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, explained(error, "venID")) from error


def within_s(request: web.Request) -> int:
    """How long the answer may be waited for."""
    text = request.query.get("within_s", "0")
    if not re.fullmatch("[0-9]{1,4}", text) or int(text) > MAX_WITHIN_S:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"within_s: {text!r:.20} is no whole number from 0 to {MAX_WITHIN_S}")
    return int(text)


def flag(request: web.Request, name: str) -> bool:
    """A yes or no in the query; no where it is not there."""
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{name}: {text!r:.20} is neither true nor false")
    return text == "true"
