"""The normative XSDs, where they are, that they are the right ones, and what they say of a tree.

They are those inside the installed openleadr distribution, whose code is never imported. What is compiled is what was
hashed, less what it says to people: the files are read once, and the compiler gets them from memory and can reach nothing
else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.errors import InvalidData, SettingsError, WireError
from openadr_ra.protocol.messages import PAYLOADS
from openadr_ra.wire.names import clark, short, with_prefixes
from openadr_ra.wire.parse import NOT_RECOGNIZED, new_parser, one_line

MADE_BY = "openleadr==0.5.36"
"""The distribution that carries the schemas."""

SHA256 = {
    "oadr_20b.xsd": "e0a805eb00904e7d1e24f8f5ac357af8188728626744e6e583f32906c4da5f38",
    "oadr_ISO_ISO3AlphaCurrencyCode_20100407.xsd": "db723d782112e1e41ddc43f9e372cf89a08d6a3e22ccd9b6680eefa3da61a910",
    "oadr_atom.xsd": "632c034d6f759727eb80d7c1092542e807b47714a83b1903c18f5b931e47b948",
    "oadr_ei_20b.xsd": "a7a36814448eaf45725b9504de97a50a307b0b5730e8aecee6b5a6a39113a6a6",
    "oadr_emix_20b.xsd": "23fb67f06e90fdc97c11652914bb3947328c25f1d1e288b740ae16f393261180",
    "oadr_gml_20b.xsd": "52c460c35e5ef88b3310ec511a1927e1ff117d99a35c72f0012b99ab4ec59ba3",
    "oadr_greenbutton.xsd": "98634e64b787482d047771e1543db61b2fb09878a22eb4452b36ff1d4e888e60",
    "oadr_power_20b.xsd": "580519d1382e302629a2ec97d025338d88ea58fa7cee7608d82acc9f9be0c2da",
    "oadr_pyld_20b.xsd": "8179a761b3d501b7d904a08c71bd1a31eac508cc95d4e374f1c832103bdcf053",
    "oadr_siscale_20b.xsd": "b050c37987578f414cb3dc32a0ae9d0db9271a83ab6fecd00de039a32262068c",
    "oadr_strm_20b.xsd": "ab9dd466ef530f6b8601b623cd065d3788e349514a22501b6c0cc648f358fca1",
    "oadr_xcal_20b.xsd": "7936dc01319eca5be01ce6b0603526d6db4e558632b0495290c51a6ea57e3f2d",
    "oadr_xml.xsd": "5ffc04c6cece79004676c8d08f1acc51878cfa30586356e858d343e17020e451",
    "oadr_xmldsig.xsd": "0a1c72881eee256a8cc80bfcb5d98b309760a368c886ef26eda65df546f4cf76",
    "oadr_xmldsig11.xsd": "ba2d87fa988c7a4eb2882424c9e0aa9d399fd6c9cbe1e3b5a13736706da8c3ab",
}  # fmt: skip
"""Every file that the schema is compiled from. The distribution's properties schema is imported by none and not used."""

PAYLOAD = clark("oadr:oadrPayload")
SIGNED_OBJECT = clark("oadr:oadrSignedObject")

_MAIN = "oadr_20b.xsd"
_BASE_URL = "openadr:"

LONG = 2000
"""Elements. A report of two hundred values has as many."""

_is_long = etree.XPath(f"boolean(descendant::*[{LONG}])")

# libxml2 gives each validation a context of its own, but lxml keeps one error log per schema.
_lock = Lock()


def validate(tree: Element) -> None:
    """Return if `tree` is an oadrPayload that the schema accepts.

    Raises WireError: 453 for a root that is no oadrPayload, or a payload that OpenADR 2.0b does not know; 454 for all else,
    with the first thing that is wrong. Raises SettingsError if the schemas are missing or not the ones we know.
    """
    if tree.tag != PAYLOAD:
        root = one_line(short(tree.tag))
        raise WireError(f"the root is {root}, not oadr:oadrPayload", code=NOT_RECOGNIZED, element=root)
    if _is_long(tree):
        return _validate_long(tree)
    try:
        with _lock:
            load().assertValid(tree)
    except etree.LxmlError as error:
        raise _refusal(tree, with_prefixes(str(error))) from error


