"""Who may ask the console, and how it refuses: one sentence as JSON, never a traceback."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
import re
import secrets
import stat
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from aiohttp import hdrs, web

from openadr_ra.run.orders import OadrRaError, SettingsError, StoreError

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 4 * 1024 * 1024
"""An order to 20,000 VENs fits."""

TOKEN_BYTES = 32
MIN_TOKEN_CHARACTERS = 16
"""Shorter ones can be guessed; 43 is what we make."""

OPEN_PATHS = ("/health", "/ready")
"""For supervisors, which have no token; they tell nothing that could be used."""

HEADERS = {hdrs.CACHE_CONTROL: "no-store", hdrs.SERVER: "openadr-ra", "X-Content-Type-Options": "nosniff"}
"""Nothing here is for a cache, nor to be taken for a page."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_AT = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`")
_FIELD = re.compile(r"(?P<what>unknown|missing required) field `(?P<name>[^`]*)`")


class Refusal(Exception):
    """An answer that says no: the HTTP status, and a sentence that names the thing and the cure."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def own_token(file: Path) -> str:
    """The token in `file`, which is made with mode 0600 if it does not exist. Raises SettingsError."""
    try:
        try:
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _read_token(file)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with os.fdopen(opened, "w", encoding="ascii") as written:
            written.write(f"{token}\n")
    except OSError as error:
        raise SettingsError(
            f"console.token_file: {file}: {error.strerror}; name a file that this user can write"
        ) from error
    log.info("= console token made in %s", file)
    return token


def _read_token(file: Path) -> str:
    token = file.read_text(encoding="ascii", errors="replace").strip()
    if len(token) < MIN_TOKEN_CHARACTERS:
        raise SettingsError(
            f"console.token_file: {file} holds {len(token)} characters, at least {MIN_TOKEN_CHARACTERS} are needed;"
            " remove the file and a new token is made"
        )
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        log.warning("! others may read the console's token: chmod 600 %s", file)
    return token


class Gate:
    """Lets through whoever shows the token, unless a web page sent them.

    A page in the operator's browser cannot read the token, and it is turned away even if it had it: by the Host header,
    which names the page's own site when its name was made to point here, and by the Origin header, which names the page.
    """

    def __init__(self, token: str, host: str) -> None:
        self._expected = b"Bearer " + token.encode("ascii", "replace")
        self._host = host.casefold()

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Admit, answer, and turn every error on purpose into its status and sentence."""
        try:
            self._admit(request)
            return await handler(request)
        except Refusal as refusal:
            return _refused(request, refusal.status, str(refusal))
        except StoreError as error:
            return _refused(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except OadrRaError as error:
            return _refused(request, HTTPStatus.BAD_REQUEST, str(error))
        except web.HTTPRequestEntityTooLarge as error:
            sentence = f"the body is larger than {MAX_BODY_BYTES} bytes; order for fewer VENs at a time"
            return _refused(request, HTTPStatus(error.status), sentence)
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            response = _refused(request, HTTPStatus(error.status), f"{request.path} takes {allowed}")
            response.headers[hdrs.ALLOW] = allowed
            return response
        except web.HTTPNotFound as error:
            return _refused(request, HTTPStatus(error.status), f"there is no {request.path:.200}")
        except web.HTTPException as error:
            return _refused(request, HTTPStatus(error.status), error.reason)

    def _admit(self, request: web.Request) -> None:
        host = request.headers.get(hdrs.HOST, "")
        if not self._is_ours(host):
            raise Refusal(
                HTTPStatus.FORBIDDEN, f"{host!r:.80} is no name of this console; use its IP address or localhost"
            )
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refusal(HTTPStatus.FORBIDDEN, f"pages of {origin!r:.80} may not use this console")
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "surrogateescape")
        if request.path not in OPEN_PATHS and not hmac.compare_digest(given, self._expected):
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "the token is missing or wrong; send `Authorization: Bearer` with what the console's token_file holds",
            )

    def _is_ours(self, host: str) -> bool:
        """A name in DNS can be made to point here; an address, localhost and what we were told to listen on cannot."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").casefold()
        except ValueError:
            return False
        if name in ("localhost", self._host) and name:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _refused(request: web.Request, status: HTTPStatus, sentence: str) -> web.Response:
    log.warning(
        "! console refused %d %s %.200r from %s: %s", status, request.method, request.path, request.remote, sentence
    )
    response = reply({"error": sentence}, status)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return response


def reply(value: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """`value` as JSON."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers=HEADERS,
    )


def explained(error: msgspec.DecodeError, whole: str) -> str:
    """msgspec's words with the path of the field first; `whole` is what the value itself is called."""
    message = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return f"{whole} is no JSON ({message})"
    at = _AT.search(message)
    where = at["path"] if at else ""
    field = _FIELD.search(message)
    if field is not None:
        path = f"{where}.{field['name']}".lstrip(".")
        return f"{path}: there is no such field" if field["what"] == "unknown" else f"{path}: is missing"
    if "matching regex" in message:
        return f"{where or whole}: has characters that cannot stand there"
    return f"{where or whole}: {_lower(_AT.sub('', message))}"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
