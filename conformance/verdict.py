"""What became of a case, with its evidence."""

from __future__ import annotations

from pathlib import Path

import msgspec

from conformance.case import Case, Level, Role, Verdict
from conformance.message import Message
from conformance.record import Exchange


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A message, indented, and the line that is wrong in it (from 1; None: no single one)."""

    text: str
    line: int | None = None
    sender: str = "subject"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A case's verdict. `why` is for what is neither pass nor fail; `folder` holds the messages that went and came."""

    id: str
    role: Role
    service: str
    rules: tuple[str, ...]
    level: Level
    says: str
    verdict: Verdict
    sends: str = ""
    expects: str = ""
    certification: tuple[str, ...] = ()
    negative: bool = False
    slow: bool = False
    expected: str = ""
    actual: str = ""
    why: str = ""
    evidence: Evidence | None = None
    took_s: float = 0.0
    folder: str = ""
    exchanges: tuple[Seen, ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange, for the report: who asked what, and what came back."""

    number: int
    at: str
    sender: str
    service: str
    request: str
    status: int
    answer: str
    fault: str = ""
    request_text: str = ""
    answer_text: str = ""


def result(case: Case, verdict: Verdict, **more: object) -> Result:
    """A result of that case."""
    made = Result(
        id=case.id,
        role=case.role,
        service=case.service,
        rules=case.rules,
        level=case.level,
        says=case.says,
        verdict=verdict,
        sends=case.sends,
        expects=case.expects,
        certification=case.certification,
        negative=case.negative,
        slow=case.slow,
    )
    return msgspec.structs.replace(made, **more)


def evidence(message: Message | None, path: str | None) -> Evidence | None:
    """The message with the marked line."""
    if message is None:
        return None
    line = message.line_of(path) if path else None
    return Evidence(text=message.pretty, line=line, sender=message.sender)


def seen(exchange: Exchange) -> Seen:
    answer = exchange.answer
    return Seen(
        number=exchange.number,
        at=exchange.at.isoformat(),
        sender=exchange.sender,
        service=exchange.service,
        request=exchange.request.kind or exchange.request.problem,
        status=exchange.status,
        answer=(answer.kind or answer.problem) if answer is not None else "",
        fault=exchange.fault,
        request_text=exchange.request.pretty,
        answer_text=answer.pretty if answer is not None else "",
    )


def keep(exchange: Exchange, folder: Path) -> None:
    """Write the bytes of both directions into `folder`."""
    name = f"{exchange.number:03d}-{exchange.sender}-{exchange.request.kind or exchange.service}"
    (folder / f"{name}.request.xml").write_bytes(exchange.request.raw)
    if exchange.answer is not None:
        (folder / f"{name}.answer-{exchange.status}.xml").write_bytes(exchange.answer.raw)
