"""`openadr-ra ven list` and the like: see to the VENs of a VTN, or speak for a VEN that runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from openadr_ra.cli_options import FILE, as_json_option, client, console_options, report_options, when_options
from openadr_ra.cli_serve import say

if TYPE_CHECKING:
    pass


@click.command("list", short_help="Every VEN with its state.")
@console_options
@as_json_option
def ven_list(as_json: bool) -> None:
    """Every VEN: last seen, transport, opt, unacknowledged, availability."""
    from openadr_ra.programs import vens

    found = client().vens()
    say(found, lambda: vens.ven_list(found), as_json)


@click.command("enrol", short_help="Admit a VEN with these certificates.")
@click.argument("ven_id", metavar="ID")
@click.argument("fingerprints", metavar="FINGERPRINT...", nargs=-1, required=True)
@console_options
@as_json_option
def ven_enrol(ven_id: str, fingerprints: tuple[str, ...], as_json: bool) -> None:
    """Admit a VEN with these certificates, in place of those it had. `openadr-ra certs fingerprint` prints them."""
    enrolled = client().enrol(ven_id, fingerprints)
    say(enrolled, lambda: f"{ven_id} may come with {', '.join(fingerprints)}", as_json)


@click.command("warnings", short_help="What had to be repaired in a VEN's messages.")
@click.argument("ven_id", metavar="ID")
@console_options
@as_json_option
def ven_warnings(ven_id: str, as_json: bool) -> None:
    """What had to be repaired in a VEN's messages, each kind once a start of the VTN."""
    from openadr_ra.programs import vens

    found = client().warnings(ven_id)
    say(found, lambda: vens.warnings_text(ven_id, found), as_json)


@click.command("reregister")
@click.argument("ven_id", metavar="ID")
@console_options
@as_json_option
def ven_reregister(ven_id: str, as_json: bool) -> None:
    """Have a VEN register again, under the same ids."""
    from openadr_ra.programs import vens

    ordered = client().reregister(ven_id)
    say(ordered, lambda: vens.ordered_text(ordered), as_json)


@click.command("cancel", short_help="End a VEN's registration.")
@click.argument("ven_id", metavar="ID")
@console_options
@as_json_option
def ven_cancel(ven_id: str, as_json: bool) -> None:
    """End a VEN's registration; its events, reports and opts are void then."""
    from openadr_ra.programs import vens

    ordered = client().end_registration(ven_id)
    say(ordered, lambda: vens.ordered_text(ordered), as_json)


@click.command("reports", short_help="What a VEN reports; ask for more, or stop.")
@click.argument("ven_id", metavar="ID")
@report_options
@console_options
@as_json_option
def ven_reports(ven_id: str, ask: str | None, stop: tuple[str, ...], last: bool, as_json: bool, **wish: object) -> None:
    """What a VEN offers and what was asked of it; ask it for more, or stop what was asked.

    openadr-ra ven reports VEN1 --ask TELEMETRY_USAGE --granularity 10s --back 1m
    """
    from openadr_ra.programs import vens

    console = client()
    for ordered in vens.orders(console, ven_id, ask, stop, wish, last=last):
        say(ordered, partial(vens.ordered_text, ordered), as_json)
    if ask is None and not stop:
        known = console.reports(ven_id)
        say(known, lambda: vens.reports_text(ven_id, known), as_json)


@click.command("history", short_help="What a VEN has kept of the past.")
@click.argument("ven_id", metavar="ID")
@click.option("--from", "start", metavar="TIME", required=True, help="-1h, or 2026-11-21T12:00+09:00.")
@click.option("--to", "end", metavar="TIME", default="now", show_default=True)
@click.option("--point", metavar="POINT", multiple=True, help="Of these alone; repeat it.  [default: all]")
@click.option("--within", metavar="SPAN", default="1m", show_default=True, help="Wait so long for it to come.")
@console_options
@as_json_option
def ven_history(ven_id: str, start: str, end: str, point: tuple[str, ...], within: str, as_json: bool) -> int:
    """What a VEN has kept of the past: asked for now, shown when it has come; status 1 if it has not.

    openadr-ra ven history VEN1 --from -2h --to -1h
    """
    from openadr_ra.programs import vens

    found = vens.history(client(), ven_id, start, end, point, within)
    say(found, lambda: vens.history_text(found), as_json)
    return 0 if found.came else 1


