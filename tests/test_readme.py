"""README and docs/drivers.md as their readers use them: what they show is run, and what they list is what there is."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from time import monotonic

import click
import msgspec
import pytest

from openadr_ra.cli_root import root
from openadr_ra.drivers.discovery import GROUP
from openadr_ra.drivers.mapped.declared import MappedSettings
from openadr_ra.drivers.promises import PROMISES
from openadr_ra.drivers.simulated.shell import SimulatedSettings
from openadr_ra.settings import NodeSettings, read
from tests.pages import ROOT, Setting, blocks, code, headings, links, page, rows, settings, tables

README = page("README.md")
DRIVERS = page("docs/drivers.md")
PAGES = {"README.md": README, "docs/drivers.md": DRIVERS}
EXAMPLES = tuple(path.read_text("utf-8") for path in sorted((ROOT / "examples").iterdir()) if path.is_file())

PATIENCE_S = 60
LARGEST_PICTURE_BYTES = 250_000
EVENT = "EVENT"
"""Stands in the commands for the id of the event that was made last."""

HASTE: Mapping[str, Mapping[str, str]] = {
    "*": {"127.0.0.1:8443": "127.0.0.1:{vtn}", "127.0.0.1:8088": "127.0.0.1:{console}"},
    "ac.toml": {"poll_s = 5": "poll_s = 1", "live_s = 60": "live_s = 2"},
    "edge.toml": {
        "read_every_s = 1 ": "read_every_s = 0.2 ",
        "track_every_s = 10": "track_every_s = 1",
        "settle_s = 3": "settle_s = 0.6",
    },
    "commands": {"--start +1m": "--start +5s", "--every 1m": "--every 3s"},
}
"""All in which what is run here differs from what the page says: other ports, and a test does not wait for minutes."""

VERBS = ["describe", "apply", "read", "release"]

SHOWN_IN_THE_END = {"ven list": r"EDGE-1 +edge-1 +yes"}
"""What a reader looks for, and asks again until it is there."""


# What the pages show


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_of_a_kind_that_is_tested_here(name: str) -> None:
    assert {block.language for block in blocks(PAGES[name])} <= {"python", "sh", "text", "toml"}


def test_code_and_settings_in_the_readme_are_those_of_the_examples() -> None:
    """Which tests/test_examples.py runs."""
    for block in blocks(README, "python", "toml"):
        assert any(block.text in example for example in EXAMPLES), block.text


def test_the_readme_shows_the_whole_of_an_embedded_ven_and_vtn() -> None:
    shown = {block.text for block in blocks(README, "python", "toml")}

    for name in ("edge.py", "edge.toml", "ac.py", "ac.toml"):
        assert (ROOT / "examples" / name).read_text("utf-8") in shown


def test_settings_in_the_readme_can_be_read(tmp_path: Path) -> None:
    for block in blocks(README, "toml"):
        (tmp_path / "node.toml").write_text(block.text)

        assert read(tmp_path / "node.toml").name != "node"


@pytest.mark.parametrize("name", PAGES)
def test_every_make_target_exists(name: str) -> None:
    shell = "".join(block.text for block in blocks(PAGES[name], "sh"))
    targets = {*re.findall(r"^make (\w+)", shell, re.MULTILINE), *_words_after("make", code(PAGES[name]))}

    assert targets <= set(re.findall(r"^(\w+):", page("Makefile"), re.MULTILINE))


def test_the_readme_shows_the_commands_to_begin_with() -> None:
    (first, *_) = blocks(README, "sh")

    assert re.findall(r"^make (\w+)", first.text, re.MULTILINE) == ["demo", "chain", "test"]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_mentioned_exists(name: str) -> None:
    for spelt in code(PAGES[name]):
        words = spelt.split()
        if words[0] != "openadr-ra":
            continue
        command: click.Command = root
        for word in words[1:]:
            if isinstance(command, click.Group) and re.fullmatch("[a-z]+", word):
                assert word in command.commands, spelt
                command = command.commands[word]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in links(PAGES[name]):
        assert ((ROOT / name).parent / target).exists(), target


def test_the_pictures_of_the_demos_say_what_they_show_and_are_small() -> None:
    (first, second, *_) = re.findall(r"!\[([^]]*)\]\(([^)]+)\)", README)

    for alt, target in (first, second):
        assert "band" in alt
        assert (ROOT / target).read_bytes().startswith(b"\x89PNG")
        assert (ROOT / target).stat().st_size < LARGEST_PICTURE_BYTES


def test_the_figures_in_the_readme_meet_the_goals_beside_them() -> None:
    found = rows(README, "Figures")

    assert len(found) >= 9
    for name, to_floor, _, goal, _ in found:
        times_floor = re.fullmatch(r"at most (\S+) x floor", goal)
        assert times_floor is None or float(to_floor) <= float(times_floor[1]), name


# What the pages list


def listed(text: str, heading: str) -> tuple[Setting, ...]:
    """The table under that heading. Every line says what its setting means."""
    found = rows(text, heading)

    assert all(len(row) == 4 and row[3] for row in found), found
    return tuple(Setting(*row[:3]) for row in found)


def heading_of(path: str) -> str:
    return f"`{path}`" if path else "Top of the file"


@pytest.mark.parametrize(("path", "kind"), tuple(tables(NodeSettings)))
def test_the_readme_lists_every_setting_and_no_other(path: str, kind: type[msgspec.Struct]) -> None:
    """With what may stand there and its default, as openadr_ra/settings.py has them."""
    assert listed(README, heading_of(path)) == settings(kind)


def test_the_readme_has_a_section_for_every_table_and_for_no_other() -> None:
    section = README.partition("\n## Settings\n")[2].partition("\n## ")[0]
    expected = {heading_of(path) for path, _ in tables(NodeSettings)}

    assert set(headings(section, 3)) == expected | {"`[[device]]`"}


def test_a_device_has_what_every_device_has() -> None:
    """Its own settings are its driver's; these are taken by the node."""
    assert [(row.key, row.default) for row in listed(README, "`[[device]]`")] == [
        ("`id`", "**required**"),
        ("`driver`", "**required**"),
        ("`price_per_kwh`", "`0`"),
        ("`weight`", "`1`"),
        ("`notice_s`", "`0`"),
        ("`at_levels_kw`", "none"),
        ("`at_levels_part`", "none"),
    ]


