"""What a VEN bears of a VTN whose answers are errors, or none (reference 6.2)."""

from __future__ import annotations

from collections.abc import Callable

from conformance.case import SHOULD, case
from conformance.listen import Reply
from conformance.tested import Ven
from conformance.ven_wire import bears, does_not_hammer

LARGE_BYTES = 12 * 1024 * 1024


def _status(code: int) -> Reply:
    return Reply(status=code, body=b"no", headers=(("Content-Type", "text/plain"),))


for _status_code in (500, 502, 503):

    @case(
        f"ven.transport.status-{_status_code}",
        rules=("53",),
        says="A VEN bears an error of its VTN: it tries again after a pause, and does not hammer.",
        sends=f"HTTP {_status_code} to each poll for a while; then right answers and an event",
        expects="few requests meanwhile; then polls, and an answer to the event",
        modes=("pull",),
        negative=True,
        within_s=120,
    )
    async def passing(ven: Ven, code: int = _status_code) -> None:
        await bears(ven, lambda: _status(code))


for _status_code in (400, 401, 403, 404, 406, 413, 501):

    @case(
        f"ven.transport.status-{_status_code}",
        rules=("53",),
        says="What is turned away for good is not tried again at once.",
        sends=f"HTTP {_status_code} to each poll for a while",
        expects="few requests",
        modes=("pull",),
        negative=True,
    )
    async def lasting(ven: Ven, code: int = _status_code) -> None:
        await does_not_hammer(ven, lambda: _status(code))

    @case(
        f"ven.transport.status-{_status_code}-passes",
        rules=("53",),
        says="A VEN whose polls were turned away for good polls again one day: nobody has to go there.",
        sends=f"HTTP {_status_code} to each poll for a while; then right answers and an event",
        expects="polls again within back_within_s (75 s), and an answer to the event",
        level=SHOULD,
        modes=("pull",),
        negative=True,
        slow=True,
        within_s=180,
    )
    async def passes(ven: Ven, code: int = _status_code) -> None:
        await bears(ven, lambda: _status(code))


def _raw(*lines: str, body: bytes = b"") -> Callable[[], Reply]:
    head = "".join(f"{line}\r\n" for line in (*lines, "")).encode()
    return lambda: Reply(raw=head + body)


_HTML = b"<!DOCTYPE html><html><body>Sign in to go on</body></html>"

_FAULTS: tuple[tuple[str, str, Callable[[], Reply]], ...] = (
    ("closed", "the end of the connection, without a word", lambda: Reply(raw=b"")),
    ("no-http", "bytes that are no HTTP", lambda: Reply(raw=bytes(range(256)) * 8)),
    ("no-xml", "HTTP 200 with words that are no XML", lambda: Reply(body=b"everything is fine")),
    ("empty", "HTTP 200 without a body", Reply),
    ("login-page", "HTTP 200 with a page of HTML", lambda: Reply(body=_HTML, headers=(("Content-Type", "text/html"),))),
    (
        "redirect",
        "HTTP 302 to somewhere else",
        lambda: Reply(status=302, headers=(("Location", "http://conformance.invalid/elsewhere"),)),
    ),
    (
        "length-too-long",
        "a Content-Length beyond what comes, then the end",
        _raw("HTTP/1.1 200 OK", "Content-Type: application/xml", "Content-Length: 5000", body=b"<oadr:oadrPayload"),
    ),
    (
        "length-nonsense",
        "a Content-Length that is none",
        _raw("HTTP/1.1 200 OK", "Content-Type: application/xml", "Content-Length: many", body=b"<a/>"),
    ),
    (
        "oversize",
        "an answer of 12 MB",
        _raw(
            "HTTP/1.1 200 OK",
            "Content-Type: application/xml",
            f"Content-Length: {LARGE_BYTES}",
            body=b"<!--" + b"x" * (LARGE_BYTES - 4),
        ),
    ),
    (
        "flood",
        "chunks of 12 MB without an end",
        _raw(
            "HTTP/1.1 200 OK",
            "Content-Type: application/xml",
            "Transfer-Encoding: chunked",
            body=(b"100000\r\n" + b"x" * 0x100000 + b"\r\n") * 12,
        ),
    ),
    (
        "headers",
        "a head of a megabyte",
        _raw("HTTP/1.1 200 OK", f"X-Large: {'x' * 1024 * 1024}", "Content-Length: 0"),
    ),
)

_HOPELESS = ("redirect", "oversize", "flood")
"""A VEN may take these for answers that will not get better, and wait for long."""

for _name, _what, _reply in _FAULTS:

    @case(
        f"ven.transport.bears-{_name}",
        rules=("53", "33"),
        says="A VEN bears an answer that is none: it does not hammer, and comes back by itself.",
        sends=f"{_what}, to each poll for a while; then right answers and an event",
        expects="few requests meanwhile; then polls, and an answer to the event",
        modes=("pull",),
        negative=True,
        slow=_name in _HOPELESS,
        within_s=120,
    )
    async def no_answer(ven: Ven, reply: Callable[[], Reply] = _reply) -> None:
        await bears(ven, reply)


for _name, _what, _reply in _FAULTS:
    if _name not in _HOPELESS:
        continue

    @case(
        f"ven.transport.few-{_name}",
        rules=("53", "33"),
        says="An answer that is none is no reason to ask again at once.",
        sends=f"{_what}, to each poll for a while",
        expects="few requests",
        modes=("pull",),
        negative=True,
    )
    async def few(ven: Ven, reply: Callable[[], Reply] = _reply) -> None:
        await does_not_hammer(ven, reply)


for _code in ("450", "452", "459", "463", "469"):

    @case(
        f"ven.transport.code-{_code}",
        rules=("33",),
        certification=("A_E0_0092",) if _code == "459" else (),
        says="A VEN bears a refusal by the application: it does not hammer, and goes on.",
        sends=f"oadrResponse {_code} to each poll for a while; then right answers and an event",
        expects="few requests meanwhile; then polls, and an answer to the event",
        modes=("pull",),
        negative=True,
        within_s=120,
    )
    async def refusal(ven: Ven, code: str = _code) -> None:
        await ven.bootstrapped()
        body = ven.write("oadrResponse", request_id="", code=code, description="not now")
        await bears(ven, lambda: Reply(body=ven.sign(body) if ven.sign is not None else body))


@case(
    "ven.transport.wrong-type",
    rules=("53",),
    says="A right answer under another Content-Type is taken or passed over, and does no harm.",
    sends="right answers to polls under Content-Type text/plain for a while; then right ones and an event",
    expects="few requests meanwhile; then polls, and an answer to the event",
    modes=("pull",),
    negative=True,
    within_s=120,
)
async def wrong_type(ven: Ven) -> None:
    body = ven.write("oadrResponse", request_id="")
    headers = (("Content-Type", "text/plain"),)
    await bears(ven, lambda: Reply(body=ven.sign(body) if ven.sign is not None else body, headers=headers))
