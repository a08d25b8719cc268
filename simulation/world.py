"""A simulated world: its nodes, who talks to whom, and what was seen of it so far."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from openadr_ra.protocol.messages import CreatedEvent
from openadr_ra.protocol.model import CANCELLED, EventId, OptType, RegistrationId, VenId
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.step import AnyLetter, Key
from openadr_ra.protocol.ven import Answered, Chosen, Declared, Retracted
from openadr_ra.protocol.vtn import Party
from openadr_ra.seams import Store
from simulation.fleet_side import FleetSide
from simulation.network import Network
from simulation.node import Node
from simulation.site import SiteSide
from simulation.stage import Acknowledged, Sight, Stage, Told, Watcher
from simulation.timeline import NoProgress
from simulation.ven_side import VenSide
from simulation.vtn_side import VtnSide


class Link(NamedTuple):
    """A VEN and its VTN; behind the VEN there is a site, or a fleet."""

    vtn: VtnSide
    ven: VenSide
    ven_id: VenId
    site: SiteSide | None = None
    fleet: FleetSide | None = None


class Broken(Exception):
    """An invariant does not hold. `name` is its sentence, `node` where it was seen."""

    def __init__(self, name: str, node: str, why: str) -> None:
        super().__init__(f"{name}: {node}: {why}")
        self.name = name
        self.node = node


StepCheck = Callable[["Ledger", Sight, Store], str | None]
ReplyCheck = Callable[["Ledger", Acknowledged, Store], str | None]
OrderCheck = Callable[["Ledger", Told], str | None]
DriftCheck = Callable[["Ledger", timedelta], str | None]
QuietCheck = Callable[["World"], tuple[tuple[str, str], ...]]
"""Nodes, and what is wrong there."""


class Checks(NamedTuple):
    """The invariants, by when they are looked at."""

    steps: tuple[StepCheck, ...] = ()
    replies: tuple[ReplyCheck, ...] = ()
    orders: tuple[OrderCheck, ...] = ()
    drifts: tuple[DriftCheck, ...] = ()
    quiet: tuple[QuietCheck, ...] = ()


def sentence(check: Callable[..., object]) -> str:
    """An invariant's name as it reads."""
    return str(getattr(check, "__name__", check)).replace("_", " ")


def every_sentence(checks: Checks) -> set[str]:
    """All names."""
    found: set[str] = set()
    for group in (checks.steps, checks.replies, checks.orders, checks.drifts, checks.quiet):
        found |= {sentence(check) for check in group}
    return found


