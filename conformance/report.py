"""The report of a run as data: `report.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from conformance.case import Role, Verdict
from conformance.rules import TEXT_UNKNOWN, known
from conformance.sightings import Sightings
from conformance.verdict import Result

VERDICTS: tuple[Verdict, ...] = ("fail", "non-strict", "blocked", "needs operator", "not implemented", "pass")
COUNTED: tuple[Verdict, ...] = ("pass", "fail", "non-strict")
"""A rule is covered when a case about it came to one of these."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A case in `report.json`, once for each of its rules; `messages` is a folder beside the file."""

    id: str
    rule: str
    level: str
    verdict: Verdict
    says: str
    expected: str = ""
    actual: str = ""
    why: str = ""
    took_s: float = 0.0
    messages: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`report.json`. `rules_uncovered`: those with a known text that no case came to a verdict on."""

    subject: str
    role: Role
    mode: str
    signed: bool
    at: str
    took_s: float
    rules_known: int
    rules_covered: int
    rules_uncovered: tuple[str, ...]
    rules_text_unknown: tuple[str, ...]
    verdicts: dict[str, int]
    seen: Sightings
    cases: tuple[Row, ...]


def made(
    results: Sequence[Result], sightings: Sightings, *, subject: str, role: Role, mode: str, signed: bool, took_s: float
) -> Report:
    """The report of these results."""
    covered = covered_rules(results)
    rules = known(role)
    return Report(
        subject=subject,
        role=role,
        mode=mode,
        signed=signed,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        took_s=round(took_s, 1),
        rules_known=len(rules),
        rules_covered=sum(rule in covered for rule in rules),
        rules_uncovered=tuple(rule for rule in rules if rule not in covered),
        rules_text_unknown=TEXT_UNKNOWN,
        verdicts=counts(results),
        seen={topic: dict(sorted(found.items())) for topic, found in sightings.items()},
        cases=tuple(_row(one, rule) for one in results for rule in one.rules or ("",)),
    )


def counts(results: Iterable[Result]) -> dict[str, int]:
    """How many cases came to which verdict."""
    found = Counter(one.verdict for one in results)
    return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def covered_rules(results: Iterable[Result]) -> frozenset[str]:
    return frozenset(rule for one in results if one.verdict in COUNTED for rule in one.rules)


def _row(one: Result, rule: str) -> Row:
    return Row(
        id=one.id,
        rule=rule,
        level=one.level,
        verdict=one.verdict,
        says=one.says,
        expected=one.expected,
        actual=one.actual,
        why=one.why,
        took_s=one.took_s,
        messages=one.folder,
    )
