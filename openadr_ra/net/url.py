"""Where the services are: rule 511, `http(s)://host[:port]/[prefix/]OpenADR2/Simple/2.0b/<Service>`."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit, urlunsplit

from openadr_ra.errors import SettingsError

PATH = ("OpenADR2", "Simple", "2.0b")
PATH_PREFIX = f"/{'/'.join(PATH)}/"

SERVICES = ("EiEvent", "EiOpt", "EiRegisterParty", "EiReport", "OadrPoll")
"""All of a VTN's; a push VEN serves fewer of them."""


def base_url(text: str) -> str:
    """Where a peer's services are, without a slash at the end, from any spelling that people and peers use.

    `https://vtn`, `https://vtn/`, `https://vtn/OpenADR2/Simple/2.0b`, the same with `/EiEvent`: all are one.
    Raises SettingsError for anything but an http(s) URL of host, port and path.
    """
    parts = _split(text)
    segments = [segment for segment in parts.path.split("/") if segment]
    if segments and segments[-1] in SERVICES:
        segments.pop()
    # Someone may have stopped in the middle of the path: what of it is there already?
    there = next(n for n in (3, 2, 1, 0) if tuple(segments[len(segments) - n :]) == PATH[:n])
    path = "/".join(("", *segments, *PATH[there:]))
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def host_and_port(url: str) -> tuple[str, int]:
    """The host of a URL, and its port or the one its scheme implies."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text.strip())
        # Reading the port is what checks it, encoding the host as DNS would have it likewise.
        host = (parts.hostname or "").encode("idna")
        usable = parts.scheme in ("http", "https") and host and parts.port != 0 and len(text.split()) == 1
    except ValueError as error:
        raise SettingsError(f"{text!r} is no url of a peer ({error}); write https://host:port") from error
    if not usable or parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(f"{text!r} is no url of a peer; write https://host:port or https://host:port/prefix")
    return parts
