"""EiRegisterParty, both ends: a transition table and the messages that move it.

`TRANSITIONS` is the whole of it; `docs/registration.md` shows it as a table, written by a test.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from openadr_ra.errors import OK, InvalidData, InvalidId, NotAllowed, OadrError
from openadr_ra.protocol.messages import (
    PROFILE_2_0B,
    PROFILES,
    SIMPLE_HTTP,
    CanceledPartyRegistration,
    CancelPartyRegistration,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    Message,
    QueryRegistration,
)
from openadr_ra.protocol.model import RegistrationId, RequestId, VenId, VtnId
from openadr_ra.protocol.parts import Extension, Info, Profile, Result, ServiceInfo
from openadr_ra.protocol.shape import Token, Value
from openadr_ra.protocol.times import Duration

Phase = Literal["new", "registered", "ended"]
"""new: not registered, wants to be. ended: cancelled by either side; only a restart or an order begins anew."""

Move = Literal[
    "created", "created anew", "refused", "forgotten", "asked to register again", "cancelled by the VTN", "cancelled by us"
]  # fmt: skip

TRANSITIONS: dict[tuple[Phase, Move], Phase] = {
    ("new", "created"): "registered",
    ("new", "created anew"): "registered",
    ("new", "refused"): "new",
    ("new", "cancelled by us"): "ended",
    ("registered", "created"): "registered",
    ("registered", "created anew"): "registered",
    ("registered", "refused"): "new",
    ("registered", "forgotten"): "new",
    ("registered", "asked to register again"): "registered",
    ("registered", "cancelled by the VTN"): "ended",
    ("registered", "cancelled by us"): "ended",
}
"""A VEN's registration. What is not listed cannot happen and is refused with 451."""


def moved(phase: Phase, move: Move) -> Phase:
    """The phase after `move`. Raises NotAllowed for what the table does not have."""
    try:
        return TRANSITIONS[phase, move]
    except KeyError:
        raise NotAllowed(f"a registration that is {phase} cannot be {move}") from None


class Membership(Value, frozen=True, kw_only=True, gc=False):
    """A VEN's registration with its VTN. `poll_s` is what the VTN asked for (oadrRequestedOadrPollFreq), `hold_s` how long
    it offers to hold a poll (0: it does not). `service_info` and `extensions` are what it said of itself, whoever may
    understand it."""

    phase: Phase = "new"
    registration_id: RegistrationId | None = None
    ven_id: VenId | None = None
    vtn_id: VtnId | None = None
    poll_s: int = 10
    hold_s: int = 0
    refusal: str = ""
    service_info: tuple[ServiceInfo, ...] = ()
    extensions: tuple[Extension, ...] = ()


def request(
    member: Membership,
    *,
    request_id: RequestId,
    ven_name: str,
    preassigned: VenId | None,
    report_only: bool = False,
    xml_signature: bool = False,
    push_address: str = "",
) -> CreatePartyRegistration:
    """oadrCreatePartyRegistration: with both ids to register again, without registrationID for a new one (rule 406).

    With a `push_address` the VEN is told by the VTN's posts, else it polls.
    """
    return CreatePartyRegistration(
        request_id=request_id,
        registration_id=member.registration_id,
        ven_id=member.ven_id or preassigned,
        report_only=report_only,
        xml_signature=xml_signature,
        ven_name=ven_name,
        pull=not push_address,
        address=push_address or None,
    )


def adopt(member: Membership, answer: CreatedPartyRegistration) -> tuple[Membership, bool]:
    """The membership after the VTN's answer, and whether it is a new one (405, 406).

    The venID is whatever the VTN says. A refusal forgets the ids: the next attempt asks for a new registration.
    """
    if answer.result.code != OK or answer.registration_id is None or answer.ven_id is None:
        refusal = f"{answer.result.code} {answer.result.description or ''}".strip()
        return Membership(phase=moved(member.phase, "refused"), poll_s=member.poll_s, refusal=refusal), False
    anew = answer.registration_id != member.registration_id
    phase = moved(member.phase, "created anew" if anew else "created")
    return (
        Membership(
            phase=phase,
            registration_id=answer.registration_id,
            ven_id=answer.ven_id,
            vtn_id=answer.vtn_id,
            poll_s=_seconds(answer.poll_freq) or member.poll_s,
            hold_s=_hold(answer),
            service_info=answer.service_info,
            extensions=answer.extensions,
        ),
        anew,
    )


