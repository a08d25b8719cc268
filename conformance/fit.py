"""What has to be right before a run begins: a mistake of the harness's user is no failure of a subject."""

from __future__ import annotations

import shlex
import shutil
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from conformance.adapter import Action, Adapter
from conformance.case import Role
from conformance.identity import Identity
from conformance.operators import operator_class
from conformance.subject import OperatorSettings, Places, SubjectSettings
from conformance.ven_operator import VenAdapter

ACTIONS: dict[Role, tuple[str, ...]] = {
    "vtn": tuple(sorted(name for name in vars(Adapter) if name[0] != "_" and name not in ("close", "do"))),
    "ven": tuple(sorted(name for name in vars(VenAdapter) if name[0] != "_" and name != "close")),
}
"""What a table of actions may have."""


def mistake(settings: SubjectSettings) -> str:
    """What keeps the run from beginning, and the cure; "" if nothing does."""
    return (
        _address(settings)
        or ("" if settings.certificates else _certificates(settings))
        or _command(settings.start)
        or _operator(settings.operator, settings.role)
    )


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of `host:port`. Raises ValueError for anything else."""
    parts = urlsplit(f"//{text.split('://')[-1]}")
    if not parts.hostname or parts.port is None:
        raise ValueError(f"{text!r} is no host:port, like 127.0.0.1:8443")
    return parts.hostname, parts.port


def _address(settings: SubjectSettings) -> str:
    if settings.role == "ven":
        try:
            _ = settings.start or listen_address(settings.url)
        except ValueError as error:
            return f"--listen: {error}"
        return ""
    scheme, host = urlsplit(settings.url)[:2]
    if scheme not in ("http", "https") or not host:
        return f"--url: {settings.url!r} is no address of a VTN; write it like https://host:port"
    if scheme == "https" and not settings.ca and not settings.certificates:
        return "--ca is needed for https: the PEM file of whoever signed the VTN's certificate"
    return ""


def _certificates(settings: SubjectSettings) -> str:
    named = {name: getattr(settings, name) for name in ("cert", "key", "other_cert", "other_key", "ca")}
    for name, path in named.items():
        if path and not Path(path).is_file():
            return f"{_option(name)}: there is no file {path}"
    for cert, key in (("cert", "key"), ("other_cert", "other_key")):
        if bool(named[cert]) != bool(named[key]):
            return f"{_option(cert)} and {_option(key)} belong together"
    try:
        for cert, key in (("cert", "key"), ("other_cert", "other_key")):
            if settings.ca or named[cert]:
                Identity(name="", cert=named[cert], key=named[key]).client(settings.ca)
    except (ssl.SSLError, ValueError) as error:
        given = ", ".join(f"{_option(name)} {path}" for name, path in named.items() if path)
        return f"{given}: these are no PEM files of a certificate, its key and a CA: {error}"
    return ""


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _command(start: str) -> str:
    if not start:
        return ""
    try:
        program = shlex.split(start)[0].replace("{python}", sys.executable)
    except (ValueError, IndexError) as error:
        return f"--start-command: {start!r} is no command: {error}"
    if "{" in program:
        return ""
    local = "/" in program and not Path(program).is_absolute()
    if local or shutil.which(program) is None:
        return (
            f"--start-command: there is no program {program}; it starts in a folder of its own, so give its whole path"
        )
    return ""


def _operator(settings: OperatorSettings, role: Role) -> str:
    if settings.kind not in ("none", "prompt", "adapter"):
        try:
            _: Callable[[Places], object] = operator_class(settings.kind)
        except ValueError as error:
            return f"{error}; --operator is prompt, none, a .toml file, or package.module:Class"
    for name, action in settings.actions.items():
        if name not in ACTIONS[role]:
            return (
                f"the operator's table has an action {name}; of a {role.upper()} there are {', '.join(ACTIONS[role])}"
            )
        try:
            msgspec.convert(action, Action)
        except msgspec.ValidationError as error:
            return f"the operator's action {name}: {error}"
    return ""
