"""What a fleet's settings say of how it promises and follows."""

from __future__ import annotations

from datetime import timedelta

from openadr_ra.fleet.allocate import PRO_RATA, Policy
from openadr_ra.protocol.shape import Value


class FleetTerms(Value, frozen=True, kw_only=True, gc=False):
    """How a fleet promises and follows.

    min_cover: the part of each slot that must be covered for an optIn.
    settle_s: how long after its end an interval is closed; longer than the devices' read period, so that the energy
    registers are known on both sides of the edge.
    lease_s: how long a set-point holds unless renewed; several times track_every_s.
    hold_s: how far apart two readings of an energy register may be; what was between them is known all the same.
    sample_s: how long a sample of power stands for what follows it; beyond that nothing was measured. Some read periods.
    below_sample_s: the same of what VENs below report.
    correct_s: how long after its end the response of an interval may still be corrected; then it is final.
    change_kw: VTNs hear of power that moved by so much, where they asked for that; None: they cannot.
    notice_s: how long before its start a new event must have come.
    grace_s: how long after its end an interval waits for the responses of VENs below, settle_s included.
    below_every_s: VENs below are asked to stand in for others no more often than this.
    policy: who is asked first.
    hold_mean: own devices make up for what is metered to be missing, or too much, in the running slot.
    band: how far the mean of a slot may miss what was asked, as a part of that.
    import_max_kw, export_max_kw: what the devices of this node may draw and feed in together at most; None: no limit.
    stated_s: what is stated as available can be held for so long.
    recover: stores of the node's own are brought back, after a promise, to the state of charge that they had before it.
    recover_kw: what that may draw or feed in, all stores together; None: what import_max_kw and export_max_kw leave.
    recover_by_h: how long after the promise that may go on.
    follow_prices: members are led by prices; None: only those that state a need, which is met all the same.
    usual_price: what a kWh costs where no VTN says; None: nobody knows.
    patience_s: how long too little may be left of a promise before it is opted out upward; a device may come back.
    """

    min_cover: float = 0.9
    settle_s: float = 15.0
    lease_s: float = 60.0
    track_every_s: float = 10.0
    hold_s: float = 120.0
    sample_s: float = 120.0
    below_sample_s: float = 180.0
    correct_s: float = 900.0
    change_kw: float | None = None
    notice_s: float = 0.0
    grace_s: float = 60.0
    below_every_s: float = 60.0
    patience_s: float = 900.0
    policy: Policy = PRO_RATA
    hold_mean: bool = True
    band: float = 0.1
    import_max_kw: float | None = None
    export_max_kw: float | None = None
    stated_s: float = 1800.0
    follow_prices: bool | None = None
    usual_price: float | None = None
    recover: bool = False
    recover_kw: float | None = None
    recover_by_h: float = 12.0

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=max(self.grace_s, self.settle_s))

    @property
    def settle(self) -> timedelta:
        return timedelta(seconds=self.settle_s)

    @property
    def hold(self) -> timedelta:
        return timedelta(seconds=self.hold_s)

    @property
    def correct(self) -> timedelta:
        return timedelta(seconds=self.correct_s)

    @property
    def recover_by(self) -> timedelta:
        return timedelta(hours=self.recover_by_h)
