"""Our VEN with a battery against openleadr's VTN, over mutual TLS: it registers, reports, moves its device, and says so.

One run of some seconds, looked at from several sides.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
import pytest_asyncio
from openleadr import OpenADRServer, enums, objects

from openadr_ra import Ven
from openadr_ra.protocol.model import EventId
from openadr_ra.protocol.node import EndNode
from tests.interop.stranger import Complaints, Said, complaints
from tests.run.device import Device, Order, device
from tests.run.site import Site, new_site, soon, until

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),
    # openleadr's VTN keeps itself in its aiohttp application under a plain text key, which aiohttp advises against.
    pytest.mark.filterwarnings("ignore:It is recommended to use web.AppKey instances for keys"),
]

EVERY = timedelta(seconds=2)
VEN = "VEN-9"

Value = tuple[datetime, float]


class Stranger:
    """openleadr's VTN with the callbacks that its manual tells an operator to write. It asks for power and energy."""

    def __init__(self, site: Site, fingerprint: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._fingerprint = fingerprint
        self.registrations: list[Said] = []
        self.offers: list[tuple[str, str, str | None, str | None]] = []
        self.values: list[Value] = []
        self.registers: list[Value] = []
        self.opts: dict[str, str] = {}
        self._told = asyncio.Event()
        self.server = OpenADRServer(
            vtn_id="OtherVTN",
            http_port=self.port,
            http_host="127.0.0.1",
            http_cert=site.own[0].certificate,
            http_key=site.own[0].key,
            http_ca_file=site.trust,
            requested_poll_freq=timedelta(seconds=1),
            ven_lookup=self._lookup,
            # XML signatures are the business of another profile; the certificate of the connection is checked.
            verify_message_signatures=False,
            show_fingerprint=False,
        )
        self.server.add_handler("on_create_party_registration", self._on_registration)
        self.server.add_handler("on_register_report", self._on_report)

    async def changed(self, within: timedelta) -> None:
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._told.wait()
        except TimeoutError:
            return

    def opted(self, ven_id: str, event_id: str, opt_type: str) -> None:
        self.opts[event_id] = opt_type
        self._stir()

    async def _lookup(self, ven_id: str) -> Said | None:
        if ven_id != VEN:
            return None
        return {"ven_id": VEN, "ven_name": "edge", "fingerprint": self._fingerprint, "registration_id": "reg-9"}

    async def _on_registration(self, said: Said) -> tuple[str, str]:
        self.registrations.append(said)
        return VEN, "reg-9"

    async def _on_report(
        self,
        ven_id: str,
        resource_id: str,
        measurement: str,
        unit: str | None,
        scale: str | None,
        min_sampling_interval: timedelta,
        max_sampling_interval: timedelta,
    ) -> tuple[Callable[[list[Value]], None], timedelta] | None:
        self.offers.append((resource_id, measurement, unit, scale))
        taken = {"RealPower": self._on_values, "RealEnergy": self._on_registers}
        return (taken[measurement], timedelta(seconds=1)) if measurement in taken else None

    def _on_registers(self, values: list[Value]) -> None:
        self.registers += values
        self._stir()

    def _on_values(self, values: list[Value]) -> None:
        self.values += values
        self._stir()

    def _stir(self) -> None:
        self._told.set()
        self._told = asyncio.Event()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What was to be seen at both ends. `events` by what they were."""

    stranger: Stranger
    start: datetime
    events: dict[str, EventId]
    node: EndNode
    orders: tuple[Order, ...]
    complaints: Complaints
    left: tuple[str, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    site = new_site(tmp_path_factory)
    shown = site.issue("edge")
    with complaints() as said:
        stranger = Stranger(site, shown.fingerprint)
        await stranger.server.run()
        try:
            async with device() as edge:
                url = f"https://127.0.0.1:{stranger.port}"
                # Of several points in one interval it can make nothing.
                table = site.ven("edge", url, edge.table, certificate=shown, ven_id="", one_point_per_interval=True)
                async with Ven(site.settings(table)).running() as ven:
                    yield await whole_story(stranger, ven, edge, said)
        finally:
            await stranger.server.stop()


async def whole_story(stranger: Stranger, ven: Ven, edge: Device, said: Complaints) -> Run:
    """Two set-points in kW, then a level; a set-point whose unit nobody knows; and one that is cancelled in time."""

    async def reporting() -> bool:
        return bool(stranger.values)

    await until(reporting, stranger.changed)
    start = soon().replace(microsecond=0)
    events = {
        "setpoint": dispatch(stranger, start, (-2.0, 1.0)),
        "level": simple(stranger, start + 2 * EVERY, 2),
        "without a unit": dispatch(stranger, start + timedelta(hours=1), (1.0,), unit=None),
        "cancelled": dispatch(stranger, start + timedelta(hours=2), (1.0,)),
    }

    async def answered() -> bool:
        return len(stranger.opts) == len(events)

    await until(answered, stranger.changed)
    stranger.server.cancel_event(VEN, events["cancelled"])

    async def over() -> bool:
        return bool(edge.orders) and edge.orders[-1].kw is None and stranger.values[-1][0] > start + 3 * EVERY

    await until(over, stranger.changed)
    node = await ven.upstream()
    assert node is not None
    return Run(
        stranger=stranger,
        start=start,
        events=events,
        node=node,
        orders=tuple(edge.orders),
        complaints=said,
        left=tuple(event.event_descriptor.event_id for event in stranger.server.events[VEN]),
    )


KW = objects.Measurement(
    name="powerReal",
    description="RealPower",
    unit="W",
    scale="k",
    power_attributes=objects.PowerAttributes(hertz=50, voltage=200, ac=True),
)


def dispatch(
    stranger: Stranger, start: datetime, values: tuple[float, ...], unit: objects.Measurement | None = KW
) -> EventId:
    """LOAD_DISPATCH/setpoint, with a market context of its own."""
    signal = objects.EventSignal(
        intervals=[
            objects.Interval(dtstart=start + EVERY * number, duration=EVERY, signal_payload=value)
            for number, value in enumerate(values)
        ],
        signal_name=enums.SIGNAL_NAME.LOAD_DISPATCH,
        signal_type=enums.SIGNAL_TYPE.SETPOINT,
        signal_id="signal",
        measurement=unit,
    )
    described = objects.EventDescriptor(
        event_id=f"event-{start:%H%M%S}-{unit is None}",
        modification_number=0,
        market_context=f"http://stranger.invalid/{start:%H%M%S}",
        event_status="far",
    )
    event = objects.Event(event_descriptor=described, event_signals=[signal], targets=[objects.Target(ven_id=VEN)])
    return EventId(stranger.server.add_raw_event(ven_id=VEN, event=event, callback=stranger.opted))


def simple(stranger: Stranger, start: datetime, value: int) -> EventId:
    """SIMPLE, as openleadr's own short call makes it."""
    return EventId(
        stranger.server.add_event(
            ven_id=VEN,
            signal_name="SIMPLE",
            signal_type="level",
            intervals=[{"dtstart": start, "duration": EVERY, "signal_payload": value}],
            callback=stranger.opted,
            market_context="http://stranger.invalid/simple",
        )
    )


async def test_our_ven_registers_once_and_takes_the_ven_id_it_is_given(run: Run) -> None:
    (said,) = run.stranger.registrations

    assert (said["ven_name"], said["profile_name"], said["http_pull_model"]) == ("edge", "2.0b", True)
    assert (run.node.member.ven_id, run.node.member.vtn_id) == (VEN, "OtherVTN")
    assert run.node.member.poll_s == 1


async def test_its_reports_are_read_as_what_they_are(run: Run) -> None:
    """Power, an energy register, and a status of the device. What is ours alone (x-RESPONSE) is passed over."""
    assert run.stranger.offers == [
        ("bat-1", "RealPower", "W", "k"),
        ("bat-1", "RealEnergy", "Wh", "k"),
        ("bat-1", "Status", None, None),
    ]


async def test_its_telemetry_arrives_each_second_with_what_the_battery_does(run: Run) -> None:
    inside = [kw for at, kw in run.stranger.values if run.start <= at < run.start + EVERY - timedelta(seconds=1)]

    assert inside
    assert inside == [pytest.approx(-2.0, abs=0.5)] * len(inside)
    times = [at for at, _ in run.stranger.values]
    assert {later - sooner for sooner, later in pairwise(times)} == {timedelta(seconds=1)}


async def test_the_energy_register_arrives_beside_the_power(run: Run) -> None:
    """Each value in an interval of its own: the setting for requesters that read no more than one."""
    assert {at for at, _ in run.stranger.registers} & {at for at, _ in run.stranger.values}


async def test_set_points_and_a_level_move_the_battery_and_its_opt_arrives(run: Run) -> None:
    """Level 2 of 3 is two thirds of what it can shed: it can give 5 kW."""
    moved = {order.kw for order in run.orders if order.event_id == run.events["setpoint"]}
    shed = [order.kw for order in run.orders if order.event_id == run.events["level"]]

    assert moved == {-2.0, 1.0}
    assert shed == [pytest.approx(-5 * 2 / 3)] * len(shed)
    assert shed
    assert run.stranger.opts[run.events["setpoint"]] == "optIn"
    assert run.stranger.opts[run.events["level"]] == "optIn"


async def test_a_set_point_without_a_unit_is_refused_alone(run: Run) -> None:
    """Rule 109: 460 and optOut, for a number without a unit is no power. openleadr's short call makes such events."""
    refused = run.node.agenda[run.events["without a unit"]]

    assert run.stranger.opts[run.events["without a unit"]] == "optOut"
    assert refused.code == "460"
    assert "got no unit" in refused.description


async def test_a_cancelled_event_is_acknowledged_and_moves_nothing(run: Run) -> None:
    """openleadr drops a cancelled event once it is acknowledged."""
    assert run.events["cancelled"] not in run.left
    assert run.events["setpoint"] in run.left
    assert all(order.event_id != run.events["cancelled"] for order in run.orders)


async def test_it_complains_of_no_message_of_ours(run: Run) -> None:
    """What it says is of reports that are ours alone, which it passes over, and of an event of its own."""
    known = {
        "Reports other than TELEMETRY_USAGE, TELEMETRY_STATUS, HISTORY_USAGE and HISTORY_GREENBUTTON are not yet"
        " supported. Skipping report with name x-RESPONSE.",
        "Reports other than TELEMETRY_USAGE, TELEMETRY_STATUS, HISTORY_USAGE and HISTORY_GREENBUTTON are not yet"
        " supported. Skipping report with name x-AVAILABILITY.",
        "The current_value for a SIMPLE event that is not yet active must be 0. This will be corrected.",
    }

    assert set(run.complaints.lines) <= known


async def test_it_owes_nothing_when_all_is_said(run: Run) -> None:
    """Every message of ours was taken: none is tried again."""
    assert [debt.tries for debt in run.node.debts if debt.tries > 1] == []
