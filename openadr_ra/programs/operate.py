"""What the event and report commands show: the console's answers as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec

from openadr_ra.console.client import Client
from openadr_ra.errors import SettingsError
from openadr_ra.fleet.aggregate import EVERY_VEN
from openadr_ra.programs.fleet import promised_text, when
from openadr_ra.programs.ordering import Wish, amended, ordered
from openadr_ra.programs.spelling import span
from openadr_ra.programs.tables import NOTHING, clock, day, moment, number, percent, printable, table, yes, zone
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import GOOD
from openadr_ra.protocol.report import TOTAL
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.orders import EventDetail, EventView, Order, OwnOpt, Report, Row, VenId

DEFAULT_CONFIG = Path("node.toml")

_SHOWN_VALUES = 6
"""In a list; `event show` has all of them."""

UNTIL_CANCELLED = "until cancelled"
"""How long an event lasts whose interval has no length."""

_LISTENS_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


def connect(config: Path | None, url: str | None, token_file: Path | None) -> Client:
    """The console that the options name; what they leave open is in the node's settings.

    Raises SettingsError if it cannot be found or its token cannot be read.
    """
    if url is None or token_file is None:
        known_url, known_file = _configured(config or DEFAULT_CONFIG, is_default=config is None)
        url = url or known_url
        token_file = token_file or known_file
    return Client(url, _token(token_file))


def _configured(config: Path, *, is_default: bool) -> tuple[str, Path]:
    """URL and token file of the node with these settings."""
    # Only those who leave the question open pay for loading the settings.
    from openadr_ra.settings import read

    if is_default and not config.exists():
        raise SettingsError(f"there is no {config} here; give --config FILE, or --console URL with --token-file FILE")
    console = read(config).console
    if console is None:
        raise SettingsError(f"{config}: console: is missing; add a [console] table and start the node again")
    host, _, port = console.listen.rpartition(":")
    host = host.strip("[]")
    host = _LISTENS_EVERYWHERE.get(host, host)
    if port == "0":
        raise SettingsError(
            f"{config}: console.listen takes any free port; give --console URL as the node said at its start"
        )
    return f"http://{f'[{host}]' if ':' in host else host}:{port}", Path(console.token_file)


def _token(file: Path) -> str:
    try:
        token = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(
            f"cannot read the token in {file}: {error.strerror}; the node makes it at its first start, for its own user"
        ) from error
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable():
        raise SettingsError(f"{file} holds no token; give the console's token_file")
    return token


def create(client: Client, wish: Mapping[str, object]) -> EventView:
    """Give the event that the options describe to its VENs."""
    return client.create(ordered(msgspec.convert(wish, Wish), SystemClock().now()))


def change(client: Client, event_id: str, wish: Mapping[str, object]) -> EventView:
    """Change what the options say of an event."""
    held = client.event(event_id).order
    return client.change(event_id, amended(held, msgspec.convert(wish, Wish), SystemClock().now()))


def status_of(view: EventView) -> int:
    """1 where the fleet refused what it was asked, for scripts; else 0."""
    return int(view.promise is not None and view.promise.state == "refused")


def show(client: Client, event_id: str, within: str) -> EventDetail:
    """All of an event, after waiting for opts so long at most."""
    within_s = int(span(within).total_seconds())
    if within_s:
        client.opts(event_id, within_s)
    return client.event(event_id)


def own_opt(word: Literal["optIn", "optOut", "none"], reason: str = "", upstream: str | None = None) -> OwnOpt:
    """What a VEN's operator said."""
    return OwnOpt(opt=None if word == "none" else word, reason=reason, upstream=upstream)


def event_list(views: Iterable[EventView]) -> str:
    """One line an event."""
    found = tuple(views)
    if not found:
        return "there are no events; `openadr-ra event create --help` says how to make one"
    return table(
        (
            "event",
            f"start ({zone(found[0].order.start)})",
            "every",
            "status",
            "VENs",
            "asked 指令値, in sum",
            "comment",
        ),
        (
            (
                view.id,
                moment(view.order.start),
                _span(view.order.every_s) if view.order.every_s else UNTIL_CANCELLED,
                _status(view),
                "fleet" if view.order.fleet else str(len(view.order.asks)),
                _asked(view.order),
                view.order.comment,
            )
            for view in found
        ),
    )


