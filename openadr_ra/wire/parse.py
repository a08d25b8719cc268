"""Bytes to an XML tree, hardened: whatever comes in, the only thing raised is WireError."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import local

from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.errors import ResponseCode, WireError
from openadr_ra.wire.vocabulary import Vocabulary

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest body that is parsed: about ten thousand report values. A tree takes about six times its bytes in memory."""

LARGE_BYTES = 64 * 1024
"""Above it a thread of its own costs nothing beside the parsing."""

MAX_MARKS = 350_000
"""Of `<` and `=`: each may be an element or an attribute, with 120 bytes in memory. Ten thousand values have 240,000."""

MAX_DEPTH = 64
"""Elements one inside the other, the root included. OpenADR itself needs 15; the rest is for an atom feed with XHTML."""

NOT_RECOGNIZED = ResponseCode("453")
TOO_LARGE_STATUS = 413

# A parser takes the encoding that the bytes declare, and iconv knows hundreds. The profile says utf-8; a reader of XML has
# to take UTF-16, and Latin-1 does no harm. Any other is a way to say one thing to us and another to a filter before us.
_ENCODINGS = frozenset({"UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "ISO-8859-1", "US-ASCII", "ASCII"})

_LONGEST_REASON = 200


def parse(body: bytes, *, max_bytes: int = MAX_BODY_BYTES, max_depth: int = MAX_DEPTH) -> Element:
    """The root element of `body`; comments and processing instructions are gone, text is as it was.

    Nothing is loaded, nothing expanded: a document type declaration is refused, an empty one too.
    Raises WireError: status 413 above `max_bytes` or with more tags than fit into memory; else 400 and code 453.
    """
    if len(body) > max_bytes:
        raise WireError(
            f"the body has {len(body)} bytes, more than {max_bytes}", code=NOT_RECOGNIZED, status=TOO_LARGE_STATUS
        )
    if len(body) > MAX_MARKS and body.count(b"<") + body.count(b"=") > MAX_MARKS:
        raise WireError(
            f"the body has more than {MAX_MARKS} tags and attributes", code=NOT_RECOGNIZED, status=TOO_LARGE_STATUS
        )
    try:
        root = _tree(body)
    except etree.XMLSyntaxError as error:
        raise WireError(f"the body is not XML: {one_line(str(error))}", code=NOT_RECOGNIZED) from error
    document = root.getroottree().docinfo
    if _is_there(document.internalDTD):
        raise WireError("the body has a document type declaration", code=NOT_RECOGNIZED)
    if (document.encoding or "UTF-8").upper() not in _ENCODINGS:
        raise WireError(f"the body is in {one_line(document.encoding or '')}, not in UTF-8", code=NOT_RECOGNIZED)
    if _is_deeper_than(max_depth)(root):
        raise WireError(f"the body nests elements more than {max_depth} deep", code=NOT_RECOGNIZED)
    return root


def _is_there(declaration: object) -> bool:
    return declaration is not None


def one_line(reason: str) -> str:
    """`reason` for a log: one line, printable, at most 200 characters, whatever a peer has put into it."""
    line = " ".join(reason.split())
    shown = "".join(letter if letter.isprintable() else "?" for letter in line[: _LONGEST_REASON + 1])
    return shown if len(shown) <= _LONGEST_REASON else shown[: _LONGEST_REASON - 1] + "…"


def _tree(body: bytes) -> Element:
    if len(body) <= LARGE_BYTES and _vocabulary.covers(body):
        return etree.fromstring(body, _own.parser)
    with ThreadPoolExecutor(1, "openadr-ra parser") as apart:
        return apart.submit(lambda: etree.fromstring(body, new_parser())).result()


_vocabulary = Vocabulary()


def new_parser(schema: etree.XMLSchema | None = None) -> etree.XMLParser:
    """A hardened parser; with a schema it also validates while it reads."""
    return etree.XMLParser(
        schema=schema,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        # Text of CDATA sections is text; white space is part of what may have been signed.
        strip_cdata=True,
        remove_blank_text=False,
        recover=False,
        # Without it, lxml 6 leaves libxml2 in a state that reads external parameter entities from the disk.
        collect_ids=True,
    )


class _Own(local):
    """A parser for each thread: lxml locks it while it is at work, and a poll would wait for another's report.

    It carries no schema: nothing is judged before the whole tree is there.
    """

    def __init__(self) -> None:
        self.parser = new_parser()


_own = _Own()


@lru_cache(maxsize=16)
def _is_deeper_than(depth: int) -> etree.XPath:
    return etree.XPath(f"boolean({'/*' * (depth + 1)})")
