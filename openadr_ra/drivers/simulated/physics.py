"""What simulated devices have in common, without a clock: `advance(device, state, dt_s)` is the state `dt_s` later.

Power is linear between the instants at which something changes, so energies are exact integrals, and it makes no
difference in how many pieces time is cut. Powers in kW in load convention, times in simulated seconds since the start.
"""

from __future__ import annotations

import math

import msgspec

from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import LoadControlLevel, LoadControlState
from openadr_ra.protocol.shape import Value
from openadr_ra.seams import Descriptor

LONG_AGO_S = -1e12
"""When that began which has always been so."""

SAME_KW = 1e-9
"""Powers nearer to one another than a microwatt are the same: rounding."""

SMALLEST_S = 1e-6
"""No step is shorter, so that a limit met a rounding error early cannot hold time up."""

HOUR_S = 3600.0


class Order(Value, frozen=True, kw_only=True, gc=False):
    """From `from_s` on and before `until_s` the device shall run at `kw`; None: as it would by itself."""

    from_s: float
    until_s: float = math.inf
    kw: float | None


class State(Value, frozen=True, kw_only=True, gc=False):
    """A device at `t_s`. Registers in kWh rise for ever.

    `orders` as they take effect, the last that has begun counts. `stored_kwh` of what stores energy; `on` since
    `since_s` of what is on or off: a start-up lies between the decision and a `since_s` still to come.
    """

    t_s: float = 0.0
    kw: float = 0.0
    import_kwh: float = 0.0
    export_kwh: float = 0.0
    orders: tuple[Order, ...] = ()
    override_kw: float | None = None
    stored_kwh: float = 0.0
    on: bool = True
    since_s: float = LONG_AGO_S


class Aim(Value, frozen=True, kw_only=True, gc=False):
    """The power that a device goes to when asked for another, and the limit that makes the difference."""

    kw: float
    why: str = ""


class Step(Value, frozen=True, kw_only=True, gc=False):
    """A step of a device's declared plan; it lasts until the next one begins, the last for ever."""

    from_s: float
    kw: float


class Left(Value, frozen=True, kw_only=True, gc=False):
    """Energy below and above its plan that a device can still give, at its terminals; infinite where unlimited."""

    reduce_kwh: float
    raise_kwh: float


class Missing(Value, frozen=True, kw_only=True, gc=False):
    """Energy at its terminals that a device has to get until `by_s`, or what it has beyond that."""

    kwh: float
    by_s: float
    spare_kwh: float = 0.0


class Device(Value, frozen=True, kw_only=True, gc=False):
    """The physics of one kind of device: pure. The methods say what a kind does at an instant; `advance` does the rest."""

    plan: tuple[Step, ...]
    min_kw: float
    max_kw: float
    ramp_kw_per_s: float = math.inf
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0

    def first(self) -> State:
        """At the start it runs as planned."""
        return State(kw=self.own_kw(State()))

    def own_kw(self, state: State) -> float:
        """What it does when nobody asks for anything."""
        return plan_kw(self.plan, state.t_s)

    def aim(self, state: State, kw: float) -> Aim:
        """Where it goes, as things stand, when `kw` is wished for."""
        raise NotImplementedError

    def target_kw(self, state: State, kw: float) -> float:
        """Where its power moves at this instant: towards its aim, unless that has to be prepared."""
        return self.aim(state, kw).kw

    def settle(self, state: State) -> State:
        """What changes of itself at this very instant: a limit reached, a switch that may move."""
        return state

    def horizon_s(self, state: State, slope_kw_per_s: float) -> float:
        """How long nothing of its own happens while power goes on with this slope."""
        return math.inf

    def stored(self, state: State, taken_kwh: float, given_kwh: float, span_s: float) -> float:
        """What it stores `span_s` later, having taken and given so much meanwhile."""
        return state.stored_kwh + taken_kwh * self.charge_efficiency - given_kwh / self.discharge_efficiency

    def load_control(self, setpoint: LoadControlLevel) -> LoadControlState:
        """How it is controlled: by a power, and where it only consumes by the part of the largest one, too."""
        if self.min_kw < 0 or not self.max_kw:
            return LoadControlState(setpoint=setpoint)
        return LoadControlState(setpoint=setpoint, capacity=scaled(setpoint, 1 / self.max_kw))

    def left(self, state: State) -> Left:
        raise NotImplementedError

    def soc_percent(self, state: State) -> float | None:
        return None

    def missing(self, state: State) -> Missing | None:
        """What it will have got by some time, whatever it is asked; None where there is no such need."""
        return None

    def descriptor(self, resource: ResourceId) -> Descriptor:
        """In simulated seconds and without the plan, which is laid on the clock elsewhere."""
        raise NotImplementedError


def advance(device: Device, state: State, dt_s: float) -> State:
    """`state`, `dt_s` later; a negative span is none."""
    end_s = state.t_s + max(dt_s, 0.0)
    state = _settled(device, state)
    while state.t_s < end_s:
        target_kw = device.target_kw(state, wish_kw(device, state))
        slope = _slope(device, state, target_kw)
        span_s = min(_edge_s(device, state), _bend_s(state, target_kw, slope), device.horizon_s(state, slope))
        to_s = min(end_s, state.t_s + max(span_s, SMALLEST_S, 2 * math.ulp(state.t_s)))
        state = _settled(device, _moved(device, state, target_kw, slope, to_s))
    return state


