"""`openadr-ra event …`, `report …`: a running node's console from the command line."""

from __future__ import annotations

from functools import partial

import click

from openadr_ra.cli_options import as_json_option, client, console_options, wish_options
from openadr_ra.cli_serve import say


@click.group()
def event() -> None:
    """Instruct VENs through a running VTN, or the fleet of a running node."""


@event.command("create")
@wish_options
@console_options
@as_json_option
def event_create(as_json: bool, **wish: object) -> int:
    """Give an event to its VENs, or to the node's own fleet, which says at once what it promises; status 1 if it refuses.

    openadr-ra event create --start +15m --every 30m --kw "-5,-8,-6" --to VEN1

    openadr-ra event create --start +1h --every 30m --kw -600 --fleet
    """
    from openadr_ra.programs import operate

    view = operate.create(client(), wish)
    say(view, lambda: operate.event_said(view, "published"), as_json)
    return operate.status_of(view)


@event.command("change")
@click.argument("event_id", metavar="EVENT")
@wish_options
@console_options
@as_json_option
def event_change(event_id: str, as_json: bool, **wish: object) -> int:
    """Change an event; what is not written stays as it is. Its VENs are told and answer anew, and so does the fleet."""
    from openadr_ra.programs import operate

    view = operate.change(client(), event_id, wish)
    say(view, lambda: operate.event_said(view, f"changed, modification {view.modification}"), as_json)
    return operate.status_of(view)


@event.command("list")
@console_options
@as_json_option
def event_list(as_json: bool) -> None:
    """Every event, soonest first."""
    from openadr_ra.programs import operate

    views = client().events()
    say(views, lambda: operate.event_list(views), as_json)


@event.command("show")
@click.argument("event_id", metavar="EVENT")
@click.option("--within", metavar="SPAN", default="0s", help="Wait so long for VENs that have not answered.")
@console_options
@as_json_option
def event_show(event_id: str, within: str, as_json: bool) -> None:
    """What is asked, what was answered, what happened."""
    from openadr_ra.programs import operate

    detail = operate.show(client(), event_id, within)
    say(detail, lambda: operate.event_text(detail), as_json)


@event.command("cancel")
@click.argument("event_id", metavar="EVENT")
@console_options
@as_json_option
def event_cancel(event_id: str, as_json: bool) -> None:
    """Withdraw an event from all of its VENs, or release the fleet from it."""
    from openadr_ra.programs import operate

    view = client().cancel(event_id)
    say(view, lambda: operate.event_said(view, "cancelled"), as_json)


@click.group()
def report() -> None:
    """What VENs and members of the fleet delivered."""


@report.command("show")
@click.argument("event_id", metavar="EVENT")
@click.option("--follow", is_flag=True, help="Each row as it becomes known, until the event is over.")
@console_options
@as_json_option
def report_show(event_id: str, follow: bool, as_json: bool) -> None:
    """Asked, delivered, deviation, in the band or not: by interval, VEN and resource, and in sum.

    Also of an event from above: what this node's fleet gave, by its members.
    """
    from openadr_ra.programs import operate

    console = client()
    known = console.response(event_id)
    if not follow:
        say(known, lambda: operate.report_text(known), as_json)
        return
    for row in console.follow(event_id):
        say(row, partial(operate.row_text, row, known.band), as_json)
