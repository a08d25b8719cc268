"""What an edge gateway decides: the row of its own fleet, of one battery, asked about each version of its event.

It answers and shares out as a gateway does; what comes of it is laid on the battery ahead of time.
"""

from __future__ import annotations

from benchmarks.tracking.plant import Unit
from benchmarks.tracking.scene import Spans, since, when
from openadr_ra.fleet.fleet import Enrolled, Fleet, FleetTerms, Input, Measured, receive
from openadr_ra.protocol.model import OPT_OUT, EventId, OptType
from openadr_ra.protocol.schedule import Schedule, Slot
from openadr_ra.protocol.step import Instruct, Key, Moment, Outcome, Release, Verdict

ABOVE = Key("node/ra")


class Edge:
    """A gateway's fleet. What its battery cannot give for `min_cover` of what is asked it opts out of."""

    def __init__(self, unit: Unit, min_cover: float) -> None:
        self._unit = unit
        self._fleet = Fleet()
        terms = FleetTerms(min_cover=min_cover)
        self._gives(Enrolled(terms=terms, descriptors=(unit.descriptor,), report_to=()), 0.0)

    def asked(self, name: str, modification: int, slots: Spans, now_s: float) -> tuple[OptType, Spans]:
        """What it answers, and the powers that it gives from now on."""
        id = self._unit.one.id
        self._gives(Measured(measurements={id: self._unit.measures(now_s)}), now_s)
        schedule = Schedule(
            id=EventId(name),
            slots=tuple(Slot(start=when(start_s), end=when(end_s), kw=kw) for start_s, end_s, kw in slots),
        )
        outcome = self._gives(Instruct(schedule=schedule, modification=modification, reply_to=ABOVE), now_s)
        (opt,) = (item.body.opt for item in outcome.mail if isinstance(item.body, Verdict))
        if opt == OPT_OUT:
            return opt, ()
        shares = (share for promise in self._fleet.promises for share in promise.shares.get(id, ()))
        return opt, tuple(
            (since(share.start), since(share.end), share.base_kw + share.delta_kw)
            for share in shares
            if share.end > when(now_s)
        )

    def cancelled(self, name: str, modification: int, now_s: float) -> None:
        """The event is withdrawn."""
        release = Release(event_id=EventId(name), modification=modification, at=when(now_s), reply_to=ABOVE)
        self._gives(release, now_s)

    def _gives(self, given: Input, now_s: float) -> Outcome[Fleet]:
        outcome = receive(self._fleet, given, Moment(now=when(now_s), token=f"{now_s}"))
        self._fleet = outcome.state
        return outcome