def _status(view: EventView) -> str:
    words = [str(view.status)]
    if view.modification:
        words.append(f"(modification {view.modification})")
    if view.order.test:
        words.append("TEST")
    if view.promise is not None and view.promise.state in ("refused", "short"):
        words.append(view.promise.state)
    return " ".join(words)


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{seconds} s" if rest else f"{minutes} min"


def _intervals(order: Order) -> str:
    count = max(len(values) for values in order.asks.values())
    return f"{count} intervals of {_span(order.every_s)}" if order.every_s else UNTIL_CANCELLED


def _asked(order: Order) -> str:
    """The figures of each interval: kW of all VENs in sum, else those of the first VEN."""
    series = list(order.asks.values())
    totals = [sum(values) for values in zip(*series, strict=False)] if _is_power(order) else list(series[0])
    shown = ", ".join(_figure(order, total) for total in totals[:_SHOWN_VALUES])
    more = ", …" if len(totals) > _SHOWN_VALUES else ""
    return f"{shown}{more} {_unit(order)}"


def _is_power(order: Order) -> bool:
    return order.kind in ("delta", "setpoint")


def _figure(order: Order, value: float) -> str:
    return number(value) if _is_power(order) else f"{value:g}"


def _unit(order: Order) -> str:
    match order.kind:
        case "delta":
            return "kW against the baseline 基準値"
        case "setpoint":
            return "kW at the measuring point"
        case "price":
            return f"{order.currency}/kWh"
        case "level":
            return "(SIMPLE level)"
        case "signal":
            return f"{order.unit} ({order.signal})".strip()


def event_text(detail: EventDetail) -> str:
    """All of an event: what is asked, what was answered, what happened."""
    order = detail.order
    here = zone(order.start)
    lines = [
        f"event {detail.id}: {_status(detail)}",
        f"from {moment(order.start)} {f'to {moment(detail.end)} {here}' if order.every_s else here}, {_intervals(order)}",
        f"{_unit(order)}{'; import +, export -' if _is_power(order) else ''}",
    ]
    asked = table(
        ("VEN", "opt 受託", "asked 指令値"),
        (
            (ven, detail.opts.get(VenId(ven)) or NOTHING, ", ".join(_figure(order, value) for value in figures))
            for ven, figures in _asks(detail)
        ),
    )
    history = table(
        (f"at ({here})", "by", "what", "detail"),
        ((moment(entry.at), entry.by, entry.what, entry.detail) for entry in detail.journal),
    )
    promised = ("", *_promised(detail)) if detail.promise is not None else ()
    return "\n".join((*lines, *_details(order), "", asked, *promised, "", _versions(detail, here), "", history))


def _promised(detail: EventDetail) -> Iterator[str]:
    """What the fleet promised, and which member gives what of it."""
    promise = detail.promise
    if promise is None:
        return
    yield printable(promised_text(promise))
    if not promise.slots:
        return
    heads = ("", *(when(slot) for slot in promise.slots))
    rows = (
        ("asked 指令値 kW", *(number(slot.asked_kw) for slot in promise.slots)),
        ("covered 確保量 kW", *(number(slot.covered_kw) for slot in promise.slots)),
        ("short 不足量 kW", *(f"{slot.short_kw:.2f}" for slot in promise.slots)),
        *((id, *map(number, each)) for id, each in detail.shares.items()),
    )
    yield table(heads, rows, right=range(1, len(heads)))


