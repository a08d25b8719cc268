"""What a VEN's operator sees of a VTN above: the registration, what it said of itself, and what stands between them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from openadr_ra.protocol.model import RegistrationId, VenId, VtnId
from openadr_ra.protocol.node import EndNode, GivenUp
from openadr_ra.protocol.parts import Info
from openadr_ra.protocol.registration import Offering, Phase
from openadr_ra.protocol.ven import deadline
from openadr_ra.run.contact import Contact, LinkState

Infos = dict[str, dict[str, str]]
"""By service or extension: its keys and values."""


class UpstreamSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How this VEN stands with one VTN. `phase` "new": it registers still; `refusal` is why the VTN would not have it.

    `owed` has the kinds of messages that are not acknowledged yet, `unanswered` how often the most patient of them, or the
    poll, was sent in vain: 0 where all is well. `given_up` are messages that the VTN turned away for good (9.1.5), the last
    of a kind since the start. `service_info` and `extensions` are what it said of itself when it registered us.

    `link`, since the start: "connected" as long as messages are answered, "waiting" when the last one was not; the next
    attempt is at `next_try` then. `heard_at`, `last_error` and `failed_at` as in `Contact`.
    """

    upstream: str
    phase: Phase
    link: LinkState
    next_try: datetime | None
    heard_at: datetime | None
    last_error: str
    failed_at: datetime | None
    transport: Literal["pull", "push"]
    ven_id: VenId | None
    vtn_id: VtnId | None
    registration_id: RegistrationId | None
    poll_s: int
    hold_s: int
    refusal: str
    owed: tuple[str, ...]
    unanswered: int
    given_up: tuple[GivenUp, ...]
    service_info: Infos
    extensions: Infos


def upstream_summary(state: EndNode, name: str, contact: Contact, now: datetime) -> UpstreamSummary:
    """The VEN as it stands towards the VTN of that name at `now`."""
    member = state.member
    # The first attempt at anything may be under way.
    tries = [debt.tries for debt in state.debts] + [state.poll_tries]
    return UpstreamSummary(
        upstream=name,
        phase=member.phase,
        link=contact.state,
        next_try=deadline(state, now) if contact.state == "waiting" else None,
        heard_at=contact.heard_at,
        last_error=contact.error,
        failed_at=contact.failed_at,
        transport="push" if state.identity.push_address else "pull",
        ven_id=member.ven_id,
        vtn_id=member.vtn_id,
        registration_id=member.registration_id,
        poll_s=member.poll_s,
        hold_s=member.hold_s,
        refusal=member.refusal,
        owed=tuple(dict.fromkeys(type(debt.work).__name__ for debt in state.debts)),
        unanswered=max(0, *(number - 1 for number in tries)),
        given_up=state.given_up,
        service_info={item.service: _by_key(item.infos) for item in member.service_info},
        extensions={item.name: _by_key(item.infos) for item in member.extensions},
    )


class UpstreamOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What a VTN says of itself when it is asked: the transports of each profile, how often it wants to be polled (`poll_s`;
    0: it does not say), for how long it holds a poll (`hold_s`; 0: it does not), and as what it knows us, if at all."""

    upstream: str
    vtn_id: VtnId
    ven_id: VenId | None
    registration_id: RegistrationId | None
    profiles: dict[str, tuple[str, ...]]
    poll_s: int
    hold_s: int
    service_info: Infos
    extensions: Infos


def upstream_offer(said: Offering, name: str) -> UpstreamOffer:
    """What the VTN of that name said."""
    return UpstreamOffer(
        upstream=name,
        vtn_id=said.vtn_id,
        ven_id=said.ven_id,
        registration_id=said.registration_id,
        profiles={profile.name: profile.transports for profile in said.profiles},
        poll_s=said.poll_s,
        hold_s=said.hold_s,
        service_info={item.service: _by_key(item.infos) for item in said.service_info},
        extensions={item.name: _by_key(item.infos) for item in said.extensions},
    )


def _by_key(infos: Iterable[Info]) -> dict[str, str]:
    return {info.key: info.value for info in infos}
