"""Settings of a node, read from TOML. Unknown keys are refused with their path; units are in the names.

What is present is the role: `[[upstream]]` with `[[device]]` is an edge VEN, `[downstream]` is a VTN, both an RA.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from openadr_ra.errors import InvalidData, SettingsError
from openadr_ra.protocol.signals_table import USUAL, pair

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
"""A period of this node's own; a day at most."""

WholeSeconds = Annotated[int, Meta(ge=1, le=86_400)]
"""A period that goes over the wire, where there are no fractions of a second."""


Signing = Literal["required", "accepted", "off"]
"""XML signatures of a peer: on everything; on what it signs itself; or none, and none is looked at."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table."""


class Upstream(Table, frozen=True, kw_only=True):
    """A VTN above: `[[upstream]]`. Files are PEM; paths are relative to the settings file.

    With a `push_url` the VEN does not poll: the VTN posts to that address, and the VEN listens on `push_listen`
    (host:port; else where the address says). Its certificate is then also a server's. With `xml_signature` everything is
    signed both ways, in the style that the VTN understands, and by a certificate of `vtn_fingerprints`; a push VEN hears
    nobody else. `lenient` repairs what the VTN gets wrong where its meaning is certain. Events with other `signals` than
    these are refused. `nodes` are nodes of the grid that stand for this VEN in the target of an event.
    """

    url: str
    name: str = "upstream"
    ven_name: str = ""
    ven_id: str = ""
    cert: str = ""
    key: str = ""
    ca: str = ""
    check_hostname: bool = True
    market_contexts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    signals: tuple[str, ...] = USUAL
    shortest_report_s: WholeSeconds = 1
    report_only: bool = False
    hold_polls: bool = True
    xml_signature: bool = False
    vtn_fingerprints: tuple[str, ...] = ()
    signature_style: Literal["id", "enveloped"] = "id"
    signature_window_s: Seconds = 30.0
    lenient: bool = False
    one_point_per_interval: bool = False
    push_url: str = ""
    push_listen: str = ""


class FleetSettings(Table, frozen=True, kw_only=True):
    """How the fleet is led: `[fleet]`.

    A set-point is given again every `track_every_s` and lets go of its device after `lease_s` without that. An interval
    is answered for `settle_s` after its end, when the devices have been read once more. Power that moved by `change_kw` is
    told at once to a VTN that asked for that. Samples are kept for `keep_samples_h`, and 100 of each point however old.

    A new event must come `notice_s` before its start. Events of a VTN that has not been heard of for `offline_s` are
    followed no longer until it is. Too little of what was promised for `patience_s` is opted out upward. Where there are
    VENs below, an interval waits `grace_s` for their responses, and they are asked to stand in for one another no more often
    than every `below_every_s`. What VTNs above hear that could be given can be held for `stated_s`.

    With `hold_mean` own devices make up for what is metered to be missing in the running slot, or too much, which may miss
    what was asked by `band`. By `policy` what is asked is shared in proportion to headroom and weight, or by price. The
    node's own devices together draw no more than `import_max_kw` and feed in no more than `export_max_kw` by what they are
    asked.

    Devices that state a need, as a car, meet it in the cheapest hours that a VTN tells. With `follow_prices` stores trade by
    prices, too; with false nobody follows them. A kWh costs `usual_price_per_kwh` when no VTN says what it does.

    After an event a battery is left to its own plan. With `recover` it is brought back to the state of charge that it had
    before, between events, by `recover_kw` for all of them at most, and for `recover_by_h` at most.
    """

    read_every_s: Seconds = 1.0
    track_every_s: Seconds = 10.0
    lease_s: Seconds = 30.0
    min_cover: Annotated[float, Meta(ge=0, le=1)] = 0.9
    settle_s: Seconds = 3.0
    driver_timeout_s: Seconds = 5.0
    change_kw: Annotated[float, Meta(gt=0)] | None = None
    keep_samples_h: Annotated[int, Meta(ge=1, le=8_760)] = 24
    notice_s: Annotated[float, Meta(ge=0, le=604_800)] = 0.0
    offline_s: Seconds = 180.0
    patience_s: Seconds = 900.0
    grace_s: Seconds = 60.0
    below_every_s: Seconds = 60.0
    stated_s: Seconds = 1800.0
    hold_mean: bool = True
    band: Annotated[float, Meta(ge=0, le=1)] = 0.1
    policy: Literal["pro-rata", "merit-order"] = "pro-rata"
    import_max_kw: Annotated[float, Meta(ge=0)] | None = None
    export_max_kw: Annotated[float, Meta(ge=0)] | None = None
    follow_prices: bool | None = None
    usual_price_per_kwh: float | None = None
    recover: bool = False
    recover_kw: Annotated[float, Meta(ge=0)] | None = None
    recover_by_h: Annotated[float, Meta(gt=0, le=168)] = 12.0