def _asks(detail: EventDetail) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Whom the order names, and those VENs that the fleet asks for their part of it."""
    yield from detail.order.asks.items()
    for ven in detail.opts:
        if ven not in detail.order.asks:
            yield ven, detail.shares.get(ResourceId(ven), ())


def _details(order: Order) -> Iterator[str]:
    """What not every event has, a line each."""
    for other in order.others or ():
        yield f"beside it {other.signal}: {', '.join(f'{value:g}' for value in other.values)} {other.unit}".rstrip()
    if order.device_classes:
        yield f"for devices of class {', '.join(order.device_classes)}"
    for ven, names in (order.resources or {}).items():
        yield printable(f"of {ven} for {', '.join(names)} alone")
    if order.baseline:
        yield printable(f"VENs are told the baseline {order.baseline}")
    if order.notification_s:
        yield f"to be known {_span(order.notification_s)} before the start"
    if order.ramp_up_s:
        yield f"ramp-up {_span(order.ramp_up_s)} before the start"
    if order.startafter_s:
        yield f"starts are spread over {_span(order.startafter_s)}"
    if order.response_required == "never":
        yield "no answer is wanted"
    if order.priority:
        yield f"priority {order.priority}"
    if order.market_context:
        yield f"market context {printable(order.market_context)}"
    if order.comment:
        yield f"comment: {printable(order.comment)}"


def _versions(detail: EventDetail, here: str) -> str:
    """When each version was at each VEN."""
    heads = ("VEN", "modification", f"sent ({here})", "received", "answered", "opt 受託", "in effect from")
    return table(
        heads,
        (
            (
                one.ven_id,
                str(one.modification),
                moment(one.sent_at),
                moment(one.received_at),
                moment(one.answered_at),
                one.opt or NOTHING,
                moment(one.effective_at),
            )
            for one in detail.versions
        ),
    )


def event_said(view: EventView, did: str) -> str:
    """One line after a change."""
    order = view.order
    vens = ", ".join(order.asks)
    return printable(
        f"event {view.id} {did}: {_asked(order)}, {f'every {_span(order.every_s)}' if order.every_s else UNTIL_CANCELLED}"
        f" from {moment(order.start)} {zone(order.start)}, to {vens}"
        + (f"; {promised_text(view.promise)}" if view.promise is not None and view.status != "cancelled" else "")
    )


def report_text(report: Report) -> str:
    """One line an interval and resource; a VEN and all together stand after their parts."""
    if not report.rows:
        return f"event {report.event_id} asks for no power, so it has no response"
    band = _band(report.band)
    head = (
        f"event {report.event_id}: response value 応動値 in each interval, time {zone(report.rows[0].start)};"
        " power is load: import +, export -"
    )
    heads = (
        "interval", "VEN", "resource", "accepted 受託", "asked 指令値 kW", "baseline 基準値 kW",
        "response 応動値 kW", "deviation 偏差 kW", f"in {band}", "coverage %", "state",
    )  # fmt: skip
    rows = (
        (
            interval(row),
            _ven(row),
            _resource(row),
            row.accepted or NOTHING,
            number(row.asked_kw),
            number(row.baseline_kw),
            number(row.delivered_kw),
            number(row.deviation_kw),
            yes(row.in_band),
            percent(row.coverage_percent),
            _state(row),
        )
        for row in report.rows
    )
    return f"{head}\n{table(heads, rows, right=(4, 5, 6, 7, 9))}"


def row_text(row: Row, band: float) -> str:
    """One row of a response as it comes."""
    return printable(
        f"{interval(row)} {_ven(row)} {_resource(row)}: asked 指令値 {number(row.asked_kw)}, response 応動値"
        f" {number(row.delivered_kw)}, deviation 偏差 {number(row.deviation_kw)} kW,"
        f" in {_band(band)}: {yes(row.in_band)}, {_state(row)}"
    )


def interval(row: Row) -> str:
    """When, here: date and time of its start, time of its end."""
    return f"{day(row.start)} {clock(row.start, row.start + timedelta(seconds=row.duration_s))}"


def _band(fraction: float) -> str:
    return f"±{fraction * 100:g} %"


def _ven(row: Row) -> str:
    return "all 合計" if row.ven == EVERY_VEN else row.ven


def _resource(row: Row) -> str:
    return "sum 計" if row.resource == TOTAL else row.resource


def _state(row: Row) -> str:
    if row.mean_kw is None:
        return "no value 値なし"
    words = ["final 確定" if row.final else "provisional 速報"]
    if row.quality != GOOD:
        words.append(row.quality.removeprefix("Quality "))
    if row.revision:
        words.append(f"revision {row.revision}")
    if not row.counted:
        words.append("not counted")
    return ", ".join(words)