class Ledger(Watcher):
    """What was seen, as far as an invariant has to remember it; asks the invariants, then notes what is new.

    `mail` waits at a node for a row. `held` are the versions that a VEN had at some time, `highest` the newest of each.
    `words` are what operators of VENs said last of events, `over` the events whose cancellation a VEN has acknowledged.
    `published` has the modification of each event that its operator was told is taken, `readings` what was acknowledged,
    `registered` the registrations that parties had.
    """

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        self.mail: dict[tuple[str, Key], list[AnyLetter]] = {}
        self.held: set[tuple[str, EventId, int]] = set()
        self.highest: dict[tuple[str, EventId], int] = {}
        self.words: dict[tuple[str, EventId], OptType | None] = {}
        self.over: set[tuple[str, EventId]] = set()
        self.published: dict[tuple[str, EventId], int] = {}
        self.opts: set[tuple[str, str, EventId, int, OptType]] = set()
        self.readings: dict[str, set[tuple[str, datetime, timedelta]]] = {}
        self.registered: dict[tuple[str, Key], list[RegistrationId]] = {}
        self.lease = timedelta(minutes=1)

    def saw_step(self, sight: Sight, store: Store) -> None:
        for check in self.checks.steps:
            why = check(self, sight, store)
            if why is not None:
                raise Broken(sentence(check), sight.node, why)
        if sight.letters:
            self.mail.pop((sight.node, sight.key), None)
        for item in sight.outcome.mail:
            self.mail.setdefault((sight.node, item.to), []).append(item.body)
        after = sight.outcome.state
        if after is sight.before:
            return
        if isinstance(after, EndNode):
            self._note_ven(sight, after)
        elif isinstance(after, Party) and after.registration is not None:
            ids = self.registered.setdefault((sight.node, sight.key), [])
            if after.registration.id not in ids:
                ids.append(after.registration.id)

    def _note_ven(self, sight: Sight, after: EndNode) -> None:
        before = sight.before if isinstance(sight.before, EndNode) else None
        node = sight.node
        if before is None or after.agenda is not before.agenda:
            for name, item in after.agenda.items():
                self.held.add((node, name, item.event.modification))
                self.highest[node, name] = item.event.modification
                if item.event.status != CANCELLED:
                    # Whom an operator leaves out and then asks again has another version of the same event.
                    self.over.discard((node, name))
        if before is None:
            return
        anew = before.member.registration_id != after.member.registration_id
        for key in [key for key in self.words if key[0] == node and (anew or key[1] not in after.agenda)]:
            del self.words[key]
        for given in sight.inputs:
            self._note_input(node, given, before)

    def _note_input(self, node: str, given: object, before: EndNode) -> None:
        match given:
            case Answered(request=CreatedEvent(responses=responses)):
                for item in responses:
                    known = before.agenda.get(item.event.event_id)
                    if known is not None and known.event.status == CANCELLED:
                        self.over.add((node, item.event.event_id))
            case Chosen(event_id=name, opt=opt):
                self._note_word(node, name, opt, before)
            case Declared(opt=item) if item.event is not None:
                self._note_word(node, item.event.event_id, item.opt, before)
            case Retracted(opt_id=opt_id) if opt_id in before.opts:
                gone = before.opts[opt_id].event
                if gone is not None:
                    self._note_word(node, gone.event_id, None, before)

    def _note_word(self, node: str, name: EventId, opt: OptType | None, before: EndNode) -> None:
        """There is no word on an event that is unknown, bad or cancelled."""
        known = before.agenda.get(name)
        if known is not None and not known.refused and known.event.status != CANCELLED:
            self.words[node, name] = opt

    def saw_reply(self, seen: Acknowledged, store: Store) -> None:
        for check in self.checks.replies:
            why = check(self, seen, store)
            if why is not None:
                raise Broken(sentence(check), seen.node, why)

    def saw_order(self, told: Told) -> None:
        for check in self.checks.orders:
            why = check(self, told)
            if why is not None:
                raise Broken(sentence(check), told.node, why)

    def saw_drift(self, node: str, resource: str, late: timedelta) -> None:
        for check in self.checks.drifts:
            why = check(self, late)
            if why is not None:
                raise Broken(sentence(check), node, f"{resource} {why}")


class World:
    """All of one simulation. `links` are the pairs of VTN and VEN that have to agree in the end."""

    def __init__(self, stage: Stage, network: Network, ledger: Ledger, links: tuple[Link, ...]) -> None:
        self.stage = stage
        self.network = network
        self.ledger = ledger
        self.links = links
        stage.watcher = ledger

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Each once."""
        named = {side.node.name: side.node for link in self.links for side in (link.vtn, link.ven)}
        return tuple(named.values())

    def start(self) -> None:
        for node in self.nodes:
            node.start()

    def run(self, length: timedelta) -> None:
        """Time passes. Raises Broken."""
        try:
            self.stage.timeline.run(self.stage.timeline.now + length)
        except NoProgress as error:
            raise Broken("time goes on", "all", str(error)) from error
        self.stage.counts["VEN seconds"] += len(self.links) * int(length.total_seconds())

    def check_quiet(self) -> None:
        """Both ends agree, now that all has been quiet for a while. Raises Broken."""
        for check in self.ledger.checks.quiet:
            for node, why in check(self):
                raise Broken(sentence(check), node, why)
