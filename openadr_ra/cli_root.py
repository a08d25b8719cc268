"""All commands of `openadr-ra`. Those of a node that runs, and of its store, are imported when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openadr_ra.cli_later import Later
from openadr_ra.cli_options import FILE, as_json_option, node_options
from openadr_ra.cli_serve import FAILURE, serve, share
from openadr_ra.errors import SettingsError

if TYPE_CHECKING:
    from openadr_ra.programs.serve import Level

MOST_WORKERS = 256
"""More than any machine has use for."""

DEMO_PACKAGES = ("rich", "matplotlib")


def called() -> int:
    """What the command line asks for; returns the exit status. Raises OadrRaError."""
    try:
        status = root.main(prog_name="openadr-ra", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return FAILURE
    return status if isinstance(status, int) else 0


_LATER = Later(
    {
        "certs": ("cli_certs", "certs"),
        "db": ("cli_db", "db"),
        "event": ("cli_console", "event"),
        "export": ("cli_db", "export"),
        "fleet": ("cli_fleet", "fleet"),
        "report": ("cli_console", "report"),
        "ven": ("cli_ven", "ven"),
    }
)


@click.group(commands=_LATER, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="openadr-ra")
def root() -> None:
    """OpenADR 2.0b for aggregation coordinators, resource aggregators and edge gateways."""


@root.command(short_help="Run a node: a VTN, a VEN or both.")
@node_options
def run(settings: Path, log_level: Level, as_json: bool) -> None:
    """Be whatever NODE.TOML describes: a VTN, a VEN or both.

    One line on stdout says where it listens; the log goes to stderr. SIGTERM or Ctrl-C stop it, once who asks has been
    answered; a second one stops it at once.
    """
    serve(settings, "both", log_level, as_json)


@root.command(short_help="Run a VTN.")
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=MOST_WORKERS),
    default=1,
    show_default=True,
    metavar="N",
    help="So many processes on one port, over a PostgreSQL store. SIGHUP replaces them one by one.",
)
@node_options
def vtn(settings: Path, log_level: Level, as_json: bool, workers: int) -> None:
    """Be the VTN of NODE.TOML, without its VEN side.

    One line on stdout says where it listens; the log goes to stderr. SIGTERM or Ctrl-C stop it, once who asks has been
    answered; a second one stops it at once.
    """
    if workers > 1:
        share(settings, workers, log_level, as_json)
    else:
        serve(settings, "vtn", log_level, as_json)


@root.command(short_help="See the whole chain at work.")
@click.option("--chain", is_flag=True, help="All tiers: a DRAS, an AC, two RAs, the gateways of 450 home batteries.")
@click.option("--batteries", type=click.IntRange(min=1), help="With --chain: so many home batteries.  [default: 450]")
@click.option("--out", type=FILE, help="Where the results go.  [default: out/demo, out/chain]")
@click.option("--interval-s", type=click.IntRange(min=1), help="Length of an interval.  [default: 10, 15 with --chain]")
@as_json_option
def demo(chain: bool, batteries: int | None, out: Path | None, interval_s: int | None, as_json: bool) -> int:
    """A VTN, three edge VENs, two events: from the instruction to the response in each interval."""
    if batteries is not None and not chain:
        raise SettingsError("--batteries is for --chain")
    try:
        if chain:
            from openadr_ra.programs.chain import main as show_chain

            return show_chain(
                out=out or Path("out/chain"), interval_s=interval_s or 15, batteries=batteries or 450, json=as_json
            )
        from openadr_ra.programs.demo import main as show

        return show(out=out or Path("out/demo"), interval_s=interval_s or 10, json=as_json)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in DEMO_PACKAGES:
            raise
        raise SettingsError(
            f'the demo needs {package}, which is not installed: pip install "openadr-ra[demo]"'
        ) from error
