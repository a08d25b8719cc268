"""Signatures that do not hold: each takes a right message and who would sign it, and gives one that must be refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from lxml import etree

from conformance import seal, template
from conformance.identity import Identity
from conformance.message import NAMESPACES, Element
from conformance.play import utc

OFF_S = 3600
"""Older, and further ahead, than any window."""

Forge = Callable[[bytes, Identity], bytes]

_ID = f"{{{NAMESPACES['oadr']}}}Id"


def _tampered(raw: bytes, identity: Identity) -> bytes:
    return _other_text(seal.sealed(raw, identity=identity), "pyld:requestID", "another-request")


def _other_text(raw: bytes, tag: str, text: str) -> bytes:
    """The text of the last such element is another."""
    found = list(re.finditer(rf"(<{tag}[^>]*>)[^<]*(?=</{tag}>)".encode(), raw))
    if not found:
        raise LookupError(f"the message has no {tag}")
    last = found[-1]
    return raw[: last.end(1)] + text.encode() + raw[last.end() :]


def _changed(raw: bytes, identity: Identity, *, tag: str, text: str) -> bytes:
    return _other_text(seal.sealed(raw, identity=identity), tag, text)


def _later_stamp(raw: bytes, identity: Identity) -> bytes:
    return _other_text(seal.sealed(raw, identity=identity), "dsp:timestamp", utc(plus_s=1))


def _old(raw: bytes, identity: Identity) -> bytes:
    return seal.sealed(raw, identity=identity, timestamp=utc(plus_s=-OFF_S))


def _future(raw: bytes, identity: Identity) -> bytes:
    return seal.sealed(raw, identity=identity, timestamp=utc(plus_s=OFF_S))


def _no_nonce(raw: bytes, identity: Identity) -> bytes:
    return seal.sealed(raw, identity=identity, nonce=None)


def _covering(raw: bytes, identity: Identity, *, references: tuple[str, ...]) -> bytes:
    return seal.sealed(raw, identity=identity, references=references)


def _other_value(raw: bytes, identity: Identity) -> bytes:
    """The signature value of another message."""
    other, mine = seal.sealed(raw, identity=identity), seal.sealed(raw, identity=identity)
    value = re.search(rb"<ds:SignatureValue>([^<]*)<", other)
    return _other_text(mine, "ds:SignatureValue", value[1].decode() if value else "")


def _forged(signed_object: Element) -> Element:
    """Another one like it."""
    forged = etree.fromstring(etree.tostring(signed_object))
    found = forged.find(".//pyld:requestID", NAMESPACES)
    if found is None:
        raise LookupError("the message has no requestID")
    found.text = "forged"
    return forged


def _moved(raw: bytes, identity: Identity, *, name: str | None) -> bytes:
    """The signed object is moved into the signature, and another stands in its place: the reference still is right."""
    root = etree.fromstring(seal.sealed(raw, identity=identity))
    signature, signed_object = root[0], root[1]
    forged = _forged(signed_object)
    if name is not None:
        forged.set(_ID, name)
    root.replace(signed_object, forged)
    etree.SubElement(signature, f"{{{NAMESPACES['ds']}}}Object").append(signed_object)
    return _text(root)


def _beside(raw: bytes, identity: Identity) -> bytes:
    """Another oadrSignedObject before the signed one."""
    root = etree.fromstring(seal.sealed(raw, identity=identity))
    forged = _forged(root[1])
    forged.set(_ID, "forged")
    root.insert(1, forged)
    return _text(root)


def _without(raw: bytes, identity: Identity, *, path: str) -> bytes:
    return template.edited(seal.sealed(raw, identity=identity), drop=(path,))


def _text(root: Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def unsigned(raw: bytes, identity: Identity) -> bytes:
    """No signature at all."""
    return raw


FORGERIES: tuple[tuple[str, str, Forge], ...] = (
    ("tampered-body", "a body that was changed after the signing", _tampered),
    ("tampered-timestamp", "a timestamp that was changed after the signing", _later_stamp),
    ("tampered-nonce", "a nonce that was changed after the signing", partial(_changed, tag="dsp:nonce", text="YW4=")),
    ("other-value", "the signature value of another message", _other_value),
    ("value-nonsense", "a signature value that is none", partial(_changed, tag="ds:SignatureValue", text="AAAA")),
    ("old-timestamp", "a timestamp of an hour ago", _old),
    ("future-timestamp", "a timestamp an hour ahead", _future),
    ("missing-nonce", "ReplayProtect without a nonce", _no_nonce),
    ("body-not-covered", "no reference to the signed object", partial(_covering, references=("#prop",))),
    ("proof-not-covered", "no reference to ReplayProtect", partial(_covering, references=("#signed",))),
    ("no-references", "a signature that covers nothing", partial(_covering, references=())),
    ("wrapped", "another body in the place of the signed one", partial(_moved, name="forged")),
    ("wrapped-same-id", "another body with the id of the signed one", partial(_moved, name=None)),
    ("two-bodies", "another body beside the signed one", _beside),
    ("no-certificate", "a signature without KeyInfo", partial(_without, path=".//ds:KeyInfo")),
    ("no-proof", "a signature without ReplayProtect", partial(_without, path=".//ds:Object")),
)
"""(name, what is wrong, how)."""