def test_the_page_on_drivers_lists_what_every_simulated_device_can_be_told() -> None:
    assert listed(DRIVERS, "Every simulated device") == settings(SimulatedSettings)


def test_the_page_on_drivers_lists_what_every_mapped_device_can_be_told() -> None:
    assert listed(DRIVERS, "Every mapped device") == settings(MappedSettings)


@pytest.mark.parametrize("name", sorted(entry_points(group=GROUP).names))
def test_the_page_on_drivers_lists_every_setting_of_a_driver(name: str) -> None:
    """Beyond those that every simulated one has, or every mapped one."""
    (entry,) = entry_points(group=GROUP, name=name)
    kind = entry.load().Settings
    shared = settings(MappedSettings) if issubclass(kind, MappedSettings) else settings(SimulatedSettings)
    own = tuple(one for one in settings(kind) if one not in shared)

    assert listed(DRIVERS, f"`{name}`") == own


def test_the_page_on_drivers_has_no_driver_that_is_not_there() -> None:
    section = DRIVERS.partition("\n## Simulated drivers\n")[2]
    installed = {f"`{name}`" for name in entry_points(group=GROUP).names}

    assert set(headings(section, 3)) == installed | {"Every simulated device", "Every mapped device"}


def test_the_page_on_drivers_names_every_promise_and_verb() -> None:
    assert [row[0].strip("`") for row in rows(DRIVERS, "check_driver")] == [one.name for one in PROMISES]
    assert [row[0].strip("`").partition("(")[0] for row in rows(DRIVERS, "Drivers")] == VERBS


# What the pages have one do


class Reader:
    """Somebody who does what a page says, line by line, in the folder that it leads to."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.said = ""
        self.env = {**os.environ, "TZ": "JST-9", "PYTHONWARNINGS": "error"}
        self._stack = stack

    def does(self, lines: str) -> None:
        """What is typed into a shell; where that leads is where one is afterwards. `make` has been done."""
        script = f"make() {{ :; }}\nset -eu\n{lines}\npwd\nprintenv PATH"
        shell = shutil.which("bash")
        assert shell is not None
        *_, folder, path = self._output([shell, "-c", script]).splitlines()
        self.folder, self.env["PATH"] = Path(folder), path

    def types(self, line: str) -> None:
        """One command. A node goes on running; any other is awaited, and succeeds without complaint."""
        words = self._words(line)
        if not words:
            return
        if words[0] == "python" or words[1] == "run":
            self.said += self._stack.enter_context(self.running(*words))
            return
        wanted = next((pattern for name, pattern in SHOWN_IN_THE_END.items() if name in line), "")
        until = monotonic() + PATIENCE_S
        while not re.search(wanted, said := self.done(words)):
            assert monotonic() < until, said
        self.said += said

    def _words(self, line: str) -> list[str]:
        for slow, fast in HASTE["commands"].items():
            line = line.replace(slow, fast)
        made = re.findall(r"^event (\S+) published", self.said, re.MULTILINE)
        words = shlex.split(line, comments=True)
        return [made[-1] if word == EVENT else word for word in words]

    def done(self, words: Sequence[str]) -> str:
        return self._output(self._command(words))

    def _output(self, command: Sequence[str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        return done.stdout

    def _command(self, words: Sequence[str]) -> list[str]:
        program = shutil.which(words[0], path=self.env["PATH"])
        assert program is not None, words
        return [program, *words[1:]]

    @contextmanager
    def running(self, *words: str) -> Iterator[str]:
        """A node as a process of its own, and what it said at its start if it says something. In the end it is stopped."""
        log = self.folder / f"{words[-1]}.log"
        with log.open("w") as err:
            process = subprocess.Popen(
                self._command(words), cwd=self.folder, env=self.env, stdout=subprocess.PIPE, stderr=err, text=True
            )
        with process:
            try:
                assert process.stdout is not None
                said = process.stdout.readline() if words[1] == "run" else ""
                assert said or words[0] == "python", log.read_text()
                yield said
                assert process.poll() is None, log.read_text()
            finally:
                process.send_signal(signal.SIGTERM)
        assert "Traceback" not in log.read_text()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """In a clone in which `make install` has been done."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".venv").symlink_to(sys.prefix)
    (clone / "examples").symlink_to(ROOT / "examples")
    with ExitStack() as stack:
        yield Reader(clone, stack)


