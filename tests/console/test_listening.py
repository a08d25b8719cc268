"""Where the console listens, and what it says where it cannot."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from openadr_ra.errors import SettingsError
from openadr_ra.settings import Console
from tests.console.site import running


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program has."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_console_listens_on_this_machine_alone_by_default() -> None:
    assert Console().listen.startswith("127.0.0.1:")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_console_takes_a_free_port_and_says_which(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    async with running(tmp_path, listen=f"{host}:0") as site:
        answer = await site.ask("GET", "/health")

    assert answer.status == 200
    assert site.url.startswith(f"http://{host}:")
    assert not site.url.endswith(":0")
    assert "its token can be read on the way" not in caplog.text


async def test_console_warns_where_others_can_reach_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path, listen="0.0.0.0:0"):
        pass

    assert "! the console listens on 0.0.0.0:0 in plain HTTP: its token can be read on the way" in caplog.messages


async def test_a_port_in_use_is_named_with_the_cure(tmp_path: Path, taken: int) -> None:
    """As the one error that it is, whatever else was running by then."""
    with pytest.raises(SettingsError, match=f"console.listen: 127.0.0.1:{taken} is in use; stop the other program"):
        async with running(tmp_path, listen=f"127.0.0.1:{taken}"):
            pass


async def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"console\.listen: cannot listen on 192\.0\.2\.1:0: .*; choose another"):
        async with running(tmp_path, listen="192.0.2.1:0"):
            pass


@pytest.mark.parametrize(
    "listen", ["8088", ":8088", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "a:-1"]
)
async def test_what_is_no_host_and_port_is_refused(tmp_path: Path, listen: str) -> None:
    with pytest.raises(SettingsError, match=r"console\.listen: '.*' is not host:port"):
        async with running(tmp_path, listen=listen):
            pass
