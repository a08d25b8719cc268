"""What a case is, and how it says what it found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

import msgspec

from conformance.message import Message, Path

Role = Literal["vtn", "ven"]
Mode = Literal["pull", "push"]
Level = Literal["MUST", "SHOULD"]
Verdict = Literal["pass", "fail", "non-strict", "not implemented", "blocked", "needs operator"]

MUST: Level = "MUST"
SHOULD: Level = "SHOULD"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a subject in `role`. `says` is the requirement, `sends` what the harness does, `expects` what must
    come of it. `rules`: numbers of the profile or `X-` ids. `certification`: ids of the certification cases with that
    purpose. `slow`: takes real minutes. `signed`: worth repeating with XML signatures. `negative`: sends what is wrong.
    """

    id: str
    role: Role
    run: Callable[..., Awaitable[None]]
    rules: tuple[str, ...]
    level: Level
    says: str
    sends: str
    expects: str
    modes: tuple[Mode, ...] = ("pull", "push")
    certification: tuple[str, ...] = ()
    slow: bool = False
    signed: bool = False
    negative: bool = False
    within_s: float = 30.0

    @property
    def service(self) -> str:
        """The second part of the id: registration, event, report, opt, poll, transport, security, schema."""
        return self.id.split(".")[1]


class Failed(Exception):
    """The subject did not do what the case expects. `path` marks the place in `message`."""

    def __init__(self, expected: str, actual: str, message: Message | None = None, path: Path | None = None) -> None:
        super().__init__(f"expected {expected}; got {actual}")
        self.expected, self.actual, self.message, self.path = expected, actual, message, path


class NotSupported(Exception):
    """The subject has not got what the case is about, for the reason given."""


class NeedsOperator(Exception):
    """Somebody has to do something with the subject that nobody here can: what, and how to let it be done."""


CASES: dict[str, Case] = {}
"""All of them by id, in the order in which they were declared."""

Run = TypeVar("Run", bound=Callable[..., Awaitable[None]])


def case(
    id: str,
    *,
    rules: Sequence[str],
    says: str,
    sends: str,
    expects: str,
    level: Level = MUST,
    modes: Sequence[Mode] = ("pull", "push"),
    certification: Sequence[str] = (),
    slow: bool = False,
    signed: bool = False,
    negative: bool = False,
    within_s: float = 30.0,
) -> Callable[[Run], Run]:
    """Declare a case; its id is `role.service.what-it-shows`."""

    def declare(run: Run) -> Run:
        role: Role = "vtn" if id.startswith("vtn.") else "ven"
        if id in CASES or not id.startswith(f"{role}."):
            raise ValueError(f"case {id}: there is one already, or it names no role")
        CASES[id] = Case(
            id=id,
            role=role,
            run=run,
            rules=tuple(rules),
            level=level,
            says=says,
            sends=sends,
            expects=expects,
            modes=tuple(modes),
            certification=tuple(certification),
            slow=slow,
            signed=signed,
            negative=negative,
            within_s=within_s,
        )
        return run

    return declare


# -- what a case says of a message ----------------------------------------------------------------------------------


def expect(good: bool, expected: str, actual: str, message: Message | None = None, path: Path | None = None) -> None:
    if not good:
        raise Failed(expected, actual, message, path)


def expect_kind(message: Message, *kinds: str) -> None:
    """The payload is one of these."""
    expect(message.kind in kinds, " or ".join(kinds), message.kind or message.problem, message, ".")


def expect_code(message: Message, *codes: str) -> None:
    """The payload's eiResponse carries one of these codes; `4xx` is any of that class."""
    good = message.code in codes or any(one.endswith("xx") and message.code[:1] == one[:1] for one in codes)
    path = ".//ei:eiResponse/ei:responseCode"
    expect(
        good,
        f"responseCode {' or '.join(codes)}",
        message.code or f"none in {message.kind or 'the body'}",
        message,
        path,
    )


def expect_text(message: Message, path: Path, *wanted: str) -> None:
    """The element at `path` is there and says one of these."""
    actual = message.text(path)
    expect(
        actual in wanted,
        f"{path} = {' or '.join(wanted)}",
        "no such element" if actual is None else actual,
        message,
        path,
    )


def expect_there(message: Message, path: Path) -> None:
    expect(message.has(path), f"{path} is there", "it is not", message, ".")


def expect_absent(message: Message, path: Path) -> None:
    expect(not message.has(path), f"no {path}", "there is one", message, path)