def hurry(folder: Path) -> None:
    """Change the settings in `folder` as `HASTE` says."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        ports = {"vtn": first.getsockname()[1], "console": second.getsockname()[1]}
    for file in folder.glob("*.toml"):
        text = file.read_text()
        for slow, fast in HASTE.get(file.name, {}).items():
            assert slow in text
            text = text.replace(slow, fast)
        for known, free in HASTE["*"].items():
            text = text.replace(known, free.format(**ports))
        file.write_text(text)


def masked(text: str) -> list[str]:
    """Lines without their numbers and verdicts, which differ from run to run."""
    plain = re.sub(r"ev-\w+|[-+]?\d[\d.:]*|\b(yes|NO)\b", "#", text)
    return [re.sub(r"#[-#]*", "#", " ".join(line.split())) for line in plain.strip().splitlines()]


@pytest.mark.timeout(180)
def test_whoever_follows_the_readme_from_top_to_bottom_succeeds(reader: Reader) -> None:
    """From an empty folder to certificates, two nodes, an event that is changed, its response, and a withdrawal."""
    trial, *walk = [block.text for block in blocks(README, "sh") if not block.text.startswith("make demo")]
    reader.does(trial)
    hurry(reader.folder)
    for block in walk:
        for line in block.splitlines():
            reader.types(line)

    delivered = re.findall(r"EDGE-1 +sum 計 +optIn +(\S+) +\S+ +(\S+)", reader.said)
    assert {float(asked): float(kw) for asked, kw in delivered} == pytest.approx({-3: -3, -4: -4}, abs=0.8)
    assert re.search(r"^ev-\w+ .* cancelled ", reader.said, re.MULTILINE)
    _, sample = blocks(README, "text")
    assert "\n".join(masked(sample.text)) in "\n".join(masked(reader.said))
    for word, japanese, _ in rows(README, "An instruction and its response"):
        assert f"{word} {japanese}" in reader.said, word


def test_whoever_follows_the_page_on_drivers_has_a_driver_that_a_node_runs(reader: Reader) -> None:
    """Checked by its author, installed as a distribution, named in the settings."""
    driver, check = blocks(DRIVERS, "python")
    installed, device = blocks(DRIVERS, "toml")
    assert driver.text == (ROOT / "examples" / "my_driver.py").read_text("utf-8")
    install(reader.folder, installed.text)
    (reader.folder / "my_driver.py").write_text(driver.text)
    (reader.folder / "check.py").write_text(check.text)
    reader.env["PYTHONPATH"] = f"{reader.folder}{os.pathsep}{ROOT}"
    reader.does("source .venv/bin/activate")

    checked = subprocess.run(
        [sys.executable, "check.py"], cwd=reader.folder, env=reader.env, capture_output=True, text=True, check=True
    )
    assert checked.stdout.startswith(
        "('describes', 'reads', 'envelope', 'clamps', 'sign', 'lease', 'order', 'release')"
    )
    for spelt in ('"boiler"      #', '"my_driver:Boiler"      #'):
        text = device.text.replace('"boiler"      #', spelt)
        assert spelt in text
        (reader.folder / "node.toml").write_text('[[upstream]]\nurl = "http://127.0.0.1:9"\n' + text)
        with reader.running("openadr-ra", "run", "node.toml") as said:
            assert said.startswith("openadr-ra node node; VEN of http://127.0.0.1:9")


def install(folder: Path, pyproject: str) -> None:
    """What an installer makes of the entry points in that part of a pyproject.toml."""
    about = folder / "boiler-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: boiler\nVersion: 1.0\n")
    groups = re.sub(r'\[project\.entry-points\."(.+)"\]', r"[\1]", pyproject)
    (about / "entry_points.txt").write_text(groups.replace('"', ""))


def _words_after(first: str, spelt: Sequence[str]) -> set[str]:
    return {words[1] for words in map(str.split, spelt) if words[0] == first and len(words) > 1}
