"""The ways in which a tiny subject is wrong: by what it sends, by what it takes, by what it cannot bear, or in itself."""

from __future__ import annotations

import re
import ssl
from copy import deepcopy
from typing import Literal

import msgspec
from lxml import etree

from conformance import template
from conformance.identity import KeyKind
from conformance.listen import Arrived, Reply
from conformance.message import NAMESPACES, Element, Message

Does = Literal["500", "400", "good", "empty", "close", "hang"]
Below = Literal["500", "good", "close", "hang", "block", "garbage", "flood", "drip", "lie", "negative", "continue"]
"""`block`: while that connection is open nobody else is served; `drip`: a head that never ends; `lie`: a Content-Length
above what comes, and silence; `negative`: one below zero; `continue`: 100 Continue without end."""


class Mutation(msgspec.Struct, frozen=True, kw_only=True):
    """Done to each outgoing message of `kind` ("": of any) that has all the elements it names, and only if the path
    `where` leads somewhere in it. `swap` replaces text in the bytes,
    `copy` says the elements at that path twice. `lose` and `media` are about HTTP headers."""

    kind: str = ""
    where: str = ""
    drop: tuple[str, ...] = ()
    put: tuple[tuple[str, str], ...] = ()
    swap: tuple[tuple[str, str], ...] = ()
    copy: str = ""
    status: int = 0
    lose: str = ""
    media: str = ""

    def concerns(self, message: Message) -> bool:
        return (not self.kind or message.kind == self.kind) and (not self.where or message.has(self.where))

    def applied(self, raw: bytes) -> bytes:
        """The message as the flaw has it; as it was if there is nothing in it to change."""
        message = Message(raw, sender="subject")
        if not message.kind or not self.concerns(message):
            return raw
        try:
            changed = template.edited(raw, drop=self.drop, put=dict(self.put)) if self.drop or self.put else raw
        except LookupError:
            return raw
        changed = _doubled(changed, self.copy) if self.copy else changed
        for old, new in self.swap:
            changed = changed.replace(old.encode(), new.encode())
        return changed


def _doubled(raw: bytes, path: str) -> bytes:
    root = etree.fromstring(raw)
    found = root.xpath(path, namespaces=NAMESPACES)
    for one in found if isinstance(found, list) else ():
        if isinstance(one, Element):
            one.addnext(deepcopy(one))
    return etree.tostring(root)


class Takes(msgspec.Struct, frozen=True, kw_only=True):
    """What the subject should refuse of that kind is answered as if it were good; with `code` besides, by that one."""

    kind: str
    code: str = "200"


class Chokes(msgspec.Struct, frozen=True, kw_only=True):
    """A request with these bytes in it (a regular expression over its first line, headers and body) is met by something
    else than it should be; `after`, and every request that follows."""

    on: str
    does: Does = "500"
    after: bool = False

    def meets(self, arrived: Arrived) -> bool:
        head = "".join(f"{name}: {value}\n" for name, value in arrived.headers)
        whole = f"{arrived.method} {arrived.path}\n{head}\n".encode() + arrived.body
        return re.search(self.on.encode(), whole, re.DOTALL) is not None

    def reply(self, good: bytes) -> Reply:
        match self.does:
            case "hang":
                return Reply(hang=True)
            case "close":
                return Reply(raw=b"")
            case "good":
                return Reply(body=good)
            case "empty":
                return Reply()
            case status:
                return Reply(status=int(status))


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """Below HTTP: a connection whose first bytes match the regular expression is met so, whatever stands behind; `after`,
    and every one that follows. `incomplete`: only one whose body is shorter than it says."""

    on: str = ""
    does: Below = "500"
    after: bool = False
    incomplete: bool = False

    def meets(self, first: bytes) -> bool:
        return re.search(self.on.encode(), first, re.DOTALL) is not None and (not self.incomplete or _incomplete(first))


def _incomplete(first: bytes) -> bool:
    head, found, body = first.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return not found or (length is not None and len(body) < int(length[1]))


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """In how TLS is spoken: with certificates of these `kinds`; `asks` the client for one; takes an `expired` one; goes as
    low as `least` (TLS 1.0 is 0x0301); an RSA key of so many bits; serves nobody who shows a key of the kind `refuses`."""

    kinds: tuple[KeyKind, ...] = ("rsa", "ec")
    asks: bool = True
    expired: bool = False
    least: int = ssl.TLSVersion.TLSv1_2
    rsa_bits: int = 2048
    refuses: str = ""


def put(kind: str, path: str, text: str, *, where: str = "") -> Mutation:
    """Another text at that path of every such message."""
    return Mutation(kind=kind, where=where, put=((path, text),))


def drop(kind: str, *paths: str, where: str = "") -> Mutation:
    """Every such message without these elements."""
    return Mutation(kind=kind, where=where, drop=paths)


def swap(kind: str, old: str, new: str, *, where: str = "") -> Mutation:
    """Every such message with one text in place of another, whatever that makes of it."""
    return Mutation(kind=kind, where=where, swap=((old, new),))


def code(kind: str, said: str, *, instead_of: str = "4") -> Mutation:
    """Every such message whose responseCode begins like that says another."""
    path = "//ei:responseCode"
    return Mutation(kind=kind, where=f".//ei:responseCode[starts-with(., '{instead_of}')]", put=((path, said),))


def takes(*kinds: str) -> tuple[Takes, ...]:
    return tuple(Takes(kind=kind) for kind in kinds)
