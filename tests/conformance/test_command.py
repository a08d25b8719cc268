"""The command line of the harness, and what the harness stands on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import conformance
from conformance import cases
from conformance.case import CASES
from conformance.cli import main

cases.load()
HARNESS = Path(conformance.__file__).parent


def _called(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("role", ["vtn", "ven"])
def test_list_tells_every_case_of_that_role_and_runs_none(role: str) -> None:
    done = _called(role, "--list")

    assert done.exit_code == 0
    listed = {line.split()[0] for line in done.output.splitlines() if line.startswith(f"{role}.")}
    assert listed == {name for name, one in CASES.items() if one.role == role}


def test_dry_run_tells_what_would_be_run_with_the_sanity_case_first() -> None:
    done = _called("vtn", "--url", "http://127.0.0.1:9", "--only", "206", "--dry-run")

    assert done.exit_code == 0
    named = [line.split()[0] for line in done.output.splitlines()]
    about = [name for name, one in CASES.items() if one.role == "vtn" and "206" in one.rules and "pull" in one.modes]
    assert named == ["vtn.registration.sanity", *about]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("vtn.event.uids", "vtn.event.uids"),
        ("opt", "vtn.opt.schedule"),
        ("x-rep-5", "vtn.report.produce-bad-id-zero"),
        ("n1_0070", "vtn.registration.cancel-unknown-ven"),
    ],
)
def test_only_takes_an_id_a_service_a_rule_or_a_certification_case(word: str, found: str) -> None:
    done = _called("vtn", "--url", "http://127.0.0.1:9", "--only", word, "--dry-run")

    named = [line.split()[0] for line in done.output.splitlines()]
    assert found in named
    assert len(named) < sum(one.role == "vtn" for one in CASES.values())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('name = "a"\nrole = "vtn"\nnonsense = 1\n', "nonsense"),
        ('name = "a"\nrole = "vtn"\nmode = "sideways"\n', "mode"),
        ('name = "a"\nrole = "vtn"\n[operator]\nkind = 7\n', "operator.kind"),
        ("name = \n", "line 1"),
    ],
)
def test_a_wrong_setting_gives_one_line_that_names_it(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "subject.toml"
    path.write_text(text)

    done = _called("vtn", "--subject", str(path))

    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1
    assert str(path) in done.output
    assert named in done.output


def test_a_file_about_a_ven_is_refused_where_a_vtn_is_tested(tmp_path: Path) -> None:
    path = tmp_path / "subject.toml"
    path.write_text('name = "a"\nrole = "ven"\n')

    done = _called("vtn", "--subject", str(path))

    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1


def test_without_an_address_or_a_command_there_is_nothing_to_test() -> None:
    done = _called("vtn")

    assert done.exit_code == 1
    assert "--url" in done.output


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--url", "ftp://vtn.example"), "ftp://vtn.example"),
        (("--url", "https://vtn.example:8443"), "--ca"),
        (("--url", "http://127.0.0.1:9", "--cert", "nowhere.pem", "--key", "nowhere.key"), "nowhere.pem"),
        (("--url", "http://127.0.0.1:9", "--cert", __file__), "--key"),
        (("--url", "http://127.0.0.1:9", "--cert", __file__, "--key", __file__), "no PEM files"),
        (("--url", "http://127.0.0.1:9", "--start-command", "no-such-program {port}"), "no-such-program"),
        (("--url", "http://127.0.0.1:9", "--start-command", "./here"), "whole path"),
        (("--url", "http://127.0.0.1:9", "--start-command", "'"), "--start-command"),
        (("--url", "http://127.0.0.1:9", "--operator", "nowhere.module:Class"), "nowhere.module:Class"),
        (("--url", "http://127.0.0.1:9", "--only", "nonsense"), "--only nonsense"),
    ],
)
def test_what_the_user_of_the_harness_gets_wrong_is_one_line_and_no_failure_of_the_subject(
    words: tuple[str, ...], named: str
) -> None:
    done = _called("vtn", *words)

    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1
    assert named in done.output


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1", "127.0.0.1:99999"])
def test_an_address_to_listen_on_is_a_host_and_a_port(listen: str) -> None:
    done = _called("ven", "--listen", listen)

    assert done.exit_code == 1
    assert done.output.startswith("Error: --listen: ")


@pytest.mark.parametrize(
    ("table", "named"),
    [("[actions.fly]\ncommand = 'fly'\n", "fly"), ("[actions.create_event]\nurl = 'x'\n", "create_event")],
)
def test_a_table_of_actions_with_something_unknown_is_refused_by_its_name(
    table: str, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "operator.toml"
    path.write_text(f'kind = "adapter"\n{table}')

    done = _called("vtn", "--url", "http://127.0.0.1:9", "--operator", str(path))

    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1
    assert named in done.output


def test_list_tells_what_only_picks() -> None:
    done = _called("ven", "--list", "--only", "ven.registration.")

    listed = [line.split()[0] for line in done.output.splitlines() if line.startswith("ven.")]
    assert listed
    assert all(name.startswith("ven.registration.") for name in listed)


def test_every_settings_file_that_ships_can_be_read() -> None:
    for path in sorted((HARNESS / "subjects").glob("*.toml")):
        role = "ven" if "-ven-" in path.name else "vtn"
        done = _called(role, "--subject", str(path), "--dry-run")
        assert done.exit_code == 0, done.output
        assert done.output.startswith(f"{role}.registration.sanity")


def test_the_harness_imports_nothing_of_the_product_and_nothing_of_its_tests() -> None:
    foreign = {f"{path.name} imports {name}" for path in _sources() for name in _imports(path) if _ours(name)}
    assert foreign == set()


def _ours(name: str) -> bool:
    return name.split(".")[0] in ("openadr_ra", "tests", "benchmarks", "examples")


def _sources() -> list[Path]:
    """Its files, less what a run wrote for its subjects."""
    return [path for path in HARNESS.rglob("*.py") if HARNESS / "out" not in path.parents]


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {one.name for one in names}
            case ast.ImportFrom(module=str(module)):
                found.add(module)
            case ast.Call(
                func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.add(name)
            case _:
                pass
    return found
