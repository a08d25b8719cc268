"""Whether the books balance, of what has a time: readings, leases, lives, and how long VENs were away."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from math import isclose

import msgspec

from openadr_ra.protocol.messages import UpdateReport
from openadr_ra.protocol.parts import X_RESPONSE, Report, ReportPayload
from openadr_ra.protocol.report import spans
from openadr_ra.protocol.schedule import Reading
from torture.ends import VtnEnd
from torture.judge import Finding, said
from torture.ledger import Alive, Book, Done, Heard, Told
from torture.scene import Scene

SLACK_S = 4.0
"""How late a guard may be on a busy machine: its timer, its driver's process, and the one of the device have to come to
their turn."""

STEP_SLACK_S = 3.0
"""About a step of its clock a VEN may tell a lease that is off by the step: it had been reckoned before it."""

DRAIN_S = 15.0
"""So long workers that have lost who led them may finish what they had begun."""

RETURN_S = 90.0
"""A VEN that has not been answered by then, after what kept it away, has not come back."""

Key = tuple[str, datetime, timedelta]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A reading as a VEN said it."""

    value: float
    revision: int
    acknowledged: bool


def readings(ven: str, heard: tuple[Heard, ...], end: VtnEnd) -> Iterator[Finding]:
    """Every reading that was acknowledged is there, once, with the value that was said last of those acknowledged."""
    stored: dict[Key, list[Reading]] = {}
    for series, held in end.readings.items():
        if series.startswith(f"{ven}/"):
            for one in held:
                stored.setdefault((series, one.start, one.span), []).append(one)
    for key, values in told_readings(ven, heard).items():
        found = stored.get(key, [])
        of = f"reading {key[0]} of {key[1]:%H:%M:%S.%f} over {key[2].total_seconds():g} s"
        if not any(value.acknowledged for value in values):
            continue
        if not found:
            yield Finding(sort="lost", of=of, what="was acknowledged, and is not there")
        elif not any(isclose(found[0].value, value.value, rel_tol=1e-9, abs_tol=1e-12) for value in _newest(values)):
            was = ", ".join(f"{value.value:g}" for value in values)
            yield Finding(sort="differs", of=of, what=f"{was} was said, {found[0].value:g} is there")
    for key, found in stored.items():
        if len(found) > 1:
            of = f"reading {key[0]} of {key[1]:%H:%M:%S.%f}"
            yield Finding(sort="doubled", of=of, what=f"is there {len(found)} times")


def told_readings(ven: str, heard: tuple[Heard, ...]) -> dict[Key, list[Value]]:
    """All that the VEN said, in its order."""
    found: dict[Key, list[Value]] = {}
    for item in said(heard):
        match item.message:
            case UpdateReport(reports=reports):
                for report in reports:
                    for key, value, revision in _values(ven, report):
                        told = Value(value=value, revision=revision, acknowledged=item.acknowledged)
                        found.setdefault(key, []).append(told)
            case _:
                pass
    return found


def _newest(values: list[Value]) -> list[Value]:
    """What may stand: nothing older than the newest revision that was acknowledged."""
    least = max(value.revision for value in values if value.acknowledged)
    return [value for value in values if value.revision >= least]


def _values(ven: str, report: Report) -> Iterator[tuple[Key, float, int]]:
    about = f"{report.report_id}/" if report.name == X_RESPONSE else ""
    for start, length, interval in spans(report):
        payloads = [one for one in interval.payloads if isinstance(one, ReportPayload) and isinstance(one.value, float)]
        revision = 0
        if report.name == X_RESPONSE:
            revision = next((int(_number(one)) for one in payloads if one.rid.endswith(".revision")), 0)
        for one in payloads:
            yield (f"{ven}/{report.name}/{about}{one.rid}", start, length), _number(one), revision


def _number(payload: ReportPayload) -> float:
    return payload.value if isinstance(payload.value, float) else 0.0


# --- leases -----------------------------------------------------------------------------------------------------------


