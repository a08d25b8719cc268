"""Before the chain's story begins: everybody is registered, and each tier knows what those below it can give."""

from __future__ import annotations

from datetime import datetime, timedelta

from openadr_ra.programs.chain_plant import AC, CHANGES_KW, RAS, Plant
from openadr_ra.programs.chain_site import Site
from openadr_ra.programs.demo_screen import Screen
from openadr_ra.programs.demo_story import Failed
from openadr_ra.protocol.model import ResourceId, VenId
from openadr_ra.protocol.parts import GOOD, X_AVAILABILITY
from openadr_ra.protocol.report import rid
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.schedule import Reading
from openadr_ra.seams import Clock

READY_S = 90.0
"""Two free cores take a tenth of that for 77 gateways."""

RESERVE = 1.25
"""So much of what will be asked must be there, for a gateway will be lost and another will opt out."""

LOOK_EVERY = timedelta(seconds=0.5)


async def assembled(site: Site, plant: Plant, clock: Clock, screen: Screen) -> None:
    """Return when the AC has heard of each RA that all of its gateways say what they can give; Failed after READY_S."""
    count = len(plant.gateways)
    end = clock.now() + timedelta(seconds=READY_S)
    registered = 0
    since: datetime | None = None
    lacking = "nobody is there"
    while lacking and clock.now() < end:
        await clock.sleep_until(clock.now() + LOOK_EVERY)
        if (now_registered := await site.gateways_registered()) > registered:
            registered = now_registered
            screen.say(f"gateways      {registered} of {count} are registered")
        if registered < count:
            lacking = f"only {registered} of {count} gateways are registered"
            continue
        since = since or clock.now()
        lacking = await _lacking(site, plant, since, clock.now())
    if lacking:
        raise Failed(f"{lacking} within {READY_S:.0f} s; see the logs in {site.out}")


async def _lacking(site: Site, plant: Plant, since: datetime, now: datetime) -> str:
    """What is not known yet of what was reported after `since`."""
    can_kw = 0.0
    for name in RAS:
        stated = await _stated(site, name, since, now)
        if stated is None:
            return f"{name} did not say what all of its gateways can give"
        can_kw += stated.value
    wanted_kw = -min(kw for values in CHANGES_KW for kw in plant.asked(values))
    if can_kw < RESERVE * wanted_kw:
        return (
            f"{can_kw:.0f} kW can be reduced; to ask for {wanted_kw:.0f} kW there should be {RESERVE:g} times as much"
        )
    if not await site.dras.store.series(f"{AC}/"):
        return "the AC did not report to the DRAS"
    return ""


async def _stated(site: Site, name: str, since: datetime, now: datetime) -> Reading | None:
    """What that RA said last that it can reduce; None before it knows of all of its gateways."""
    series = series_prefix(VenId(name), X_AVAILABILITY) + rid(ResourceId(AC), "can_reduce")
    found = await site.ac_store.readings((series,), since, now)
    return found[-1] if found and found[-1].quality == GOOD else None
