"""From the words of `openadr-ra event create | change` to an order."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import SettingsError
from openadr_ra.programs.spelling import ask, figures, span, start
from openadr_ra.run.fleet_orders import FLEET_VEN
from openadr_ra.run.orders import Kind, Order, Other

Asks = dict[str, tuple[float, ...]]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were written; None was not."""

    start: str | None = None
    every: str | None = None
    kw: str | None = None
    price: str | None = None
    level: str | None = None
    signal: str | None = None
    values: str | None = None
    unit: str | None = None
    baseline: str | None = None
    device_class: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    each: bool = False
    power: Kind | None = None
    """delta or setpoint: what kw and ask mean."""
    currency: str | None = None
    market_context: str | None = None
    priority: int | None = None
    comment: str | None = None
    test: bool | None = None
    also: tuple[str, ...] = ()
    baseline_name: str | None = None
    resource: tuple[str, ...] = ()
    startafter: str | None = None
    notification: str | None = None
    ramp_up: str | None = None
    answer: bool | None = None
    fleet: bool = False
    id: str | None = None


def ordered(wish: Wish, now: datetime) -> Order:
    """A new order. Raises SettingsError for what is missing, doubtful or misspelt."""
    if wish.start is None or wish.every is None:
        raise SettingsError("--start and --every are needed, like --start +15m --every 30m")
    _check_fleet(wish)
    kind, asks = _asked(wish, (FLEET_VEN,) if wish.fleet else ())
    if not asks:
        raise SettingsError(
            "say what is asked: --kw, --price, --level, or --signal with --values, and --to VEN; or --ask VEN=-5,-8 for each"
        )
    order = Order(
        fleet=wish.fleet,
        id=wish.id,
        start=start(wish.start, now),
        every_s=_seconds(wish.every),
        kind=kind or "delta",
        signal=wish.signal or "",
        unit=wish.unit or "",
        asks=asks,
    )
    return _with_the_rest(order, wish)


def amended(held: Order, wish: Wish, now: datetime) -> Order:
    """`held` with what was written in its place; figures go to the VENs it has if none are named. Raises as `ordered`."""
    if wish.id is not None:
        raise SettingsError("--id is for a new event; one that there is keeps its name")
    if wish.fleet and not held.fleet:
        raise SettingsError("the event is for VENs, and stays so; cancel it and create one with --fleet")
    if held.fleet:
        _check_fleet(replace(wish, fleet=True))
    kind, asks = _asked(wish, tuple(held.asks))
    if wish.power is not None and not asks:
        raise SettingsError(f"--{wish.power} says what --kw or --ask mean; give one of them too")
    if wish.to and not asks:
        raise SettingsError("--to needs the figures for those VENs too: --kw, --price or --level")
    powers = held.kind in ("delta", "setpoint")
    order = replace(
        held,
        start=held.start if wish.start is None else start(wish.start, now),
        every_s=held.every_s if wish.every is None else _seconds(wish.every),
        kind=kind or (held.kind if powers or not asks else "delta"),
        asks=asks or held.asks,
        baselines={ven: held.baselines[ven] for ven in asks or held.asks if ven in held.baselines},
    )
    if order.kind != "signal":
        order = replace(order, signal="", unit="")
    elif wish.signal is not None:
        order = replace(order, signal=wish.signal, unit=wish.unit or "")
    return _with_the_rest(order, wish)


def _check_fleet(wish: Wish) -> None:
    """Raise SettingsError where VENs are named in an event that is for the fleet."""
    if wish.fleet and (wish.to or wish.ask or wish.each):
        raise SettingsError("--fleet has the node's own fleet share out --kw; leave --to, --ask and --each out")


def _with_the_rest(order: Order, wish: Wish) -> Order:
    if wish.unit is not None and wish.signal is None:
        raise SettingsError("--unit belongs to --signal")
    base = figures(wish.baseline) if wish.baseline is not None else ()
    if base and len(order.asks) > 1 and not wish.each:
        raise SettingsError(f"is --baseline that of each of the {len(order.asks)} VENs? Then add --each")
    order = replace(
        order,
        baselines=dict.fromkeys(order.asks, base) if base else order.baselines,
        device_classes=wish.device_class or order.device_classes,
        currency=order.currency if wish.currency is None else wish.currency,
        market_context=order.market_context if wish.market_context is None else wish.market_context,
        priority=order.priority if wish.priority is None else wish.priority,
        comment=order.comment if wish.comment is None else wish.comment,
        test=order.test if wish.test is None else wish.test,
    )
    return _checked(_with_details(order, wish))