@click.command("status", short_help="A VEN's resources as they were last heard of.")
@click.argument("ven_id", metavar="ID")
@console_options
@as_json_option
def ven_status(ven_id: str, as_json: bool) -> None:
    """What a VEN said last of each of its resources: online, by hand, how it is controlled."""
    from openadr_ra.programs import readings

    found = client().status(ven_id)
    say(found, lambda: readings.status_text(ven_id, found), as_json)


@click.command("greenbutton", short_help="A VEN's Green Button feeds.")
@click.argument("ven_id", metavar="ID")
@click.option("--point", metavar="POINT", multiple=True, help="Of these alone; repeat it.  [default: all]")
@click.option("--start", metavar="TIME", help="About what was from then on.  [default: whatever there is]")
@click.option("--duration", metavar="SPAN", help="For so long.  [default: until now]")
@click.option("--within", metavar="SPAN", default="1m", show_default=True, help="Wait so long for it to come.")
@click.option("--out", metavar="FOLDER", type=FILE, help="Where the feeds go, a file each.")
@console_options
@as_json_option
def ven_greenbutton(
    ven_id: str,
    point: tuple[str, ...],
    start: str | None,
    duration: str | None,
    within: str,
    out: Path | None,
    as_json: bool,
) -> int:
    """A VEN's Green Button feeds: asked for now, kept as files when they have come; status 1 if they have not.

    openadr-ra ven greenbutton VEN1 --out feeds
    """
    from openadr_ra.programs import readings

    found = readings.feeds(client(), ven_id, point, start, duration, within)
    paths = () if out is None else tuple(readings.saved(found, out))
    say(found, lambda: readings.feeds_text(found, paths), as_json)
    return 0 if found.came else 1


@click.command("vtn-reports", short_help="At a VEN: what its VTN reports; ask for it, or stop.")
@report_options
@click.option("--upstream", metavar="NAME", help="This VTN alone.  [default: each, or the one called upstream]")
@console_options
@as_json_option
def ven_vtn_reports(
    ask: str | None, stop: tuple[str, ...], last: bool, upstream: str | None, as_json: bool, **wish: object
) -> None:
    """At a VEN: what a VTN above offers of its own, and what was asked of it; ask for more, or stop it."""
    from openadr_ra.programs import readings, vens

    console = client()
    for ordered in readings.wanted(console, ask, stop, upstream, wish, last=last):
        say(ordered, partial(readings.wanted_text, ordered), as_json)
    if ask is None and not stop:
        known = readings.vtn_reports(console, upstream)
        say(known, lambda: vens.reports_text("the VTN", known), as_json)


@click.command("vtn-readings", short_help="At a VEN: what came of its VTN's reports.")
@click.argument("report")
@click.option("--from", "start", metavar="TIME", required=True, help="-1h, or 2026-11-21T12:00+09:00.")
@click.option("--to", "end", metavar="TIME", default="now", show_default=True)
@click.option("--point", metavar="POINT", multiple=True, help="Of these alone; repeat it.  [default: all]")
@click.option("--upstream", metavar="NAME", help="Of this VTN.  [default: the one called upstream]")
@console_options
@as_json_option
def ven_vtn_readings(
    report: str, start: str, end: str, point: tuple[str, ...], upstream: str | None, as_json: bool
) -> None:
    """At a VEN: what came of a VTN's report, like TELEMETRY_USAGE."""
    from openadr_ra.programs import readings

    found = readings.vtn_readings(client(), report, start, end, point, upstream)
    say(found, lambda: readings.readings_text(report, found), as_json)


@click.command("opt", short_help="At a VEN: its operator's word on an event.")
@click.argument("event_id", metavar="EVENT")
@click.argument("word", type=click.Choice(["optIn", "optOut", "none"]))
@click.option("--reason", metavar="WORD", default="", help="Why, for the VTN: economic, emergency, mustRun …")
@click.option("--upstream", metavar="NAME", help="To this VTN alone.  [default: each]")
@console_options
@as_json_option
def ven_opt(
    event_id: str, word: Literal["optIn", "optOut", "none"], reason: str, upstream: str | None, as_json: bool
) -> None:
    """At a VEN: say its operator's own word on an event from above; `none` takes it back.

    It is the answer to the event, or replaces it; the reason goes with it. With a reason, or for one VTN alone, an
    event that was answered already, or wants no answer, is qualified by oadrCreateOpt.

    openadr-ra ven opt ev-1 optOut --reason economic --config edge.toml
    """
    from openadr_ra.programs.operate import own_opt

    said = client().opt(event_id, own_opt(word, reason, upstream))
    say(said, lambda: f"event {event_id}: {word}", as_json)


