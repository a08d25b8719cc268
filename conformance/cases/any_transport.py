"""HTTP at a subject that is called, a VTN or a push VEN: its headers, methods and paths (reference 6.2)."""

from __future__ import annotations

from collections.abc import Callable

from conformance import http
from conformance.case import MUST, SHOULD, Level, expect
from conformance.endpoint import Endpoint, at_servers, borne, good, refused, refused_or_cut
from conformance.play import PREFIX

# -- Content-Type ----------------------------------------------------------------------------------------------------


def _with_type(value: str | None) -> Callable[[dict[str, str]], None]:
    def change(headers: dict[str, str]) -> None:
        del headers["Content-Type"]
        if value is not None:
            headers["Content-Type"] = value

    return change


_TAKEN: tuple[tuple[str, str, Level], ...] = (
    ("type-plain", "application/xml", MUST),
    ("type-utf-8", "application/xml; charset=utf-8", MUST),
    ("type-upper-case", "application/xml;charset=UTF-8", SHOULD),
    ("type-quoted", 'application/xml; charset="utf-8"', SHOULD),
)

for _name, _value, _level in _TAKEN:

    @at_servers(
        f"transport.{_name}",
        rules=("53",),
        says=f"A {{end}} takes Content-Type {_value}.",
        sends=f"a good message under Content-Type {_value}",
        expects="a good answer",
        level=_level,
    )
    async def taken(endpoint: Endpoint, value: str = _value) -> None:
        good(await endpoint.with_headers(_with_type(value)))


_REFUSED = (("type-json", "application/json"), ("type-form", "application/x-www-form-urlencoded"))

for _name, _value in _REFUSED:

    @at_servers(
        f"transport.{_name}",
        rules=("53",),
        says="A body that is called something other than XML is refused.",
        sends=f"a good message under Content-Type {_value}",
        expects="a refusal",
        level=SHOULD,
        negative=True,
    )
    async def not_taken(endpoint: Endpoint, value: str = _value) -> None:
        refused(await endpoint.with_headers(_with_type(value)))


_BORNE: tuple[tuple[str, str, str | None], ...] = (
    ("type-missing", "no Content-Type", None),
    ("type-text-xml", "Content-Type text/xml", "text/xml"),
    ("type-nonsense", "a Content-Type that is none", ";;=,"),
    ("charset-utf-16", "charset utf-16 over a body in utf-8", "application/xml; charset=utf-16"),
    ("charset-unknown", "a charset that nobody knows", "application/xml; charset=x-unknown"),
)

for _name, _what, _type in _BORNE:

    @at_servers(
        f"transport.{_name}",
        rules=("53",),
        says="An odd Content-Type is taken or refused, and does no harm.",
        sends=f"a good message under {_what}",
        expects="a good answer or HTTP 4xx; then a good answer to a right message",
        negative=True,
    )
    async def type_borne(endpoint: Endpoint, value: str | None = _type) -> None:
        exchange = await endpoint.with_headers(_with_type(value))
        (good if exchange.status == 200 else refused)(exchange)


# -- other headers ---------------------------------------------------------------------------------------------------


@at_servers(
    "transport.header-case",
    rules=("53",),
    says="The names of headers are taken in any case.",
    sends="a good message under content-type, HOST and CONTENT-length",
    expects="a good answer",
)
async def header_case(endpoint: Endpoint) -> None:
    body = endpoint.write()
    names = {
        "Host": "HOST",
        "Content-Type": "content-type",
        "Content-Length": "CONTENT-length",
        "Connection": "connection",
    }
    headers = tuple((names[name], value) for name, value in http.usual_headers(endpoint.caller.host, body))
    good(await endpoint.caller.try_(body, endpoint.service, headers=headers, signed=False))