def leases(book: Book, scene: Scene, lease_s: float) -> Iterator[Finding]:
    """No device is told to follow for longer than a lease, and once it is over a VEN that lives has let it go."""
    told = sorted(book.told, key=lambda line: (line.device, line.at_s))
    owner = {ven.device: ven.name for ven in scene.vens}
    for device, group in groupby(told, key=lambda line: line.device):
        lines = tuple(group)
        steps = _steps(book, owner[device])
        for line in lines:
            stepped = any(abs(line.at_s - at_s) < STEP_SLACK_S for at_s in steps)
            if line.lease_s > lease_s + SLACK_S and not stepped:
                what = f"was told {line.kw:g} kW for {line.lease_s:.1f} s, and a lease is {lease_s:g} s"
                yield Finding(sort="overrun", of=device, what=what)
        # One line more: after the last one nothing came.
        for line, following in pairwise((*lines, Told(at_s=float("inf"), device=device, verb="release"))):
            over_s = line.at_s + line.lease_s
            late = line.verb == "apply" and following.at_s > over_s + SLACK_S
            if late and _lived(book, owner[device], over_s - 1.0, over_s + SLACK_S):
                what = (
                    f"{line.kw:g} kW of {line.event or 'an order'} stood {following.at_s - over_s:.1f} s past its lease"
                )
                yield Finding(sort="overrun", of=device, what=what)


def _steps(book: Book, ven: str) -> tuple[float, ...]:
    """When the VEN's clock was stepped."""
    mine = [done for done in book.done if done.kind == "clock" and done.target == ven]
    return tuple(at_s for done in mine for at_s in (done.began_s, done.ended_s))


def _lived(book: Book, name: str, start_s: float, end_s: float) -> bool:
    """Whether one process of that name ran all that time."""
    return any(one.name == name and one.began_s <= start_s and end_s <= one.ended_s for one in book.alive)


# --- lives ------------------------------------------------------------------------------------------------------------


def lives(book: Book, scene: Scene) -> Iterator[Finding]:
    """No process ends by itself, whatever happens to its disk, its database, its clock or its peers.

    One that has not come up yet may say what it lacks and end: its store, or its port while workers of a VTN that was killed
    finish what they had begun. It is started again.
    """
    for one in book.alive:
        hindered = any(
            done.began_s < one.ended_s and one.began_s < done.ended_s + DRAIN_S for done in _hindering(book, scene, one)
        )
        if not one.killed and (one.served or not hindered):
            what = f"ended by itself after {one.ended_s - one.began_s:.0f} s; its log says why"
            yield Finding(sort="ended", of=one.name, what=what)


def _hindering(book: Book, scene: Scene, one: Alive) -> Iterator[Done]:
    """Faults because of which this process might not have come up."""
    shared = next((cell for cell in scene.cells if cell.vtn == one.name and cell.database), None)
    targets = {one.name} if shared is None else {one.name, f"{shared.name}-database"}
    for done in book.done:
        if done.target in targets and (shared is not None or done.kind in ("locked", "disk-full")):
            yield done


def returns(book: Book) -> Iterator[tuple[str, str, float | None]]:
    """The VEN, the fault, and how long there was no answer once nothing kept it away any more: seconds; None: none came.

    What a later fault kept away is not what the earlier one did.
    """
    answered = {ven: [line.at_s for line in heard if line.status == 200] for ven, heard in book.heard.items()}
    for done in book.done:
        for ven in done.vens:
            times = answered.get(ven, [])
            place = bisect_left(times, done.ended_s)
            back_s = times[place] if place < len(times) else None
            over = (other.ended_s for other in book.done if ven in other.vens and other.ended_s <= (back_s or 0.0))
            took_s = back_s - max(over) if back_s is not None else None
            yield ven, f"{done.kind} on {done.target}", took_s


def absences(book: Book) -> Iterator[Finding]:
    """Every VEN came back after every fault."""
    for ven, fault, took_s in returns(book):
        if took_s is None or took_s > RETURN_S:
            what = "has not been answered since" if took_s is None else f"was answered after {took_s:.0f} s only"
            yield Finding(sort="absent", of=ven, what=f"{fault}: {what}")