class AdmittedVen(Table, frozen=True, kw_only=True):
    """A VEN that the operator listed: `[[downstream.ven]]`. Fingerprints in any spelling; several while renewing.

    `signature` and `lenient` for this VEN alone, in place of those of `[downstream]`. As a `member` of the node's fleet it
    gives no more than `can_reduce_kw` and `can_raise_kw`; one that does not say itself what it can gives just that, from
    `baseline_kw`, or from what it is metered at when nothing is asked of it. `notice_s` before it moves it must be told.
    """

    id: str
    fingerprints: tuple[str, ...] = ()
    signature: Signing | None = None
    lenient: bool | None = None
    member: bool = True
    can_reduce_kw: Annotated[float, Meta(ge=0)] | None = None
    can_raise_kw: Annotated[float, Meta(ge=0)] | None = None
    baseline_kw: float | None = None
    price_per_kwh: Annotated[float, Meta(ge=0)] = 0.0
    weight: Annotated[float, Meta(gt=0)] = 1.0
    notice_s: Annotated[float, Meta(ge=0, le=604_800)] = 0.0


Words = Annotated[str, Meta(max_length=1000, pattern="^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\ufffe\uffff]*\\Z")]
"""Text that goes into messages: what XML 1.0 cannot hold would make each of them fail."""


class Announcement(Table, frozen=True, kw_only=True):
    """Something that the VTN says of itself to each VEN that asks or registers: `[[downstream.announce]]`.

    About a `service` (oadrServiceSpecificInfo), or under the name of an `extension` (oadrExtensions), which may do without
    a key. Who is registered already is told by `openadr-ra ven reregister`.
    """

    service: Literal["EiEvent", "EiReport", "EiRegisterParty", "EiOpt", "OadrPoll"] | None = None
    extension: Words = ""
    key: Words = ""
    value: Words = ""


Rate = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


class PeerLimits(Table, frozen=True, kw_only=True):
    """How much one VEN and one address may take of the VTN: `[downstream.limits]`. 0 means no limit.

    What goes beyond is answered 503 with Retry-After, or is no connection at all; the log has one line a minute and address.
    Of what counts by the minute or the hour as much may come at once; of requests a burst; of new connections those of four
    seconds. A VEN is told by its certificate: without TLS, and behind a proxy that is none of `proxies`, only the limits per
    address hold, for all behind it together. An address may be many VENs behind one router; an IPv6 address counts by its
    network of 64 bits.

    `ven_registrations_per_h` are those of a VEN that is known, `address_registrations_per_h` those of VENs that are new.
    """

    ven_requests_per_s: Rate = 20
    ven_burst: Annotated[int, Meta(ge=1)] = 100
    ven_bytes_per_min: Count = 16 * 1024 * 1024
    ven_registrations_per_h: Count = 60
    address_requests_per_s: Rate = 500
    address_burst: Annotated[int, Meta(ge=1)] = 2000
    address_bytes_per_min: Count = 64 * 1024 * 1024
    address_registrations_per_h: Count = 240
    address_connections: Count = 512
    address_connections_per_s: Count = 50


