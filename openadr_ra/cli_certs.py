"""`openadr-ra certs …`: throw-away certificates for trials, and verdicts on real ones."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openadr_ra.cli_options import FILE, as_json_option
from openadr_ra.cli_serve import say

if TYPE_CHECKING:
    from openadr_ra.net.ca import KeyKind, Role
    from openadr_ra.programs.certs import Check, Initialised, Issued, Named

FAULTY = 1
"""The exit status of a check that found a problem; warnings alone leave it at 0."""

DAYS = 365

hosts_option = click.option("--host", "hosts", multiple=True, help="A name or address that peers use; repeat it.")
days_option = click.option("--days", type=click.IntRange(1, 3650), default=DAYS, show_default=True, help="Validity.")


@click.group()
def certs() -> None:
    """Make throw-away certificates, name and check any."""


@certs.command()
@click.argument("directory", type=FILE, default=Path("certs"))
@hosts_option
@days_option
@as_json_option
def init(directory: Path, hosts: tuple[str, ...], days: int, as_json: bool) -> None:
    """A CA in DIRECTORY (certs), with an RSA and an EC certificate for a VTN on this machine or on each --host."""
    from openadr_ra.programs import certs as program
    from openadr_ra.run.clock import SystemClock

    made = program.init(directory, now=SystemClock().now(), hosts=hosts or program.HOSTS, days=days)
    say(made, partial(_initialised, made), as_json)


@certs.command()
@click.argument("name")
@click.option("--dir", "directory", type=FILE, default=Path("certs"), show_default=True, help="Where the CA is.")
@click.option("--role", type=click.Choice(["ven", "vtn"]), default="ven", show_default=True)
@click.option("--key", type=click.Choice(["ec", "rsa"]), default="ec", show_default=True)
@hosts_option
@days_option
@click.option("--replace", is_flag=True, help="Renew a certificate that is there.")
@as_json_option
def issue(
    name: str,
    directory: Path,
    role: Role,
    key: KeyKind,
    hosts: tuple[str, ...],
    days: int,
    replace: bool,
    as_json: bool,
) -> None:
    """One more certificate, NAME.pem with NAME.key."""
    from openadr_ra.programs import certs as program
    from openadr_ra.run.clock import SystemClock

    made = program.issue(
        directory, name, role=role, key=key, now=SystemClock().now(), hosts=hosts, days=days, replace=replace
    )
    say(made, partial(_issued, made), as_json)


@certs.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@as_json_option
def fingerprint(files: tuple[Path, ...], as_json: bool) -> None:
    """How OpenADR names the first certificate of each of FILES: what `openadr-ra ven enrol` takes."""
    from openadr_ra.programs import certs as program

    named = tuple(program.fingerprint(file) for file in files)
    say(named, partial(_named, named), as_json)


@certs.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--ca", type=FILE, help="Check the chain up to these certificates too.")
@as_json_option
def check(files: tuple[Path, ...], ca: Path | None, as_json: bool) -> int:
    """A verdict on each certificate in FILES, which may hold keys too. Exit status 1 if one cannot work."""
    from openadr_ra.programs import certs as program
    from openadr_ra.run.clock import SystemClock

    checks = program.check(files, now=SystemClock().now(), ca=ca)
    say(checks, partial(_checked, checks), as_json)
    return FAULTY if any(one.problems for one in checks) else 0


def _initialised(made: Initialised) -> str:
    lines = [f"a throw-away CA is in {made.directory}; both ends trust {made.trust}"]
    return "\n".join((*lines, *(_issued(one) for one in made.vtn)))


def _issued(made: Issued) -> str:
    return (
        f"{made.certificate} with {made.key}: {made.subject}, fingerprint {made.fingerprint},"
        f" until {made.valid_until.astimezone():%Y-%m-%d}"
    )


def _named(named: tuple[Named, ...]) -> str:
    return "\n".join(f"{one.fingerprint}  {one.file}  {one.subject}" for one in named)


def _checked(checks: tuple[Check, ...]) -> str:
    return "\n".join(line for one in checks for line in _verdict(one))


def _verdict(one: Check) -> tuple[str, ...]:
    """One line for the certificate, and one for each thing that is wrong with it."""
    word = "FAULTY" if one.problems else "ok"
    head = f"{word}  {one.file}  {one.subject}, {one.key}, {one.fingerprint}, {one.days_left} days left"
    return (
        head,
        *(f"    problem: {text}" for text in one.problems),
        *(f"    warning: {text}" for text in one.warnings),
    )
