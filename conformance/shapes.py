"""A message said in another way: first those that mean the same to any reader of XML, then those that no message may have.

Each takes the bytes of a right message and gives others. They are for messages that are not signed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from conformance.message import NAMESPACES, Element

Shape = Callable[[bytes], bytes]

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'

_TAG = re.compile(r"<[^!?>][^>]*>")
_PREFIX = re.compile(r"(?<=[<\s/])(xmlns:)?([a-z]+)(?=[:=])")


def bare(raw: bytes) -> bytes:
    """Without an XML declaration."""
    return re.sub(rb"^\s*<\?xml[^>]*\?>\s*", b"", raw)


def _retagged(raw: bytes, change: Callable[[str], str]) -> bytes:
    text = bare(raw).decode()
    return DECLARATION + _TAG.sub(lambda match: change(match[0]), text).encode()


# -- the same message ------------------------------------------------------------------------------------------------


def default_namespace(raw: bytes) -> bytes:
    """The oadr elements stand in the default namespace; only attributes have the prefix."""
    changed = _retagged(raw, lambda tag: re.sub(r"^<(/?)oadr:", r"<\1", tag))
    return changed.replace(b" xmlns:oadr=", f' xmlns="{NAMESPACES["oadr"]}" xmlns:oadr='.encode(), 1)


def own_namespaces(raw: bytes) -> bytes:
    """Each element declares its own default namespace, and no element has a prefix."""
    return DECLARATION + _own(etree.fromstring(raw)).encode()


def _own(element: Element) -> str:
    name = etree.QName(element)
    attributes = "".join(
        f" xmlns:a{number}={quoteattr(etree.QName(key).namespace or '')}"
        f" a{number}:{etree.QName(key).localname}={quoteattr(str(value))}"
        for number, (key, value) in enumerate(element.attrib.items())
    )
    inner = escape(element.text or "") + "".join(_own(child) + escape(child.tail or "") for child in element)
    return f"<{name.localname} xmlns={quoteattr(name.namespace or '')}{attributes}>{inner}</{name.localname}>"


def other_prefixes(raw: bytes) -> bytes:
    """Prefixes that nobody uses."""
    return _retagged(raw, lambda tag: _PREFIX.sub(lambda match: f"{match[1] or ''}{_other(match[2])}", tag))


def _other(prefix: str) -> str:
    return prefix if prefix in ("xmlns", "xml") else f"q-{prefix}.x"


def commented(raw: bytes) -> bytes:
    """Comments between all elements, and round the root."""
    text = re.sub(r">(?=\s*<)", "><!-- - a comment > -->", bare(raw).decode())
    return DECLARATION + b"<!-- before -->" + text.encode() + b"<!-- after -->"


def instructed(raw: bytes) -> bytes:
    """Processing instructions between all elements, and round the root."""
    text = re.sub(r">(?=\s*<)", "><?some thing?>", bare(raw).decode())
    return DECLARATION + b"<?before all?>" + text.encode() + b"<?after all?>"


def quoted(raw: bytes) -> bytes:
    """All texts as CDATA."""
    return DECLARATION + re.sub(r">([^<>\s][^<>]*)</", r"><![CDATA[\1]]></", bare(raw).decode()).encode()


def referenced(raw: bytes) -> bytes:
    """The first character of each text as a character reference."""
    return (
        DECLARATION
        + re.sub(
            r">([^<>&\s])([^<>]*)</", lambda match: f">&#x{ord(match[1]):x};{match[2]}</", bare(raw).decode()
        ).encode()
    )


def indented(raw: bytes) -> bytes:
    """On many lines, with tabs and CRLF between the elements."""
    return DECLARATION + re.sub(r">\s*<(?!/)", ">\r\n\t <", bare(raw).decode()).encode()


def single_quoted(raw: bytes) -> bytes:
    """Attributes in single quotes, over several lines."""
    return _retagged(raw, lambda tag: tag.replace('"', "'").replace(" xmlns", "\n  xmlns"))


def marked(raw: bytes) -> bytes:
    """With a byte order mark."""
    return b"\xef\xbb\xbf" + raw


SAME: tuple[tuple[str, str, Shape], ...] = (
    ("default-namespace", "the profile's namespace as the default one", default_namespace),
    ("own-namespaces", "a default namespace declared at each element, no prefixes", own_namespaces),
    ("other-prefixes", "prefixes that nobody uses", other_prefixes),
    ("comments", "comments between all elements", commented),
    ("instructions", "processing instructions between all elements", instructed),
    ("cdata", "all texts as CDATA sections", quoted),
    ("references", "character references in all texts", referenced),
    ("indented", "line ends, tabs and spaces between the elements", indented),
    ("single-quotes", "attributes in single quotes, on several lines", single_quoted),
    ("no-declaration", "no XML declaration", bare),
)
"""(name, what is sent, how): any reader of XML hears the same."""


# -- no message ------------------------------------------------------------------------------------------------------


def doctype(raw: bytes) -> bytes:
    """With a document type, which says nothing."""
    return DECLARATION + b"<!DOCTYPE oadr:oadrPayload>\n" + bare(raw)


def entity(raw: bytes, text: str, place: str) -> bytes:
    """An entity whose replacement is `place` (`SYSTEM "…"` or `"…"`) stands for the first occurrence of `text`."""
    head = f"<!DOCTYPE oadr:oadrPayload [<!ENTITY said {place}>]>\n".encode()
    return DECLARATION + head + bare(raw).replace(f">{text}<".encode(), b">&said;<", 1)


def bomb(raw: bytes, text: str) -> bytes:
    """Entities of entities of entities in the place of `text`: three thousand million characters when they are expanded."""
    lines = ["<!ENTITY e0 'ha'>", *(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 10))]
    head = f"<!DOCTYPE oadr:oadrPayload [{''.join(lines)}]>\n".encode()
    return DECLARATION + head + bare(raw).replace(f">{text}<".encode(), b">&e9;<", 1)


def bare_root(raw: bytes) -> bytes:
    """The payload alone, without oadrPayload and oadrSignedObject."""
    return DECLARATION + etree.tostring(_payload(raw))


def unsigned_object(raw: bytes) -> bytes:
    """The payload right in oadrPayload, without oadrSignedObject."""
    root = etree.fromstring(raw)
    root.replace(root[-1], _payload(raw))
    return DECLARATION + etree.tostring(root)


def two_payloads(raw: bytes) -> bytes:
    """The payload twice in one oadrSignedObject."""
    root = etree.fromstring(raw)
    root[-1].append(_payload(raw))
    return DECLARATION + etree.tostring(root)


def two_objects(raw: bytes) -> bytes:
    """oadrSignedObject twice."""
    root = etree.fromstring(raw)
    root.append(etree.fromstring(etree.tostring(root[-1])))
    return DECLARATION + etree.tostring(root)


def no_payload(raw: bytes) -> bytes:
    """An empty oadrSignedObject."""
    root = etree.fromstring(raw)
    for child in tuple(root[-1]):
        root[-1].remove(child)
    return DECLARATION + etree.tostring(root)


def unknown_payload(raw: bytes) -> bytes:
    """A payload element that there is none of."""
    root = etree.fromstring(raw)
    root[-1][0].tag = f"{{{NAMESPACES['oadr']}}}oadrNonsense"
    return DECLARATION + etree.tostring(root)


def unprefixed_version(raw: bytes) -> bytes:
    """schemaVersion without its prefix: the schema has no such attribute."""
    return raw.replace(b"ei:schemaVersion", b"schemaVersion", 1)


def foreign_element(raw: bytes) -> bytes:
    """An element of another namespace as the payload's last one."""
    root = etree.fromstring(raw)
    etree.SubElement(root[-1][0], "{http://conformance.invalid/other}more").text = "1"
    return DECLARATION + etree.tostring(root)