class Offering(Value, frozen=True, kw_only=True, gc=False):
    """What a VTN says to whoever asks it, without registering anybody (rule 401). `poll_s` 0: it does not say how often it
    wants to be polled; `hold_s` 0: it does not hold polls. The ids are those of our registration, None where there is none.
    """

    vtn_id: VtnId
    profiles: tuple[Profile, ...]
    poll_s: int
    hold_s: int
    registration_id: RegistrationId | None = None
    ven_id: VenId | None = None
    service_info: tuple[ServiceInfo, ...] = ()
    extensions: tuple[Extension, ...] = ()


def question(request_id: RequestId) -> QueryRegistration:
    """oadrQueryRegistration."""
    return QueryRegistration(request_id=request_id)


def offering(answer: Message | None) -> Offering:
    """What the VTN answered to that. Raises OadrError where that was no, or nothing that answers it."""
    result = getattr(answer, "result", None)
    if isinstance(result, Result) and result.code != OK:
        why = f"{result.code} {result.description or ''}".strip()
        raise OadrError(f"the VTN refuses to say what it offers: {why}")
    if not isinstance(answer, CreatedPartyRegistration):
        said = "an empty message" if answer is None else str(answer)
        raise OadrError(f"the VTN answers {said} when it is asked what it offers")
    return Offering(
        vtn_id=answer.vtn_id,
        profiles=answer.profiles,
        poll_s=_seconds(answer.poll_freq),
        hold_s=_hold(answer),
        registration_id=answer.registration_id,
        ven_id=answer.ven_id,
        service_info=answer.service_info,
        extensions=answer.extensions,
    )


def _seconds(frequency: Duration | None) -> int:
    return 0 if frequency is None or frequency.months else max(frequency.seconds, 0)


HELD_POLLS = "x-openadr-ra-held-polls"
"""The oadrExtension by which a VTN of ours offers to hold polls that carry `Prefer: wait=N` (RFC 7240)."""

MAX_HOLD_S = 50
"""A poll is held for less than a minute: proxies and NATs forget longer ones."""


def _hold(answer: CreatedPartyRegistration) -> int:
    """How long the VTN offers to hold a poll; whoever does not offer it is never asked."""
    for extension in answer.extensions:
        if extension.name == HELD_POLLS:
            for info in extension.infos:
                if info.key == "seconds" and info.value.isascii() and info.value.isdigit():
                    return min(int(info.value[:9]), MAX_HOLD_S)
    return 0


def cancelled(member: Membership, message: CancelPartyRegistration) -> tuple[Membership, CanceledPartyRegistration]:
    """The VTN ends it; wrong ids are answered 452 and change nothing."""
    if message.registration_id != member.registration_id or message.ven_id not in (None, member.ven_id):
        raise InvalidId(f"registration {message.registration_id} is not ours")
    answer = CanceledPartyRegistration(
        result=Result(request_id=message.request_id),
        registration_id=member.registration_id,
        ven_id=member.ven_id,
    )
    ended = Membership(phase=moved(member.phase, "cancelled by the VTN"), poll_s=member.poll_s)
    return ended, answer


REPEAT = timedelta(minutes=2)
"""How long a creation under the requestID of the one before is a repetition of it: a VEN that heard no answer tries
again, after a time limit and a pause of a minute each. Later it is a new one, for some VENs use one requestID for
everything."""


