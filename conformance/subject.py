"""The subject: where it is, how it is started, what it can be told. A TOML file says so, or the command line does.

A file's texts may hold `{dir}` (a folder of the instance's own), `{port}` and `{port2}`, `{port3}` (free ones), `{python}`,
`{url}` (of the harness's VTN), `{ca}`, and `{fingerprint}` of the certificate that the harness shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec

from conformance.case import Mode, Role

STOP_WITHIN_S = 5.0


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a VTN is told to act. `kind`: `prompt` asks a person, `adapter` takes the table `actions`, else
    `package.module:Class` is called with the instance's places."""

    kind: str = "prompt"
    actions: dict[str, dict[str, object]] = {}


class SubjectSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subject to test. `start` is a command; "": it runs already. `files` are written into `{dir}` first.
    `holes` are more names that their texts may hold, and `variants` give some of them other values: `report-only`,
    `assigned-id` (with `parameters.assigned_id`). `certificates`: whether the harness makes a throw-away CA and
    everybody's certificates there. `judged`: whether its
    failures fail a suite. `sample`: unless slow cases are wanted too, only the cases that certification has as well."""

    name: str
    role: Role
    mode: Mode = "pull"
    signed: bool = False
    start: str = ""
    url: str = ""
    push_url: str = ""
    files: dict[str, str] = {}
    holes: dict[str, str] = {}
    variants: dict[str, dict[str, str]] = {}
    certificates: bool = False
    judged: bool = True
    sample: bool = False
    cert: str = ""
    key: str = ""
    other_cert: str = ""
    other_key: str = ""
    ca: str = ""
    check_hostname: bool = True
    ready_within_s: float = 20.0
    operator: OperatorSettings = OperatorSettings()
    parameters: dict[str, float | str | bool] = {}

    @classmethod
    def read(cls, path: Path) -> SubjectSettings:
        """From a TOML file. `base` names another one beside it, whose keys hold where this one has none; of a table in
        both, so do its rows.

        Raises msgspec.ValidationError with the path of what is wrong.
        """
        own = _tables(path)
        base = own.pop("base", None)
        if base is None:
            return msgspec.convert(own, cls)
        return msgspec.convert(_over(_tables(path.parent / str(base)), own), cls)


def _over(base: dict[str, object], own: dict[str, object]) -> dict[str, object]:
    merged = dict(base)
    for name, value in own.items():
        under = merged.get(name)
        merged[name] = {**under, **value} if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _tables(path: Path) -> dict[str, object]:
    return msgspec.toml.decode(path.read_bytes(), type=dict[str, object])


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """What the texts of a subject's file may hold."""

    values: dict[str, str]

    def __call__(self, text: str) -> str:
        for name, value in self.values.items():
            text = text.replace(f"{{{name}}}", value)
        return text


PORTS = range(20_000, 32_000)
"""Below those that a system gives to connections going out, which could take one between its choice and its use."""

_given_ports: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, and that was not given before. Raises OSError where there is none."""
    while len(_given_ports) < len(PORTS):
        port = random.choice(PORTS)  # noqa: S311 - no secret
        if port in _given_ports:
            continue
        _given_ports.add(port)
        with socket.socket() as spare, contextlib.suppress(OSError):
            spare.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


def places(folder: Path, more: Mapping[str, str]) -> Places:
    """A folder and ports for one instance."""
    ports = {name: str(free_port()) for name in ("port", "port2", "port3")}
    return Places(values={"dir": str(folder), "python": sys.executable, **ports, **more})


@contextlib.asynccontextmanager
async def started(settings: SubjectSettings, at: Places) -> AsyncIterator[None]:
    """The subject's process until the block is left; nothing without a command. Its output goes to `{dir}/log.txt`."""
    folder = Path(at("{dir}"))
    for name, text in settings.files.items():
        (folder / name).write_text(at(text))
    if not settings.start:
        yield
        return
    with (folder / "log.txt").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(at(settings.start)),
            stdout=log,
            stderr=log,
            stdin=asyncio.subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            yield
        finally:
            await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def reachable(url_host: str, port: int, within_s: float) -> bool:
    """Does it take connections, in time?"""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(url_host, port)
                    writer.close()
                    return True
                await asyncio.sleep(0.05)
    return False
