"""What an operator says in one call: `dispatch`, `price`, `level`, or any `signal`, and others `beside` it.

Ids, modification and status are the VTN's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import InvalidData, SignalNotSupported
from openadr_ra.protocol import signals_table as table
from openadr_ra.protocol.instruction import DEFAULT_CONTEXT, Ask, Beside, Instruction
from openadr_ra.protocol.model import (
    DELTA,
    ELECTRICITY_PRICE,
    LEVEL,
    LOAD_DISPATCH,
    PRICE,
    SETPOINT,
    SIMPLE,
    EventId,
    ItemBase,
    MarketContext,
    SignalName,
    SignalType,
    VenId,
)
from openadr_ra.protocol.shape import Token

Values = Sequence[float] | Mapping[str, Sequence[float]]
"""One value per interval: the same for every VEN named in `to`, or a sequence per venID."""


def dispatch(
    *,
    start: datetime,
    every: timedelta,
    delta_kw: Values | None = None,
    setpoint_kw: Values | None = None,
    to: Iterable[str] = (),
    baseline_kw: Values | None = None,
    baseline: str = "",
    device_classes: Iterable[str] = (),
    market_context: str = "",
    priority: int | None = None,
    comment: str = "",
    test: bool = False,
) -> Instruction:
    """Power, interval by interval: `delta_kw` against the baseline, or `setpoint_kw` at the measuring point.

    Load convention: -5 is 5 kW less demand or 5 kW more generation. `baseline_kw` is what a VEN does in each interval
    without the event: one that takes no delta is then offered a set-point. Under the name `baseline` it is told to the VENs.
    `device_classes`: for devices of these classes alone. Raises InvalidData unless exactly one of the powers is given.
    """
    if (delta_kw is None) == (setpoint_kw is None):
        raise InvalidData("a dispatch needs either delta_kw or setpoint_kw")
    return _instruction(
        LOAD_DISPATCH,
        DELTA if setpoint_kw is None else SETPOINT,
        delta_kw if delta_kw is not None else setpoint_kw or (),
        to,
        start=start,
        every=every,
        market_context=market_context,
        priority=priority,
        comment=comment,
        test=test,
        baseline_kw=baseline_kw,
        baseline=baseline,
        device_classes=device_classes,
    )


def price(
    *,
    start: datetime,
    every: timedelta,
    per_kwh: Values,
    to: Iterable[str] = (),
    currency: str = "JPY",
    market_context: str = "",
) -> Instruction:
    """Prices of energy; the edge schedules by itself."""
    return _instruction(
        ELECTRICITY_PRICE,
        PRICE,
        per_kwh,
        to,
        start=start,
        every=every,
        market_context=market_context,
        currency=currency,
    )


def level(
    *, start: datetime, every: timedelta, levels: Values, to: Iterable[str] = (), market_context: str = ""
) -> Instruction:
    """SIMPLE levels 0 to 3 (rule 9), for VENs that know nothing else; only ever a shedding."""
    return _instruction(SIMPLE, LEVEL, levels, to, start=start, every=every, market_context=market_context)


def signal(
    name: str,
    *,
    start: datetime,
    every: timedelta,
    values: Values,
    to: Iterable[str] = (),
    unit: str = "",
    device_classes: Iterable[str] = (),
    currency: str = "JPY",
    market_context: str = "",
    priority: int | None = None,
    comment: str = "",
    test: bool = False,
) -> Instruction:
    """Any signal, by `NAME/TYPE`: one of OpenADR's, like `CHARGE_STATE/setpoint`, or `x-NAME/TYPE`.

    `unit` is like `energyReal` (kWh), `powerReactive` (kVAR), `currencyPerKW:EUR` or `temperature`; empty is the usual one
    of the signal. Raises InvalidData for what may not stand together.
    """
    word, kind = table.pair(name)
    made = _instruction(
        word,
        kind,
        values,
        to,
        start=start,
        every=every,
        market_context=market_context,
        priority=priority,
        comment=comment,
        test=test,
        currency=currency,
        device_classes=device_classes,
    )
    return replace(made, unit=_unit(word, kind, unit))


def beside(
    order: Instruction, name: str, values: Sequence[float], *, unit: str = "", device_classes: Iterable[str] = ()
) -> Instruction:
    """`order` with one more signal in the same event: a value per interval, the same for every VEN. As `signal` otherwise.

    A VEN that does not take one of several signals refuses the whole event (rule 109).
    """
    word, kind = table.pair(name)
    made = Beside(
        signal=word,
        kind=kind,
        values=_floats(values),
        unit=_unit(word, kind, unit),
        device_classes=tuple(device_classes),
    )
    return replace(order, beside=(*order.beside, made))


def _unit(name: str, kind: str, text: str) -> ItemBase | None:
    """Raises InvalidData for a unit that the signal cannot have."""
    if not text:
        return None
    made = table.unit(text)
    try:
        table.check(name, kind, made)
    except SignalNotSupported as error:
        raise InvalidData(str(error)) from error
    return made


def _instruction(
    signal: SignalName,
    kind: SignalType,
    values: Values,
    to: Iterable[str],
    *,
    start: datetime,
    every: timedelta,
    market_context: str = "",
    priority: int | None = None,
    comment: str = "",
    test: bool = False,
    currency: str = "JPY",
    baseline_kw: Values | None = None,
    baseline: str = "",
    device_classes: Iterable[str] = (),
) -> Instruction:
    if start.tzinfo is None:
        raise InvalidData("start has no time zone; use an aware datetime")
    each = values if isinstance(values, Mapping) else dict.fromkeys(to, values)
    base = baseline_kw if isinstance(baseline_kw, Mapping) else dict.fromkeys(each, baseline_kw or ())
    return Instruction(
        id=EventId(""),
        start=_whole(start),
        every=every,
        asks={
            VenId(ven): Ask(values=_floats(series), baseline_kw=_floats(base.get(ven, ())))
            for ven, series in each.items()
        },
        signal=signal,
        kind=kind,
        market_context=MarketContext(Token(market_context)) if market_context else DEFAULT_CONTEXT,
        priority=priority,
        comment=comment,
        test=test,
        currency=currency,
        baseline=baseline,
        device_classes=tuple(device_classes),
    )


def _floats(series: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in series)


def _whole(start: datetime) -> datetime:
    """The next full second: intervals are written with whole seconds, and not every peer reads fractions."""
    return start if not start.microsecond else start.replace(microsecond=0) + timedelta(seconds=1)
