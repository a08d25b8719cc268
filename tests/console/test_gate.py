"""Who may use the console: whoever shows the token, and no web page."""

from __future__ import annotations

import asyncio
import logging
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from openadr_ra.console.gate import MAX_BODY_BYTES, MIN_TOKEN_CHARACTERS, own_token
from openadr_ra.errors import SettingsError
from tests.console.site import Site, order, running

EVIL = "http://evil.example"


async def raw(site: Site, head: str) -> bytes:
    """The answer to a request that is written as it is."""
    parts = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(head.replace("\n", "\r\n").encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "bearer {token}", "Bearer é"],
)
async def test_console_refuses_whoever_does_not_show_the_token(tmp_path: Path, authorization: str) -> None:
    """401, and not a word about the event that was asked for."""
    async with running(tmp_path) as site:
        shown = {"Authorization": authorization.format(token=site.token)}
        answer = await site.ask("GET", "/events", headers=shown)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.error.startswith("the token is missing or wrong; send `Authorization: Bearer`")


async def test_console_answers_whoever_shows_the_token(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("GET", "/events")

    assert (answer.status, answer.body) == (200, b"[]")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_supervisors_need_no_token(tmp_path: Path, path: str) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("GET", path, headers={"Authorization": ""})

    assert answer.status == 200


async def test_an_unknown_path_needs_the_token_too(tmp_path: Path) -> None:
    """Nobody learns without it what there is."""
    async with running(tmp_path) as site:
        stranger = await site.ask("GET", "/nothing", headers={"Authorization": ""})
        operator = await site.ask("GET", "/nothing")

    assert stranger.status == 401
    assert (operator.status, operator.error) == (404, "there is no /nothing")


async def test_a_wrong_method_is_told_the_right_ones(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("PATCH", "/events")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert answer.error == "/events takes GET, HEAD, POST"


async def test_the_token_is_made_at_the_first_start_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "console.token"
    made = own_token(file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(made) == 43
    assert own_token(file) == made


@pytest.mark.parametrize(("characters", "is_taken"), [(MIN_TOKEN_CHARACTERS - 1, False), (MIN_TOKEN_CHARACTERS, True)])
async def test_a_token_that_could_be_guessed_is_refused(tmp_path: Path, characters: int, is_taken: bool) -> None:
    file = tmp_path / "console.token"
    file.write_text("x" * characters + "\n")
    file.chmod(0o600)
    if is_taken:
        assert own_token(file) == "x" * characters
        return
    with pytest.raises(SettingsError, match="holds 15 characters, at least 16 are needed; remove the file"):
        own_token(file)


async def test_a_token_in_a_folder_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"console\.token_file: .*No such file or directory; name a file"):
        own_token(tmp_path / "nowhere" / "console.token")


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
async def test_node_warns_of_a_token_that_others_may_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    file = tmp_path / "console.token"
    file.write_text("x" * 43)
    file.chmod(mode)
    own_token(file)

    assert [f"chmod 600 {file}" in text for text in caplog.messages] == [True] * warned


async def test_the_token_is_never_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not when it is made, not when it is shown, not when a wrong one is."""
    caplog.set_level(logging.DEBUG)
    async with running(tmp_path) as site:
        await site.ask("POST", "/events", order())
        await site.ask("GET", "/nothing")
        await site.ask("GET", "/events", headers={"Authorization": f"Basic {site.token}"})
        token = site.token

    assert "console refused 401" in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.1:1", "[::1]:8088", "192.0.2.7"])
async def test_console_may_be_called_by_any_address_and_localhost(tmp_path: Path, name: str) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("GET", "/events", headers={"Host": name})

    assert answer.status == 200


@pytest.mark.parametrize("name", ["evil.example", "evil.example:8088", "localhost.evil.example", "[::1", "x@y@z", ""])
@pytest.mark.parametrize("path", ["/events", "/health"])
async def test_a_page_whose_name_was_made_to_point_here_is_refused(tmp_path: Path, name: str, path: str) -> None:
    """DNS rebinding: the browser then takes us for the page's own site, but it still says that site's name."""
    async with running(tmp_path) as site:
        answer = await site.ask("GET", path, headers={"Host": name})

    assert answer.status == 403
    assert "is no name of this console" in answer.error


async def test_a_request_that_names_no_host_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        answer = await raw(site, f"GET /events HTTP/1.0\nAuthorization: Bearer {site.token}\n\n")

    assert answer.startswith(b"HTTP/1.0 403 ")


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:1"])
async def test_a_page_from_elsewhere_is_refused_even_with_the_token(tmp_path: Path, origin: str) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("POST", "/events", order(), headers={"Origin": origin})
        events = await site.ask("GET", "/events")

    assert answer.status == 403
    assert answer.error.endswith("may not use this console")
    assert events.body == b"[]"


async def test_a_page_of_the_console_itself_may_use_it(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("POST", "/events", order(), headers={"Origin": site.url})

    assert answer.status == 201


async def test_a_browser_that_asks_beforehand_gets_no_permission(tmp_path: Path) -> None:
    """No CORS header, so that no browser lets a foreign page send a token or read an answer."""
    preflight = {"Origin": EVIL, "Access-Control-Request-Method": "POST", "Authorization": ""}
    async with running(tmp_path) as site:
        answer = await site.ask("OPTIONS", "/events", headers=preflight)

    assert answer.status == 403
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_can_send_is_no_order(tmp_path: Path, content_type: str) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("POST", "/events", order(), headers={"Content-Type": content_type})

    assert (answer.status, answer.error) == (415, "send Content-Type: application/json")


@pytest.mark.parametrize(("over", "status"), [(0, 201), (1, 413)])
async def test_a_body_has_a_limit(tmp_path: Path, over: int, status: int) -> None:
    written = b'{"start":"2026-11-21T13:00:00Z","every_s":1800,"asks":{"VEN1":[-5]}}'
    async with running(tmp_path) as site:
        answer = await site.ask("POST", "/events", written.ljust(MAX_BODY_BYTES + over))

    assert answer.status == status
    if over:
        assert answer.error == f"the body is larger than {MAX_BODY_BYTES} bytes; order for fewer VENs at a time"
