"""The ways in which the tiny VEN is wrong: those of `wrongs`, how it judges events, what it does not hear, or in itself."""

from __future__ import annotations

from typing import Literal

import msgspec

from conformance.message import NAMESPACES, Element, Message
from tests.conformance.tiny_seal import SealSwitch
from tests.conformance.wrongs import Chokes, Front, Mutation, Tls

OwnSwitch = Literal[
    # its registration
    "keeps its ids for the new",
    "keeps its own venID",
    "new registration when asked",
    "never registers again",
    "offers nothing at first",
    "asks for no events",
    "keeps reports from the old",
    "keeps opts from the old",
    "stays after the cancellation",
    "cancels for any id",
    "no second try",
    "hammers",
    "tries what cannot be",
    "no query",
    # polls
    "never polls",
    "polls though pushed to",
    "polls too often",
    "polls seldom",
    "poll frequency of its own",
    "keeps the first frequency",
    "never drains",
    "drains for ever",
    "stops at an error",
    "answers by the wrong service",
    # events
    "any vtn",
    "any case of vtn",
    "wrong vtn by event",
    "wrong vtn cancels",
    "answers once",
    "answers never",
    "answers everything",
    "answers the first only",
    "each request id once",
    "no answer to what it asked for",
    "speaks at nothing",
    "deaf after nothing",
    "deaf after an error",
    "deaf after odd bodies",
    "answers as a VTN",
    "one bad spoils all",
    "takes lower",
    "keeps the lower",
    "forgets the cancelled number",
    "number of before",
    "never cancels",
    "speaks of the cancelled",
    "speaks of the missing",
    "the missing never comes back",
    "another request id each",
    "acts on tests",
    "acts for ever",
    "acts at once",
    "acts on the missing",
    "first value only",
    "keeps the first content",
    "no randomness",
    "open end is short",
    "priority upside down",
    "starts again at a change",
    "starts late",
    "gives up polls",
    "hammers and does not listen",
    "waits for ever",
    "takes no data",
    "no overlap",
    "any duplicate",
    "stops at early completion",
    # reports
    "takes any specifier",
    "takes any point",
    "takes any request id",
    "takes any granularity",
    "takes any history",
    "takes any ven id",
    "serves what it refused",
    "no first requests",
    "acknowledges first requests by its own id",
    "serves the first only",
    "no data",
    "data once",
    "data for ever",
    "data at once",
    "data twice",
    "late data",
    "metadata once",
    "metadata never",
    "cancels nothing",
    "cancels all",
    "no last data",
    "always last data",
    "pending none",
    "pending all",
    "pending the newest",
    "one point less",
    "one point more",
    "no piggyback",
    "takes any cancellation",
    "takes any data",
    "one interval only",
    # opts
    "schedule and event",
    "new id for the same",
    "cancels another opt",
    "no opt",
    "opts for the old number",
    "one span only",
    "no cancelled opt",
    "opts once",
    "has events though it only reports",
    "unregistered by refused cancellations",
    "loses reports of a queue",
    "answers pushes with a body",
    "answers pushes later",
    "mixes ids",
    "offers once",
    "asks once",
    "registers whatever is said",
    "deaf after registering again",
    "deaf after a query",
    "never registers",
    "forgets at each registration",
    "serves the first ever only",
    "deaf after odd requests",
    "cancels the first only",
    "last data twice",
    "all points always",
    "load control now and then",
    "opts though it only reports",
    "forgets its opts",
    "asks the VTN for nothing",
    "takes what is no message",
    "expands entities",
    "fetches entities",
    # TLS
    "trusts anybody",
    "any host",
    "modern suites only",
]

Switch = OwnSwitch | SealSwitch


class Judges(msgspec.Struct, frozen=True, kw_only=True):
    """Its word on each event in which the path `where` (from the oadrEvent) leads somewhere; `silent`: no word at all."""

    where: str = "."
    code: str = "200"
    opt: str = "optIn"
    silent: bool = False

    def concerns(self, event: Element) -> bool:
        return bool(event.xpath(self.where, namespaces=NAMESPACES))


class Deaf(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of that kind in which the path leads somewhere are not heard: nothing is done, and nothing is answered. With
    `code` the usual answer with that code is given, and nothing else is done."""

    kind: str
    where: str = "."
    code: str = ""

    def concerns(self, message: Message) -> bool:
        return message.kind == self.kind and message.has(self.where)


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Bodies with these bytes in them (a regular expression) are no message to it."""

    on: str


Flaw = Switch | Mutation | Chokes | Front | Tls | Judges | Deaf | Unread


def refuses(where: str, code: str = "459") -> Judges:
    """It refuses events of that sort."""
    return Judges(where=where, code=code, opt="optOut")


def takes(where: str) -> Judges:
    """It takes events of that sort, whatever is wrong with them."""
    return Judges(where=where)


def ignores(where: str) -> Judges:
    """It never answers events of that sort."""
    return Judges(where=where, silent=True)
