"""Which names XML may teach this process.

libxml2 keeps every name that a thread of ours has ever read, for as long as the thread lives. So that strangers cannot
fill the memory with names of their own, a body with names beyond a vocabulary of bounded size is parsed in a thread that
ends with it.
"""

from __future__ import annotations

import re

MOST_NAMES = 10_000
"""Names that may be learned: OpenADR and all it refers to have about a thousand, and peers choose prefixes."""

MOST_TAGS = 1_000
LONGEST_TAG = 4096
"""Start tags that are known as a whole, and their bytes: so the usual message costs one look at each of its tags."""

LONGEST = 256
"""Bytes of a name or a namespace; longer ones are no peer's."""

_ENCODINGS = frozenset((b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1"))
"""Those in which ASCII is ASCII; what the tags say in another cannot be seen in the bytes."""

_TAG = re.compile(rb"<([^/][^>]*)>")
# Attribute values with a "<" are no XML; those with a ">" are XML that no peer sends, as comments and declarations are.
_PLAIN = re.compile(
    rb"""(?P<name>\??[A-Za-z_][^\s/>"'=<&?]*+)(?P<rest>(?:\s++[^\s=>"'<]++\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'))*+)\s*+[/?]?"""
)
_ATTRIBUTE = re.compile(rb"""([^\s=]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)')""")


class Vocabulary:
    """Names known so far; elements, attributes, prefixes, processing instructions and namespaces alike."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        self._tags: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._names)

    def covers(self, body: bytes) -> bool:
        """Does `body` hold only names that are known, or that may still be learned? Those are known from then on.

        What cannot be told from the bytes alone is not covered: another encoding, a comment, a declaration.
        """
        tags = _TAG.findall(body)
        if len(tags) != body.count(b"<") - body.count(b"</") or body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<":
            return False
        return all(self._learns(tag) for tag in set(tags) - self._tags)

    def _learns(self, tag: bytes) -> bool:
        plain = _PLAIN.fullmatch(tag)
        if plain is None:
            return False
        names = {plain["name"]}
        for attribute, *values in _ATTRIBUTE.findall(plain["rest"]):
            value = b"".join(values)
            names.add(attribute)
            if attribute.startswith(b"xmlns"):
                names.add(value)
            if attribute == b"encoding" and plain["name"] == b"?xml" and value.lower() not in _ENCODINGS:
                return False
        new = names - self._names
        if len(self._names) + len(new) > MOST_NAMES or any(len(each) > LONGEST for each in new):
            return False
        self._names |= new
        if len(self._tags) < MOST_TAGS and len(tag) <= LONGEST_TAG:
            self._tags.add(tag)
        return True