def other_namespace(raw: bytes) -> bytes:
    """The namespace of profile 2.0a."""
    return raw.replace(NAMESPACES["oadr"].encode(), b"http://openadr.org/oadr-2.0a/2012/07", 1)


def truncated(raw: bytes) -> bytes:
    """Cut off in the middle."""
    return raw[: len(raw) * 3 // 4]


def not_utf8(raw: bytes) -> bytes:
    """A byte in a text that is no UTF-8."""
    return raw.replace(b"</", b"\xff\xfe</", 1)


WRONG: tuple[tuple[str, str, Shape], ...] = (
    ("bare-root", "the payload without oadrPayload", bare_root),
    ("no-signed-object", "the payload without oadrSignedObject", unsigned_object),
    ("two-payloads", "two payloads in one oadrSignedObject", two_payloads),
    ("two-signed-objects", "two oadrSignedObjects", two_objects),
    ("no-payload", "an oadrSignedObject that is empty", no_payload),
    ("unknown-payload", "a payload that the profile has not got", unknown_payload),
    ("unprefixed-version", "schemaVersion without its namespace", unprefixed_version),
    ("foreign-element", "an element of another namespace in the payload", foreign_element),
    ("other-profile", "the namespace of profile 2.0a", other_namespace),
    ("truncated", "XML that is cut off", truncated),
    ("not-utf8", "bytes that are no UTF-8", not_utf8),
    ("no-xml", "words that are no XML", lambda raw: b"OADR at your service"),
)
"""(name, what is sent, how): schema-invalid or no XML at all."""


# -- in between ------------------------------------------------------------------------------------------------------


def located(raw: bytes) -> bytes:
    """With a schemaLocation."""
    where = f"{NAMESPACES['oadr']} oadr_20b.xsd"
    more = f' xmlns:xsi="{NAMESPACES["xsi"]}" xsi:schemaLocation="{where}" xmlns:oadr='
    return raw.replace(b" xmlns:oadr=", more.encode(), 1)


def unversioned(raw: bytes) -> bytes:
    """Without schemaVersion, which the schema allows."""
    return raw.replace(b' ei:schemaVersion="2.0b"', b"", 1)


def padded(raw: bytes, to_bytes: int) -> bytes:
    """With a comment behind it that makes it so long."""
    rest = to_bytes - len(raw) - len(b"<!---->")
    return raw + b"<!--" + b"x" * max(rest, 0) + b"-->"


def _payload(raw: bytes) -> Element:
    root = etree.fromstring(raw)
    return root[-1][0]
