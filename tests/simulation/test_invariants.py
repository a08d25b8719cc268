"""Each invariant can fail: a flaw is planted, and exactly the sentence that it breaks is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import Fleet
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.messages import CreateOpt, Message, UpdateReport
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, OptId, RegistrationId
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.opt import SCHEDULED, Opt, period
from openadr_ra.protocol.step import Apply, Outcome, Record, Release, State
from openadr_ra.protocol.times import FOREVER
from openadr_ra.protocol.ven import Declared
from openadr_ra.protocol.vtn import Party
from simulation.invariants import CHECKS
from simulation.network import Place, Reply
from simulation.site import Site
from simulation.timeline import HOUR, MINUTE, SECOND, done
from simulation.world import every_sentence, sentence
from tests.simulation.plants import (
    Played,
    Repeating,
    Spoiled,
    at_the_ven,
    at_the_vtn,
    broken,
    forgotten,
    usual,
    with_entries,
)

Plant = Callable[[], str]

PLANTS: dict[str, Plant] = {}
"""By the sentence of the invariant that is to fail."""


def breaks(plant: Plant) -> Plant:
    """The function's name is the invariant's; what it returns is the one that failed."""
    PLANTS[sentence(plant)] = plant
    return plant


def on_the_way(edit: Callable[[Message], Message | None]) -> Played:
    """A world whose network changes what is said to the VTN, or (None) swallows it."""
    made = Played()
    place = made.world.network.places["VTN"]

    def serve(message: Message, wait_s: int, reply: Reply) -> None:
        edited = edit(message)
        if edited is not None:
            place.serve(edited, wait_s, reply)

    made.world.network.places["VTN"] = Place(place.node, serve)
    return made


@breaks
def mail_is_applied_once_and_in_sequence() -> str:
    made = Played()
    made.link.ven.node.store = Repeating()
    return broken(lambda: usual(made))


@breaks
def modification_numbers_never_go_down_at_a_ven() -> str:
    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        node = outcome.state
        if not isinstance(node, EndNode) or not isinstance(before, EndNode):
            return outcome
        old = {
            name: replace(item, event=replace(item.event, modification=0), answered=0)
            for name, item in node.agenda.items()
            if name in before.agenda and before.agenda[name].event.modification == 1
        }
        return replace(outcome, state=replace(node, agenda=node.agenda | old)) if old else outcome

    return at_the_ven(alter)


@breaks
def an_answer_counts_only_for_a_version_that_the_ven_held() -> str:
    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        party = outcome.state
        if not isinstance(party, Party):
            return outcome
        hasty = {
            name: replace(item, answered=item.event.modification, opt=OPT_IN)
            for name, item in party.events.items()
            if item.answered < 0
        }
        return replace(outcome, state=replace(party, events=party.events | hasty)) if hasty else outcome

    return at_the_vtn(alter)


@breaks
def a_cancelled_event_is_not_followed_once_that_is_acknowledged() -> str:
    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        site = outcome.state
        if not isinstance(site, Site) or not isinstance(before, Site):
            return outcome
        return replace(outcome, state=replace(site, promised=before.promised | site.promised))

    return at_the_ven(alter)


@breaks
def a_device_gets_no_set_point_of_an_event_whose_cancellation_is_acknowledged() -> str:
    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        mail = tuple(item for item in outcome.mail if not isinstance(item.body, Release))
        return replace(outcome, mail=mail)

    return at_the_ven(alter, Played("fleet"))


def longer(by: timedelta, which: Callable[[Apply, Fleet], bool]) -> str:
    """Leases that are longer than the fleet made them."""

    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        fleet = outcome.state
        if not isinstance(fleet, Fleet):
            return outcome
        effects = tuple(
            replace(effect, lease_until=effect.lease_until + by)
            if isinstance(effect, Apply) and effect.kw is not None and which(effect, fleet)
            else effect
            for effect in outcome.effects
        )
        return replace(outcome, effects=effects)

    return at_the_ven(alter, Played("fleet"))


@breaks
def a_lease_is_no_longer_than_it_may_be() -> str:
    return longer(5 * MINUTE, lambda order, fleet: True)


@breaks
def a_lease_ends_with_what_was_promised() -> str:
    made = Played("fleet")

    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        fleet = outcome.state
        if not isinstance(fleet, Fleet) or not fleet.promises:
            return outcome
        ends = fleet.promises[0].until + SECOND
        effects = tuple(
            replace(effect, lease_until=ends + 15 * SECOND)
            if isinstance(effect, Apply) and effect.kw is not None and effect.lease_until == ends
            else effect
            for effect in outcome.effects
        )
        return replace(outcome, effects=effects)

    made.link.ven.node.store = Spoiled(alter)

    def play() -> None:
        made.starts()
        made.publishes(made.order(length=10 * MINUTE))
        made.passes(HOUR)

    return broken(play)


@breaks
def no_device_holds_a_set_point_beyond_its_lease() -> str:
    made = Played("fleet")

    def play() -> None:
        made.starts()
        for device in made.link.fleet.devices.values() if made.link.fleet is not None else ():
            device.deaf = True
        made.publishes(made.order())
        made.passes(5 * MINUTE)
        while made.link.ven.node.up:
            made.link.ven.node.crash()
            made.passes(5 * MINUTE)
            made.link.ven.node.crash()

    return broken(play)


@breaks
def an_acknowledged_registration_is_in_the_store() -> str:
    return forgotten(
        lambda before, outcome: (
            isinstance(outcome.state, Party)
            and outcome.state.registration is not None
            and isinstance(before, Party)
            and before.registration is None
        )
    )


@breaks
def an_acknowledged_opt_is_in_the_store() -> str:
    return forgotten(
        lambda before, outcome: (
            isinstance(outcome.state, Party)
            and isinstance(before, Party)
            and any(
                item.answered > before.events[name].answered
                for name, item in outcome.state.events.items()
                if name in before.events
            )
        )
    )


@breaks
def an_acknowledged_reading_is_in_the_store_exactly_once() -> str:
    return forgotten(
        lambda before, outcome: (
            isinstance(outcome.state, Party)
            and any(isinstance(effect, Record) and effect.readings for effect in outcome.effects)
        )
    )


@breaks
def an_acknowledged_event_is_in_the_store() -> str:
    return forgotten(lambda before, outcome: isinstance(outcome.state, Instruction))


@breaks
def every_ven_has_returned_by_itself() -> str:
    made = Played()
    made.world.network.cut(made.link.ven_id, 10_000)
    return broken(lambda: usual(made))


@breaks
def both_ends_agree_on_registrations() -> str:
    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        node = outcome.state
        if not isinstance(node, EndNode) or node.member.registration_id is None:
            return outcome
        other = replace(node.member, registration_id=RegistrationId("another"))
        return replace(outcome, state=replace(node, member=other))

    return at_the_ven(alter)


@breaks
def both_ends_agree_on_events() -> str:
    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        node = outcome.state
        return replace(outcome, state=replace(node, agenda={})) if isinstance(node, EndNode) else outcome

    return at_the_ven(alter)


@breaks
def no_opt_is_lost() -> str:
    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        party = outcome.state
        if not isinstance(party, Party):
            return outcome
        flipped = {name: replace(item, opt=OPT_OUT) for name, item in party.events.items() if item.answered >= 0}
        return replace(outcome, state=replace(party, events=party.events | flipped)) if flipped else outcome

    return at_the_vtn(alter)


@breaks
def both_ends_agree_on_report_requests() -> str:
    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        node = outcome.state
        if not isinstance(node, EndNode):
            return outcome
        return replace(outcome, state=replace(node, producer=replace(node.producer, requests={})))

    return at_the_ven(alter)


@breaks
def nothing_is_owed_any_more() -> str:
    made = on_the_way(lambda message: None if isinstance(message, CreateOpt) else message)

    def play() -> None:
        made.starts()
        now = made.link.ven.node.clock.now()
        away = Opt(
            id=OptId("away"), opt=OPT_OUT, reason=SCHEDULED, created=now, periods=(period(now + 90 * HOUR, HOUR),)
        )
        made.link.ven.row.order(Declared(opt=away))
        made.passes(HOUR)
        made.world.check_quiet()

    return broken(play)


@breaks
def every_acknowledged_event_is_in_the_store_exactly_once() -> str:
    return at_the_vtn(lambda before, outcome: with_entries(outcome, {"published": 2}))


@breaks
def every_acknowledged_opt_is_in_the_journal() -> str:
    return at_the_vtn(lambda before, outcome: with_entries(outcome, {"optIn": 0}))


@breaks
def every_acknowledged_reading_is_still_in_the_store() -> str:
    made = Played()

    def play() -> None:
        made.starts()
        made.passes(2 * HOUR)
        store = made.link.vtn.node.store
        series = done(store.series(f"{made.link.ven_id}/"))
        done(store.forget(series, made.link.vtn.node.clock.now() - 90 * HOUR, FOREVER, 0, 1))
        made.world.check_quiet()

    return broken(play)


@breaks
def every_registration_is_in_the_journal_exactly_once() -> str:
    return at_the_vtn(lambda before, outcome: with_entries(outcome, {"registered": 0}))


@breaks
def every_slot_asked_for_is_stored_exactly_once_with_its_true_time() -> str:
    def late(message: Message) -> Message | None:
        if not isinstance(message, UpdateReport):
            return message
        reports = tuple(
            replace(
                report,
                start=None if report.start is None else report.start + MINUTE,
                intervals=tuple(
                    replace(each, start=None if each.start is None else each.start + MINUTE)
                    for each in report.intervals
                ),
            )
            for report in message.reports
        )
        return replace(message, reports=reports)

    made = on_the_way(late)
    return broken(lambda: usual(made))


@pytest.mark.parametrize("name", PLANTS)
def test_each_invariant_can_fail_and_it_alone_is_told(name: str) -> None:
    assert PLANTS[name]() == name


def test_there_is_a_flaw_for_each_invariant() -> None:
    assert every_sentence(CHECKS) == set(PLANTS)
