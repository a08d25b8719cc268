"""What a VEN's operator asks and sees of the VTNs above: `ven upstreams`, `ven query`, `ven register-again`, `ven leave`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from openadr_ra.console.client import Client
from openadr_ra.programs.tables import NOTHING, moment, printable, table
from openadr_ra.run.above import Infos
from openadr_ra.run.ven_orders import Leaving, Registering, UpstreamOffer, UpstreamSummary


def query(client: Client, upstream: str | None) -> Iterator[UpstreamOffer]:
    """Ask that VTN what it offers, or one after the other."""
    return map(client.query, _named(client, upstream))


def register_again(client: Client, upstream: str | None) -> Iterator[Registering]:
    """Register again with that VTN, or with one after the other."""
    return map(client.register_again, _named(client, upstream))


def leave(client: Client, upstream: str | None) -> Iterator[Leaving]:
    """End the registration with that VTN, or with one after the other."""
    return map(client.leave, _named(client, upstream))


def _named(client: Client, upstream: str | None) -> tuple[str, ...]:
    return (upstream,) if upstream is not None else tuple(one.upstream for one in client.upstreams())


def offer_text(offer: UpstreamOffer) -> str:
    """What a VTN offers, a line each."""
    name = offer.upstream
    known = f"knows us as {offer.ven_id or NOTHING}, registration {offer.registration_id}"
    lines = [f"{name} is {offer.vtn_id}; it {known if offer.registration_id else 'has no registration of ours'}"]
    lines += [f"{name} offers profile {profile} over {', '.join(each)}" for profile, each in offer.profiles.items()]
    lines += [f"{name} is to be polled every {offer.poll_s} s"] if offer.poll_s else []
    lines += [f"{name} holds polls for up to {offer.hold_s} s"] if offer.hold_s else []
    lines += [f"{name} says of {service}: {said}" for service, said in _said(offer.service_info)]
    lines += [f"{name} has {extension}: {said}" for extension, said in _said(offer.extensions)]
    return "\n".join(map(printable, lines))


def registering_text(registering: Registering) -> str:
    """One line after an order."""
    return printable(
        f"{registering.upstream} is asked to register us again; `openadr-ra ven upstreams` shows its answer"
    )


def left_text(left: Leaving) -> str:
    """One line after an order."""
    return printable(
        f"{left.upstream} is told that the registration ends, until the next start or `ven register-again`"
    )


def upstreams_text(upstreams: Iterable[UpstreamSummary]) -> str:
    """One line a VTN; below it what was given up, and what the VTN said of itself."""
    found = tuple(upstreams)
    heads = ("upstream", "state", "link", "last heard", "transport", "venID", "vtnID", "polls", "unanswered", "owed")
    lines = [table(heads, map(_row, found))]
    for one in found:
        lines += [f"{one.upstream} refuses us: {one.refusal}"] if one.refusal else []
        lines += (
            [f"{one.upstream} did not answer at {moment(one.failed_at)}: {one.last_error}"] if one.failed_at else []
        )
        lines += [
            f"{one.upstream} turned {item.message} away at {moment(item.at)}; it was given up: {item.why}"
            for item in one.given_up
        ]
        lines += [f"{one.upstream} says of {name}: {said}" for name, said in _said(one.service_info)]
        lines += [f"{one.upstream} has {name}: {said}" for name, said in _said(one.extensions)]
    return "\n".join((lines[0], *map(printable, lines[1:])))


def _row(one: UpstreamSummary) -> tuple[str, ...]:
    polls = f"every {one.poll_s} s" + (f", held {one.hold_s} s" if one.hold_s else "")
    return (
        one.upstream,
        {"new": "registering", "registered": "registered", "ended": "left"}[one.phase],
        f"waiting until {moment(one.next_try)}" if one.next_try is not None else one.link,
        moment(one.heard_at),
        one.transport,
        one.ven_id or NOTHING,
        one.vtn_id or NOTHING,
        polls if one.transport == "pull" else NOTHING,
        f"{one.unanswered} times" if one.unanswered else "no",
        ", ".join(one.owed) or "nothing",
    )


def _said(infos: Infos) -> Iterator[tuple[str, str]]:
    for name, values in infos.items():
        yield name, ", ".join(f"{key} = {value}" for key, value in values.items()) or "yes"