def _validate_long(tree: Element) -> None:
    """Judged as it is read anew, in a thread that ends with it (see `vocabulary`).

    Where a tree stands in memory, lxml writes down for each thing that is wrong where it is, counting siblings: with
    thirty thousand wrong values in one report that took 16 s, and all others waited.
    """
    body = etree.tostring(tree, encoding="UTF-8")
    with ThreadPoolExecutor(1, "openadr-ra validator") as apart:
        error = apart.submit(_first_error, body).result()
    if error is not None:
        raise _refusal(tree, with_prefixes(error))


def _first_error(body: bytes) -> str | None:
    try:
        etree.fromstring(body, new_parser(load()))
    except etree.XMLSyntaxError as error:
        return error.msg
    return None


def signed_object(tree: Element) -> Element:
    """The oadrSignedObject of a schema-valid `tree`: its last child, behind the signature if there is one."""
    return tree[-1]


@lru_cache(maxsize=1)
def load() -> etree.XMLSchema:
    """The compiled schema; the first call reads and checks the files.

    Raises SettingsError, with the cure, if a file is missing or is not the one we know.
    """
    files = {name: _bare(text) for name, text in read_files(_folder()).items()}
    parser = etree.XMLParser(load_dtd=False, resolve_entities=False, no_network=True)
    parser.resolvers.add(_OnlyThese(files))
    return etree.XMLSchema(etree.fromstring(files[_MAIN], parser, base_url=_BASE_URL + _MAIN))


def _bare(text: bytes) -> bytes:
    """A schema without annotations, comments and blanks: two thirds of the files, and 1.2 MB of what is kept of them."""
    parser = etree.XMLParser(
        load_dtd=False, resolve_entities=False, no_network=True, remove_comments=True, remove_blank_text=True
    )
    schema = etree.fromstring(text, parser)
    etree.strip_elements(schema, _ANNOTATION)
    return etree.tostring(schema)


_ANNOTATION = "{http://www.w3.org/2001/XMLSchema}annotation"


def read_files(folder: Path) -> Mapping[str, bytes]:
    """The schema files of `folder` by name. Raises SettingsError if one is missing or has another content than we know."""
    content = {}
    for name, known in SHA256.items():
        try:
            content[name] = (folder / name).read_bytes()
        except OSError as error:
            raise SettingsError(f"the schema file {folder / name} cannot be read; {_CURE}") from error
        if hashlib.sha256(content[name]).hexdigest() != known:
            raise SettingsError(f"the schema file {folder / name} is not that of {MADE_BY}; {_CURE}")
    return content


def _folder() -> Path:
    """Where the installed distribution keeps its schemas; finding a top-level package does not import it."""
    spec = find_spec("openleadr")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(f"the OpenADR 2.0b schemas are not installed; {_CURE}")
    return Path(spec.submodule_search_locations[0]) / "schema"


_CURE = f"pip install --force-reinstall --no-deps {MADE_BY}"


class _OnlyThese(etree.Resolver):
    """Hands the schema compiler the files it imports; it gets nothing from the disk or the network."""

    def __init__(self, content: Mapping[str, bytes]) -> None:
        self._content = content

    def resolve(self, system_url: str, public_id: str, context: object) -> object:  # type: ignore[override]
        # Ignored: the stubs do not know `context`.
        name = system_url.removeprefix(_BASE_URL)
        if name not in self._content:
            raise SettingsError(f"the schemas import {name}, which is not among the files that we know; {_CURE}")
        return self.resolve_string(self._content[name], context, base_url=system_url)


def _refusal(tree: Element, reason: str) -> WireError:
    signed = tree.find(SIGNED_OBJECT)
    if signed is not None and len(signed) and signed[0].tag not in _KNOWN_PAYLOADS:
        payload = one_line(short(signed[0].tag))
        return WireError(f"{payload} is no payload of OpenADR 2.0b", code=NOT_RECOGNIZED, element=payload)
    named = _NAMED.search(reason)
    element = one_line(named[1]) if named is not None else ""
    return WireError(f"not schema-valid: {one_line(reason)}", code=InvalidData.code, element=element)


_NAMED = re.compile("Element '([^']+)'")
"""How libxml2 says which element is wrong; of a missing one, the one that should have it."""


_KNOWN_PAYLOADS = frozenset(clark(message.xml) for message in PAYLOADS)
