"""Orders about a registration, over polls and posts, on good lines and bad ones; and what its data change."""

from __future__ import annotations

from itertools import repeat

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import (
    CancelPartyRegistration,
    CreatedPartyRegistration,
    CreateOpt,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    Poll,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
    UpdateReport,
)
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, OptId, RegistrationId, RequestId, VenId
from openadr_ra.protocol.node import Identity
from openadr_ra.protocol.opt import SCHEDULED, Opt, period
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.step import EndRegistration, Reregister
from openadr_ra.protocol.ven import Answered, Declared, Left
from openadr_ra.protocol.vtn import Party, quiet_until
from tests.duplex import PUSHED, Duplex
from tests.site import RELEASE
from tests.world import E1, HOUR, IDENTITY, MINUTE, NOON, SECOND, VEN1, Fate, code_of, distributed, event, shed

AWAY = Opt(id=OptId("o1"), opt=OPT_OUT, reason=SCHEDULED, created=NOON, periods=(period(NOON + 5 * HOUR, HOUR),))
BAD: tuple[Fate, ...] = ("carried", "request lost", "reply lost", "carried twice", "slow", "late", "crash")
each_way = pytest.mark.parametrize("way", [IDENTITY, PUSHED], ids=["pull", "push"])
each_fate = pytest.mark.parametrize("fate", BAD)


def registered(identity: Identity) -> Duplex:
    """A VEN in the middle of its life: an event, an opt, its reports."""
    pair = Duplex(identity=identity, now=NOON - 2 * MINUTE)
    pair.ven_starts()
    pair.vtn_publishes(shed(start=NOON - 30 * MINUTE))
    pair.ven_receives(Declared(opt=AWAY))
    pair.clock_reaches(NOON)
    return pair


def said(pair: Duplex, kind: type[Message], since: int) -> list[Message]:
    return [each.request for each in pair.said[since:] if isinstance(each.request, kind)]


def heard(pair: Duplex, kind: type[Message]) -> list[Message]:
    """What of that kind the VTN has said of its own accord, by poll or post."""
    polled = [each.reply for each in pair.said if isinstance(each.request, Poll)]
    return [each for each in (*polled, *(each.request for each in pair.pushes)) if isinstance(each, kind)]


def is_bad(pair: Duplex, fate: Fate) -> None:
    """The next messages of either end meet that fate."""
    pair.fates, pair.push_fates = iter([fate] * 3), iter([fate] * 3)


@each_way
@each_fate
def test_n1_0050_a_ven_that_is_asked_to_registers_again_with_unchanged_ids(way: Identity, fate: Fate) -> None:
    """Nothing else begins anew, on either side, however often something has to be repeated."""
    pair = registered(way)
    member, opts, since = pair.node.member, pair.party.opts, len(pair.said)
    requests = set(pair.party.reports.requests)
    is_bad(pair, fate)
    pair.vtn_takes(Reregister())
    pair.clock_reaches(pair.now + 3 * MINUTE)

    assert heard(pair, RequestReregistration)
    asked = [each for each in said(pair, CreatePartyRegistration, since) if isinstance(each, CreatePartyRegistration)]
    assert {(each.registration_id, each.ven_id) for each in asked} == {(member.registration_id, VEN1)}
    assert said(pair, RegisterReport, since) == []
    assert (pair.node.member, pair.party.opts, set(pair.party.reports.requests)) == (member, opts, requests)
    assert (pair.node.debts, pair.party.debts) == ((), ())
    assert pair.site.applied[0] == (NOON - 30 * MINUTE, -2.0)


@each_way
@each_fate
def test_n1_0040_a_registration_that_the_vtn_ends_is_over_at_both_ends(way: Identity, fate: Fate) -> None:
    """Events, opts and reports are void; what ran is released; nothing more is said but what confirms the end."""
    pair = registered(way)
    is_bad(pair, fate)
    pair.vtn_takes(EndRegistration())
    pair.clock_reaches(pair.now + 3 * MINUTE)

    assert heard(pair, CancelPartyRegistration)
    assert (pair.party.registration, pair.party.events, pair.party.opts, pair.party.debts) == (None, {}, {}, ())
    assert pair.party.reports.requests == {}
    assert pair.node.member.phase == "ended"
    assert (pair.node.agenda, pair.node.producer.requests, pair.node.debts) == ({}, {}, ())
    assert pair.site.applied[-1][1] == RELEASE
    assert pair.site.applied[-1][0] <= pair.now
    count, posts = len(pair.said), len(pair.pushes)
    pair.clock_reaches(pair.now + HOUR)
    assert (len(pair.said), len(pair.pushes)) == (count, posts)


@each_way
def test_a_ven_whose_registration_was_ended_registers_anew_when_it_is_started(way: Identity) -> None:
    """Under a new id; its schedules are declared again, and events that were published since are waiting."""
    pair = registered(way)
    old = pair.node.member.registration_id
    pair.vtn_takes(EndRegistration())
    pair.clock_reaches(pair.now + MINUTE)
    pair.vtn_publishes(shed("E2", start=NOON + 2 * HOUR))
    pair.restarts()
    pair.clock_reaches(pair.now + MINUTE)

    assert pair.node.member.registration_id not in (None, old)
    assert list(pair.party.opts) == ["o1"]
    assert {name: item.opt for name, item in pair.party.events.items()} == {"E2": OPT_IN}


