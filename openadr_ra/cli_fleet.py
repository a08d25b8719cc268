"""`openadr-ra fleet …`: the fleet of a node that runs, and its operator's word on a member of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from openadr_ra.cli_options import as_json_option, client, console_options
from openadr_ra.cli_serve import say

C = TypeVar("C", bound=Callable[..., object])


@click.group(short_help="The fleet of a node: members, promises, an operator's word.")
def fleet() -> None:
    """What a node answers for: its own devices and the VENs of its VTN, and what an operator says of one of them."""


def _word_options(command: C) -> C:
    for option in (
        click.option("--reason", metavar="TEXT", default="", help="For the journal."),
        click.option("--until", metavar="TIME", help="2026-11-21T12:00+09:00 or +2h.  [default: until given back]"),
        click.option("--for", "length", metavar="SPAN", help="So long: 90s, 30m, 2h."),
        click.argument("resource", metavar="RESOURCE"),
    ):
        command = option(command)
    return command


@fleet.command("show")
@console_options
@as_json_option
def fleet_show(as_json: bool) -> None:
    """Members: what each does, could give, and is held at for which event; sums; promises with asked, covered and short."""
    from openadr_ra.programs import fleet as program

    view = client().fleet()
    say(view, lambda: program.fleet_text(view), as_json)


@fleet.command("withdraw", short_help="Leave a member out of everything.")
@_word_options
@console_options
@as_json_option
def fleet_withdraw(resource: str, length: str | None, until: str | None, reason: str, as_json: bool) -> None:
    """Leave a member out of everything until then: others take over what it was asked, and it does as it likes.

    openadr-ra fleet withdraw BATTERY --for 2h --reason maintenance
    """
    _order(resource, None, length, until, reason, as_json)


@fleet.command("override", short_help="Hold a device at a power, whatever events say.")
@_word_options
@click.option("--kw", type=float, required=True, help="At its measuring point: import +, export -.")
@console_options
@as_json_option
def fleet_override(resource: str, length: str | None, until: str | None, reason: str, kw: float, as_json: bool) -> None:
    """Hold a device at a power until then, whatever events say: others take over what it was asked.

    openadr-ra fleet override BATTERY --kw -2 --for 30m

    A VEN is not held at a power: it is asked by an event.
    """
    _order(resource, kw, length, until, reason, as_json)


def _order(resource: str, kw: float | None, length: str | None, until: str | None, reason: str, as_json: bool) -> None:
    from openadr_ra.programs import fleet as program

    member = program.order(client(), resource, kw, length, until, reason)
    say(member, lambda: program.member_said(member), as_json)


@fleet.command("give-back")
@click.argument("resource", metavar="RESOURCE")
@console_options
@as_json_option
def fleet_give_back(resource: str, as_json: bool) -> None:
    """Take back what was said of a member: the fleet counts on it again."""
    from openadr_ra.programs import fleet as program

    member = client().give_back(resource)
    say(member, lambda: program.member_said(member), as_json)


@fleet.command("journal")
@click.argument("resource", metavar="RESOURCE")
@console_options
@as_json_option
def fleet_journal(resource: str, as_json: bool) -> None:
    """What operators said of a member, and when."""
    from openadr_ra.programs import fleet as program

    found = client().member_journal(resource)
    say(found, lambda: program.journal_text(resource, found), as_json)