class Registration(Value, frozen=True, kw_only=True, gc=False):
    """A VTN's record of a VEN's registration. `asked` is the requestID that it was created under, at `at`; `asked_at` is
    when that was heard last, None in older rows."""

    id: RegistrationId
    at: datetime
    asked: RequestId = RequestId("")
    profile: Token = PROFILE_2_0B
    transport: Token = SIMPLE_HTTP
    pull: bool = True
    report_only: bool = False
    xml_signature: bool = False
    address: str = ""
    ven_name: str = ""
    asked_at: datetime | None = None


def register(
    held: Registration | None, message: CreatePartyRegistration, *, ven_id: VenId, fresh: RegistrationId, now: datetime
) -> Registration:
    """The registration after oadrCreatePartyRegistration.

    With the ids of the one held it is renewed and keeps its id; without a registrationID it is a new one (forced new
    registration), unless it repeats the last creation. Raises InvalidId for a registrationID or a venID that is not this
    VEN's, NotAllowed for a profile or a transport that is not offered, InvalidData for one that says not how it is told.
    """
    if message.ven_id not in (None, ven_id):
        raise InvalidId(f"venID {message.ven_id} does not belong to this certificate")
    if message.registration_id is not None and (held is None or message.registration_id != held.id):
        raise InvalidId(f"registrationID {message.registration_id} is unknown here; register without one")
    if message.profile != PROFILE_2_0B:
        raise NotAllowed(f"profile {message.profile} is not offered here; register with 2.0b")
    if message.transport != SIMPLE_HTTP:
        raise NotAllowed(f"transport {message.transport} is not offered here; register with simpleHttp")
    if message.pull is None:
        raise InvalidData("simpleHttp needs an oadrHttpPullModel: true to poll, false to be posted to (X-REG-1)")
    if message.pull is False and not message.address:
        raise InvalidData("a push VEN needs an oadrTransportAddress (X-REG-1)")
    kept = held if held is not None and (message.registration_id or _repeats(held, message, now)) else None
    return Registration(
        id=kept.id if kept else fresh,
        at=kept.at if kept else now,
        asked=kept.asked if kept else message.request_id,
        profile=message.profile,
        transport=message.transport,
        pull=message.pull,
        report_only=message.report_only,
        xml_signature=message.xml_signature,
        address=message.address or "",
        ven_name=message.ven_name or "",
        asked_at=kept.asked_at if kept and message.request_id != kept.asked else now,
    )


def _repeats(held: Registration, message: CreatePartyRegistration, now: datetime) -> bool:
    """The time counts from the last repetition: an earlier one may have been held up on its way, and come still."""
    return message.request_id == held.asked != "" and now - (held.asked_at or held.at) <= REPEAT


class Announcement(Value, frozen=True, kw_only=True, gc=False):
    """What a VTN says of itself to whoever asks or registers: how often to poll it (`poll_s`), for how long it holds a poll
    (`hold_s`; 0: it does not), and free hints by service (oadrServiceSpecificInfo) and of its own (oadrExtensions)."""

    vtn_id: VtnId
    poll_s: int = 10
    hold_s: int = 0
    service_info: tuple[ServiceInfo, ...] = ()
    extensions: tuple[Extension, ...] = ()


def confirmed(
    held: Registration | None, *, request_id: RequestId, ven_id: VenId, vtn: Announcement
) -> CreatedPartyRegistration:
    """The answer to a creation or a query; ids only where there is a registration."""
    held_polls = Extension(name=HELD_POLLS, infos=(Info(key="seconds", value=str(vtn.hold_s)),))
    return CreatedPartyRegistration(
        result=Result(request_id=request_id),
        registration_id=held.id if held else None,
        ven_id=ven_id if held else None,
        vtn_id=vtn.vtn_id,
        profiles=PROFILES,
        # EPRI's VEN cannot do without it, and the harness asks for it from pull VENs.
        poll_freq=Duration(seconds=vtn.poll_s),
        service_info=vtn.service_info,
        extensions=(*vtn.extensions, held_polls) if vtn.hold_s else vtn.extensions,
    )