def test_an_end_that_was_ordered_is_void_once_the_ven_has_registered_anew() -> None:
    """What was to end has ended."""
    pair = registered(IDENTITY)
    pair.vtn_takes(EndRegistration())
    pair.vtn_hears(CreatePartyRegistration(request_id=RequestId("anew"), ven_id=VEN1, pull=True))

    assert isinstance(pair.vtn_is_polled(), DistributeEvent)
    assert pair.party.registration is not None


def test_nothing_is_said_any_more_while_the_end_is_not_confirmed() -> None:
    """No event, no report request, no other order; and nothing is due before the end is told again."""
    pair = registered(IDENTITY)
    pair.vtn_takes(Reregister())
    pair.vtn_takes(EndRegistration())
    pair.vtn_publishes(shed("E2", start=NOON + 3 * HOUR))
    assert isinstance(pair.vtn_is_polled(), CancelPartyRegistration)

    assert isinstance(pair.vtn_is_polled(), Response)
    assert quiet_until(pair.party, pair.now, pair.terms) == pair.now + pair.terms.retry
    pair.now += pair.terms.retry
    assert [type(pair.vtn_is_polled()) for _ in range(2)] == [CancelPartyRegistration, Response]


def test_an_end_outlasts_a_re_registration() -> None:
    pair = registered(IDENTITY)
    pair.vtn_takes(EndRegistration())
    held = pair.node.member.registration_id
    pair.vtn_hears(CreatePartyRegistration(request_id=RequestId("again"), registration_id=held, ven_id=VEN1, pull=True))

    assert isinstance(pair.vtn_is_polled(), CancelPartyRegistration)


def test_rule_21_at_the_ven_an_order_for_another_ven_is_refused_and_not_followed() -> None:
    pair = registered(PUSHED)
    before = pair.node

    for message in (
        RequestReregistration(ven_id=VenId("ven1")),
        CancelPartyRegistration(
            request_id=RequestId("x"),
            registration_id=pair.node.member.registration_id or RegistrationId(""),
            ven_id=VenId("VEN2"),
        ),
    ):
        assert code_of(pair.ven_is_called(message)) == "452"
    assert pair.node == before


@pytest.mark.parametrize(
    "other",
    [
        replace(IDENTITY, ven_name="another"),
        PUSHED,
        replace(IDENTITY, report_only=True),
        replace(IDENTITY, xml_signature=True),
    ],
    ids=["its name", "where it listens", "what it takes", "how it signs"],
)
def test_a_ven_whose_registration_data_have_changed_registers_again_with_its_ids(other: Identity) -> None:
    pair = registered(IDENTITY)
    member, since = pair.node.member, len(pair.said)
    pair.restarts(other)
    pair.settles()

    (asked,) = (each for each in said(pair, CreatePartyRegistration, since))
    assert isinstance(asked, CreatePartyRegistration)
    assert (asked.registration_id, asked.ven_id) == (member.registration_id, VEN1)
    assert (asked.ven_name, asked.report_only, asked.xml_signature, asked.pull) == (
        other.ven_name, other.report_only, other.xml_signature, not other.push_address,
    )  # fmt: skip
    assert said(pair, RegisterReport, since) == []
    assert pair.party.registration is not None
    assert pair.party.registration.id == member.registration_id


def test_a_ven_whose_registration_data_are_as_they_were_does_not_register_again() -> None:
    pair = registered(IDENTITY)
    since = len(pair.said)
    pair.restarts(replace(IDENTITY, hold=False, groups=("north",)))
    pair.clock_reaches(pair.now + MINUTE)

    assert said(pair, CreatePartyRegistration, since) == []


@pytest.mark.parametrize(
    ("pull", "address", "code"),
    [
        (True, None, "200"), (False, "https://ven.example", "200"),
        (None, None, "454"), (None, "https://ven.example", "454"), (False, None, "454"), (False, "", "454"),
    ],
)  # fmt: skip
def test_x_reg_1_at_the_vtn_a_registration_says_whether_it_polls_and_else_its_address(
    pull: bool | None, address: str | None, code: str
) -> None:
    pair = Duplex()
    reply = pair.vtn_hears(CreatePartyRegistration(request_id=RequestId("c"), ven_id=VEN1, pull=pull, address=address))

    assert isinstance(reply, CreatedPartyRegistration)
    assert code_of(reply) == code
    assert (pair.party.registration is not None) is (code == "200")
    assert pair.party.pushed is (code == "200" and pull is False)


def test_x_poll_1_at_the_ven_a_vtn_that_takes_a_pull_ven_for_a_push_ven_is_told_what_it_is() -> None:
    """Its record may come from before a change; polls that are refused for ever would help nobody."""
    pair = registered(IDENTITY)
    assert pair.party.registration is not None
    pair.party = replace(
        pair.party, registration=replace(pair.party.registration, pull=False, address="https://old.example")
    )
    pair.down = True
    pair.clock_reaches(pair.now + MINUTE)

    assert not pair.party.pushed
    assert [code_of(each.reply) for each in pair.said if isinstance(each.request, Poll)].count("451") == 1


