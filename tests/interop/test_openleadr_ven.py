"""openleadr's VEN against our VTN, over mutual TLS: it registers, reports, takes events, and answers for them unknowingly.

One run of some seconds, looked at from several sides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import pytest_asyncio
from openleadr import OpenADRClient

from openadr_ra import OPT_IN, OPT_OUT, ResponseRow, Vtn, dispatch, level
from openadr_ra.protocol.model import EventId, OptType, VenId
from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.summary import VenSummary
from tests.interop.stranger import Complaints, Said, complaints, within
from tests.run.site import PATIENCE, new_site, soon, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

EVERY = timedelta(seconds=2)
SETPOINTS_KW = (1.5, 3.0)


class Stranger:
    """openleadr's VEN with one meter, which does what a set-point says and opts out of SIMPLE events."""

    def __init__(self, client: OpenADRClient) -> None:
        self.client = client
        self.events: list[Said] = []
        self.updates: list[Said] = []
        self._start = datetime.max.replace(tzinfo=UTC)
        client.add_handler("on_event", self._on_event)
        client.add_handler("on_update_event", self._on_update)
        client.add_report(
            callback=self._power_w,
            resource_id="site-1",
            measurement="REAL_POWER",
            scale="none",
            sampling_rate=timedelta(seconds=1),
            report_duration=timedelta(hours=1),
        )

    async def _on_event(self, event: Said) -> str:
        self.events.append(event)
        match event:
            case {"event_signals": [{"signal_name": "SIMPLE"}]}:
                return "optOut"
            case {"event_signals": [{"signal_type": "setpoint"}], "active_period": {"dtstart": datetime() as start}}:
                self._start = start
        return "optIn"

    async def _on_update(self, event: Said) -> str:
        self.updates.append(event)
        return "optIn"

    async def _power_w(self) -> float:
        done = (datetime.now(UTC) - self._start) // EVERY
        return 1000 * SETPOINTS_KW[done] if 0 <= done < len(SETPOINTS_KW) else 0.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What was to be seen at both ends."""

    ven: VenSummary
    fingerprint: str
    opts: dict[str, OptType | None]
    changed: OptType | None
    cancelled: OptType | None
    rows: dict[str, tuple[ResponseRow, ...]]
    readings: tuple[Reading, ...]
    events: list[Said]
    updates: list[Said]
    complaints: Complaints


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    site = new_site(tmp_path_factory)
    shown = site.issue("stranger", key="rsa")
    async with Vtn(site.settings(site.vtn(live_s=1))).running() as vtn:
        with complaints() as said:
            client = OpenADRClient(
                ven_name="stranger",
                vtn_url=vtn.url,
                cert=shown.certificate,
                key=shown.key,
                ca_file=site.trust,
                show_fingerprint=False,
                # With a certificate it signs; see test_openleadr_signed.
                disable_signature=True,
            )
            stranger = Stranger(client)
            await client.run()
            try:
                yield await whole_story(vtn, stranger, shown.fingerprint, said)
            finally:
                await client.stop()


async def whole_story(vtn: Vtn, stranger: Stranger, fingerprint: str, said: Complaints) -> Run:
    """Three events at once, each of a market context of its own; one of them is changed, then cancelled."""
    (ven,) = await vtn.vens()
    to, start = (ven.ven_id,), soon()
    delta = dispatch(start=start, every=EVERY, delta_kw=(-2, -3), to=to)
    names = {
        "delta": await vtn.publish(delta),
        "setpoint": await vtn.publish(
            dispatch(
                start=start, every=EVERY, setpoint_kw=SETPOINTS_KW, to=to, market_context="http://setpoint.invalid/"
            )
        ),
        "SIMPLE": await vtn.publish(
            level(start=start, every=EVERY, levels=(1, 2), to=to, market_context="http://simple.invalid/")
        ),
    }
    opts = {name: await opt(vtn, event) for name, event in names.items()}
    await vtn.change(names["delta"], dispatch(start=soon(60), every=EVERY, delta_kw=(-1,), to=to))
    changed = await opt(vtn, names["delta"])
    await vtn.cancel(names["delta"])
    cancelled = await opt(vtn, names["delta"])

    async def over() -> bool:
        """The sample after the end is in too: it is what the last one before it held until."""
        return any(reading.start >= start + 3 * EVERY for reading in await telemetry(vtn, ven.ven_id))

    await until(over, vtn.changed)
    return Run(
        ven=ven,
        fingerprint=fingerprint,
        opts=opts,
        changed=changed,
        cancelled=cancelled,
        rows={name: await vtn.report(event) for name, event in names.items()},
        readings=await telemetry(vtn, ven.ven_id),
        events=stranger.events,
        updates=stranger.updates,
        complaints=said,
    )


async def opt(vtn: Vtn, event: EventId) -> OptType | None:
    (said,) = (await vtn.opts(event, within=PATIENCE)).values()
    return said


async def telemetry(vtn: Vtn, ven: VenId) -> tuple[Reading, ...]:
    names = await vtn.store.series(f"{ven}/TELEMETRY_USAGE/")
    return await vtn.store.readings(
        names, datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    )


async def test_it_registers_under_its_certificate_and_gets_a_ven_id_of_its_own(run: Run) -> None:
    """It asks who we are first (oadrQueryRegistration), without a venID."""
    assert run.ven.registered
    assert run.ven.name == "stranger"
    assert run.ven.fingerprints == (run.fingerprint,)
    assert run.ven.ven_id == "VEN-" + run.fingerprint.replace(":", "")


async def test_it_is_asked_for_its_power_and_what_it_sends_in_w_is_stored_in_kw(run: Run) -> None:
    values = {reading.value for reading in run.readings}

    assert {0.0, 1.5, 3.0} == values
    assert len(run.readings) >= 6


async def test_it_understands_delta_setpoint_and_simple_and_its_opts_are_shown(run: Run) -> None:
    kinds = {
        (within(event, "event_signals", "signal_name"), within(event, "event_signals", "signal_type"))
        for event in run.events
    }

    assert kinds == {("LOAD_DISPATCH", "delta"), ("LOAD_DISPATCH", "setpoint"), ("SIMPLE", "level")}
    assert run.opts == {"delta": OPT_IN, "setpoint": OPT_IN, "SIMPLE": OPT_OUT}


async def test_it_finds_the_values_and_lengths_of_the_intervals(run: Run) -> None:
    """In kW, as the scale says; a whole second is a whole second."""
    (event,) = (each for each in run.events if within(each, "event_signals", "signal_type") == "setpoint")

    assert within(event, "event_signals", "intervals") == [
        {"duration": EVERY, "uid": 0, "signal_payload": 1.5},
        {"duration": EVERY, "uid": 1, "signal_payload": 3.0},
    ]
    assert within(event, "event_signals", "measurement", "scale") == "k"


async def test_the_response_of_each_interval_is_derived_from_its_usage(run: Run) -> None:
    """It knows nothing of x-RESPONSE. The sample that an interval begins with is some hundredths late."""
    rows = [row for row in run.rows["setpoint"] if row.resource == "site-1"]

    assert [row.mean_kw for row in rows] == [pytest.approx(kw, abs=0.4) for kw in SETPOINTS_KW]
    assert [row.source for row in rows] == ["derived", "derived"]
    assert [row.coverage_percent for row in rows] == [pytest.approx(100), pytest.approx(100)]


async def test_a_set_point_is_judged_by_what_was_derived_and_a_ven_that_opted_out_is_not(run: Run) -> None:
    sums = {name: [row for row in rows if row.ven == "*"] for name, rows in run.rows.items()}

    assert [row.delivered_kw for row in sums["setpoint"]] == [pytest.approx(kw, abs=0.4) for kw in SETPOINTS_KW]
    assert [row.accepted for row in run.rows["SIMPLE"]] == [OPT_OUT] * len(run.rows["SIMPLE"])
    assert not any(row.counted for row in run.rows["SIMPLE"] if row.ven != "*")


async def test_it_takes_the_changed_event_and_then_the_cancellation_and_answers_both(run: Run) -> None:
    versions = [
        (within(event, "event_descriptor", "modification_number"), within(event, "event_descriptor", "event_status"))
        for event in run.updates
    ]

    assert versions == [(1, "far"), (2, "cancelled")]
    assert (run.changed, run.cancelled) == (OPT_IN, OPT_IN)


async def test_it_complains_of_nothing_but_that_we_offer_reports(run: Run) -> None:
    """Rule 301 has a VTN register its reports, if only an empty list; openleadr's VEN takes none, and says so."""
    offered = "The VTN offered reports, but OpenLEADR does not support reports in this direction."

    assert set(run.complaints.lines) <= {offered}
