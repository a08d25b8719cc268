"""The protocols of Store, Driver and Clock, and the values that cross them: what rooms implement and the hall uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.parts import GOOD, LoadControlState, Quality
from openadr_ra.protocol.schedule import Reading, Slot
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import AnyLetter, Entry, Key, Mail, Outcome, State

S = TypeVar("S", bound=State)
T = TypeVar("T")

Step = Callable[[S | None, tuple[AnyLetter, ...]], Outcome[S]]
"""A pure function from a row (None where there is none yet) and its mail to an outcome. It may be called again with
a newer row when another writer was faster, and it runs in the store's thread: it must not touch anything else."""


class Clock(Protocol):
    """The only way to know and to await the time."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Return at or after `when`; at once when it is past. Sooner by a clock that was set back meanwhile, once it would
        have been `when` without that: whoever waits for a time that means something looks again."""
        ...


class Due(Value, frozen=True, kw_only=True, gc=False):
    """A row that wants to be woken."""

    key: Key
    at: datetime


Told = Callable[[frozenset[Key], bool], None]
"""Keys of rows that another process has stepped or posted mail to, and whether it may have given aliases to rows."""


class Store(Protocol):
    """Rows, mail, readings, nonces, journal. `tests/store/check_store.py` is the contract."""

    @property
    def shared(self) -> bool:
        """Whether other processes work on the same rows. Then what is in memory may be behind them for a moment, which
        shows in `load`, `peek` and `resolve`, and never in what `update` stores."""
        ...

    def watch(self, told: Told) -> None:
        """`told` is called in the loop soon after other processes have changed something. It is a hint that comes once or
        more, and late, but within seconds, where the connection was lost."""
        ...

    async def exclusive(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` does, which of all that is called by that name is done one at a time, in whatever process."""
        ...

    async def overdue(self, prefix: str, now: datetime, lease: timedelta, most: int) -> tuple[Key, ...]:
        """Rows of such keys whose deadline has come and that no other process has in hand: they are this one's as long
        as the lease, or until they are stepped. The soonest first. Nothing where the store is not shared."""
        ...

    async def claim(self, duty: str, now: datetime, until: datetime) -> bool:
        """Whether this process is to see to a duty of that name now; nobody else is until then."""
        ...

    async def update(self, key: Key, kind: type[S], step: Step[S]) -> Outcome[S]:
        """Step the row in one transaction: load it and its mail, save it, drop that mail, post the outcome's mail,
        store its `Record` effects. Returns once all of it is durable. What the step raises is raised here, and then
        nothing has changed; so is ComplianceError for a `Record` of a nonce that is known. A row whose state, mail and
        effects do not change costs no write.
        """
        ...

    async def load(self, key: Key, kind: type[S]) -> S | None:
        """The row as last committed."""
        ...

    async def load_all(self, keys: Sequence[Key], kind: type[S]) -> tuple[S, ...]:
        """Of these rows those that there are, each as `load` has it, in the order of the keys."""
        ...

    def peek(self, key: Key, kind: type[S]) -> S | None:
        """The row as last committed if it is in memory and no mail waits for it; never blocks, None else."""
        ...

    async def keys(self, prefix: str) -> tuple[Key, ...]:
        """Keys of rows that begin with `prefix`, sorted."""
        ...

    async def post(self, mail: Sequence[Mail]) -> None:
        """Insert mail; durable on return."""
        ...

    async def waiting(self) -> tuple[Key, ...]:
        """Keys for which mail waits, whether or not the row exists."""
        ...

    async def due(self) -> tuple[Due, ...]:
        """All rows with a deadline, soonest first."""
        ...

    async def resolve(self, alias: str) -> Key | None:
        """The row that recorded this alias last."""
        ...

    async def record(self, readings: Sequence[Reading], entries: Sequence[Entry] = ()) -> None:
        """Store readings and journal entries that belong to no step. Idempotent by (series, start, span): the higher
        revision stays, an equal one changes nothing."""
        ...

    async def readings(self, series: Sequence[str], start: datetime, end: datetime) -> tuple[Reading, ...]:
        """Readings of these series that touch [start, end): a span that overlaps it, a sample inside it. Ordered by
        series as asked, then start."""
        ...

    async def forget(self, series: Sequence[str], start: datetime, end: datetime, least: int, most: int) -> int:
        """Drop readings of these series that lie within [start, end], of each series the oldest first; its newest `least`
        stay. A sample at `end` is not within.

        How many went: `most`, or fewer where there are no more. A series of which nothing is left is gone by name, too.
        """
        ...

    async def thin(self, series: Sequence[str], start: datetime, end: datetime, every: timedelta, most: int) -> int:
        """Drop readings of these series that lie within [start, end], but for the first that begins in each span of `every`,
        counted from 1970. How many went: `most`, or fewer where there are no more."""
        ...

    async def octets(self) -> int | None:
        """How much it holds, without what has been let go; None where that is not this node's to bound."""
        ...

    async def series(self, prefix: str) -> tuple[str, ...]:
        """Names of series that begin with `prefix`, sorted."""
        ...

    async def next_series(self, after: str, most: int) -> tuple[str, ...]:
        """The first `most` names of series that follow `after` when they are sorted; "" is before all."""
        ...

    async def journal(self, subject: str, after: int = 0) -> tuple[tuple[int, Entry], ...]:
        """Entries about `subject` with their ascending numbers, those above `after`."""
        ...

    async def entries(self, after: int, most: int) -> tuple[tuple[int, Entry], ...]:
        """The journal about whatever subject: the first `most` entries numbered above `after`."""
        ...

    async def letters(self, after: int, most: int) -> tuple[tuple[int, Mail], ...]:
        """Mail that waits for anybody, with its ascending numbers: the first `most` above `after`."""
        ...

    async def drop(
        self,
        *,
        rows: Sequence[tuple[Key, State]] = (),
        letters: Sequence[tuple[int, Mail]] = (),
        entries: Sequence[int] = (),
    ) -> None:
        """Let go of rows, of mail and of journal entries, in one transaction. A row that is not as given any more, or for
        which mail waits, stays; with one that goes go its aliases. Mail that has been read meanwhile is passed over."""
        ...

    async def remember(self, nonce: str, until: datetime, now: datetime) -> bool:
        """Store a nonce; False if it is known already. Those whose `until` is before the newest `now` are forgotten."""
        ...

    async def see(self, seen: Mapping[Key, datetime]) -> None:
        """When these were heard of last: the newer time stays. It changes no row and wakes nobody."""
        ...

    async def seen(self) -> dict[Key, datetime]:
        """When each was heard of last, as far as `see` was told."""
        ...

    async def close(self) -> None:
        """Commit what is queued and let go of the files."""
        ...


class Energy(Value, frozen=True, kw_only=True, gc=False):
    """What a resource that stores energy can hold. Efficiencies are fractions (0, 1]."""

    capacity_kwh: float
    reserve_kwh: float = 0.0
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0


class Descriptor(Value, frozen=True, kw_only=True, gc=False):
    """What a resource is and may do. Powers in load convention (charging, consumption +) at its measuring point.

    Reachable powers are [min_kw, max_kw], less the open `gap_kw` (a generator's minimum output), or exactly `levels_kw`
    where those are given (an on/off line). It moves from its plan by multiples of `step_kw`, and by `deadband_kw` at least.
    `plan` is the declared baseline: what it does without an instruction.
    `device_class` is OpenADR's, like Thermostat; where there is none it follows from `subtype` and `kind`.
    """

    id: ResourceId
    kind: Literal["battery", "generator", "consumer"]
    subtype: str = ""
    metering: Literal["pcc", "device"] = "device"
    metering_point: str = ""
    min_kw: float
    max_kw: float
    gap_kw: tuple[float, float] | None = None
    levels_kw: tuple[float, ...] = ()
    ramp_kw_per_s: float | None = None
    latency_s: float = 0.0
    min_on_s: float = 0.0
    min_off_s: float = 0.0
    step_kw: float = 0.0
    deadband_kw: float = 0.0
    energy: Energy | None = None
    plan: tuple[Slot, ...] = ()
    failsafe: Literal["release", "hold"] = "release"
    device_class: str = ""


class Need(Value, frozen=True, kw_only=True, gc=False):
    """What a resource still has to get: `kwh` at its measuring point until `by`, as a car until it leaves.

    FOREVER: it needs that, and nobody said until when. `spare_kwh` is what it could give back there and would still have
    what it needs; where one of the two is above 0, the other is 0.
    """

    kwh: float
    by: datetime
    spare_kwh: float = 0.0


class Measurement(Value, frozen=True, kw_only=True, gc=False):
    """What a resource does now, and what it could do: `min_kw` and `max_kw` are reachable at this moment.

    `can_reduce_kwh` and `can_raise_kwh` are how much energy below or above its plan it can still give (None: unlimited).
    Registers rise for ever: `import_kwh` consumed, `export_kwh` delivered. `accuracy_kw`: `kw` may be wrong by so much.
    `plan_kw`: what it would do now by itself, of what cannot declare a plan ahead. `need` is what it has to get; the driver
    sees to it that it does, whatever is asked of it, and who states it may be led by prices. `agreed`: its powers are those
    that were agreed with its operator; itself it says nothing of what it could do.

    `load_control` mirrors OpenADR's LOAD_CONTROL signals, for what has such controls: `setpoint` in the device's own unit,
    kW where it is power; `capacity` as a fraction of the largest consumption; `level_offset` in steps and `percent_offset`
    in percent, both against what it does by itself. Leave out what the device does not have.
    """

    at: datetime
    kw: float
    min_kw: float
    max_kw: float
    import_kwh: float | None = None
    export_kwh: float | None = None
    soc_percent: float | None = None
    can_reduce_kwh: float | None = None
    can_raise_kwh: float | None = None
    online: bool = True
    local_override: bool = False
    quality: Quality = GOOD
    load_control: LoadControlState | None = None
    accuracy_kw: float | None = None
    plan_kw: float | None = None
    need: Need | None = None
    agreed: bool = False


class Setpoint(Value, frozen=True, kw_only=True, gc=False):
    """A power to hold until `lease_until`; afterwards the driver goes to its fail-safe by itself.

    Idempotent by `sequence`: an older one than the last applied is ignored.
    """

    event_id: EventId
    sequence: int
    kw: float
    lease_until: datetime


class Ack(Value, frozen=True, kw_only=True, gc=False):
    """What became of a set-point. `clamped`: a limit of the device's own held it at `effective_kw`."""

    outcome: Literal["accepted", "clamped", "rejected", "stale", "unreachable"]
    effective_kw: float | None = None
    reason: str = ""


class DriverSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a driver's own settings: one [[device]] table of a node's TOML, less `id` and `driver`."""


@runtime_checkable
class Driver(Protocol):
    """Moves one resource. Four verbs; `check_driver()` is the contract. An async context manager if it has a life of
    its own. The verbs may be plain functions, see `PlainDriver`.

    Limits are enforced inside, whoever asks; every clamp is reported; an unreachable device is `quality` or
    `unreachable`, never an exception; a local override wins.
    """

    async def describe(self) -> Descriptor: ...

    async def apply(self, setpoint: Setpoint) -> Ack: ...

    async def read(self) -> Measurement: ...

    async def release(self, reason: str) -> Ack:
        """Give control back: the device returns to its own plan."""
        ...


@runtime_checkable
class PlainDriver(Protocol):
    """A driver whose verbs are plain functions, which may block: the guard calls them in a thread, one at a time."""

    def describe(self) -> Descriptor: ...

    def apply(self, setpoint: Setpoint) -> Ack: ...

    def read(self) -> Measurement: ...

    def release(self, reason: str) -> Ack: ...


AnyDriver = Driver | PlainDriver

DriverFactory = Callable[..., AnyDriver]
"""What an entry point of group `openadr_ra.drivers` names, usually the driver's class. It is called with the resource,
the settings and the clock; its attribute `Settings` is the driver's own kind of `DriverSettings`.

Not a protocol: a class with narrower settings than `DriverSettings` matches none. `build` checks it instead.
"""
