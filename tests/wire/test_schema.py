"""The XSDs that decide are the ones we know, and nothing else has a say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
from lxml import etree

from openadr_ra.errors import SettingsError, WireError
from openadr_ra.wire.codec import decode
from openadr_ra.wire.schema import MADE_BY, SHA256, read_files
from tests.wire.samples import poll, report

XS = "{http://www.w3.org/2001/XMLSchema}"
LOADING = ("import", "include", "redefine")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the installed schemas."""
    spec = find_spec("openleadr")
    assert spec is not None
    assert spec.origin is not None
    folder = tmp_path / "schema"
    shutil.copytree(Path(spec.origin).with_name("schema"), folder)
    return folder


def test_the_installed_schemas_are_the_ones_we_know(copied: Path) -> None:
    assert set(read_files(copied)) == set(SHA256)


@pytest.mark.parametrize("name", ["oadr_20b.xsd", "oadr_xmldsig11.xsd"])
def test_a_changed_schema_is_refused_with_the_cure(copied: Path, name: str) -> None:
    with (copied / name).open("ab") as file:
        file.write(b" ")

    with pytest.raises(SettingsError, match=rf"{name} is not that of {MADE_BY}; pip install"):
        read_files(copied)


def test_a_missing_schema_is_refused_with_the_cure(copied: Path) -> None:
    (copied / "oadr_atom.xsd").unlink()

    with pytest.raises(SettingsError, match=r"oadr_atom.xsd cannot be read; pip install"):
        read_files(copied)


def test_the_schemas_import_one_another_and_nothing_else(copied: Path) -> None:
    """No location is a URL, so compiling them can reach nothing but the files that were checked."""
    for name in SHA256:
        document = etree.parse(str(copied / name))
        loaded = [each.get("schemaLocation") for each in document.iter(*(f"{XS}{way}" for way in LOADING))]

        assert set(loaded) <= set(SHA256)
        assert b"<!DOCTYPE" not in (copied / name).read_bytes()


def test_openleadr_is_not_imported_for_its_schemas() -> None:
    """Its import costs more than a whole edge VEN of ours."""
    script = (
        "import sys; from openadr_ra.wire.codec import decode; from tests.wire.samples import poll; decode(poll());"
        "sys.exit('openleadr' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_without_the_distribution_the_cure_is_named(tmp_path: Path) -> None:
    """A broken installation, in a process of its own: the package is found, its schemas are not."""
    (tmp_path / "openleadr").mkdir()
    (tmp_path / "openleadr" / "__init__.py").touch()
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from openadr_ra.errors import SettingsError\n"
        "from openadr_ra.wire.codec import decode\n"
        "from tests.wire.samples import poll\n"
        "try: decode(poll())\n"
        "except SettingsError as error: print(error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )

    assert f"pip install --force-reinstall --no-deps {MADE_BY}" in done.stdout


def test_threads_may_decode_at_the_same_time_and_each_gets_its_own_reason() -> None:
    bodies = [poll(f"ven-{number}") if number % 2 else report(value=f"bad-{number}") for number in range(200)]

    def outcome(body: bytes) -> str:
        try:
            return repr(decode(body))
        except WireError as error:
            return str(error)

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(outcome, bodies))

    for number, said in enumerate(outcomes):
        assert (f"ven-{number}'" if number % 2 else f"bad-{number}'") in said