class Downstream(Table, frozen=True, kw_only=True):
    """The VTN below: `[downstream]`. `cert` and `key` may be lists: an RSA and an EC chain, as 2.0b wants (rule 68).

    `admit`: "listed" takes only the VENs listed here; "ca" takes whoever `client_ca` signed. Without `client_ca` there is
    no TLS at all, which is for tests and for a proxy on the same machine.

    `lenient` repairs what VENs get wrong where its meaning is certain, and keeps a warning. What is signed may be
    `signature_window_s` old or ahead of our clock. Polls that ask for it are held for up to `hold_s`. A VEN that has missed
    `silent_reports` live reports leaves the fleet until it reports again.

    `proxies` end the TLS of VENs and hand their certificates on in a header, `client_cert_header`; theirs is taken, and
    whoever has no certificate is then refused. A VTN that is told to stop serves for `drain_s` who still asks; before that
    it says to whoever asks at `health` that it is not ready any more, for as long again.
    """

    listen: str = "0.0.0.0:8443"
    vtn_id: str = "VTN"
    cert: str | tuple[str, ...] = ()
    key: str | tuple[str, ...] = ()
    client_ca: str = ""
    admit: Literal["listed", "ca"] = "listed"
    ven: tuple[AdmittedVen, ...] = ()
    announce: tuple[Announcement, ...] = ()
    poll_s: WholeSeconds = 10
    hold_s: Annotated[int, Meta(ge=0, le=50)] = 45
    live_s: WholeSeconds = 60
    slot_s: Annotated[int, Meta(ge=0, le=86_400)] = 1800
    silent_reports: Annotated[int, Meta(ge=1)] = 3
    band: Annotated[float, Meta(ge=0, le=1)] = 0.1
    signature: Signing = "accepted"
    signature_window_s: Seconds = 30.0
    lenient: bool = False
    strict_content_type: bool = False
    check_push_hostname: bool = True
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 4 * 1024 * 1024
    proxies: tuple[str, ...] = ()
    client_cert_header: str = "Client-Cert"
    health: str = ""
    drain_s: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    limits: PeerLimits = PeerLimits()

    @property
    def chains(self) -> tuple[tuple[str, str], ...]:
        certs = (self.cert,) if isinstance(self.cert, str) else self.cert
        keys = (self.key,) if isinstance(self.key, str) else self.key
        if len(certs) != len(keys):
            raise SettingsError("downstream: as many entries in cert as in key are needed")
        return tuple(zip(certs, keys, strict=True))


class StoreSettings(Table, frozen=True, kw_only=True):
    """Where the node keeps what it must not lose, and for how long: `[store]`. `memory` forgets everything at the end.

    Events that are over, their responses, journal entries and letters that nobody reads are kept for `keep_days`; what VENs
    reported, which is most of it, for `keep_readings_days`. What an event that is not over needs, or a response that is
    still to be said, stays. A fleet's own samples are kept for `[fleet] keep_samples_h`; of those of a node without VENs
    below the oldest are thinned where the store would hold more than `max_mb`.
    """

    url: str = "sqlite:node.db"

    @property
    def shared(self) -> bool:
        """Whether several processes may work on it."""
        return self.url.partition(":")[0] in ("postgresql", "postgres")

    keep_days: Annotated[int, Meta(ge=7, le=36_500)] = 400
    keep_readings_days: Annotated[int, Meta(ge=2, le=36_500)] = 35
    max_mb: Annotated[int, Meta(ge=8, le=100_000)] = 512


class Console(Table, frozen=True, kw_only=True):
    """The operator's local API: `[console]`. Whoever can read `token_file` may instruct; it is made at the first start."""

    listen: str = "127.0.0.1:8088"
    token_file: str = "console.token"  # noqa: S105 - the name of a file


class NodeSettings(Table, frozen=True, kw_only=True):
    """The whole file. `device` tables hold `id`, `driver` and the driver's own settings."""

    name: str = "node"
    store: StoreSettings = StoreSettings()
    fleet: FleetSettings = FleetSettings()
    upstream: tuple[Upstream, ...] = ()
    device: tuple[Mapping[str, object], ...] = ()
    downstream: Downstream | None = None
    console: Console | None = None