@click.command("upstreams", short_help="At a VEN: how it stands with its VTNs.")
@console_options
@as_json_option
def ven_upstreams(as_json: bool) -> None:
    """At a VEN: its registration with each VTN above, what that said of itself, and what it has not answered."""
    from openadr_ra.programs import above

    found = client().upstreams()
    say(found, lambda: above.upstreams_text(found), as_json)


@click.command("query", short_help="At a VEN: ask its VTNs what they offer.")
@click.argument("upstream", metavar="[NAME]", required=False)
@console_options
@as_json_option
def ven_query(upstream: str | None, as_json: bool) -> None:
    """At a VEN: ask the VTN that is called NAME in its settings, or each, what it offers, and as what it knows this VEN.

    That registers nothing (oadrQueryRegistration).
    """
    from openadr_ra.programs import above

    for offer in above.query(client(), upstream):
        say(offer, partial(above.offer_text, offer), as_json)


@click.command("register-again", short_help="At a VEN: register with its VTNs again.")
@click.argument("upstream", metavar="[NAME]", required=False)
@console_options
@as_json_option
def ven_register_again(upstream: str | None, as_json: bool) -> None:
    """At a VEN: register again with the VTN that is called NAME in its settings, or with each.

    Under the same ids, so that events, reports and opts stay; from the beginning where the registration has ended.
    """
    from openadr_ra.programs import above

    for registering in above.register_again(client(), upstream):
        say(registering, partial(above.registering_text, registering), as_json)


@click.command("leave", short_help="At a VEN: end its registration.")
@click.argument("upstream", metavar="[NAME]", required=False)
@console_options
@as_json_option
def ven_leave(upstream: str | None, as_json: bool) -> None:
    """At a VEN: end its registration with the VTN that is called NAME in its settings, or with each; until `openadr-ra ven
    register-again` or the next start.

    Its events, reports and opts are void then.
    """
    from openadr_ra.programs import above

    for left in above.leave(client(), upstream):
        say(left, partial(above.left_text, left), as_json)


@click.command("available", short_help="At a VEN: declare when it is available.")
@when_options
@console_options
@as_json_option
def ven_available(as_json: bool, **said: object) -> None:
    """At a VEN: declare when it is available, or some of its resources."""
    _declare("optIn", said, as_json)


@click.command("unavailable", short_help="At a VEN: declare when it is not available.")
@when_options
@console_options
@as_json_option
def ven_unavailable(as_json: bool, **said: object) -> None:
    """At a VEN: declare when it is not available, or some of its resources.

    An event in a time when the whole VEN is away is opted out when it is heard of; those that are known stand.

    openadr-ra ven unavailable --from 2026-11-21T12:00+09:00 --to 2026-11-21T14:00+09:00 --config edge.toml
    """
    _declare("optOut", said, as_json)


def _declare(opt: Literal["optIn", "optOut"], said: dict[str, object], as_json: bool) -> None:
    from openadr_ra.programs import vens

    declared = vens.declare(client(), opt, said)
    say(declared, lambda: f"declared as {declared.id}; `openadr-ra ven retract {declared.id}` takes it back", as_json)


@click.command("availability", short_help="At a VEN: what stands declared.")
@console_options
@as_json_option
def ven_availability(as_json: bool) -> None:
    """At a VEN: what stands declared, and which VTN knows it."""
    from openadr_ra.programs import vens

    found = client().availability()
    say(found, lambda: vens.availability_text(found), as_json)


@click.command("retract", short_help="At a VEN: take a declaration back.")
@click.argument("opt_id", metavar="OPT")
@console_options
@as_json_option
def ven_retract(opt_id: str, as_json: bool) -> None:
    """At a VEN: take back what was declared under that id."""
    retracted = client().retract(opt_id)
    say(retracted, lambda: f"{opt_id} is taken back", as_json)
