"""Options that several commands share, and how they print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from openadr_ra.console.client import Client

C = TypeVar("C", bound=Callable[..., object])

FILE = click.Path(path_type=Path)

as_json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


def node_options(command: C) -> C:
    for option in (
        as_json_option,
        click.option(
            "--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
            default="INFO", show_default=True, help="What goes to stderr.",
        ),
        click.argument("settings", metavar="NODE.TOML", type=FILE),
    ):  # fmt: skip
        command = option(command)
    return command


def _kept(ctx: click.Context, param: click.Parameter, value: object) -> None:
    ctx.meta[f"openadr_ra.{param.name}"] = value


def _joined(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> str | None:
    return ",".join(value) if value else None


def console_options(command: C) -> C:
    """Where the console is; `client` reads it."""
    for option in (
        click.option("--token-file", type=FILE, expose_value=False, callback=_kept, help="The console's token."),
        click.option("--console", "url", expose_value=False, callback=_kept, help="As the node said at its start."),
        click.option(
            "--config", type=FILE, expose_value=False, callback=_kept,
            help="The node's settings, which say where its console is.  [default: node.toml]",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def client() -> Client:
    from openadr_ra.programs.operate import connect

    meta = click.get_current_context().meta
    return connect(meta["openadr_ra.config"], meta["openadr_ra.url"], meta["openadr_ra.token_file"])


def wish_options(command: C) -> C:
    """Their names are the fields of `programs.ordering.Wish`."""
    for option in (
        click.option("--test/--no-test", default=None, help="Nobody acts on a test.  [default: no test]"),
        click.option("--answer/--no-answer", default=None, help="Are VENs to answer?  [default: they are]"),
        click.option("--ramp-up", metavar="SPAN", help="How long before the start they begin to move."),
        click.option("--notification", metavar="SPAN", help="How long before the start they are to know."),
        click.option("--startafter", metavar="SPAN", help="Starts are spread at random over so long."),
        click.option("--comment", metavar="TEXT"),
        click.option("--market-context", metavar="URI"),
        click.option("--priority", type=click.IntRange(min=0), help="1 is the highest, 0 the lowest.  [default: 0]"),
        click.option("--currency", metavar="CODE", help="Of --price.  [default: JPY]"),
        click.option("--device-class", metavar="CLASS", multiple=True, help="For such devices alone; repeat it."),
        click.option(
            "--resource", metavar="VEN=ID,ID", multiple=True, help="These of a VEN's alone; VEN= for all; repeat it."
        ),
        click.option("--baseline-name", metavar="NAME", help="Tell VENs their --baseline, under this name."),
        click.option("--baseline", metavar="KW,KW", help="What a VEN has without the event, where that is known."),
        click.option(
            "--also", metavar="NAME/TYPE=VALUES", multiple=True, help="Another signal in the same event; repeat it."
        ),
        click.option("--unit", metavar="UNIT", help="Of --signal: energyReal, temperature …  [default: its usual one]"),
        click.option("--values", metavar="VALUES", help="Of --signal, for each interval."),
        click.option(
            "--signal", metavar="NAME/TYPE", help="Any of OpenADR's, like CHARGE_STATE/setpoint, or x-NAME/TYPE."
        ),
        click.option("--level", metavar="LEVELS", help="SIMPLE levels 0 to 3, for VENs that know nothing else."),
        click.option("--price", metavar="PRICES", help="Per kWh, for each interval."),
        click.option("--setpoint", "power", flag_value="setpoint", help="kW are absolute at the measuring point."),
        click.option(
            "--delta", "power", flag_value="delta", default=None, help="kW are against the baseline (default)."
        ),
        click.option("--ask", metavar="VEN=KW,KW", multiple=True, help="kW for this VEN alone; repeat it."),
        click.option("--each", is_flag=True, help="--kw and --baseline are for each of several VENs."),
        click.option(
            "--to", metavar="VEN", multiple=True, help="Whom --kw, --price, --level or --values concern; repeat it."
        ),
        click.option("--id", metavar="EVENT", help="Of a new event.  [default: one is found]"),
        click.option(
            "--fleet", is_flag=True, help="For the node's own fleet, which shares it out and promises at once."
        ),
        click.option(
            "--kw",
            metavar="KW,KW",
            multiple=True,
            callback=_joined,
            help="kW for each interval, like -5,-8,-6, or repeat it: import +, export -.",
        ),
        click.option(
            "--every",
            metavar="SPAN",
            help="Length of an interval: 90s, 30m, 1h30m or PT30M; 0s: the one interval lasts until cancelled.",
        ),
        click.option("--start", metavar="TIME", help="2026-11-21T12:00+09:00, 2026-11-21T03:00Z, +15m or now."),
    ):
        command = option(command)
    return command


def report_options(command: C) -> C:
    """Beside --ask and --stop their names are the fields of `programs.vens.ReportWish`."""
    for option in (
        click.option("--last", is_flag=True, help="With --stop: one last report is still to come."),
        click.option("--stop", metavar="REQUEST", multiple=True, help="End this request; repeat it."),
        click.option("--duration", metavar="SPAN", help="How long from --start on.  [default: without end]"),
        click.option("--start", metavar="TIME", help="2026-11-21T12:00+09:00, +15m or -1h.  [default: now]"),
        click.option("--on-change", is_flag=True, help="When it changes, and every --back.  [--back is then 30m]"),
        click.option("--back", metavar="SPAN", help="How often it is sent.  [default: once]"),
        click.option("--granularity", metavar="SPAN", help="How finely it is sampled.  [default: as the VEN has it]"),
        click.option("--point", metavar="POINT", multiple=True, help="Of these alone; repeat it.  [default: all]"),
        click.option(
            "--ask", metavar="REPORT", help="Ask for it: TELEMETRY_USAGE, or what else is on offer; METADATA."
        ),
    ):
        command = option(command)
    return command


def when_options(command: C) -> C:
    """Their names are the fields of `programs.vens.When`."""
    for option in (
        click.option("--id", metavar="OPT", help="In place of what was declared under this id."),
        click.option("--upstream", metavar="NAME", help="Tell this VTN alone.  [default: each]"),
        click.option("--reason", metavar="WORD", default="x-schedule", show_default=True, help="economic, mustRun …"),
        click.option("--market-context", metavar="URI", default="", help="In this one alone.  [default: in all]"),
        click.option("--resource", metavar="ID", multiple=True, help="Of this alone; repeat it.  [default: all]"),
        click.option("--to", "end", metavar="TIME", help="[default: for good]"),
        click.option("--from", "start", metavar="TIME", required=True, help="2026-11-21T12:00+09:00, +15m or now."),
    ):
        command = option(command)
    return command