@at_servers(
    "transport.more-headers",
    rules=("53",),
    says="Headers that are not asked for are ignored.",
    sends="a good message with User-Agent, Accept, Accept-Encoding, Cookie and headers that nobody knows",
    expects="a good answer",
)
async def more_headers(endpoint: Endpoint) -> None:
    def change(headers: dict[str, str]) -> None:
        headers |= {"User-Agent": "conformance", "Accept": "*/*", "Accept-Encoding": "identity", "Cookie": "a=b"}
        headers |= {f"X-Unknown-{number}": "x" * 100 for number in range(10)}

    good(await endpoint.with_headers(change))


@at_servers(
    "transport.host-missing",
    rules=("53",),
    says="A request without Host is taken or refused, and does no harm.",
    sends="a good message without Host",
    expects="a good answer or HTTP 4xx; then a good answer to a right message",
    negative=True,
)
async def host_missing(endpoint: Endpoint) -> None:
    exchange = await endpoint.with_headers(lambda headers: headers.pop("Host", None))
    (good if exchange.status == 200 else refused_or_cut)(exchange)


@at_servers(
    "transport.length-missing",
    rules=("53",),
    says="A request with neither Content-Length nor another end of its body is refused.",
    sends="a message whose body has no length",
    expects="a refusal, or the end of the connection; then a good answer to a right message",
    negative=True,
)
async def length_missing(endpoint: Endpoint) -> None:
    refused_or_cut(await endpoint.with_headers(lambda headers: headers.pop("Content-Length", None)))


for _name, _what in (("length-negative", "-5"), ("length-words", "many"), ("length-huge", "9" * 30)):

    @at_servers(
        f"transport.{_name}",
        rules=("53",),
        says="A Content-Length that is no length is refused.",
        sends=f"a message under Content-Length {_what}",
        expects="a refusal, or the end of the connection; then a good answer to a right message",
        negative=True,
    )
    async def length_is_none(endpoint: Endpoint, value: str = _what) -> None:
        refused_or_cut(await endpoint.with_headers(lambda headers: headers.__setitem__("Content-Length", value)))


@at_servers(
    "transport.two-lengths",
    rules=("53",),
    says="Two Content-Lengths that differ are refused.",
    sends="a message under two Content-Lengths",
    expects="a refusal, or the end of the connection; then a good answer to a right message",
    level=SHOULD,
    negative=True,
)
async def two_lengths(endpoint: Endpoint) -> None:
    body = endpoint.write()
    head = endpoint.head(f"Content-Length: {len(body)}", f"Content-Length: {len(body) - 7}")
    refused_or_cut(await endpoint.with_pieces(head + body))


