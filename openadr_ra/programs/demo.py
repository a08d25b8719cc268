"""What `openadr-ra demo` does: a coordinator's VTN instructs three edge VENs, and the measured response comes back.

In its directory it leaves `summary.json`, `response.png`, the messages, the settings files, the logs and the stores.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from openadr_ra.errors import SettingsError
from openadr_ra.fleet.aggregate import sums_agree
from openadr_ra.programs.demo_edges import EdgeDied
from openadr_ra.programs.demo_messages import Recorder, Written
from openadr_ra.programs.demo_picture import draw
from openadr_ra.programs.demo_screen import Screen
from openadr_ra.programs.demo_sites import SITES
from openadr_ra.programs.demo_story import Failed, Told, perform
from openadr_ra.programs.demo_summary import Summary, interval, missing

SHORTEST_INTERVAL_S = 3
"""Live values come once a second, and between two events there is an interval to publish the second one."""

LONGEST_INTERVAL_S = 1800
"""Real time."""

INTERRUPTED = 130
"""The exit status that a shell gives to a program ended by Ctrl-C."""

MARK = ".openadr-ra-demo"
"""Made first. A directory that has it is the demo's own, and what an earlier run left there may be removed."""

NODES = ("ac", *(site.name for site in SITES))
LEFT = (
    "summary.json",
    "response.png",
    "messages/*.request.xml",
    "messages/*.response.xml",
    *(f"{node}{end}" for node in NODES for end in (".toml", ".log", ".sqlite*")),
)
"""What this run makes anew. Certificates stay."""


def main(*, out: Path, interval_s: int, json: bool) -> int:
    """Run the demo in `out`; the exit status: 0 if every response came, the sums agree and every message is valid.

    `json`: stdout gets the summary and nothing else. Raises SettingsError for a directory or an interval that cannot be.
    """
    check_interval(interval_s)
    make_room(out, LEFT)
    screen = Screen(quiet=json)
    recorder = Recorder()
    told = _told(out, interval_s, screen, recorder)
    written = recorder.write(out / "messages")
    if not isinstance(told, int):
        summary = _summary(told, written, interval_s)
        (out / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
        draw(told.orders, told.versions, told.rows, told.power, out / "response.png")
        return _closed(summary, screen, out, json=json)
    return told


def check_interval(interval_s: int) -> None:
    """Raise SettingsError for an interval that the demo cannot show."""
    if not SHORTEST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
        raise SettingsError(
            f"an interval of {interval_s} s cannot be shown; give {SHORTEST_INTERVAL_S} to {LONGEST_INTERVAL_S}"
        )


def make_room(out: Path, left: Iterable[str]) -> None:
    """`out` without what an earlier run `left` there. Raises SettingsError for a directory with something else in it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()) and not (out / MARK).exists():
            raise SettingsError(f"{out} holds something else; give an empty or a new directory with --out")
        (out / MARK).touch()
        for pattern in left:
            for path in out.glob(pattern):
                path.unlink()
    except OSError as error:
        raise SettingsError(f"{out} cannot be used: {error.strerror}; give another directory with --out") from error


def _told(out: Path, interval_s: int, screen: Screen, recorder: Recorder) -> Told | int:
    """What happened, or the exit status if that cannot be told."""

    async def run() -> Told:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGHUP):
            if task is not None:
                loop.add_signal_handler(number, task.cancel)
        return await perform(out, interval_s, screen, recorder)

    try:
        return asyncio.run(run())
    except EdgeDied as error:
        screen.say(error.tail)
        screen.say(f"! {error}", "bold red")
        return 1
    except Failed as error:
        screen.say(f"! {error}", "bold red")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        screen.say("! interrupted; the VENs were ended")
        return INTERRUPTED


def _summary(told: Told, written: Written, interval_s: int) -> Summary:
    agree = sums_agree(told.rows)
    return Summary(
        intervals=tuple(interval(row) for row in told.rows),
        sums_agree=agree,
        messages=written.messages,
        schema_invalid=len(written.invalid),
        versions=told.versions,
        interval_s=interval_s,
        missing=missing(told.orders, told.rows, told.versions, written, agree),
    )


def _closed(summary: Summary, screen: Screen, out: Path, *, json: bool) -> int:
    screen.result(summary.intervals)
    screen.say(f"messages      {summary.messages} in {out / 'messages'}, {summary.schema_invalid} not schema-valid")
    screen.say(f"results       {out / 'summary.json'}, {out / 'response.png'}")
    judged = [one for one in summary.intervals if one.in_band is not None]
    within = sum(bool(one.in_band) for one in judged)
    if json:
        sys.stdout.write((out / "summary.json").read_text("utf-8"))
    if summary.missing:
        screen.say(f"! {summary.missing}", "bold red")
        return 1
    screen.say(f"every interval has its response, the sums agree, {within} of {len(judged)} are in ±10 %", "bold green")
    return 0
