"""`python -m conformance vtn|ven`: what to test, which cases, where the reports go."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from conformance import cases, files, report
from conformance import suite as suites
from conformance.case import CASES, Case, Mode, Role
from conformance.fit import mistake
from conformance.rules import RULES
from conformance.run import Plan, chosen, named, run
from conformance.subject import OperatorSettings, SubjectSettings
from conformance.verdict import Result

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


@click.group()
def main() -> None:
    """Hold somebody's OpenADR 2.0b VTN or VEN against the rules, over the wire. No certification."""


_COMMON: tuple[Decorator, ...] = (
    click.option("--subject", type=click.Path(exists=True, path_type=Path), help="a TOML file that says all of this"),
    click.option("--name", default="subject", help="what the subject is called in the reports"),
    click.option("--mode", type=click.Choice(["pull", "push", "both"]), default=None, help="who calls whom; pull"),
    click.option("--signed", is_flag=True, help="with XML signatures; the certificates are those of --cert or made"),
    click.option("--cert", default="", help="PEM: what the harness shows"),
    click.option("--key", default="", help="PEM: its key"),
    click.option("--ca", default="", help="PEM: who signed the subject's certificate"),
    click.option("--no-hostname-check", is_flag=True, help="take the subject's certificate whatever its host name"),
    click.option(
        "--start-command", default="", help="starts the subject; {port}, {dir}, {url}, {certs}, {ca} are filled"
    ),
    click.option(
        "--only", multiple=True, help="a rule, a service, a certification id, or how an id begins; repeatable"
    ),
    click.option("--strict", is_flag=True, help="a SHOULD that is not done is a failure"),
    click.option("--slow", is_flag=True, help="also the cases that take real minutes"),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="so many instances at once; needs a start command",
    ),
    click.option(
        "--time-factor",
        type=click.FloatRange(min=0, min_open=True),
        default=1.0,
        show_default=True,
        help="stretches all time limits",
    ),
    click.option("--out", type=click.Path(path_type=Path), default=Path("conformance/out"), show_default=True),
    click.option("--list", "listed", is_flag=True, help="the cases, and no more"),
    click.option("--dry-run", is_flag=True, help="what would be run, in order, and no more"),
    click.option("--json", "as_json", is_flag=True, help="report.json on standard output instead of the table"),
)


def _common(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_COMMON):
        command = option(command)
    return command


@main.command()
@click.option("--url", default="", help="the VTN, https://host:port")
@click.option("--other-cert", default="", help="PEM: of a second VEN, for what two of them need")
@click.option("--other-key", default="", help="PEM: its key")
@click.option("--operator", default="prompt", help="prompt, none, a TOML file with [actions], or package.module:Class")
@_common
def vtn(**given: object) -> None:
    """Test a VTN. The harness is its VEN; an operator tells the VTN which events and reports to make."""
    _run("vtn", msgspec.convert(given, _Given))


@main.command()
@click.option(
    "--listen", default="", help="the harness's VTN listens here, host:port; needed for a VEN started by hand"
)
@click.option("--operator", default="prompt", help="prompt, none, a TOML file with [actions], or package.module:Class")
@_common
def ven(listen: str, **given: object) -> None:
    """Test a VEN. The harness is its VTN; give the VEN that address, or a command that starts it."""
    _run("ven", msgspec.convert({**given, "url": listen}, _Given))


@main.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path), default=Path(__file__).parent / "subjects")
@click.option("--only", multiple=True, help="a rule, a service, a certification id, or how an id begins; repeatable")
@click.option("--slow", is_flag=True, help="also the cases that take real minutes")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="so many instances of a subject at once"
)
@click.option("--at-once", default=1, show_default=True, help="so many subjects side by side")
@click.option(
    "--time-factor",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="stretches all time limits",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("conformance/out"), show_default=True)