def _with_details(order: Order, wish: Wish) -> Order:
    """With what few events have."""
    others = tuple(_other(text) for text in wish.also)
    return replace(
        order,
        others=others or order.others,
        baseline=order.baseline if wish.baseline_name is None else wish.baseline_name,
        resources=_resources(order, wish.resource),
        startafter_s=order.startafter_s if wish.startafter is None else _seconds(wish.startafter),
        notification_s=order.notification_s if wish.notification is None else _seconds(wish.notification),
        ramp_up_s=order.ramp_up_s if wish.ramp_up is None else _seconds(wish.ramp_up),
        response_required=order.response_required if wish.answer is None else "always" if wish.answer else "never",
    )


def _other(text: str) -> Other:
    name, equals, values = text.rpartition("=")
    if not name or not equals:
        raise SettingsError(f"--also {text}: write it like ELECTRICITY_PRICE/price=20,25")
    return Other(signal=name, values=figures(values))


def _resources(order: Order, said: tuple[str, ...]) -> dict[str, tuple[str, ...]] | None:
    """Those of each VEN; of a VEN that nothing is said of as it was."""
    if not said:
        return order.resources
    found = dict(order.resources or {})
    for text in said:
        ven, equals, names = text.partition("=")
        if not equals or ven not in order.asks:
            raise SettingsError(
                f"--resource {text}: write it like {next(iter(order.asks))}=battery,line, a VEN of the event"
            )
        found[ven] = tuple(name.strip() for name in names.split(",") if name.strip())
    return found


def _checked(order: Order) -> Order:
    """Whatever else goes by intervals has as many as what is asked."""
    counts = {len(values) for values in order.asks.values()}
    if len(counts) > 1:
        raise SettingsError("the VENs have different numbers of intervals; give each as many figures")
    (count,) = counts
    for one in order.others or ():
        if len(one.values) != count:
            raise SettingsError(
                f"the event has {_intervals(count)} and {one.signal} beside it {len(one.values)}; give --also"
                f" {one.signal}=… with {count} values"
            )
    for ven, base in order.baselines.items():
        if len(base) != count:
            raise SettingsError(
                f"the event has {_intervals(count)} and the baseline of {ven} {len(base)}; give --baseline with"
                f" {count} figures"
            )
    return order


def _intervals(count: int) -> str:
    return "one interval" if count == 1 else f"{count} intervals"


def _seconds(text: str) -> int:
    return int(span(text).total_seconds())


def _asked(wish: Wish, known: tuple[str, ...]) -> tuple[Kind | None, Asks]:
    """What is asked of whom; `known` VENs if none are named. The kind is None where only kW was said."""
    if (wish.signal is None) != (wish.values is None):
        raise SettingsError("--signal NAME/TYPE and --values belong together")
    figured = {"--kw": wish.kw, "--price": wish.price, "--level": wish.level, "--values": wish.values}
    given = [(option, text) for option, text in figured.items() if text is not None]
    if len(given) + bool(wish.ask) > 1:
        raise SettingsError("--kw, --price, --level, --signal and --ask exclude one another; give one of them")
    if wish.power is not None and given and given[0][0] != "--kw":
        raise SettingsError(f"--{wish.power} belongs to --kw and --ask")
    if wish.ask:
        return wish.power, _by_ven(wish)
    if not given:
        return None, {}
    vens = wish.to or known
    if not vens:
        raise SettingsError(
            "name at least one VEN: --to VEN; `openadr-ra ven list` shows those there are. Or --fleet: all that the node has"
        )
    option, text = given[0]
    if option == "--kw" and len(vens) > 1 and not wish.each:
        # Twice the power is a costly misunderstanding, in either direction.
        raise SettingsError(
            f"is --kw for each of the {len(vens)} VENs? Then add --each; else give every VEN its own by --ask VEN=KW,KW"
        )
    kinds: dict[str, Kind | None] = {"--kw": wish.power, "--price": "price", "--level": "level", "--values": "signal"}
    return kinds[option], dict.fromkeys(vens, figures(text))


def _by_ven(wish: Wish) -> Asks:
    if wish.to:
        raise SettingsError("--ask names its VEN itself; leave --to out")
    asks: Asks = {}
    for ven, values in map(ask, wish.ask):
        if ven in asks:
            raise SettingsError(f"--ask {ven}=… is there twice; give one with a figure for each interval")
        asks[ven] = values
    return asks
