"""One seed: a world, a random schedule of deeds and faults in it, a quiet phase, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from openadr_ra.store.memory import MemoryStore
from simulation.build import Kind, world
from simulation.deeds import Deeds, heal, renew_ended
from simulation.invariants import CHECKS
from simulation.stage import NO_FAULTS, Faults, Stage
from simulation.timeline import HOUR, MINUTE
from simulation.transcript import Transcript, changes
from simulation.world import Broken, Checks, World

LEVELS = (
    NO_FAULTS,
    Faults(lost=0.01, answer_lost=0.01, twice=0.01, slow=0.01, crash=0.0005),
    Faults(lost=0.05, answer_lost=0.05, twice=0.05, slow=0.05, crash=0.002),
    Faults(lost=0.2, answer_lost=0.2, twice=0.1, slow=0.1, crash=0.01),
)
"""How bad a world is: nothing goes wrong by itself, a good network, a bad one, hardly any."""

STORMS = (HOUR / 4, HOUR / 2, HOUR)
REST = (4 * HOUR, 8 * HOUR, 16 * HOUR)
"""How long deeds and faults go on, and how long it is quiet afterwards."""

WIRED = 100
"""Every so many-th message goes as bytes through the codec and the schema."""

CALM = timedelta(minutes=12)
"""How long the quiet phase is beside what follows from clocks and polls."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a seed. `broken` is the sentence of the invariant that failed, "" where all held."""

    seed: int
    kind: Kind
    broken: str = ""
    where: str = ""
    why: str = ""
    counts: dict[str, int] = {}
    digest: str = ""
    lines: tuple[str, ...] = ()


Spoil = Callable[[World], None]
"""Plants a fault into a world that has not begun."""


def kind_of(seed: int) -> Kind:
    """What a seed simulates: mostly the protocol, now and then fleets and chains, which cost more."""
    if seed % 100 == 7:
        return "chain"
    return "fleet" if seed % 25 == 3 else "protocol"


def run(
    seed: int,
    *,
    kind: Kind | None = None,
    written: bool = False,
    wired: int = WIRED,
    checks: Checks = CHECKS,
    store: type[MemoryStore] = MemoryStore,
    spoil: Spoil | None = None,
) -> Result:
    """Simulate `seed`, `written` down or not: the outcome is the same."""
    transcript = Transcript() if written else None
    stage = Stage(seed) if transcript is None else Stage(seed, transcript.note, changes)
    if transcript is not None:
        transcript.times(stage.timeline)
    chosen = kind or kind_of(seed)
    made = world(chosen, stage, checks, wired, store)
    if spoil is not None:
        spoil(made)
    broken: Broken | None = None
    try:
        _play(made, chosen)
    except Broken as error:
        broken = error
    lines = transcript.shortened(_concerned(made, broken)) if transcript is not None else ()
    return Result(
        seed=seed,
        kind=chosen,
        broken=broken.name if broken is not None else "",
        where=broken.node if broken is not None else "",
        why=str(broken) if broken is not None else "",
        counts=dict(sorted(stage.counts.items())),
        digest=transcript.digest if transcript is not None else "",
        lines=tuple(map(str, lines)),
    )


def _concerned(made: World, broken: Broken | None) -> set[str]:
    """The nodes that a reader has to know of: where it failed and the other end of that, else all."""
    nodes = {node.name for node in made.nodes}
    if broken is None or broken.node not in nodes:
        return nodes
    ends = [{link.vtn.node.name, link.ven_id} for link in made.links]
    near = [names for names in ends if broken.node in names]
    # Of a VTN's failure any of its VENs may be the reason.
    return set().union(*near)


def _play(made: World, kind: Kind) -> None:
    """Faults and deeds; then quiet, after which both ends agree; then a long time in which little happens. Raises Broken."""
    stage, dice = made.stage, made.stage.dice
    stormy, most, after = (dice.choice(STORMS), 25, dice.choice(REST)) if kind == "protocol" else (HOUR, 12, HOUR / 4)
    if made.links[0].vtn.terms.hold_s:
        after = HOUR / 2
    deeds = Deeds(made)
    known = deeds.all()
    level = dice.choice(LEVELS)
    made.start()
    stage.faults = level
    for _ in range(dice.randint(3, most)):
        (deed,) = dice.choices([each for _, each in known], [weight for weight, _ in known])
        stage.timeline.deed(stage.timeline.now + dice.random() * stormy, deed)
    made.run(stormy)
    stage.faults = NO_FAULTS
    heal(made)
    renew_ended(made)
    made.run(_calm(made))
    made.check_quiet()
    made.run(after)
    made.check_quiet()


def _calm(made: World) -> timedelta:
    """Two retries of the VTN, and as much as a clock that was set back stands still for whoever waits."""
    poll_s = max(link.vtn.terms.poll_s for link in made.links)
    offsets = [node.clock.offset for node in made.nodes]
    return CALM + 4 * timedelta(seconds=poll_s) + 2 * max(abs(offset) for offset in offsets) + 2 * MINUTE