def suite(
    folder: Path, only: tuple[str, ...], slow: bool, jobs: int, at_once: int, time_factor: float, out: Path
) -> None:
    """Test every subject whose settings file is in FOLDER; fails on a failure of one that is judged."""
    # VENs take longest, a process for each case: what begins last should be short.
    subjects = sorted(((path, _read(path)) for path in folder.glob("*.toml")), key=lambda one: (one[1].role, one[0]))
    options = ["--jobs", str(jobs), "--time-factor", str(time_factor), "--out", str(out), *(["--slow"] if slow else [])]
    options += [part for word in only for part in ("--only", word)]

    def told(ended: suites.Ended) -> None:
        lines = ended.text.splitlines()
        # Whoever is not judged is summed up; the whole is in its report.
        shown = lines if ended.settings.judged else lines[-2:]
        click.echo("\n".join([f"== {ended.file.stem}", *shown, ""]))

    click.echo(f"{len(subjects)} subjects, {at_once} at once; reports in {out}")
    sys.exit(1 if asyncio.run(suites.run(subjects, options, at_once=at_once, told=told)) else 0)


class _Given(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a command line."""

    subject: object
    name: str
    mode: str | None
    signed: bool
    cert: str
    key: str
    ca: str
    no_hostname_check: bool
    start_command: str
    only: tuple[str, ...]
    strict: bool
    slow: bool
    jobs: int
    time_factor: float
    out: object
    listed: bool
    dry_run: bool
    as_json: bool
    url: str = ""
    other_cert: str = ""
    other_key: str = ""
    operator: str = "prompt"


def _run(role: Role, given: _Given) -> None:
    _check_words(given.only)
    if given.listed:
        _list(role, given.only)
        return
    bad = False
    for settings in _subjects(role, given):
        plan = Plan(only=given.only, slow=given.slow, jobs=given.jobs, strict=given.strict, slower=given.time_factor)
        if given.dry_run:
            for case in chosen(settings, plan):
                click.echo(f"{case.id:52} {case.level:6} {', '.join(case.rules)}")
            continue
        if wrong := mistake(settings):
            raise click.ClickException(wrong)
        bad |= _one(settings, plan, Path(str(given.out)), as_json=given.as_json)
    sys.exit(1 if bad else 0)


def _subjects(role: Role, given: _Given) -> tuple[SubjectSettings, ...]:
    if isinstance(given.subject, Path):
        settings = _read(given.subject)
        if settings.role != role:
            raise click.ClickException(f"{given.subject} is about a {settings.role.upper()}")
    else:
        settings = _from_options(role, given)
    modes: tuple[Mode, ...] = ("pull", "push") if given.mode == "both" else (_mode(given.mode or settings.mode),)
    signed = settings.signed or given.signed
    return tuple(msgspec.structs.replace(settings, mode=mode, signed=signed) for mode in modes)


def _read(path: Path) -> SubjectSettings:
    try:
        return SubjectSettings.read(path)
    except (OSError, msgspec.DecodeError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _mode(name: str) -> Mode:
    return "push" if name == "push" else "pull"


def _from_options(role: Role, given: _Given) -> SubjectSettings:
    if not given.url and not given.start_command:
        raise click.ClickException(
            "say where it is: --url for a VTN, --listen for a VEN; or --subject FILE, see README"
        )
    return SubjectSettings(
        name=given.name,
        role=role,
        signed=given.signed,
        start=given.start_command,
        url=given.url,
        cert=given.cert,
        key=given.key,
        other_cert=given.other_cert,
        other_key=given.other_key,
        ca=given.ca,
        check_hostname=not given.no_hostname_check,
        operator=_operator(given.operator),
    )


def _operator(name: str) -> OperatorSettings:
    if not name.endswith(".toml"):
        return OperatorSettings(kind=name)
    try:
        return msgspec.toml.decode(Path(name).read_bytes(), type=OperatorSettings)
    except (OSError, msgspec.DecodeError) as error:
        raise click.ClickException(f"--operator {name}: {error}") from error


def _one(settings: SubjectSettings, plan: Plan, folder: Path, *, as_json: bool) -> bool:
    """Run and report; True if something failed."""
    mode = settings.mode if not settings.signed else "signed" if settings.mode == "pull" else f"{settings.mode}-signed"
    out = folder.absolute() / f"{settings.name}-{settings.role}-{mode}"
    began = time.monotonic()
    screen = _Screen(quiet=as_json)
    results, sightings = asyncio.run(run(settings, plan, out, screen))
    screen.done()
    whole = report.made(
        results,
        sightings,
        subject=settings.name,
        role=settings.role,
        mode=mode,
        signed=settings.signed,
        took_s=time.monotonic() - began,
    )
    files.write(whole, results, out)
    if as_json:
        click.echo(msgspec.json.encode(whole).decode())
    else:
        _tell(whole, results, out)
    return any(one.verdict in ("fail", "blocked") for one in results)


class _Screen:
    """A line that says how far the run is, and each failure as it comes. Nothing moves where there is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self.moves = sys.stderr.isatty() and not quiet
        self.quiet = quiet

    def __call__(self, one: Result, number: int, of: int) -> None:
        if self.quiet:
            return
        if one.verdict == "fail":
            self._clear()
            click.echo(f"  fail  {one.id}: expected {one.expected}; got {one.actual}", err=True)
        if self.moves:
            self._clear()
            click.echo(f"  {number} of {of}  {one.id}"[:100], nl=False, err=True)

    def _clear(self) -> None:
        if self.moves:
            click.echo("\r" + " " * 100 + "\r", nl=False, err=True)

    def done(self) -> None:
        self._clear()


def _tell(whole: report.Report, results: tuple[Result, ...], out: Path) -> None:
    for one in results:
        if one.verdict in ("pass", "not implemented", "needs operator", "blocked"):
            continue
        click.echo(f"\n{one.verdict}  {one.id}  rules {', '.join(one.rules)}\n  {one.says}")
        click.echo(f"  expected {one.expected}\n  actual   {one.actual}")
        if one.why:
            click.echo(f"  {one.why}")
        if one.evidence is not None:
            click.echo(_excerpt(one.evidence.text, one.evidence.line))
    for one in results:
        if one.verdict in ("not implemented", "needs operator"):
            click.echo(f"{one.verdict}  {one.id}: {one.why}")
    said = ", ".join(f"{count} {name}" for name, count in whole.verdicts.items())
    missing = f"; not: {', '.join(whole.rules_uncovered)}" if whole.rules_uncovered else ""
    click.echo(
        f"\n{whole.subject} {whole.role} {whole.mode}: {said}; {whole.rules_covered} of {whole.rules_known} rules covered"
        f"{missing}; {whole.took_s:g} s\n{out / 'report.html'}"
    )


def _excerpt(message: str, line: int | None, *, around: int = 3) -> str:
    lines = message.splitlines()
    at = line or 1
    first = max(at - 1 - around, 0)
    return "\n".join(
        f"  {'>' if number == line else ' '} {number:4} {text[:160]}"
        for number, text in enumerate(lines[first : at + around], first + 1)
    )


def _check_words(only: tuple[str, ...]) -> None:
    """One that is about the other role's cases alone may be: a suite has both."""
    cases.load()
    for word in only:
        if not any(named(case, word) for case in CASES.values()):
            raise click.ClickException(f"--only {word}: no case is called so, or about it; --list shows them all")


def _list(role: Role, only: tuple[str, ...]) -> None:
    shown = [
        case for case in CASES.values() if case.role == role and (not only or any(named(case, word) for word in only))
    ]
    for case in shown:
        click.echo(_line(case))
    click.echo(f"{len(shown)} cases, {len(RULES)} rules with a known text")


def _line(case: Case) -> str:
    marks = "".join(f" [{mark}]" for mark, on in (("slow", case.slow), ("negative", case.negative)) if on)
    ids = ", ".join((*case.rules, *case.certification))
    return f"{case.id}{marks}  {case.level}  {ids}\n    {case.says}"