def test_x_poll_1_at_the_ven_a_vtn_that_insists_is_asked_no_oftener_than_it_is_polled() -> None:
    pair = registered(IDENTITY)
    for _ in range(60):
        assert pair.party.registration is not None
        pair.party = replace(pair.party, registration=replace(pair.party.registration, pull=False, address="https://x"))
        pair.down = True
        pair.clock_reaches(pair.now + 10 * SECOND)

    assert len(said(pair, CreatePartyRegistration, 0)) <= 62


def test_a_ven_that_leaves_while_it_begins_anew_releases_what_it_had_promised() -> None:
    """The VTN had forgotten it; nobody would release it later."""
    pair = registered(IDENTITY)
    pair.party = Party(ven_id=VEN1)
    pair.ven_polls()
    assert code_of(pair.said[-1].reply) == "463"
    pair.ven_receives(Left())

    assert pair.node.member.phase == "ended"
    assert (pair.node.agenda, pair.node.producer.requests) == ({}, {})
    assert pair.site.applied[-1][0] <= pair.now


# Report-only.

READER = replace(IDENTITY, report_only=True)


@pytest.mark.parametrize("reader", [READER, replace(PUSHED, report_only=True)], ids=["pull", "push"])
def test_a_report_only_ven_is_never_told_of_events(reader: Identity) -> None:
    """Neither by poll nor by post; it reports as any other."""
    pair = Duplex(identity=reader)
    pair.ven_starts()
    pair.vtn_publishes(shed())
    pair.clock_reaches(NOON)

    assert heard(pair, DistributeEvent) == []
    assert not [each for each in pair.said if isinstance(each.reply, DistributeEvent)]
    assert said(pair, RequestEvent, 0) == []
    assert len(said(pair, UpdateReport, 0)) > 50


def test_a_report_only_ven_refuses_events_with_451() -> None:
    pair = Duplex(identity=replace(PUSHED, report_only=True))
    pair.ven_starts()

    reply = pair.ven_is_called(distributed(event()))

    assert isinstance(reply, Response)
    assert code_of(reply) == "451"
    assert pair.node.agenda == {}


def test_a_report_only_ven_that_opts_is_answered_451() -> None:
    pair = Duplex(identity=READER)
    pair.ven_starts()
    opt = CreateOpt(
        opt_id=AWAY.id, opt=OPT_OUT, reason=SCHEDULED, ven_id=VEN1, created=NOON, request_id=RequestId("c"),
        availability=AWAY.periods,
    )  # fmt: skip

    assert code_of(pair.vtn_hears(opt)) == "451"


def test_a_ven_that_becomes_report_only_follows_no_event_any_more_and_hears_of_them_when_it_is_back() -> None:
    """No cancellation could reach it meanwhile."""
    pair = registered(IDENTITY)
    pair.restarts(READER)
    pair.clock_reaches(pair.now + MINUTE)
    assert (pair.node.agenda, pair.node.opts, pair.party.opts) == ({}, {}, {})
    assert pair.site.applied[-1] == (NOON, RELEASE)
    assert pair.node.debts == ()

    pair.restarts(IDENTITY)
    pair.clock_reaches(pair.now + MINUTE)
    assert pair.party.events[E1].opt == OPT_IN
    assert list(pair.node.agenda) == ["E1"]


def test_an_answer_to_events_that_is_late_for_a_report_only_ven_changes_nothing() -> None:
    pair = registered(IDENTITY)
    pair.restarts(READER)
    fetched = RequestEvent(request_id=RequestId("re"), ven_id=VEN1)
    pair.ven_receives(Answered(request=fetched, answer=distributed(event(), vtn_id=pair.terms.vtn_id)))
    pair.clock_reaches(pair.now + MINUTE)

    assert pair.node.agenda == {}


def test_a_vtn_that_refuses_the_last_confirmation_is_not_told_again() -> None:
    """To the VTN the registration is over already: 463, or whatever it says."""
    pair = registered(IDENTITY)
    pair.fates = repeat("reply lost")
    pair.vtn_takes(EndRegistration())
    end = pair.vtn_is_polled()
    pair.ven_hears(end)
    pair.settles()
    pair.fates = iter(())
    pair.clock_reaches(pair.now + 2 * MINUTE)

    assert [code_of(each.reply) for each in pair.said][-1] == "463"
    assert pair.node.debts == ()


def test_a_result_without_a_registration_is_no_news_to_a_ven_that_has_ended() -> None:
    pair = registered(IDENTITY)
    pair.vtn_takes(EndRegistration())
    pair.clock_reaches(pair.now + MINUTE)
    before = pair.node

    pair.ven_receives(Answered(request=Poll(ven_id=VEN1), answer=Response(result=Result(code="463"))))

    assert pair.node.member == before.member
    assert pair.node.debts == ()
