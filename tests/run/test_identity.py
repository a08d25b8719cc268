"""Certificates that are renewed, run out or belong to somebody else, and clocks that are off."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from openadr_ra import Ven, Vtn
from openadr_ra.errors import OK
from openadr_ra.protocol.messages import Poll, RegisterReport
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.run.clock import SystemClock
from tests.run.peer import Peer, peer
from tests.run.site import BATTERY, Site, Watch, code, new_site, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site) -> AsyncIterator[Vtn]:
    async with Vtn(site.settings(site.vtn(admit="listed"))).running() as running:
        yield running


async def polled(who: Peer, ven: str) -> str:
    """The code that a poll gets; polls that bring something are answered first."""
    said = await who.say(Poll(ven_id=VenId(ven)))
    return OK if isinstance(said, RegisterReport) else code(said)


async def test_a_ven_may_come_with_two_certificates_while_one_is_renewed(site: Site, vtn: Vtn) -> None:
    """Both at once under one registration, until the operator takes the old one out."""
    old, new = site.issue("RENEW-old"), site.issue("RENEW-new", key="rsa")
    await vtn.enrol("RENEW", [old.fingerprint, new.fingerprint])
    before, after = peer(site, vtn.url, old), peer(site, vtn.url, new)
    assert code(await before.register("RENEW")) == OK

    assert (await polled(before, "RENEW"), await polled(after, "RENEW")) == (OK, OK)

    await vtn.enrol("RENEW", [new.fingerprint])
    assert (await polled(before, "RENEW"), await polled(after, "RENEW")) == ("463", OK)


async def test_a_certificate_taken_out_is_refused_even_if_its_ven_has_been_idle(site: Site, vtn: Vtn) -> None:
    """The reply that is kept ready for an idle poll is ready for those that are admitted now."""
    old, new = site.issue("IDLE-old"), site.issue("IDLE-new")
    await vtn.enrol("IDLE", [old.fingerprint, new.fingerprint])
    before = peer(site, vtn.url, old)
    await before.register("IDLE")
    await before.drained("IDLE")
    assert await polled(before, "IDLE") == OK

    await vtn.enrol("IDLE", [new.fingerprint])

    assert await polled(before, "IDLE") == "463"


async def test_renewing_does_not_open_a_ven_id_to_another_ven_s_certificate(site: Site, vtn: Vtn) -> None:
    mine, theirs = site.issue("MINE"), site.issue("THEIRS")
    await vtn.enrol("MINE", [mine.fingerprint])
    await vtn.enrol("THEIRS", [theirs.fingerprint])
    await peer(site, vtn.url, mine).register("MINE")

    other = peer(site, vtn.url, theirs)

    assert await polled(other, "MINE") == "463"
    assert code(await other.say(RegisterReport(request_id=RequestId("r1"), ven_id=VenId("MINE")))) == "463"


async def test_fingerprints_are_taken_in_any_spelling(site: Site, vtn: Vtn) -> None:
    shown = site.issue("SPELT")

    await vtn.enrol("SPELT", [shown.fingerprint.replace(":", "").lower()])

    assert code(await peer(site, vtn.url, shown).register("SPELT")) == OK


async def test_an_enrolment_outlives_the_process(site: Site) -> None:
    shown = site.issue("STAYS")
    table = site.vtn("stays", admit="listed")
    async with Vtn(site.settings(table)).running() as first:
        await first.enrol("STAYS", [shown.fingerprint])
    async with Vtn(site.settings(table)).running() as second:
        assert code(await peer(site, second.url, shown).register("STAYS")) == OK


class Off(SystemClock):
    """A clock that is off by some seconds, and keeps good time otherwise."""

    def __init__(self, seconds: float) -> None:
        self._by = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._by


async def told_of_clock(site: Site, vtn: Vtn, name: str, seconds: float, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a VEN whose clock is off says of it by the time it has exchanged several messages."""
    caplog.set_level(logging.WARNING, "openadr_ra.run")
    shown, watch = site.issue(name), Watch()
    await vtn.enrol(name, [shown.fingerprint])
    table = site.ven(name, vtn.url, BATTERY, certificate=shown)

    async def talked() -> bool:
        return len(watch.exchanges) > 4

    async with Ven(site.settings(table), clock=Off(seconds), tap=watch).running():
        await until(talked, watch.changed)
    return [record.getMessage() for record in caplog.records if "our clock" in record.getMessage()]


@pytest.mark.parametrize("seconds", [3600.0, 4.0, -4.0])
async def test_a_clock_that_is_off_is_told_of_once(
    site: Site, vtn: Vtn, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    """Measured by the Date header, which has whole seconds. Intervals would begin at the wrong time."""
    (line,) = await told_of_clock(site, vtn, f"OFF{seconds:.0f}", seconds, caplog)

    assert float(line.split("our clock is ")[1].split(" s ")[0]) == pytest.approx(seconds, abs=1.5)
    assert line.endswith("check NTP")


@pytest.mark.parametrize("seconds", [1.0, 0.0, -1.0])
async def test_a_clock_that_is_hardly_off_is_not_worth_a_word(
    site: Site, vtn: Vtn, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    """The limit is 2 s."""
    assert await told_of_clock(site, vtn, f"NEAR{seconds:.0f}", seconds, caplog) == []


@pytest.mark.parametrize(("days", "lines"), [(29, 1), (31, 0)])
async def test_a_certificate_that_ends_within_a_month_is_told_of_at_the_start(
    site: Site, vtn: Vtn, caplog: pytest.LogCaptureFixture, days: int, lines: int
) -> None:
    name = f"ENDS-{days}"
    shown = site.issue(name, days=days)
    caplog.set_level(logging.WARNING, "openadr_ra.run")
    await vtn.enrol(name, [shown.fingerprint])
    watch = Watch()

    async def talked() -> bool:
        return bool(watch.exchanges)

    async with Ven(site.settings(site.ven(name, vtn.url, BATTERY, certificate=shown)), tap=watch).running():
        await until(talked, watch.changed)

    told = [record.getMessage() for record in caplog.records if "expires in" in record.getMessage()]
    assert len(told) == lines
    assert all(f"CN={name}" in line and line.endswith("renew it") for line in told)
