"""Element names: `ei:venID` as we write it, `{http://…}venID` as lxml has it."""

from __future__ import annotations

from openadr_ra.protocol.shape import NAMESPACES

_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}


def clark(name: str) -> str:
    """`ei:venID` as lxml has it."""
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def short(tag: str) -> str:
    """lxml's `tag` as we write it; a namespace that is not OpenADR's stays."""
    uri, brace, local = tag.removeprefix("{").rpartition("}")
    return f"{_PREFIXES[uri]}:{local}" if brace and uri in _PREFIXES else tag


def with_prefixes(sentence: str) -> str:
    """`sentence` of libxml2's with OpenADR's namespaces shortened to their prefixes."""
    for uri, prefix in _PREFIXES.items():
        sentence = sentence.replace(f"{{{uri}}}", f"{prefix}:")
    return sentence