def order(state: State, new: Order) -> State:
    """`state` with `new` to come: it takes the place of what was to begin later than itself."""
    kept = tuple(old for old in state.orders if old.from_s < new.from_s)
    return msgspec.structs.replace(state, orders=(*kept, new))


def wish_kw(device: Device, state: State) -> float:
    """The power wished for now: by hand before by order, by order before by itself."""
    if state.override_kw is not None:
        return state.override_kw
    begun = [one for one in state.orders if one.from_s <= state.t_s]
    if begun and begun[-1].kw is not None and state.t_s < begun[-1].until_s:
        return begun[-1].kw
    return device.own_kw(state)


def plan_kw(plan: tuple[Step, ...], t_s: float) -> float:
    """The planned power at `t_s`; 0 before the first step."""
    return next((step.kw for step in reversed(plan) if step.from_s <= t_s), 0.0)


def plan_kwh(plan: tuple[Step, ...], from_s: float, to_s: float) -> float:
    """The planned energy of a span; infinite where the plan goes on for ever."""
    total = 0.0
    for step, end_s in zip(plan, [*(later.from_s for later in plan[1:]), math.inf], strict=True):
        span_s = min(end_s, to_s) - max(step.from_s, from_s)
        if span_s > 0 and step.kw:
            total += step.kw * span_s / HOUR_S
    return total


def time_to(amount: float, rate: float, slope: float) -> float:
    """Seconds until `amount` has gathered at `rate` + `slope`·t, for an amount and a rate of at least 0; else infinity."""
    under_root = rate * rate + 2 * slope * amount
    if under_root < 0:
        return math.inf
    divisor = rate + math.sqrt(under_root)
    return 2 * amount / divisor if divisor > 0 else math.inf


def within(low_kw: float, high_kw: float, kw: float) -> Aim:
    """`kw`, held between two powers."""
    held_kw = min(max(kw, low_kw), high_kw)
    return Aim(kw=held_kw, why="" if held_kw == kw else f"it reaches {low_kw:g} to {high_kw:g} kW now")


def snapped(stored_kwh: float, limit_kwh: float, capacity_kwh: float) -> float:
    """`stored_kwh`; the limit itself where only rounding lies between."""
    return limit_kwh if abs(stored_kwh - limit_kwh) <= capacity_kwh * 1e-8 else stored_kwh


def scaled(level: LoadControlLevel, factor: float) -> LoadControlLevel:
    """`level` in another unit."""
    minimum, maximum, current, normal = (
        None if value is None else value * factor
        for value in (level.minimum, level.maximum, level.current, level.normal)
    )
    return LoadControlLevel(minimum=minimum, maximum=maximum, current=current or 0.0, normal=normal)


def nearest(choices: tuple[float, ...], kw: float) -> float:
    """The choice nearest to `kw`; of two equally near the smaller power."""
    return min(choices, key=lambda choice: (abs(choice - kw), abs(choice)))


def _slope(device: Device, state: State, target_kw: float) -> float:
    """Zero where there is no ramp: then `_settled` has jumped already."""
    if state.kw == target_kw or math.isinf(device.ramp_kw_per_s):
        return 0.0
    return math.copysign(device.ramp_kw_per_s, target_kw - state.kw)


def _edge_s(device: Device, state: State) -> float:
    """Seconds until an order begins or ends or a step of the plan begins."""
    edges = [edge for one in state.orders for edge in (one.from_s, one.until_s)]
    edges += [step.from_s for step in device.plan]
    return min((edge - state.t_s for edge in edges if edge > state.t_s), default=math.inf)


def _bend_s(state: State, target_kw: float, slope: float) -> float:
    """Seconds until the ramp reaches its target, or zero: there the sign of the energy changes."""
    if not slope:
        return math.inf
    reached_s = (target_kw - state.kw) / slope
    return min(reached_s, -state.kw / slope) if state.kw * slope < 0 else reached_s


def _moved(device: Device, state: State, target_kw: float, slope: float, to_s: float) -> State:
    """Energies are those of the straight line between the two powers."""
    span_s = to_s - state.t_s
    kw = state.kw + slope * span_s
    if (slope and (target_kw - kw) * slope <= 0) or abs(target_kw - kw) < SAME_KW:
        kw = target_kw
    elif abs(kw) < SAME_KW:
        kw = 0.0
    kwh = (state.kw + kw) / 2 * span_s / HOUR_S
    taken, given = max(kwh, 0.0), max(-kwh, 0.0)
    stored = device.stored(state, taken, given, span_s)
    return msgspec.structs.replace(
        state,
        t_s=to_s,
        kw=kw,
        import_kwh=state.import_kwh + taken,
        export_kwh=state.export_kwh + given,
        stored_kwh=stored,
    )


def _settled(device: Device, state: State) -> State:
    """After what happens at this instant; without a ramp power is where it should be at once."""
    begun = [one for one in state.orders if one.from_s <= state.t_s]
    if len(begun) > 1:
        state = msgspec.structs.replace(state, orders=state.orders[len(begun) - 1 :])
    state = device.settle(state)
    if math.isinf(device.ramp_kw_per_s):
        state = msgspec.structs.replace(state, kw=device.target_kw(state, wish_kw(device, state)))
    return state
