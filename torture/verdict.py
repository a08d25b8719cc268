"""What a run comes to: all findings, and the table."""

from __future__ import annotations

from collections import Counter

import msgspec

from openadr_ra.protocol.messages import CreatedEvent, CreateOpt, CreatePartyRegistration
from torture import judge, judge_time
from torture.ends import Ends
from torture.judge import Finding, said
from torture.ledger import Book
from torture.scene import Scene
from torture.schedule import Left
from torture.site import LEASE_S


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a run. `answers_503` came from VTNs that could not store; `slowest` is the VEN that took longest to be
    answered again, after which fault."""

    seed: int
    minutes: float
    faults: dict[str, int]
    left_out: tuple[Left, ...]
    restarts: int
    events: int
    opts: int
    registrations: int
    readings: int
    answers_503: int
    orders_refused: int
    lost: int
    doubled: int
    other: int
    slowest_return_s: float | None
    slowest: str
    findings: tuple[Finding, ...]
    kept: str = ""


def judged(book: Book, scene: Scene, ends: Ends) -> tuple[Finding, ...]:
    """All that is wrong; empty where the books balance."""
    found: list[Finding] = []
    for cell in scene.cells:
        end = ends.vtns[cell.name]
        found += judge.events(book, cell, end)
        found += judge.strangers(cell, end)
        for ven in cell.vens:
            heard = book.heard.get(ven.name, ())
            found += judge.opts(ven.name, heard, book, ends, end)
            found += judge.registrations(ven.name, heard, ends, end)
            found += judge.agreement(ven.name, book, ends, end)
            found += judge_time.readings(ven.name, heard, end)
    found += judge_time.leases(book, scene, LEASE_S)
    found += judge_time.lives(book, scene)
    found += judge_time.absences(book)
    return tuple(found)


def summed(
    book: Book,
    findings: tuple[Finding, ...],
    starts: dict[str, int],
    *,
    seed: int,
    minutes: float,
    left: tuple[Left, ...],
) -> Summary:
    """The figures."""
    taken = [item.message for heard in book.heard.values() for item in said(heard) if item.acknowledged]
    told = (judge_time.told_readings(ven, heard) for ven, heard in book.heard.items())
    back = [(took_s, f"{ven} after {fault}") for ven, fault, took_s in judge_time.returns(book) if took_s is not None]
    slowest_s, slowest = max(back, default=(None, ""), key=lambda one: one[0] or 0.0)
    sorts = Counter(finding.sort for finding in findings)
    return Summary(
        seed=seed,
        minutes=minutes,
        faults=dict(sorted(Counter(done.kind for done in book.done).items())),
        left_out=left,
        restarts=sum(count - 1 for count in starts.values()),
        events=sum(line.modification is not None for line in book.orders),
        opts=sum(len(one.responses) if isinstance(one, CreatedEvent) else isinstance(one, CreateOpt) for one in taken),
        registrations=sum(isinstance(one, CreatePartyRegistration) for one in taken),
        readings=sum(any(value.acknowledged for value in values) for all_of in told for values in all_of.values()),
        answers_503=sum(line.status == 503 for heard in book.heard.values() for line in heard),
        orders_refused=sum(line.modification is None for line in book.orders),
        lost=sorts["lost"],
        doubled=sorts["doubled"],
        other=len(findings) - sorts["lost"] - sorts["doubled"],
        slowest_return_s=slowest_s,
        slowest=slowest,
        findings=findings,
    )


def table(summary: Summary) -> str:
    """For people."""
    rows = [(kind, str(count)) for kind, count in summary.faults.items()]
    rows += [
        ("restarts", str(summary.restarts)),
        ("acknowledged orders of events", str(summary.events)),
        ("acknowledged opts", str(summary.opts)),
        ("acknowledged registrations", str(summary.registrations)),
        ("acknowledged readings", str(summary.readings)),
        ("answers 503", str(summary.answers_503)),
        ("orders not acknowledged", str(summary.orders_refused)),
        ("lost", str(summary.lost)),
        ("doubled", str(summary.doubled)),
        ("other findings", str(summary.other)),
    ]
    if summary.slowest_return_s is not None:
        rows.append(("slowest return of a VEN", f"{summary.slowest_return_s:.1f} s ({summary.slowest})"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
