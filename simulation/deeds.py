"""What people and machines do: operators at both ends, devices that fail, nodes that die, clocks that are set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from msgspec.structs import replace

from openadr_ra.errors import OadrError
from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol import opt as opts
from openadr_ra.protocol.instruction import Ask, Instruction
from openadr_ra.protocol.model import (
    ALWAYS,
    NEVER,
    OPT_IN,
    OPT_OUT,
    EventId,
    MarketContext,
    OptId,
    Period,
    QualifiedEventId,
    ReportRequestId,
    Rid,
    SpecifierId,
)
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.opt import SCHEDULED, Opt
from openadr_ra.protocol.parts import ReportRequest, SpecifierPayload
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import AskReports, EndRegistration, Outcome, Reregister, StopReports
from openadr_ra.protocol.times import Duration, duration
from openadr_ra.protocol.ven import Chosen, Declared, Input, Left, Renewed, Retracted
from openadr_ra.run.availability import qualified
from simulation.network import Network
from simulation.site import OFFER, WIDER, Mood
from simulation.stage import Stage
from simulation.timeline import MINUTE, SECOND
from simulation.vtn_side import VtnSide
from simulation.world import Link, World

AWAY = OptId("away")


class Deeds:
    """One world's. Each deed picks whom it concerns by the dice, and does nothing where there is nothing to be done."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._stage: Stage = world.stage
        self._network: Network = world.network
        self._dice = world.stage.dice
        # Below the top of a chain the fleets give the orders.
        self._vtn: VtnSide = world.links[0].vtn
        self._asked = tuple(link.ven_id for link in world.links if link.vtn is self._vtn)
        self._count = 0
        self._orders: list[EventId] = []

    def all(self) -> tuple[tuple[int, Callable[[], None]], ...]:
        """What may be done, and how often beside the others."""
        usual: tuple[tuple[int, Callable[[], None]], ...] = (
            (10, self.publish),
            (6, self.change),
            (5, self.cancel),
            (7, self.opt),
            (2, self.opt_with_reason),
            (2, self.retract),
            (3, self.declare),
            (2, self.register_again),
            (1, self.end_registration),
            (2, self.ask),
            (2, self.stop),
            (2, self.renew),
            (1, self.leave),
            (4, self.cut),
            (3, self.kill),
            (3, self.set_clock),
        )
        if self.world.links[-1].site is not None:
            return (*usual, (4, self.moods), (3, self.offers))
        return (*usual, (5, self.device_fails))

    def _link(self) -> Link:
        return self._dice.choice(self.world.links)

    def _name(self) -> str:
        self._count += 1
        return str(self._count)

    # The operator of the VTN.

    def publish(self) -> None:
        """An event of one to four intervals for some of the VENs."""
        name = EventId(f"E{self._name()}")
        order = self._order(name)
        if self._does("publish", lambda: self._vtn.instruct(order, lambda held: self._published(held, order))):
            self._orders.append(name)

    def _published(self, held: Instruction | None, order: Instruction) -> Outcome[Instruction]:
        return instructions.publish(held, order, self._vtn.node.clock.now(), "operator")

    def _order(self, name: EventId) -> Instruction:
        dice = self._dice
        vens = dice.sample(self._asked, dice.randint(1, len(self._asked)))
        count = dice.randint(1, 4)
        start = self._vtn.node.clock.now() + timedelta(seconds=dice.randint(-60, 2400))
        return Instruction(
            id=name,
            start=start.replace(microsecond=0),
            every=timedelta(minutes=dice.choice((2, 5, 10, 30))),
            asks={ven: Ask(values=tuple(float(dice.randint(-5, 5)) for _ in range(count))) for ven in vens},
            market_context=MarketContext(Token(f"http://simulation.invalid/{name}")),
            response_required=ALWAYS if dice.random() < 0.85 else NEVER,
            priority=dice.choice((None, 1, 2)),
        )

    def change(self) -> None:
        """Another time, other values, perhaps for others."""
        if not self._orders:
            return
        name = self._dice.choice(self._orders)
        order = self._order(name)
        held = self._vtn.event(name)
        if held is None or held.cancelled:
            return
        edit = replace(order, market_context=held.market_context)
        if self._dice.random() < 0.5:
            edit = replace(edit, start=held.start)
        self._does(
            "change",
            lambda: self._vtn.instruct(
                edit,
                lambda now_held: instructions.change(now_held, name, edit, self._vtn.node.clock.now(), "operator"),
            ),
        )

    def cancel(self) -> None:
        if not self._orders:
            return
        name = self._dice.choice(self._orders)
        self._does(
            "cancel",
            lambda: self._vtn.order(
                name, lambda held: instructions.cancel(held, name, self._vtn.node.clock.now(), "operator")
            ),
        )

    def _does(self, what: str, deed: Callable[[], None]) -> bool:
        """Whether it was done: a node that is down does nothing, and what is refused is not done."""
        node = self._vtn.node
        if not node.up:
            return False
        self._stage.tell(node.name, f"! operator: {what}")
        self._stage.counts["orders at VTNs"] += 1
        finished: list[bool] = []

        def doing() -> None:
            try:
                deed()
            except OadrError as error:
                self._stage.tell(node.name, f"! refused: {error}")
                return
            finished.append(True)

        node.doing(doing)
        return bool(finished) or not node.up

    def _says(self, what: str, link: Link, *letters: AskReports | StopReports | Reregister | EndRegistration) -> None:
        node = link.vtn.node
        self._stage.tell(node.name, f"! operator: {what} {link.ven_id}")
        self._stage.counts["orders at VTNs"] += 1
        for letter in letters:
            node.doing(partial(link.vtn.says, link.ven_id, letter))

    def register_again(self) -> None:
        self._says("have registered again", self._link(), Reregister())

    def end_registration(self) -> None:
        self._says("end the registration of", self._link(), EndRegistration())

    def ask(self) -> None:
        """The METADATA once more, or values of a resource for a while."""
        link = self._link()
        held = link.vtn.party(link.ven_id)
        offered = held.reports.offered if held is not None else ()
        name = ReportRequestId(f"ask{self._name()}")
        if not offered or self._dice.random() < 0.3:
            request = ReportRequest(
                id=name, specifier_id=SpecifierId("METADATA"), points=(SpecifierPayload(rid=Rid("0")),)
            )
        else:
            report = self._dice.choice(offered)
            if report.specifier_id not in ("usage", "status") or not report.descriptions:
                return
            point = self._dice.choice(report.descriptions)
            minutes = duration(timedelta(minutes=self._dice.choice((1, 5, 10))))
            now = link.vtn.node.clock.now().replace(microsecond=0)
            request = ReportRequest(
                id=name,
                specifier_id=report.specifier_id,
                granularity=minutes,
                report_back=minutes,
                interval=Period(start=now, duration=Duration(seconds=self._dice.choice((0, 3600)))),
                points=(SpecifierPayload(rid=point.rid),),
            )
        self._says("ask for reports of", link, AskReports(requests=(request,)))

    def stop(self) -> None:
        link = self._link()
        held = link.vtn.party(link.ven_id)
        if held is None:
            return
        names = [name for name, item in held.reports.requests.items() if not item.standing and not item.served]
        if names:
            follow = self._dice.random() < 0.5
            self._says("stop reports of", link, StopReports(ids=(self._dice.choice(names),), to_follow=follow))

    # The operator of a VEN, and what stands behind it.

    def _ven(self, what: str, link: Link, given: Input) -> None:
        node = link.ven.node
        if not node.up:
            return
        self._stage.tell(node.name, f"! operator: {what}")
        self._stage.counts["orders at VENs"] += 1

        def doing() -> None:
            try:
                link.ven.row.order(given)
            except OadrError as error:
                self._stage.tell(node.name, f"! refused: {error}")

        node.doing(doing)

    def _known(self, link: Link) -> tuple[EndNode, EventId | None]:
        state = link.ven.state()
        names = tuple(state.agenda)
        return state, self._dice.choice(names) if names else None

    def opt(self) -> None:
        """A word on an event, or the word taken back."""
        link = self._link()
        _, name = self._known(link)
        if name is not None:
            word = self._dice.choice((OPT_OUT, OPT_OUT, OPT_IN, None))
            self._ven(f"{word or 'no word'} on {name}", link, Chosen(event_id=name, opt=word, by="operator"))

    def opt_with_reason(self) -> None:
        """By oadrCreateOpt."""
        link = self._link()
        state, name = self._known(link)
        if name is None or state.agenda[name].unanswered:
            return
        version = QualifiedEventId(event_id=name, modification=state.agenda[name].event.modification)
        word = self._dice.choice((OPT_OUT, OPT_IN))
        now = link.ven.node.clock.now()
        made = qualified(OptId(f"opt{self._name()}"), word, version, reason="economic", now=now)
        self._ven(f"{word} with a reason on {name}", link, Declared(opt=made))

    def retract(self) -> None:
        link = self._link()
        names = tuple(link.ven.state().opts)
        if names:
            self._ven("take an opt back", link, Retracted(opt_id=self._dice.choice(names)))

    def declare(self) -> None:
        """Not available for a while, or so after all."""
        link = self._link()
        now = link.ven.node.clock.now()
        start = now.replace(microsecond=0) + timedelta(minutes=self._dice.randint(0, 40))
        period = opts.period(start, timedelta(minutes=self._dice.choice((10, 30, 60))))
        word = self._dice.choice((OPT_OUT, OPT_OUT, OPT_IN))
        name = self._dice.choice((AWAY, OptId(f"away{self._name()}")))
        made = Opt(id=name, opt=word, reason=SCHEDULED, created=now, periods=(period,))
        self._ven(f"declare {word}", link, Declared(opt=made))

    def renew(self) -> None:
        self._ven("register again", self._link(), Renewed())

    def leave(self) -> None:
        self._ven("leave", self._link(), Left())

    def moods(self) -> None:
        """The site has to give up what it promised, or can do it again."""
        link = self._link()
        site = link.site
        if site is not None:
            unwilling = self._dice.random() < 0.5
            self._stage.tell(link.ven_id, f"! the site is {'unwilling' if unwilling else 'willing'}")
            site.node.doing(lambda: site.row.order(Mood(unwilling=unwilling)))

    def offers(self) -> None:
        """There are more devices, or fewer."""
        link = self._link()
        site = link.site
        if site is not None:
            offer = OFFER if self._dice.random() < 0.5 else WIDER
            self._stage.tell(link.ven_id, f"! {len(offer.usage)} points on offer")
            site.node.doing(lambda: site.offers(offer))

    def device_fails(self) -> None:
        """It is out of reach, or is there again."""
        link = self._link()
        if link.fleet is not None and link.fleet.devices:
            device = self._dice.choice(tuple(link.fleet.devices.values()))
            device.online = not device.online
            self._stage.counts["device failures"] += 1
            self._stage.tell(link.ven_id, f"# {device.name} is {'there again' if device.online else 'out of reach'}")

    # The world.

    def cut(self) -> None:
        """A VEN, or a VTN, is out of reach for a while."""
        node = self._dice.choice(self.world.nodes)
        self._network.cut(node.name, self._dice.choice((0.5, 2, 10, 25)))

    def kill(self) -> None:
        self._dice.choice(self.world.nodes).crash()

    def set_clock(self) -> None:
        """By a little, or by minutes."""
        node = self._dice.choice(self.world.nodes)
        most = self._dice.choice((2 * SECOND, 5 * MINUTE))
        node.steps_clock(self._stage.within(-most, most))


def renew_ended(world: World) -> None:
    """Whose registration was ended by an order is told to register again."""
    for link in world.links:
        if link.ven.state().member.phase == "ended":
            link.ven.node.doing(partial(link.ven.row.order, Renewed()))


def heal(world: World) -> None:
    """All that failed is there again."""
    world.network.cuts.clear()
    for link in world.links:
        for device in link.fleet.devices.values() if link.fleet is not None else ():
            device.online = True
    for node in world.nodes:
        node.start()
