"""What a VEN's operator asks and sees of the VTNs above: `ven upstreams` and `ven leave`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from openadr_ra.console.client import Client
from openadr_ra.programs.tables import NOTHING, moment, printable, table
from openadr_ra.run.above import Infos
from openadr_ra.run.ven_orders import Leaving, UpstreamSummary


def leave(client: Client, upstream: str | None) -> Iterator[Leaving]:
    """End the registration with that VTN, or with one after the other."""
    names = (upstream,) if upstream is not None else tuple(one.upstream for one in client.upstreams())
    for name in names:
        yield client.leave(name)


def left_text(left: Leaving) -> str:
    """One line after an order."""
    return printable(f"{left.upstream} is told that the registration ends; the next start registers again")


def upstreams_text(upstreams: Iterable[UpstreamSummary]) -> str:
    """One line a VTN; below it what was given up, and what the VTN said of itself."""
    found = tuple(upstreams)
    heads = ("upstream", "state", "link", "last heard", "transport", "venID", "vtnID", "polls", "unanswered", "owed")
    lines = [table(heads, map(_row, found))]
    for one in found:
        lines += [f"{one.upstream} refuses us: {one.refusal}"] if one.refusal else []
        lines += (
            [f"{one.upstream} did not answer at {moment(one.failed_at)}: {one.last_error}"] if one.failed_at else []
        )
        lines += [
            f"{one.upstream} turned {item.message} away at {moment(item.at)}; it was given up: {item.why}"
            for item in one.given_up
        ]
        lines += [f"{one.upstream} says of {name}: {said}" for name, said in _said(one.service_info)]
        lines += [f"{one.upstream} has {name}: {said}" for name, said in _said(one.extensions)]
    return "\n".join((lines[0], *map(printable, lines[1:])))


def _row(one: UpstreamSummary) -> tuple[str, ...]:
    polls = f"every {one.poll_s} s" + (f", held {one.hold_s} s" if one.hold_s else "")
    return (
        one.upstream,
        {"new": "registering", "registered": "registered", "ended": "left"}[one.phase],
        f"waiting until {moment(one.next_try)}" if one.next_try is not None else one.link,
        moment(one.heard_at),
        one.transport,
        one.ven_id or NOTHING,
        one.vtn_id or NOTHING,
        polls if one.transport == "pull" else NOTHING,
        f"{one.unanswered} times" if one.unanswered else "no",
        ", ".join(one.owed) or "nothing",
    )


def _said(infos: Infos) -> Iterator[tuple[str, str]]:
    for name, values in infos.items():
        yield name, ", ".join(f"{key} = {value}" for key, value in values.items()) or "yes"
