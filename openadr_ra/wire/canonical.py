"""What signer and verifier share: names, the one algorithm of each kind, and canonical XML.

Exclusive canonicalisation is not among them: it leaves out prefixes that stand in values alone (`xsi:type`), so that another
could bind them anew, and no peer is known to use it.
"""

from __future__ import annotations

from typing import Literal

from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.wire.names import clark

Style = Literal["id", "enveloped"]
"""How a signature names what it covers: oadrSignedObject by its id, or the whole document less the signature (`URI=""`)."""

C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"

SIGNATURE = clark("ds:Signature")
ID = clark("oadr:Id")


def canonical(element: Element) -> bytes:
    """`element` as inclusive canonical XML 1.0 without comments, with every namespace that is in scope where it stands.

    `xml:` attributes of its ancestors are left out, which the specification wants taken along: callers refuse them.
    Raises etree.LxmlError for relative namespace names, which canonical XML does not have.
    """
    return etree.tostring(element, method="c14n", exclusive=False, with_comments=False)


def canonical_without(root: Element, signature: Element) -> bytes:
    """`canonical` of `root` as if its child `signature` were not there; the text behind it stays.

    It is out of the tree while this runs, and what was not looked up by then may have its prefixes declared elsewhere.
    """
    # A comment keeps the place and the text, and has no canonical form.
    hole = etree.Comment("")
    hole.tail = signature.tail
    root.replace(signature, hole)
    try:
        return canonical(root)
    finally:
        root.replace(hole, signature)
