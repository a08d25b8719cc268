"""What `openadr-ra demo --chain` does: an instruction goes from a DRAS to 450 home batteries and more, and its response
comes back.

In its directory it leaves `summary.json`, `chain.png`, and the settings files, logs and stores of all nodes.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from openadr_ra.errors import SettingsError, TransportError
from openadr_ra.programs.chain_nodes import EDGES
from openadr_ra.programs.chain_picture import draw
from openadr_ra.programs.chain_plant import AC, EVENT, RAS, Plant, plant
from openadr_ra.programs.chain_power import Power, power
from openadr_ra.programs.chain_site import running
from openadr_ra.programs.chain_story import BELOW_AC, Story, Told
from openadr_ra.programs.chain_summary import Summary, slots, summary
from openadr_ra.programs.chain_table import table
from openadr_ra.programs.chain_tiers import Tier, tier
from openadr_ra.programs.demo import INTERRUPTED, make_room
from openadr_ra.programs.demo_edges import EdgeDied, death
from openadr_ra.programs.demo_screen import Screen
from openadr_ra.programs.demo_story import Failed, unless
from openadr_ra.run.clock import SystemClock
from openadr_ra.store import open_store

SHORTEST_INTERVAL_S = 4
"""Live values come once a second, and who has been silent for eight is lost."""

LONGEST_INTERVAL_S = 1800
"""Real time."""

LEFT = (
    "summary.json",
    "chain.png",
    "*.toml",
    "*.log",
    "*.token",
    "*.sqlite*",
    f"{EDGES}/*",
)
"""What this run makes anew. Certificates stay."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of it once everything has ended."""

    told: Told
    ac: Tier
    ras: tuple[Tier, ...]
    power: dict[str, Power]


def main(*, out: Path, interval_s: int, batteries: int, json: bool) -> int:
    """Run the chain in `out`; the exit status: 0 if the sums agree and each slot that can be is in its band.

    `json`: stdout gets the summary and nothing else. Raises SettingsError for what cannot be shown.
    """
    check_interval(interval_s)
    built = plant(batteries, interval_s)
    make_room(out, LEFT)
    (out / EDGES).mkdir(exist_ok=True)
    screen = Screen(quiet=json)
    run = _run(out, built, screen)
    if isinstance(run, int):
        return run
    made = summary(run.told, built, run.ac, run.ras)
    (out / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    draw(made, run.told, run.power, out / "chain.png")
    return _closed(made, screen, out, json=json)


def check_interval(interval_s: int) -> None:
    """Raise SettingsError for an interval that the chain cannot show."""
    if not SHORTEST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
        raise SettingsError(
            f"an interval of {interval_s} s cannot be shown; give {SHORTEST_INTERVAL_S} to {LONGEST_INTERVAL_S}"
        )


def _run(out: Path, built: Plant, screen: Screen) -> Run | int:
    """What happened, or the exit status if that cannot be told."""

    async def performed() -> Run:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGHUP):
            if task is not None:
                loop.add_signal_handler(number, task.cancel)
        return await perform(out, built, screen)

    try:
        return asyncio.run(performed())
    except EdgeDied as error:
        screen.say(error.tail)
        screen.say(f"! {error}", "bold red")
        return 1
    except (Failed, TransportError) as error:
        screen.say(f"! {error}", "bold red")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        screen.say("! interrupted; all nodes were ended")
        return INTERRUPTED


async def perform(out: Path, built: Plant, screen: Screen) -> Run:
    """From the certificates to what the nodes left in their stores. Raises Failed, EdgeDied, and what a VTN raises."""
    clock = SystemClock()
    async with running(out, built, clock, screen) as site:
        with screen.live():
            story = Story(site, built, clock, screen)
            told = await unless(story.tell(), story.watch(), death(site.rest))
    screen.say("over          all nodes have ended; what they recorded is compared, tier by tier")
    asked = slots(told)
    tiers: list[Tier] = []
    found: dict[str, Power] = {}
    for name, event_id in ((AC, EVENT), *((name, BELOW_AC) for name in RAS)):
        store = await open_store(f"sqlite:{out / name}.sqlite")
        try:
            tiers.append(await tier(store, name, event_id, asked))
            for ra in built.ras:
                if ra.name == name:
                    found[name] = await power(store, ra, told.order)
        finally:
            await store.close()
    return Run(told=told, ac=tiers[0], ras=tuple(tiers[1:]), power=found)


def _closed(made: Summary, screen: Screen, out: Path, *, json: bool) -> int:
    screen.put(table(made))
    screen.say(f"results       {out / 'summary.json'}, {out / 'chain.png'}")
    if json:
        sys.stdout.write((out / "summary.json").read_text("utf-8"))
    if made.missing:
        screen.say(f"! {made.missing}", "bold red")
        return 1
    can_be = [link for link in made.hops if link.feasible]
    screen.say(
        f"the sums agree to the watt at each tier, {len(can_be)} of {len(made.hops)} slots could be in ±10 % and are",
        "bold green",
    )
    return 0