def read(path: Path) -> NodeSettings:
    """The settings in `path`, with every file name made absolute. Raises SettingsError naming file, key and cure."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; is the path right?") from error
    try:
        table = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    return from_table(table, path)


def from_table(table: Mapping[str, object], path: Path) -> NodeSettings:
    """The settings in a table that was read from `path`."""
    try:
        found = msgspec.convert(table, NodeSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {_explained(str(error))}") from error
    for fault in _faults(found):
        raise SettingsError(f"{path}: {fault}")
    return _absolute(found, path.resolve().parent)


def _faults(found: NodeSettings) -> Iterator[str]:
    """What is wrong between one setting and another."""
    names = [upstream.name for upstream in found.upstream]
    for name in names:
        if names.count(name) > 1:
            yield f"upstream.name: two upstreams are called {name!r}; give each its own name"
    for upstream in found.upstream:
        yield from _unknown(upstream.signals)
    fleet = found.fleet
    if fleet.lease_s <= fleet.track_every_s:
        yield f"fleet.lease_s: must be longer than track_every_s, {fleet.track_every_s:g}, at which set-points are renewed"
    if fleet.settle_s <= fleet.read_every_s:
        yield f"fleet.settle_s: must be longer than read_every_s, {fleet.read_every_s:g}, at which devices are read"
    if fleet.recover and fleet.import_max_kw is None and fleet.recover_kw is None:
        yield "fleet.recover: needs recover_kw or import_max_kw, so that it makes no new peak"
    if found.downstream is not None:
        yield from _narrow(found.downstream)
        yield from _unclear(found.downstream.announce)


def _unknown(signals: tuple[str, ...]) -> Iterator[str]:
    """Signals that there are not."""
    for name in signals:
        try:
            pair(name)
        except InvalidData as error:
            yield f"upstream.signals: {error}"


def _narrow(down: Downstream) -> Iterator[str]:
    """Limits that a single message of the size that is allowed would never pass."""
    limits = down.limits
    for name, most in (
        ("ven_bytes_per_min", limits.ven_bytes_per_min),
        ("address_bytes_per_min", limits.address_bytes_per_min),
    ):
        if 0 < most < down.max_body_bytes:
            yield f"downstream.limits.{name}: must be 0 or at least max_body_bytes, {down.max_body_bytes}"


def _unclear(announce: tuple[Announcement, ...]) -> Iterator[str]:
    """Announcements that are about nothing, or about two things."""
    for number, one in enumerate(announce):
        if (one.service is None) == (one.extension == ""):
            yield f"downstream.announce[{number}]: needs either service or extension"
        elif not one.key and (one.service is not None or one.value):
            yield f"downstream.announce[{number}].key: is missing"


_AT = re.compile(r" - at `\$\.?(?P<at>[^`]*)`")
_FIELD = re.compile(r"(?:unknown|missing required) field `(?P<field>[^`]*)`")


def _explained(message: str) -> str:
    """msgspec's words with the path of the key first."""
    at = _AT.search(message)
    where = at["at"] if at else ""
    field = _FIELD.search(message)
    plain = _AT.sub("", message)
    if field and "unknown" in message:
        key = f"{where}.{field['field']}".strip(".")
        return f"{key}: there is no such setting; see README for those there are"
    if field:
        return f"{where}.{field['field']}: is missing".lstrip(".")
    if "Expected `array`, got `object`" in plain:
        return f"{where}: there can be several, so it is written [[{where}]]"
    return f"{where}: {plain[0].lower()}{plain[1:]}" if where else plain


def _absolute(settings: NodeSettings, folder: Path) -> NodeSettings:
    def full(name: str) -> str:
        return str(folder / name) if name else ""

    def every(names: str | tuple[str, ...]) -> tuple[str, ...]:
        return tuple(full(name) for name in ((names,) if isinstance(names, str) else names))

    upstream = tuple(
        msgspec.structs.replace(up, cert=full(up.cert), key=full(up.key), ca=full(up.ca)) for up in settings.upstream
    )
    downstream = settings.downstream and msgspec.structs.replace(
        settings.downstream,
        cert=every(settings.downstream.cert),
        key=every(settings.downstream.key),
        client_ca=full(settings.downstream.client_ca),
    )
    console = settings.console and msgspec.structs.replace(
        settings.console, token_file=full(settings.console.token_file)
    )
    kind, _, name = settings.store.url.partition(":")
    store = settings.store
    if kind == "sqlite":
        store = msgspec.structs.replace(store, url=f"{kind}:{full(name)}")
    return msgspec.structs.replace(settings, upstream=upstream, downstream=downstream, console=console, store=store)
