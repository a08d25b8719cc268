"""A person at the terminal tells the VTN: what to do is said, and what came of it is asked."""

from __future__ import annotations

import asyncio
import sys

from conformance.case import NeedsOperator
from conformance.operator import EventWish, Refused, ReportWish


class Prompt:
    """Each wish is a sentence to somebody at the keyboard; an empty answer means that it cannot be done, and
    `no` that the VTN refuses it."""

    async def create_event(self, wish: EventWish) -> str:
        return await asked(f"create an event for VEN {wish.ven_id}: {_said(wish)}; its eventID?")

    async def change_event(self, event_id: str, wish: EventWish) -> None:
        await asked(f"change event {event_id} to {_said(wish)}; done (y)?")

    async def cancel_event(self, event_id: str) -> None:
        await asked(f"cancel event {event_id}; done (y)?")

    async def opt_of(self, event_id: str, ven_id: str) -> str:
        answer = await asked(f"which opt does the VTN show for event {event_id} of VEN {ven_id} (optIn, optOut, none)?")
        return "" if answer == "none" else answer

    async def request_report(self, wish: ReportWish) -> str:
        points = ", ".join(wish.points) or "all points"
        return await asked(
            f"ask VEN {wish.ven_id} for {wish.name} of specifier {wish.specifier} ({points}), granularity"
            f" {wish.granularity_s} s, every {wish.back_s} s; the reportRequestID?"
        )

    async def cancel_report(self, ven_id: str, request_id: str, *, to_follow: bool) -> None:
        last = "with" if to_follow else "without"
        await asked(f"cancel report {request_id} of VEN {ven_id}, {last} a last report; done (y)?")

    async def request_reregistration(self, ven_id: str) -> None:
        await asked(f"ask VEN {ven_id} to register again; done (y)?")

    async def cancel_registration(self, ven_id: str) -> None:
        await asked(f"cancel the registration of VEN {ven_id}; done (y)?")

    async def close(self) -> None:
        return


def _said(wish: EventWish) -> str:
    signals = "; ".join(f"{one.name}/{one.type} {one.unit} {list(one.values)}" for one in wish.signals)
    length = f"{wish.count} intervals of {wish.every_s} s" if wish.every_s else "open-ended"
    more = "".join(
        f", {name} {value}"
        for name, value in (
            ("market context", wish.market_context),
            ("priority", wish.priority),
            ("startafter (s)", wish.startafter_s),
            ("ramp-up (s)", wish.ramp_up_s),
            ("resources", ", ".join(wish.resources)),
        )
        if value
    )
    return f"start {wish.start:%Y-%m-%d %H:%M:%S}Z, {length}, {signals}{more}"


async def asked(question: str) -> str:
    """What the person answered. Raises NeedsOperator without one, and for an empty answer; Refused for `no`."""
    if not sys.stdin.isatty():
        raise NeedsOperator(f"nobody is at the terminal to {question}")
    answer = await asyncio.to_thread(input, f"\n  please {question} ")
    if not answer.strip():
        raise NeedsOperator(f"not done: {question}")
    if answer.strip().lower() == "no":
        raise Refused("the VTN would not")
    return answer.strip()