@at_servers(
    "transport.length-and-chunked",
    rules=("53",),
    says="A body with two lengths, of which one is chunked, is not read by the wrong one.",
    sends="a good message in chunks, under a Content-Length that is shorter besides",
    expects="a good answer, a refusal or the end of the connection; then a good answer to a right message",
    negative=True,
)
async def length_and_chunked(endpoint: Endpoint) -> None:
    body = endpoint.write()
    head = endpoint.head("Content-Length: 5", "Transfer-Encoding: chunked")
    exchange = await endpoint.with_pieces(head + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
    (good if exchange.status == 200 else refused_or_cut)(exchange)


@at_servers(
    "transport.chunked",
    rules=("53",),
    says="A chunked body, which nobody should send, is read or refused.",
    sends="a good message in three chunks without Content-Length",
    expects="a good answer or a refusal; then a good answer to a right message",
)
async def chunked(endpoint: Endpoint) -> None:
    body = endpoint.write()
    third = len(body) // 3
    parts = (body[:third], body[third : 2 * third], body[2 * third :], b"")
    pieces = (f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)
    exchange = await endpoint.with_pieces(endpoint.head("Transfer-Encoding: chunked"), *pieces)
    (good if exchange.status == 200 else refused_or_cut)(exchange)


@at_servers(
    "transport.expect-continue",
    rules=("53",),
    says="A client that waits to be told to go on is answered.",
    sends="a good message under Expect: 100-continue",
    expects="a good answer, or 417",
    level=SHOULD,
)
async def expect_continue(endpoint: Endpoint) -> None:
    exchange = await endpoint.with_headers(lambda headers: headers.__setitem__("Expect", "100-continue"))
    if exchange.status != 417:
        good(exchange)


@at_servers(
    "transport.answer-headers",
    rules=("X-HDR-1", "53"),
    says="An answer has Content-Length, and Content-Type application/xml where it has a body; it is not chunked.",
    sends="a good message",
    expects="those headers",
)
async def answer_headers(endpoint: Endpoint) -> None:
    exchange = await endpoint.caller.try_(endpoint.write(), endpoint.service)
    good(exchange)
    if (answer := exchange.answer) is None:
        return
    length = answer.header("Content-Length")
    expect(length == str(len(answer.raw)), f"Content-Length {len(answer.raw)}", length or "no such header", answer)
    expect(answer.header("Transfer-Encoding") is None, "no Transfer-Encoding", "there is one", answer)
    kind = (answer.header("Content-Type") or "none").split(";")[0].strip()
    expect(not answer.raw or kind == "application/xml", "Content-Type application/xml", kind, answer)


# -- methods and paths -----------------------------------------------------------------------------------------------

for _method in ("GET", "PUT", "DELETE"):

    @at_servers(
        f"transport.{_method.lower()}",
        rules=("511",),
        says="Everything is posted; other methods are refused.",
        sends=f"{_method} at the path of a service",
        expects="HTTP 4xx or 501; then a good answer to a right message",
        negative=True,
    )
    async def other_method(endpoint: Endpoint, method: str = _method) -> None:
        body = endpoint.write() if method == "PUT" else b""
        headers = http.usual_headers(endpoint.caller.host, body)
        refused_or_cut(await endpoint.caller.try_(body, endpoint.service, method=method, headers=headers, signed=False))


_NOWHERE = (
    ("no-service", f"{PREFIX}/Nonsense"),
    ("no-path", "/"),
    ("other-version", "/OpenADR2/Simple/9.9/EiEvent"),
    ("long-path", "/" + "x" * 4000),
)

for _name, _path in _NOWHERE:

    @at_servers(
        f"transport.{_name}",
        rules=("511",),
        says="Nothing is served at a path that belongs to no service.",
        sends=f"a good message at {_path[:40]}",
        expects="HTTP 4xx; then a good answer to a right message",
        negative=True,
    )
    async def nowhere(endpoint: Endpoint, path: str = _path) -> None:
        refused_or_cut(await endpoint.caller.try_(endpoint.write(), endpoint.service, path=path))


@at_servers(
    "transport.absolute-path",
    rules=("511",),
    says="A path that goes round by .. is not served as something else.",
    sends="a good message at /OpenADR2/../../etc/passwd",
    expects="HTTP 4xx; then a good answer to a right message",
    negative=True,
)
async def roundabout(endpoint: Endpoint) -> None:
    refused_or_cut(await endpoint.caller.try_(endpoint.write(), endpoint.service, path="/OpenADR2/../../etc/passwd"))


@at_servers(
    "transport.no-http",
    rules=("53",),
    says="What is no HTTP does no harm.",
    sends="bytes that are no HTTP",
    expects="a refusal, or the end of the connection; then a good answer to a right message",
    negative=True,
)
async def no_http(endpoint: Endpoint) -> None:
    refused_or_cut(await endpoint.with_pieces(bytes(range(256)) * 4 + b"\r\n\r\n"))


@at_servers(
    "transport.large-head",
    rules=("53",),
    says="A head without measure does no harm.",
    sends="a good message under a header of a megabyte",
    expects="a refusal, or the end of the connection; then a good answer to a right message",
    negative=True,
)
async def large_head(endpoint: Endpoint) -> None:
    borne(await endpoint.with_headers(lambda headers: headers.__setitem__("X-Large", "x" * 1024 * 1024)))
